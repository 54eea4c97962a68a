//! Claims about which keys are taken.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::key::KeyDecoding;

const ALGORITHM: Algorithm = Algorithm::HmacSha256;
const HEX_KEY: &str = "c4f1a9037be25d6881e02f94d7ab356cc4f1a9137be25d6881e02f94d7ab356e";

fn format(decoding: KeyDecoding, prefix: &str, short_allowed: bool) -> KeyFormat {
    KeyFormat {
        decoding,
        prefix: prefix.to_owned(),
        short_allowed,
        ..KeyFormat::default()
    }
}

fn refusal(format: &KeyFormat, min_bytes: usize, text: &str) -> Option<KeyRefusal> {
    check(format, ALGORITHM, min_bytes, &text.to_owned().into()).err()
}

/// As UTF-8 text, where short keys are allowed.
fn text(text: &str) -> Option<KeyRefusal> {
    refusal(&format(KeyDecoding::Utf8, "", true), MIN_KEY_BYTES, text)
}

/// As bytes in hex, where short keys are allowed.
fn bytes(bytes: &[u8]) -> Option<KeyRefusal> {
    let format = format(KeyDecoding::Hex, "", true);
    refusal(&format, MIN_KEY_BYTES, &hex::encode(bytes))
}

fn random_text(len: usize) -> String {
    let hex: String = (0..=len / 64)
        .map(|n| hex::encode(Sha256::digest([n as u8])))
        .collect();
    hex[..len].to_owned()
}

#[test]
fn d01_an_empty_key_is_refused() {
    for decoding in [KeyDecoding::Utf8, KeyDecoding::Hex, KeyDecoding::Base64] {
        for short_allowed in [false, true] {
            for (prefix, text) in [("", ""), ("whsec_", "whsec_"), ("whsec_", "")] {
                let format = format(decoding, prefix, short_allowed);
                assert_eq!(refusal(&format, 16, text), Some(KeyRefusal::Empty));
            }
        }
    }
}

#[test]
fn d02_a_short_key_needs_a_scheme_that_allows_it() {
    let check = |short_allowed, min_bytes, len| {
        let format = format(KeyDecoding::Utf8, "", short_allowed);
        let text = random_text(len).into();
        super::check(&format, ALGORITHM, min_bytes, &text).map(|(_, warnings)| warnings)
    };
    let too_short = |min_bytes| Err(KeyRefusal::TooShort { min_bytes });
    for min_bytes in [MIN_KEY_BYTES, MIN_TOKEN_KEY_BYTES] {
        assert_eq!(check(false, min_bytes, min_bytes), Ok(vec![]));
        assert_eq!(check(false, min_bytes, min_bytes - 1), too_short(min_bytes));
        assert_eq!(check(true, min_bytes, min_bytes), Ok(vec![]));
        for len in [8, min_bytes - 1] {
            assert_eq!(check(true, min_bytes, len), Ok(vec![KeyWarning::ShortKey]));
        }
        assert_eq!(check(true, min_bytes, 7), too_short(8));
        assert_eq!(check(false, min_bytes, 7), too_short(min_bytes));
    }
    assert_eq!(check(false, 0, 7), too_short(8));
}

#[test]
fn d02_length_counts_after_decoding() {
    let hex = format(KeyDecoding::Hex, "", false);
    let too_short = |min_bytes| Some(KeyRefusal::TooShort { min_bytes });
    assert_eq!(refusal(&hex, MIN_TOKEN_KEY_BYTES, HEX_KEY), None);
    assert_eq!(
        refusal(&hex, MIN_TOKEN_KEY_BYTES, &HEX_KEY[..62]),
        too_short(32)
    );
    let base64 = format(KeyDecoding::Base64, "whsec_", false);
    let key = |len| format!("whsec_{}", STANDARD.encode(random_text(len)));
    assert_eq!(refusal(&base64, MIN_KEY_BYTES, &key(16)), None);
    assert_eq!(refusal(&base64, MIN_KEY_BYTES, &key(15)), too_short(16));
}

