//! Whatever is imported as a key, it is taken or refused.

use proptest::{collection::vec, prelude::*};

use super::*;

/// What was decoded must serve without a panic, too.
fn exercise(format: &KeyFormat, key: &Key) {
    let signature = key.sign(&[b"text"]);
    let public = format.public_text(key);
    assert_eq!(public.is_some(), key.algorithm().is_public_key());
    assert_eq!(signature.is_none(), key.is_public_only());
    if let Some(signature) = signature {
        assert!(check(key, &[b"text"], &[&signature]));
    }
    let _ = (key.effective_block(), key.es256_sign(b"text"));
}

fn decode(text: &str) {
    for (algorithm, format) in algorithms() {
        if let Ok(key) = format.decode(algorithm, &secret(text)) {
            exercise(&format, &key);
        }
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let texts: Vec<_> = generated(1).collect();
    for (format, _, key) in &texts {
        for (_, text, other) in &texts {
            if key.algorithm().is_public_key() && key.algorithm() != other.algorithm() {
                let decoded = format.decode(key.algorithm(), text);
                // 32 random bytes are a public key of Ed25519 about every other time.
                assert!(decoded.is_err() || decoded.unwrap().is_public_only());
            }
        }
    }
    let spki = format(KeyDecoding::SpkiDer, "");
    for bad in [
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        // Of Ed25519, and of P-384, as SubjectPublicKeyInfo.
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE",
        "BPN0+Dv5/OIqLSLyFuJnQYEP+3QH0pqaiDPJBfZjdX5aVSktxkanutoMPtnzTUWiDV71aYoJUiPHjRHOsBANxfo=",
    ] {
        let decoded = spki.decode(Algorithm::EcdsaP256, &secret(bad));
        assert!(decoded.is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_taken_or_refused(text in "\\PC{0,200}") {
        decode(&text);
    }

    #[test]
    fn arbitrary_bytes_are_taken_or_refused(bytes in vec(any::<u8>(), 0..140), cut in 0..3_usize) {
        let bytes = match cut {
            0 => &bytes[..bytes.len().min(32)],
            1 => &bytes[..bytes.len().min(64)],
            _ => &bytes[..],
        };
        decode(&hex::encode(bytes));
        for (algorithm, format) in algorithms() {
            if let Ok(key) = Key::of(algorithm, Zeroizing::new(bytes.to_vec())) {
                exercise(&format, &key);
                prop_assert!(!check(&key, &[b"other"], &[bytes]) || algorithm == Algorithm::Token);
            }
        }
    }

    #[test]
    fn a_key_with_a_wrong_byte_is_taken_or_refused(at in any::<prop::sample::Index>(), to: u8) {
        for (format, _, key) in generated(8) {
            let mut bytes = key.expose_bytes().to_vec();
            *at.get_mut(&mut bytes) = to;
            if let Ok(key) = Key::of(key.algorithm(), Zeroizing::new(bytes)) {
                exercise(&format, &key);
            }
        }
    }

    #[test]
    fn arbitrary_signatures_do_not_hold(signature in vec(any::<u8>(), 0..100)) {
        for (_, _, key) in generated(8) {
            prop_assert!(!check(&key, &[b"text"], &[&signature]));
        }
    }
}
