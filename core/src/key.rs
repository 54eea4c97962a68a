//! Keys that cannot be printed, compared with `==`, cloned or serialised by accident.

use std::fmt;

use base64::{Engine, engine::general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of an HMAC-SHA256 tag in bytes.
pub const TAG_BYTES: usize = 32;

/// An HMAC-SHA256 tag that this program computed. It is compared in constant time and never shown.
pub struct Tag([u8; TAG_BYTES]);

impl Tag {
    /// Whether `other` is this tag; false for any other length. Constant time in the contents.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        bool::from(self.0.ct_eq(other))
    }

    /// The bytes, for an answer to Sign or for a replay record.
    pub fn expose_bytes(&self) -> &[u8; TAG_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag([redacted])")
    }
}

/// Key bytes with their HMAC-SHA256 state prepared, so that a check hashes the message and nothing else.
pub struct Key {
    bytes: SecretSlice<u8>,
    prepared: Hmac<Sha256>,
}

impl Key {
    /// Takes the bytes of a key, which may have any length (RFC 2104).
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        let prepared = Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length");
        let bytes = SecretSlice::from(bytes.to_vec());
        Self { bytes, prepared }
    }

    /// HMAC-SHA256 of the parts as one message.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut mac = self.prepared.clone();
        for part in parts {
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }

    /// The raw key, for a library that signs with it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        self.bytes.expose_secret()
    }

    /// The key as HMAC-SHA256 sees it: hashed when longer than a block, padded with zeros to one. Two keys sign
    /// alike exactly when these are equal.
    #[must_use]
    pub fn effective_block(&self) -> Zeroizing<[u8; 64]> {
        let bytes = self.expose_bytes();
        let mut block = Zeroizing::new([0; 64]);
        if bytes.len() > block.len() {
            block[..TAG_BYTES].copy_from_slice(&Sha256::digest(bytes));
        } else {
            block[..bytes.len()].copy_from_slice(bytes);
        }
        block
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// How the text that a vendor shows becomes key bytes. Always said by the scheme, never guessed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFormat {
    /// The decoding.
    pub decoding: KeyDecoding,
    /// Text that stands before the key. With `utf8` it is part of the key; with any other decoding it is optional
    /// on input and not part of the key.
    #[serde(default)]
    pub prefix: String,
    /// The vendor issues keys shorter than we would: they are taken from 8 bytes up, with a warning.
    #[serde(default)]
    pub short_allowed: bool,
}

/// From key text to key bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDecoding {
    /// The UTF-8 bytes of the whole text as shown.
    Utf8,
    /// Hexadecimal digits, two a byte, either case.
    Hex,
    /// Standard base64 with padding (RFC 4648 §4).
    Base64,
}

/// The text is not in the scheme's key format. It says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not in the scheme's format")]
pub struct KeyFormatError;

impl KeyFormat {
    /// Decodes key text. An empty key is none, wherever it comes from: anybody can sign with it.
    ///
    /// # Errors
    /// The text is not in this format, or holds no key.
    pub fn decode(&self, text: &SecretString) -> Result<Key, KeyFormatError> {
        let text = text.expose_secret();
        let bare = text.strip_prefix(&self.prefix).unwrap_or(text);
        let bytes = match self.decoding {
            KeyDecoding::Utf8 => text.as_bytes().to_vec(),
            KeyDecoding::Hex => hex::decode(bare).map_err(|_| KeyFormatError)?,
            KeyDecoding::Base64 => general_purpose::STANDARD
                .decode(bare)
                .map_err(|_| KeyFormatError)?,
        };
        if bytes.is_empty() {
            return Err(KeyFormatError);
        }
        Ok(Key::new(Zeroizing::new(bytes)))
    }

    /// Writes 32 random bytes as the vendor would show a key.
    #[must_use]
    pub fn generated(&self, random: &Zeroizing<[u8; 32]>) -> SecretString {
        let text = match self.decoding {
            KeyDecoding::Utf8 | KeyDecoding::Hex => Zeroizing::new(hex::encode(random.as_slice())),
            KeyDecoding::Base64 => {
                Zeroizing::new(general_purpose::STANDARD.encode(random.as_slice()))
            }
        };
        SecretString::from([self.prefix.as_str(), text.as_str()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(decoding: KeyDecoding, prefix: &str) -> KeyFormat {
        KeyFormat {
            decoding,
            prefix: prefix.to_owned(),
            short_allowed: false,
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
                    .decode(&bad.to_owned().into())
                    .is_err()
            );
        }
    }

    #[test]
    fn d01_an_empty_key_is_no_key() {
        for decoding in [KeyDecoding::Utf8, KeyDecoding::Hex, KeyDecoding::Base64] {
            assert!(format(decoding, "").decode(&String::new().into()).is_err());
        }
    }

    #[test]
    fn w32_base64_keys_are_strict() {
        let base64 = format(KeyDecoding::Base64, "whsec_");
        assert!(base64.decode(&"whsec_AAECAw==".to_owned().into()).is_ok());
        assert!(base64.decode(&"AAECAw==".to_owned().into()).is_ok());
        for bad in [
            "whsec_AAECAw",
            "whsec_whsec_AAECAw==",
            "whsec_-_ECAw==",
            "whsec_!!!!",
        ] {
            assert!(base64.decode(&bad.to_owned().into()).is_err());
        }
    }

    #[test]
    fn generated_keys_decode_to_the_random_bytes() {
        let random = Zeroizing::new([9; 32]);
        for (decoding, prefix) in [(KeyDecoding::Hex, ""), (KeyDecoding::Base64, "whsec_")] {
            let format = format(decoding, prefix);
            let key = format.decode(&format.generated(&random)).unwrap();
            assert_eq!(key.expose_bytes(), [9; 32]);
        }
    }
}
