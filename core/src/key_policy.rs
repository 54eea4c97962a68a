//! Which keys may be imported. A key that is empty, mangled or publicly known signs as well as any other, and nobody
//! notices; so it is refused where it comes in. Keys that the service generates do not pass here: they are random.
//!
//! No refusal repeats the key or says how much of it was right.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::key::{Algorithm, Key, KeyFormat};

/// Shortest key of all in bytes, for schemes whose vendor issues short ones.
pub const SHORTEST_KEY_BYTES: usize = 8;
/// Shortest key in bytes for other schemes.
pub const MIN_KEY_BYTES: usize = 16;
/// Shortest key in bytes for HS256 tokens (RFC 7518 §3.2).
pub const MIN_TOKEN_KEY_BYTES: usize = 32;
/// Longest key in bytes, unless it is of a public-key algorithm.
pub const MAX_KEY_BYTES: usize = 512;
/// Longest text in bytes of a key of a public-key algorithm: of a JWK set with all the keys that it may have.
pub const MAX_PUBLIC_KEY_TEXT_BYTES: usize = 8 * 1024;
/// Longest pattern that counts as short when a key is made of its repetition.
const MAX_PATTERN_BYTES: usize = 16;

/// Sorted 8-byte prefixes of SHA-256 of secrets that are public; `weak_keys.md` says which.
const WEAK_KEYS: &[u8] = include_bytes!("weak_keys.bin");

/// What is recorded about a key that was taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyWarning {
    /// Shorter than we would issue; the vendor does.
    ShortKey,
    /// Also the key of another secret of the same vendor, who issues one for both.
    KeyShared,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// No key bytes.
    #[error("the key is empty: copy the whole key")]
    Empty,
    /// The scheme's decoding does not take the text.
    #[error("the key is not in the scheme's format: copy it as the vendor shows it")]
    NotInFormat,
    /// Too few bytes once decoded.
    #[error("the key is too short: it needs at least {min_bytes} bytes once decoded")]
    TooShort {
        /// The least that the scheme takes.
        min_bytes: usize,
    },
    /// Too many bytes once decoded.
    #[error("the key is too long: it may have 512 bytes once decoded")]
    TooLong,
    /// Too much text for a key of a public-key algorithm.
    #[error("the key is too long: its text may have 8192 bytes")]
    TextTooLong,
    /// White space at an end, as copying and `echo` leave it.
    #[error("the key starts or ends with white space: remove it, a line break at the end included")]
    SurroundingWhitespace,
    /// NUL at the end, which HMAC does not see: the key without it signs alike.
    #[error("the key ends with a NUL byte: have the vendor issue another")]
    TrailingNul,
    /// A key that others know or guess first.
    #[error("the key is publicly known or easy to guess: have the vendor issue another")]
    Weak,
}

/// Decodes a key and judges it. [`KeyWarning::KeyShared`] is the caller's to find: it takes the other secrets.
///
/// What makes a bad MAC key is no fault of a public key, which everybody may know and whose form is fixed.
///
/// # Errors
/// The key is not taken.
pub fn check(
    format: &KeyFormat,
    algorithm: Algorithm,
    min_bytes: usize,
    text: &SecretString,
) -> Result<(Key, Vec<KeyWarning>), KeyRefusal> {
    check_text(format, algorithm, text.expose_secret())?;
    let key = format.decode(algorithm, text);
    let key = key.map_err(|_| KeyRefusal::NotInFormat)?;
    let warning = match algorithm.is_public_key() {
        true => None,
        false => check_bytes(format, min_bytes, text.expose_secret(), key.expose_bytes())?,
    };
    Ok((key, Vec::from_iter(warning)))
}

/// What can be said of the text before it is decoded: whole, and without the prefix that every key of the vendor has.
fn check_text(format: &KeyFormat, algorithm: Algorithm, text: &str) -> Result<(), KeyRefusal> {
    let (bare, _) = format.bare(text);
    if bare.is_empty() {
        return Err(KeyRefusal::Empty);
    }
    if algorithm.is_public_key() {
        if bare.len() > MAX_PUBLIC_KEY_TEXT_BYTES {
            return Err(KeyRefusal::TextTooLong);
        }
    } else {
        // The longest text of a key is in hex.
        if bare.len() > 2 * MAX_KEY_BYTES {
            return Err(KeyRefusal::TooLong);
        }
        let is_space = bare.chars().all(char::is_whitespace);
        if is_space || is_weak(text.as_bytes()) || is_weak(bare.as_bytes()) {
            return Err(KeyRefusal::Weak);
        }
    }
    if [text, bare].into_iter().any(has_surrounding_whitespace) {
        return Err(KeyRefusal::SurroundingWhitespace);
    }
    Ok(())
}

/// What can be said of the bytes of a MAC key or token.
fn check_bytes(
    format: &KeyFormat,
    min_bytes: usize,
    text: &str,
    bytes: &[u8],
) -> Result<Option<KeyWarning>, KeyRefusal> {
    let least = if format.short_allowed {
        SHORTEST_KEY_BYTES
    } else {
        min_bytes.max(SHORTEST_KEY_BYTES)
    };
    if bytes.len() > MAX_KEY_BYTES {
        return Err(KeyRefusal::TooLong);
    }
    if bytes.len() < SHORTEST_KEY_BYTES {
        return Err(KeyRefusal::TooShort { min_bytes: least });
    }
    if is_weak(bytes) {
        return Err(KeyRefusal::Weak);
    }
    // A decoded key is random and may end so; that two keys sign alike is seen by their effective blocks.
    if bytes.ends_with(&[0]) && bytes == text.as_bytes() {
        return Err(KeyRefusal::TrailingNul);
    }
    if bytes.len() < least {
        return Err(KeyRefusal::TooShort { min_bytes: least });
    }
    Ok((bytes.len() < min_bytes).then_some(KeyWarning::ShortKey))
}

/// Besides white space, the marks without width that editors put at the start of a file.
fn has_surrounding_whitespace(text: &str) -> bool {
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    text.starts_with(is_space) || text.ends_with(is_space)
}

/// Too short is not weak: it is refused by its length, with a better hint.
fn is_weak(key: &[u8]) -> bool {
    key.len() >= SHORTEST_KEY_BYTES
        && (key.iter().all(u8::is_ascii_whitespace) || is_short_pattern(key) || is_known(key))
}

/// Whether a key is one short pattern over and over, the last time perhaps in part. One byte is a pattern too.
fn is_short_pattern(key: &[u8]) -> bool {
    (1..=MAX_PATTERN_BYTES.min(key.len() / 2)).any(|len| key[len..] == key[..key.len() - len])
}

fn is_known(key: &[u8]) -> bool {
    let (prefixes, _) = WEAK_KEYS.as_chunks::<8>();
    let hash: [u8; 32] = Sha256::digest(key).into();
    hash.first_chunk()
        .is_some_and(|prefix| prefixes.binary_search(prefix).is_ok())
}

#[cfg(test)]
mod tests {
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
}
