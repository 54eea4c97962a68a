//! Claims about keys.

mod halves;
mod jwks;
mod malformed;
mod vectors;

use secrecy::SecretString;

use super::*;

/// Every algorithm with a way of writing its keys.
fn algorithms() -> [(Algorithm, KeyFormat); 10] {
    let halves = |decoding, prefix: &str, private_prefix: &str| KeyFormat {
        private_prefix: private_prefix.to_owned(),
        ..format(decoding, prefix)
    };
    [
        (Algorithm::HmacSha256, format(KeyDecoding::Utf8, "sk_")),
        (Algorithm::HmacSha256, format(KeyDecoding::Base64, "whsec_")),
        (
            Algorithm::HmacSha256,
            format(KeyDecoding::Base64OrUtf8, "whsec_"),
        ),
        (Algorithm::HmacSha1, format(KeyDecoding::Hex, "")),
        (Algorithm::Sha256, format(KeyDecoding::Utf8, "")),
        (Algorithm::Token, format(KeyDecoding::Utf8, "")),
        (
            Algorithm::Ed25519,
            halves(KeyDecoding::Base64, "whpk_", "whsk_"),
        ),
        (Algorithm::Ed25519, format(KeyDecoding::Hex, "")),
        (Algorithm::EcdsaP256, format(KeyDecoding::SpkiDer, "")),
        (Algorithm::Es256, format(KeyDecoding::Jwks, "")),
    ]
}

fn secret(text: impl Into<String>) -> SecretString {
    text.into().into()
}

fn key(algorithm: Algorithm, bytes: &[u8]) -> Key {
    Key::of(algorithm, Zeroizing::new(bytes.to_vec())).expect("a key")
}

/// A key of every algorithm and format, of the same random bytes.
fn generated(byte: u8) -> impl Iterator<Item = (KeyFormat, SecretString, Key)> {
    let random = Zeroizing::new([byte; 32]);
    algorithms().into_iter().map(move |(algorithm, format)| {
        let text = format.generated(algorithm, &random);
        let key = format.decode(algorithm, &text).expect("a key");
        (format, text, key)
    })
}

/// The block without the zeros behind either half, the text in front of a public key as it is.
fn text_of_block(key: &Key) -> String {
    let block = key.effective_block();
    let (front, back) = block.split_at(32);
    let end = |half: &[u8]| {
        half.iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1)
    };
    let (front, back) = (&front[..end(front)], &back[..end(back)]);
    match key.algorithm().is_public_key() {
        true => String::from_utf8_lossy(front).into_owned() + &hex::encode(back),
        false => hex::encode([front, back].concat()),
    }
}

fn check(key: &Key, parts: &[&[u8]], signatures: &[&[u8]]) -> bool {
    key.check(parts, signatures.iter().copied()).is_some()
}

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
    for (_, _, key) in generated(3) {
        assert_eq!(format!("{key:?}"), "Key([redacted])");
    }
}

#[test]
fn generated_keys_sign_what_they_check() {
    for (format, text, key) in generated(5) {
        let algorithm = key.algorithm();
        let parts: &[&[u8]] = &[b"1533204620.", b"{}"];
        let signature = key.sign(parts).expect("a private key");
        let lengths = algorithm.signature_bytes();
        assert!(lengths.contains(&signature.len()), "{algorithm:?}");
        assert!(check(&key, &[b"1533204620.{}"], &[&signature]));
        assert!(check(&key, parts, &[b"", b"x", &signature, &[0; 64]]));
        assert!(!check(&key, parts, &[]));
        if algorithm != Algorithm::Token {
            assert!(!check(&key, &[b"1533204620.{ }"], &[&signature]));
        }
        let again = format.decode(algorithm, &text).expect("a key");
        assert_eq!(*again.effective_block(), *key.effective_block());
    }
}

#[test]
fn a_wrong_bit_anywhere_in_a_signature_is_seen() {
    for (_, _, key) in generated(6) {
        let signature = key.sign(&[b"text"]).expect("a private key");
        for bit in 0..signature.len() * 8 {
            let mut wrong = signature.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&key, &[b"text"], &[&wrong]), "{bit}");
        }
        for end in 0..signature.len() {
            assert!(!check(&key, &[b"text"], &[&signature[..end]]));
        }
        assert!(!check(
            &key,
            &[b"text"],
            &[&[&signature[..], &[0]].concat()]
        ));
    }
}

