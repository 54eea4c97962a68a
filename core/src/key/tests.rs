//! Claims about keys.

use super::*;

fn format(decoding: KeyDecoding, prefix: &str) -> KeyFormat {
    KeyFormat {
        decoding,
        prefix: prefix.to_owned(),
        ..KeyFormat::default()
    }
}

#[test]
fn debug_shows_no_key_byte() {
    let key = Key::new(Zeroizing::new(b"canary-key".to_vec()));
    assert_eq!(
        format!("{key:?} {:?}", key.tag(&[b"x"])),
        "Key([redacted]) Tag([redacted])"
    );
}

#[test]
fn d06_long_keys_fold_to_their_hash() {
    let long = Key::new(Zeroizing::new(vec![7; 65]));
    let folded = Key::new(Zeroizing::new(Sha256::digest([7; 65]).to_vec()));
    assert_eq!(*long.effective_block(), *folded.effective_block());
    assert!(
        long.tag(&[b"m"])
            .matches(folded.tag(&[b"m"]).expose_bytes())
    );
}

#[test]
fn h14_a_key_with_nul_bytes_behind_it_is_the_same_key() {
    let short = Key::new(Zeroizing::new(b"a-key-of-the-vendor".to_vec()));
    let padded = Key::new(Zeroizing::new(b"a-key-of-the-vendor\0\0".to_vec()));
    assert!(
        short
            .tag(&[b"m"])
            .matches(padded.tag(&[b"m"]).expose_bytes())
    );
    assert_eq!(*short.effective_block(), *padded.effective_block());
}

#[test]
fn h13_half_a_hex_digit_is_refused() {
    for bad in ["abc", "zz", "aa bb", "aabbzz"] {
        assert!(
            format(KeyDecoding::Hex, "")
                .decode(Algorithm::HmacSha256, &bad.to_owned().into())
                .is_err()
        );
    }
}

#[test]
fn d01_an_empty_key_is_no_key() {
    for decoding in [KeyDecoding::Utf8, KeyDecoding::Hex, KeyDecoding::Base64] {
        assert!(
            format(decoding, "")
                .decode(Algorithm::HmacSha256, &String::new().into())
                .is_err()
        );
    }
}

#[test]
fn w32_base64_keys_are_strict() {
    let base64 = format(KeyDecoding::Base64, "whsec_");
    assert!(
        base64
            .decode(Algorithm::HmacSha256, &"whsec_AAECAw==".to_owned().into())
            .is_ok()
    );
    assert!(
        base64
            .decode(Algorithm::HmacSha256, &"AAECAw==".to_owned().into())
            .is_ok()
    );
    for bad in [
        "whsec_AAECAw",
        "whsec_whsec_AAECAw==",
        "whsec_-_ECAw==",
        "whsec_!!!!",
    ] {
        assert!(
            base64
                .decode(Algorithm::HmacSha256, &bad.to_owned().into())
                .is_err()
        );
    }
}

#[test]
fn generated_keys_decode_to_the_random_bytes() {
    let random = Zeroizing::new([9; 32]);
    for (decoding, prefix) in [(KeyDecoding::Hex, ""), (KeyDecoding::Base64, "whsec_")] {
        let format = format(decoding, prefix);
        let key = format
            .decode(
                Algorithm::HmacSha256,
                &format.generated(Algorithm::HmacSha256, &random),
            )
            .unwrap();
        assert_eq!(key.expose_bytes(), [9; 32]);
    }
}
