use super::{cipher::NONCE_BYTES, *};

/// Computed by another implementation of HKDF.
const KEK_ONE_ID: &str = "6fc47c01922ac9c0";
const DEPLOYMENT: DeploymentId = [7; 16];

fn kek(byte: u8) -> Kek {
    SecretBox::new(Box::new([byte; 32]))
}

fn keks(current: u8, previous: Option<u8>) -> Keks {
    Keks {
        current: kek(current),
        previous: previous.map(kek),
    }
}

fn seal() -> Seal {
    Seal::create(&keks(1, None), DEPLOYMENT).unwrap()
}

fn data_key(byte: u8) -> DataKey {
    seal().data_key_of(&PlainKey::new([byte; 32]))
}

fn name() -> SecretName {
    SecretName::parse("acme/chat").unwrap()
}

fn place(name: &SecretName) -> Place<'_> {
    Place {
        kind: Kind::Key,
        secret_id: 3,
        name,
        version: 2,
        scheme: "chatwoot.identity",
        request: &[],
    }
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let name = name();
    for text in [b"".as_slice(), b"k", &[9; 512]] {
        let sealed = data_key(1).seal(&place(&name), text).unwrap();
        let opened = data_key(1).open(&place(&name), &sealed).unwrap();
        assert_eq!(opened.as_slice(), text);
    }
}

