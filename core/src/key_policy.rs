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
    /// A key for calling the vendor's API where the scheme's keys begin otherwise.
    #[error(
        "the key is one for calling the vendor's API: copy the signing secret, which begins with the scheme's prefix"
    )]
    ApiKey,
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
    if is_api_key(format, text) {
        return Err(KeyRefusal::ApiKey);
    }
    if [text, bare].into_iter().any(has_surrounding_whitespace) {
        return Err(KeyRefusal::SurroundingWhitespace);
    }
    Ok(())
}

/// What keys for calling an API begin with.
const API_KEYS: [&str; 3] = ["sk_", "pk_", "rk_"];

/// Whether a text begins like a key for calling an API, which signs nothing, where the keys of the scheme begin with a
/// prefix that it does not have. Elsewhere a signing secret may well begin so.
pub(crate) fn is_api_key(format: &KeyFormat, text: &str) -> bool {
    let has_prefix = !format.prefix.is_empty() && !text.starts_with(&format.prefix);
    has_prefix && API_KEYS.iter().any(|prefix| text.starts_with(prefix))
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
mod tests;