#[test]
fn d03_a_known_key_is_refused_in_every_form() {
    for known in [
        "changeme",
        "password",
        "your-256-bit-secret",
        "secret123",
        "supersecret",
    ] {
        assert_eq!(text(known), Some(KeyRefusal::Weak), "{known}");
        assert_eq!(bytes(known.as_bytes()), Some(KeyRefusal::Weak), "{known}");
        let base64 = format(KeyDecoding::Base64, "whsec_", true);
        let encoded = format!("whsec_{}", STANDARD.encode(known));
        assert_eq!(
            refusal(&base64, 16, &encoded),
            Some(KeyRefusal::Weak),
            "{known}"
        );
        let prefixed = format(KeyDecoding::Utf8, "sk_", true);
        let encoded = format!("sk_{known}");
        assert_eq!(
            refusal(&prefixed, 16, &encoded),
            Some(KeyRefusal::Weak),
            "{known}"
        );
    }
}

#[test]
fn d03_a_key_of_one_byte_of_space_or_of_a_pattern_is_refused() {
    for weak in [
        &[0; 32][..],
        &[0xff; 8],
        &[b'a'; 512],
        b" \t\n \r   ",
        &b"secret".repeat(8),
        &b"abcd".repeat(2),
        b"abcabcabcab",
        &b"sixteen bytes ok".repeat(2),
    ] {
        assert_eq!(bytes(weak), Some(KeyRefusal::Weak), "{weak:?}");
    }
    assert_eq!(text(&"secret".repeat(8)), Some(KeyRefusal::Weak));
    assert_eq!(text("          "), Some(KeyRefusal::Weak));
    assert_eq!(text("abcdefg7abcdefg8"), None);
}

#[test]
fn d03_the_list_is_sorted_and_whole() {
    let (prefixes, rest) = WEAK_KEYS.as_chunks::<8>();
    assert_eq!((prefixes.len(), rest.len()), (99_309, 0));
    assert!(prefixes.is_sorted_by(|a, b| a < b));
}

#[test]
fn d04_white_space_at_an_end_is_refused() {
    let key = random_text(32);
    for (before, after) in [
        ("", "\n"),
        (" ", ""),
        ("", "\r\n"),
        ("\t", "\t"),
        ("\u{feff}", ""),
    ] {
        let spaced = format!("{before}{key}{after}");
        assert_eq!(text(&spaced), Some(KeyRefusal::SurroundingWhitespace));
        let base64 = format(KeyDecoding::Base64, "whsec_", false);
        let spaced = format!("whsec_{before}{}{after}", STANDARD.encode(&key));
        let verdict = refusal(&base64, MIN_KEY_BYTES, &spaced);
        assert_eq!(verdict, Some(KeyRefusal::SurroundingWhitespace));
    }
    assert_eq!(text(&format!("{} {}", &key[..16], &key[16..])), None);
}

#[test]
fn an_api_key_is_no_signing_secret_where_these_have_a_prefix() {
    let digits = random_text(24);
    let stripe = format(KeyDecoding::Utf8, "whsec_", false);
    for prefix in ["sk_live_", "sk_test_", "pk_live_", "rk_live_"] {
        let key = format!("{prefix}{digits}");
        assert_eq!(refusal(&stripe, 16, &key), Some(KeyRefusal::ApiKey));
        assert_eq!(text(&key), None);
    }
    assert_eq!(refusal(&stripe, 16, &format!("whsec_{digits}")), None);
    assert_eq!(refusal(&stripe, 16, &digits), None);
    let own = format(KeyDecoding::Utf8, "sk_", false);
    assert_eq!(refusal(&own, 16, &format!("sk_{digits}")), None);
}

#[test]
fn d05_nul_at_the_end_of_a_text_is_refused() {
    let mut key = random_text(32);
    assert_eq!(text(&key), None);
    for _ in 0..3 {
        key.push('\0');
        assert_eq!(text(&key), Some(KeyRefusal::TrailingNul));
    }
    assert_eq!(text("tkq8-x0Bz-p\0"), Some(KeyRefusal::TrailingNul));
}

#[test]
fn d05_a_decoded_key_may_end_with_nul_as_one_in_256_does() {
    let mut key = random_text(31).into_bytes();
    key.push(0);
    assert_eq!(bytes(&key), None);
}