#[test]
fn a_tag_is_the_mac_where_there_is_one_and_else_the_digest_of_the_text() {
    for (_, _, key) in generated(7) {
        let signature = key.sign(&[b"text"]).expect("a private key");
        let tag = key.check(&[b"te", b"xt"], [&signature[..]].into_iter());
        let tag = tag.expect("it holds");
        match key.algorithm() {
            Algorithm::HmacSha256 | Algorithm::HmacSha1 | Algorithm::Sha256 => {
                assert_eq!(tag.expose_bytes(), signature);
                assert!(key.tag(&[b"text"]).matches(&signature));
            }
            _ => {
                assert_eq!(tag.expose_bytes(), Sha256::digest(b"text").as_slice());
                let none = key.tag(&[b"text"]);
                assert!(!none.matches(b"") && !none.matches(&[0; 32]));
            }
        }
    }
}

#[test]
fn effective_blocks_are_those_of_the_stores() {
    let mut texts: Vec<_> = generated(9)
        .map(|(_, _, key)| text_of_block(&key))
        .collect();
    texts.dedup();
    let digits = "09".repeat(32);
    assert_eq!(
        texts,
        [
            // SHA-256 of "sk_" and the digits: together they are longer than a block.
            "e590a29c630b8a6f35d5984b054d8dad992d54897dd702f11347174fe4756a09",
            &digits,
            &hex::encode(&digits),
            "countersign Ed25519 public key\
             dbc298251c51321b7266e78d1c151c2b62aff8cb95b293096d3463018544face",
            "countersign P-256 public key\
             b0b81a09f61ca05bf377c6c556a983a1d937a3a13f9474be5305de7ace41b846",
            "countersign ES256 public keys\
             613a2fea7e021513e14beaaf4e12e90cc76f61c21b9cc3314beddad585eb6586",
        ]
    );
}

#[test]
fn d06_a_long_key_of_hmac_sha1_folds_with_sha1() {
    let long = key(Algorithm::HmacSha1, &[7; 65]);
    let folded = key(Algorithm::HmacSha1, &Sha1::digest([7; 65]));
    assert_eq!(*long.effective_block(), *folded.effective_block());
    assert_eq!(long.sign(&[b"m"]), folded.sign(&[b"m"]));
}

#[test]
fn openai_keys_are_base64_after_the_prefix_and_text_without_it() {
    let format = format(KeyDecoding::Base64OrUtf8, "whsec_");
    let bytes = |text: &str| {
        let key = format.decode(Algorithm::HmacSha256, &secret(text));
        key.map(|key| key.expose_bytes().to_vec())
    };
    assert_eq!(bytes("whsec_AAECAw=="), Ok(vec![0, 1, 2, 3]));
    assert_eq!(bytes("AAECAw=="), Ok(b"AAECAw==".to_vec()));
    for bad in ["whsec_", "whsec_AAECAw", "whsec_whsec_AAECAw==", ""] {
        assert_eq!(bytes(bad), Err(KeyFormatError), "{bad}");
    }
}

#[test]
fn a_format_takes_keys_of_the_algorithms_that_are_written_so_and_of_no_other() {
    for (decoding, taken) in [
        ("utf8", "hmac-sha256 hmac-sha1 sha256 token"),
        ("hex", "hmac-sha256 hmac-sha1 sha256 token ed25519"),
        ("base64", "hmac-sha256 hmac-sha1 sha256 token ed25519"),
        ("base64-or-utf8", "hmac-sha256 hmac-sha1 sha256 token"),
        ("spki-der", "ecdsa-p256"),
        ("jwks", ""),
    ] {
        let file = format!("decoding = \"{decoding}\"\nprefix = \"p_\"");
        let format: KeyFormat = toml::from_str(&file).expect("a format");
        for name in "hmac-sha256 hmac-sha1 sha256 token ed25519 ecdsa-p256".split(' ') {
            let algorithm: Algorithm = serde_json::from_value(name.into()).expect("an algorithm");
            let is_taken = taken.split(' ').any(|taken| taken == name);
            assert_eq!(format.fits(algorithm), is_taken, "{decoding} {name}");
        }
        assert_eq!(format.fits(Algorithm::Es256), decoding == "jwks");
    }
    assert!(toml::from_str::<KeyFormat>("decoding = \"pem\"").is_err());
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
