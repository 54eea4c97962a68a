//! The primitives that everything stands on, against the vectors of others in tests/vectors: those of Wycheproof, which
//! were collected from what implementations got wrong, and those of the RFCs. Keys go through our own [`Key`] wherever
//! it has the algorithm; a truncated MAC holds as a primitive and never as a proof.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use countersign_core::{Key, key::Algorithm};
use hkdf::Hkdf;
use hmac::{EagerHash, Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

/// The rows of a table; `.` is the field of the row above, `-` is empty.
fn table<const FIELDS: usize>(name: &str) -> Vec<[String; FIELDS]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let mut above = [const { String::new() }; FIELDS];
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(fields.len(), FIELDS, "{name}: {line}");
        for (field, text) in above.iter_mut().zip(fields) {
            match text {
                "." => {}
                "-" => field.clear(),
                text => text.clone_into(field),
            }
        }
        above.clone()
    });
    rows.collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

fn is_valid(result: &str) -> bool {
    assert!(matches!(result, "valid" | "invalid"));
    result == "valid"
}

fn key(algorithm: Algorithm, bytes: Vec<u8>) -> Option<Key> {
    Key::of(algorithm, Zeroizing::new(bytes)).ok()
}

fn accepts(key: &Key, text: &[u8], signature: &[u8]) -> bool {
    let tag = key.check(&[text], [signature].into_iter());
    tag.is_some()
}

fn mac<D: EagerHash>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<D>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Whether every row holds by the primitive, which may be truncated, and by our key, which may not.
fn check_mac<D: EagerHash>(name: &str, count: usize, algorithm: Option<Algorithm>) {
    let rows = table::<5>(name);
    assert_eq!(rows.len(), count);
    for [id, result, secret, text, tag] in rows {
        let (secret, text, tag) = (bytes(&secret), bytes(&text), bytes(&tag));
        let full = mac::<D>(&secret, &text);
        assert_eq!(full.starts_with(&tag), is_valid(&result), "{name} {id}");
        if let Some(key) = algorithm.map(|algorithm| key(algorithm, secret).unwrap()) {
            let expected = is_valid(&result) && tag.len() == full.len();
            assert_eq!(accepts(&key, &text, &tag), expected, "{name} {id}");
        }
    }
}

#[test]
fn h06_w04_wycheproof_hmac_holds_and_a_truncated_mac_is_no_proof() {
    check_mac::<Sha1>("hmac_sha1.txt", 170, Some(Algorithm::HmacSha1));
    check_mac::<Sha256>("hmac_sha256.txt", 174, Some(Algorithm::HmacSha256));
    check_mac::<Sha384>("hmac_sha384.txt", 174, None);
    check_mac::<Sha512>("hmac_sha512.txt", 174, None);
}

#[test]
fn rfc_4231_and_rfc_2202_hold() {
    let rows = table::<6>("hmac_rfc.txt");
    assert_eq!(rows.len(), 3 * 7 + 7);
    for [rfc, case, hash, secret, text, tag] in rows {
        let (secret, text, tag) = (bytes(&secret), bytes(&text), bytes(&tag));
        let (full, algorithm) = match hash.as_str() {
            "sha1" => (mac::<Sha1>(&secret, &text), Some(Algorithm::HmacSha1)),
            "sha256" => (mac::<Sha256>(&secret, &text), Some(Algorithm::HmacSha256)),
            "sha384" => (mac::<Sha384>(&secret, &text), None),
            _ => (mac::<Sha512>(&secret, &text), None),
        };
        assert!(full.starts_with(&tag), "{rfc} {case} {hash}");
        if let Some(key) = algorithm.map(|algorithm| key(algorithm, secret).unwrap()) {
            assert_eq!(key.sign(&[&text]).unwrap(), full, "{rfc} {case} {hash}");
            let is_whole = tag.len() == full.len();
            assert_eq!(accepts(&key, &text, &tag), is_whole, "{rfc} {case}");
        }
    }
}

#[test]
fn wycheproof_hkdf_holds() {
    let rows = table::<7>("hkdf_sha256.txt");
    assert_eq!(rows.len(), 86);
    for [id, result, ikm, salt, info, size, okm] in rows {
        let salt = bytes(&salt);
        let mut made = vec![0; size.parse().unwrap()];
        let expanded = Hkdf::<Sha256>::new(Some(&salt), &bytes(&ikm))
            .expand(&bytes(&info), &mut made)
            .is_ok();
        let holds = expanded && made == bytes(&okm);
        assert_eq!(holds, is_valid(&result), "{id}");
    }
}

#[test]
fn a26_wycheproof_xchacha20_poly1305_holds_both_ways() {
    let rows = table::<8>("xchacha20_poly1305.txt");
    assert_eq!(rows.len(), 315);
    for [id, result, key, nonce, aad, text, sealed, tag] in rows {
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes(&key)).unwrap();
        let (aad, text) = (bytes(&aad), bytes(&text));
        let sealed = [bytes(&sealed), bytes(&tag)].concat();
        // A nonce of another length is none.
        let Ok(nonce) = XNonce::try_from(bytes(&nonce).as_slice()) else {
            assert!(!is_valid(&result), "{id}");
            continue;
        };
        let payload = |msg| Payload { msg, aad: &aad };
        let opened = cipher.decrypt(&nonce, payload(&sealed)).ok();
        assert_eq!(opened.is_some(), is_valid(&result), "{id}");
        if let Some(opened) = opened {
            assert_eq!(opened, text, "{id}");
            assert_eq!(cipher.encrypt(&nonce, payload(&text)).unwrap(), sealed);
        }
    }
}

/// How many of the rows our key judges otherwise than their label, and which.
fn judged_otherwise(
    name: &str,
    count: usize,
    key: impl Fn(Vec<u8>) -> Option<Key>,
) -> Vec<(String, bool)> {
    let rows = table::<5>(name);
    assert_eq!(rows.len(), count);
    let mut otherwise = Vec::new();
    for [id, result, public, text, signature] in rows {
        let accepted =
            key(bytes(&public)).is_some_and(|key| accepts(&key, &bytes(&text), &bytes(&signature)));
        if accepted != is_valid(&result) {
            otherwise.push((id, accepted));
        }
    }
    otherwise
}

#[test]
fn wycheproof_ed25519_holds() {
    let otherwise = judged_otherwise("ed25519.txt", 151, |public| key(Algorithm::Ed25519, public));
    assert_eq!(otherwise, []);
}

#[test]
fn wycheproof_ecdsa_der_holds() {
    let otherwise = judged_otherwise("ecdsa_secp256r1_sha256.txt", 484, |public| {
        key(Algorithm::EcdsaP256, public)
    });
    assert_eq!(otherwise, []);
}

#[test]
fn wycheproof_ecdsa_p1363_holds() {
    let otherwise = judged_otherwise("ecdsa_secp256r1_sha256_p1363.txt", 262, |spki| {
        let (x, y) = spki.last_chunk::<64>().unwrap().split_at(32);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        let jwk = format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{x}","y":"{y}"}}"#);
        key(Algorithm::Es256, jwk.into_bytes())
    });
    assert_eq!(otherwise, []);
}