#[test]
fn d06_a_key_has_at_most_512_bytes() {
    assert_eq!(text(&random_text(65)), None);
    assert_eq!(text(&random_text(512)), None);
    assert_eq!(text(&random_text(513)), Some(KeyRefusal::TooLong));
    assert_eq!(bytes(random_text(512).as_bytes()), None);
    assert_eq!(
        bytes(random_text(513).as_bytes()),
        Some(KeyRefusal::TooLong)
    );
    assert_eq!(text(&random_text(1 << 20)), Some(KeyRefusal::TooLong));
}

#[test]
fn h13_a_key_that_does_not_decode_is_refused() {
    let hex = format(KeyDecoding::Hex, "", true);
    let long = "zz".repeat(16) + "a1";
    for bad in [&HEX_KEY[..63], &long, "c4f1 a903 7be2 5d68"] {
        assert_eq!(refusal(&hex, 16, bad), Some(KeyRefusal::NotInFormat));
    }
}

#[test]
fn a13_no_refusal_repeats_the_key() {
    for key in ["canary!", "canary canary ", "canarycanary", "zz-canary-zz"] {
        for decoding in [KeyDecoding::Utf8, KeyDecoding::Hex, KeyDecoding::Base64] {
            let refused = refusal(&format(decoding, "", false), 32, key).unwrap();
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
    }
}

const SENDGRID: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+\
                        2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";

fn public(decoding: KeyDecoding, algorithm: Algorithm, text: &str) -> Option<KeyRefusal> {
    let format = format(decoding, "pk_", false);
    super::check(&format, algorithm, 512, &text.to_owned().into()).err()
}

#[test]
fn a_public_key_may_be_known_and_as_short_as_it_is() {
    let ed25519 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    for (decoding, algorithm, text) in [
        (KeyDecoding::SpkiDer, Algorithm::EcdsaP256, SENDGRID),
        (KeyDecoding::Hex, Algorithm::Ed25519, ed25519),
    ] {
        assert_eq!(public(decoding, algorithm, text), None);
        assert_eq!(public(decoding, algorithm, &format!("pk_{text}")), None);
    }
}

#[test]
fn d04_white_space_around_a_public_key_is_refused() {
    let refusal = |text: &str| public(KeyDecoding::SpkiDer, Algorithm::EcdsaP256, text);
    for spaced in ["\n", " ", "\u{feff}"].map(|space| {
        [
            format!("{SENDGRID}{space}"),
            format!("{space}{SENDGRID}"),
            format!("pk_{space}{SENDGRID}"),
        ]
    }) {
        for spaced in spaced {
            assert_eq!(refusal(&spaced), Some(KeyRefusal::SurroundingWhitespace));
        }
    }
    for empty in ["", "pk_"] {
        assert_eq!(refusal(empty), Some(KeyRefusal::Empty));
    }
    for bad in ["\0", "AAAA", "pk", &SENDGRID[4..]] {
        assert_eq!(refusal(bad), Some(KeyRefusal::NotInFormat), "{bad}");
    }
}

#[test]
fn d06_the_text_of_a_public_key_has_at_most_8192_bytes() {
    let refusal = |len: usize| {
        let keys = format!("{{\"keys\":[{}]}}", " ".repeat(len - 11));
        public(KeyDecoding::Jwks, Algorithm::Es256, &keys)
    };
    assert_eq!(refusal(8192), Some(KeyRefusal::NotInFormat));
    assert_eq!(refusal(8193), Some(KeyRefusal::TextTooLong));
}

#[test]
fn tokens_and_keys_of_plain_sha256_are_judged_like_mac_keys() {
    for algorithm in [Algorithm::HmacSha1, Algorithm::Sha256, Algorithm::Token] {
        let format = format(KeyDecoding::Utf8, "", false);
        let check = |text: &str| {
            let checked = super::check(&format, algorithm, MIN_KEY_BYTES, &text.to_owned().into());
            checked.map(|(key, _)| key.algorithm())
        };
        assert_eq!(check(&random_text(16)), Ok(algorithm));
        assert_eq!(check("your-256-bit-secret"), Err(KeyRefusal::Weak));
        let too_short = KeyRefusal::TooShort { min_bytes: 16 };
        assert_eq!(check(&random_text(15)), Err(too_short));
        assert_eq!(check(&random_text(513)), Err(KeyRefusal::TooLong));
    }
}