#[test]
fn a25_every_flipped_bit_and_every_truncation_of_100_records_is_detected() {
    let (name, key) = (name(), data_key(1));
    for record in 0..100 {
        let sealed = key.seal(&place(&name), &vec![record; 16 + usize::from(record)]);
        let sealed = sealed.unwrap();
        let step = if record == 0 { 1 } else { 8 };
        for bit in (0..sealed.len() * 8).step_by(step) {
            let mut flipped = sealed.clone();
            // Another bit of each byte in turn, and every bit of the first record.
            flipped[bit / 8] ^= 1 << ((bit + bit / 8) % 8);
            let opened = key.open(&place(&name), &flipped);
            assert_eq!(opened.unwrap_err(), SealError::Broken);
        }
        for length in 0..sealed.len() {
            assert!(key.open(&place(&name), &sealed[..length]).is_err());
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert!(key.open(&place(&name), &longer).is_err());
    }
}

#[test]
fn a25_a_changed_wrapping_never_opens() {
    let seal = seal();
    let (_, wrapped) = seal.new_data_key(3).unwrap();
    assert!(seal.data_key(3, &wrapped).is_ok());
    for bit in 0..wrapped.text.len() * 8 {
        let mut flipped = wrapped.clone();
        flipped.text[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(seal.data_key(3, &flipped).unwrap_err(), SealError::Broken);
    }
    for length in 0..wrapped.text.len() {
        let text = wrapped.text[..length].to_vec();
        let cut = Wrapped { text, ..wrapped };
        assert!(seal.data_key(3, &cut).is_err());
    }
    let another = KekId::of(&kek(2));
    let named_otherwise = Wrapped {
        kek: another,
        ..wrapped.clone()
    };
    assert!(seal.data_key(3, &named_otherwise).is_err());
    let both = Seal::open(
        &keks(1, Some(2)),
        DEPLOYMENT,
        &seal.integrity_key().unwrap(),
    );
    assert!(both.unwrap().data_key(3, &named_otherwise).is_err());
}

#[test]
fn a27_a_text_moved_to_another_place_does_not_open() {
    let (name, key) = (name(), data_key(1));
    let other_name = SecretName::parse("globex/chat").unwrap();
    let home = place(&name);
    let sealed = key.seal(&home, b"key").unwrap();
    let elsewhere = [
        Place {
            kind: Kind::Answer,
            ..home
        },
        Place {
            secret_id: 4,
            ..home
        },
        Place {
            name: &other_name,
            ..home
        },
        Place { version: 3, ..home },
        Place {
            scheme: "chatwoot.webhook",
            ..home
        },
        Place {
            request: b"another",
            ..home
        },
    ];
    for place in elsewhere {
        assert_eq!(key.open(&place, &sealed).unwrap_err(), SealError::Broken);
    }
    let elsewhere = DataKey {
        deployment: [8; 16],
        ..data_key(1)
    };
    for other in [elsewhere, data_key(2)] {
        assert_eq!(other.open(&home, &sealed).unwrap_err(), SealError::Broken);
    }
}

#[test]
fn a27_a_wrapped_key_opens_for_its_secret_in_its_deployment_alone() {
    let seal = seal();
    let (_, wrapped) = seal.new_data_key(3).unwrap();
    let integrity = seal.integrity_key().unwrap();
    assert!(seal.data_key(4, &wrapped).is_err());
    // Neither kind of key passes as the other.
    assert!(seal.data_key(0, &integrity).is_err());
    assert!(Seal::open(&keks(1, None), DEPLOYMENT, &wrapped).is_err());
    assert!(Seal::open(&keks(1, None), [8; 16], &integrity).is_err());
    assert!(Seal::open(&keks(2, None), DEPLOYMENT, &integrity).is_err());
    let elsewhere = Seal::create(&keks(1, None), [8; 16]).unwrap();
    assert!(elsewhere.data_key(3, &wrapped).is_err());
}

#[test]
fn the_bounds_between_the_parts_are_sealed_too() {
    let (short, long) = (
        SecretName::parse("a").unwrap(),
        SecretName::parse("ab").unwrap(),
    );
    let (seal, key) = (seal(), data_key(1));
    let one = key.associated_data(&Place {
        scheme: "bc",
        ..place(&short)
    });
    let two = key.associated_data(&Place {
        scheme: "c",
        ..place(&long)
    });
    assert_ne!(one, two);
    let fingerprint = |parts: &[&[u8]]| seal.fingerprint(Domain::Arguments, parts);
    assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    assert_ne!(fingerprint(&[b"k"]), seal.fingerprint(Domain::Key, &[b"k"]));
}

#[test]
fn a26_a_million_nonces_do_not_repeat() {
    let distinct = |mut nonces: Vec<[u8; NONCE_BYTES]>| {
        nonces.sort_unstable();
        nonces.dedup();
        nonces.len()
    };
    let nonces = (0..1_000_000).map(|_| cipher::random_nonce().unwrap());
    assert_eq!(distinct(nonces.collect()), 1_000_000);
    // And each text has one of its own.
    let (name, key) = (name(), data_key(1));
    let sealed = (0..10_000).map(|_| key.seal(&place(&name), b"").unwrap());
    let nonces = sealed.map(|sealed| *sealed.first_chunk().unwrap());
    assert_eq!(distinct(nonces.collect()), 10_000);
}

#[test]
fn a24_two_secrets_have_nothing_in_common() {
    let (name, seal) = (name(), seal());
    let (one, first) = seal.new_data_key(3).unwrap();
    let (two, second) = seal.new_data_key(3).unwrap();
    assert_ne!(first, second);
    let sealed = one.seal(&place(&name), b"key").unwrap();
    assert!(two.open(&place(&name), &sealed).is_err());
}

#[test]
fn a_rewrapped_key_is_the_same_key_and_needs_the_previous_one_no_more() {
    let name = name();
    let old = seal();
    let (key, wrapped) = old.new_data_key(3).unwrap();
    let sealed = key.seal(&place(&name), b"key").unwrap();
    let both = Seal::open(&keks(2, Some(1)), DEPLOYMENT, &old.integrity_key().unwrap()).unwrap();
    let anew = both.rewrap(3, &wrapped).unwrap();
    let new = Seal::open(&keks(2, None), DEPLOYMENT, &both.integrity_key().unwrap()).unwrap();
    assert!(new.data_key(3, &wrapped).is_err());
    let opened = new.data_key(3, &anew).unwrap().open(&place(&name), &sealed);
    assert_eq!(opened.unwrap().as_slice(), b"key");
    let fingerprint = |seal: &Seal| seal.fingerprint(Domain::Rows, &[b"x"]);
    assert_eq!(fingerprint(&old), fingerprint(&new));
}

#[test]
fn the_id_of_a_kek_is_the_same_in_every_release() {
    assert_eq!(KekId::of(&kek(1)).to_string(), KEK_ONE_ID);
    assert_ne!(KekId::of(&kek(1)), KekId::of(&kek(2)));
    assert_eq!(KekId::from_bytes(b"short"), None);
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", seal()), "Seal([redacted])");
    assert_eq!(format!("{:?}", data_key(1)), "DataKey([redacted])");
    assert!(!format!("{:?}", keks(1, Some(1))).contains("1, 1"));
}

/// `p256` is not among them: it always does.
#[test]
fn the_crypto_crates_wipe_what_they_hold() {
    let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
    for name in ["hmac", "sha2", "sha1", "ed25519-dalek", "chacha20poly1305"] {
        let features = manifest["workspace"]["dependencies"][name]["features"].as_array();
        let wipes = |feature: &toml::Value| feature.as_str() == Some("zeroize");
        assert!(features.unwrap().iter().any(wipes), "{name}");
    }
}
