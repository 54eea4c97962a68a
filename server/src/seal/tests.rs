use std::collections::HashSet;

use super::*;

const DEPLOYMENT: DeploymentId = [7; 16];

fn seal() -> Seal {
    Seal::new(&kek(1), DEPLOYMENT)
}

fn kek(byte: u8) -> Kek {
    SecretBox::new(Box::new([byte; 32]))
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
    }
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let name = name();
    for text in [b"".as_slice(), b"k", &[9; 512]] {
        let sealed = seal().seal(&place(&name), text).unwrap();
        assert_eq!(
            seal().open(&place(&name), &sealed).unwrap().as_slice(),
            text
        );
    }
}

#[test]
fn a25_every_flipped_byte_and_every_truncation_is_detected() {
    let (name, seal) = (name(), seal());
    let sealed = seal.seal(&place(&name), b"a key of some length").unwrap();
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut flipped = sealed.clone();
            flipped[index] ^= 1 << bit;
            let opened = seal.open(&place(&name), &flipped);
            assert_eq!(opened.unwrap_err(), SealError::Broken);
        }
        assert!(seal.open(&place(&name), &sealed[..index]).is_err());
    }
}

#[test]
fn a27_a_text_moved_to_another_place_does_not_open() {
    let (name, seal) = (name(), seal());
    let other_name = SecretName::parse("globex/chat").unwrap();
    let home = place(&name);
    let sealed = seal.seal(&home, b"key").unwrap();
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
    ];
    for place in elsewhere {
        assert_eq!(seal.open(&place, &sealed).unwrap_err(), SealError::Broken);
    }
    for other in [Seal::new(&kek(1), [8; 16]), Seal::new(&kek(2), DEPLOYMENT)] {
        assert_eq!(other.open(&home, &sealed).unwrap_err(), SealError::Broken);
    }
}

#[test]
fn the_bounds_between_the_parts_are_sealed_too() {
    let (short, long) = (
        SecretName::parse("a").unwrap(),
        SecretName::parse("ab").unwrap(),
    );
    let seal = seal();
    let one = seal.associated_data(&Place {
        scheme: "bc",
        ..place(&short)
    });
    let two = seal.associated_data(&Place {
        scheme: "c",
        ..place(&long)
    });
    assert_ne!(one, two);
    let fingerprint = |parts: &[&[u8]]| seal.fingerprint(Domain::Arguments, parts);
    assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    assert_ne!(fingerprint(&[b"k"]), seal.fingerprint(Domain::Key, &[b"k"]));
}

#[test]
fn a26_nonces_do_not_repeat() {
    let (name, seal) = (name(), seal());
    let nonces: HashSet<Vec<u8>> = (0..100_000)
        .map(|_| seal.seal(&place(&name), b"").unwrap()[..NONCE_BYTES].to_vec())
        .collect();
    assert_eq!(nonces.len(), 100_000);
}

#[test]
fn the_check_value_tells_keys_apart() {
    assert!(seal().matches(seal().check_value()));
    assert!(!seal().matches(Seal::new(&kek(2), DEPLOYMENT).check_value()));
    assert!(!seal().matches(b""));
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", seal()), "Seal([redacted])");
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
