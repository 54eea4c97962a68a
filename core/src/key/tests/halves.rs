//! Claims about keys of two halves.

use ::p256::ecdsa::Signature;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

/// The order of the group of Ed25519, least byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn pairs(byte: u8) -> impl Iterator<Item = (KeyFormat, SecretString, Key)> {
    generated(byte).filter(|(_, _, key)| key.algorithm().is_public_key())
}

#[test]
fn a_public_half_checks_what_the_private_one_signed_and_signs_nothing() {
    for (format, _, private) in pairs(1) {
        let algorithm = private.algorithm();
        let text = format.public_text(&private).expect("it has halves");
        let public = format.decode(algorithm, &secret(text.clone()));
        let public = public.expect("a public key");
        assert!(public.is_public_only() && !private.is_public_only());
        assert_eq!(format.public_text(&public), Some(text));
        let signature = private.sign(&[b"text"]).expect("a private key");
        assert!(check(&public, &[b"text"], &[&signature]));
        assert!(public.sign(&[b"text"]).is_none());
        assert_eq!(*public.effective_block(), *private.effective_block());
    }
}

#[test]
fn only_keys_with_halves_have_a_public_one() {
    for (format, _, key) in generated(1) {
        let has_halves = key.algorithm().is_public_key();
        assert_eq!(format.public_text(&key).is_some(), has_halves);
        assert!(!key.is_public_only());
    }
}

#[test]
fn the_public_half_shows_nothing_of_the_private_one() {
    for (format, text, key) in pairs(0x5a) {
        let public = format.public_text(&key).expect("it has halves");
        assert_ne!(public, text.expose_secret());
        let random = [0x5a; 32];
        let shown = [hex::encode(random), STANDARD.encode(random)];
        assert!(!shown.iter().any(|random| public.contains(&random[..40])));
    }
}

#[test]
fn halves_of_two_keys_are_refused() {
    for ((format, one, key), (_, other, _)) in pairs(1).zip(pairs(2)) {
        let algorithm = key.algorithm();
        if algorithm == Algorithm::Es256 {
            continue; // Among the claims about JWKs.
        }
        let bytes = |text: &SecretString| {
            let bytes = format.decode(algorithm, text);
            bytes.expect("a key").expose_bytes().to_vec()
        };
        let (one, other) = (bytes(&one), bytes(&other));
        // The public half stands last in either form.
        let half = one.len() - 32;
        let mixed = [&one[..half], &other[half..]].concat();
        assert!(Key::of(algorithm, Zeroizing::new(one)).is_ok());
        assert!(Key::of(algorithm, Zeroizing::new(mixed)).is_err());
    }
}

#[test]
fn a_half_behind_the_prefix_of_the_other_is_refused() {
    for (format, private, key) in pairs(1) {
        let public = format.public_text(&key).expect("it has halves");
        let decodes = |text: &str| format.decode(key.algorithm(), &secret(text)).is_ok();
        assert!(decodes(&public) && decodes(private.expose_secret()));
        let Some(bare) = public.strip_prefix("whpk_") else {
            continue;
        };
        let private = private.expose_secret().replace("whsk_", "");
        assert!(decodes(bare) && decodes(&private));
        assert!(!decodes(&format!("whsk_{bare}")));
        assert!(!decodes(&format!("whpk_{private}")));
        assert!(!decodes(&format!("whpk_whpk_{bare}")));
    }
}

#[test]
fn weak_and_misspelt_points_of_ed25519_are_refused() {
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Greater than the field: 0 and 1, and the y of a point of full order, each with p added.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // No point at all.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        let bytes = Zeroizing::new(hex::decode(point).expect("hex"));
        assert!(Key::of(Algorithm::Ed25519, bytes).is_err(), "{point}");
    }
}

#[test]
fn w11_a_signature_of_ed25519_has_one_form() {
    let (_, _, key) = pairs(3).next().expect("a key");
    let signature = key.sign(&[b"text"]).expect("a private key");
    let mut other = signature.clone();
    let mut carry = 0;
    for (byte, order) in other[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(check(&key, &[b"text"], &[&signature]));
    assert!(!check(&key, &[b"text"], &[&other]));
}

#[test]
fn both_forms_of_an_ecdsa_signature_are_one_delivery() {
    let (_, _, key) = pairs(4)
        .find(|(_, _, key)| key.algorithm() == Algorithm::EcdsaP256)
        .expect("a key");
    let signature = key.sign(&[b"text"]).expect("a private key");
    let parsed = Signature::from_der(&signature).expect("a signature");
    let (r, s) = parsed.split_scalars();
    let mirrored = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes());
    let mirrored = mirrored.expect("a signature").to_der();
    assert_ne!(mirrored.as_bytes(), signature);
    let tag = |signature: &[u8]| {
        let tag = key.check(&[b"text"], [signature].into_iter());
        tag.expect("it holds").expose_bytes().to_vec()
    };
    assert_eq!(tag(&signature), tag(mirrored.as_bytes()));
}

#[test]
fn a_der_signature_is_strict() {
    let (_, _, key) = pairs(4)
        .find(|(_, _, key)| key.algorithm() == Algorithm::EcdsaP256)
        .expect("a key");
    let signature = key.sign(&[b"text"]).expect("a private key");
    let [tag, length, numbers @ ..] = &signature[..] else {
        panic!("it is DER");
    };
    let raw = Signature::from_der(&signature).expect("a signature");
    for bad in [
        [&[*tag, 0x81, *length][..], numbers].concat(),
        [&[*tag, 0x80][..], numbers, &[0, 0]].concat(),
        [&[*tag, *length + 1][..], numbers, &[0]].concat(),
        [&[0x31, *length][..], numbers].concat(),
        [
            &[*tag, *length + 1, 2, numbers[1] + 1, 0][..],
            &numbers[2..],
        ]
        .concat(),
        raw.to_bytes().to_vec(),
        vec![0x30, 6, 2, 1, 0, 2, 1, 0],
        vec![0x30, 6, 2, 1, 1, 2, 1, 1],
    ] {
        assert!(!check(&key, &[b"text"], &[&bad]), "{}", hex::encode(bad));
    }
}

#[test]
fn random_bytes_that_are_no_scalar_still_make_a_key() {
    for byte in [0, 0xff] {
        assert_eq!(pairs(byte).count(), 4);
    }
}

#[test]
fn keys_of_other_bytes_or_algorithms_have_other_blocks() {
    let mut blocks: Vec<_> = pairs(1)
        .chain(pairs(2))
        .map(|(_, _, key)| *key.effective_block())
        .collect();
    blocks.sort_unstable();
    blocks.dedup();
    // Three algorithms, one of them in two formats.
    assert_eq!(blocks.len(), 6);
}
