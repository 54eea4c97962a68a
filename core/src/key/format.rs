//! From the text that a vendor shows to a key, and back.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Algorithm, Key, Prepared, ed25519::Ed25519, jwk::JwkSet, p256::P256};

/// How the text that a vendor shows becomes a key. Always said by the scheme, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFormat {
    /// The decoding.
    pub decoding: KeyDecoding,
    /// Text that stands before the key, or before the public half of one. With `utf8` it is part of the key; with
    /// any other decoding it is optional on input and not part of the key.
    #[serde(default)]
    pub prefix: String,
    /// Text that stands before both halves of a key, where the algorithm has halves; optional on input.
    #[serde(default)]
    pub private_prefix: String,
    /// The vendor issues keys shorter than we would: they are taken from 8 bytes up, with a warning.
    #[serde(default)]
    pub short_allowed: bool,
    /// The vendor makes every key: one that is made here signs nothing of the vendor's.
    #[serde(default)]
    pub issued: bool,
}

/// From key text to key bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDecoding {
    /// The UTF-8 bytes of the whole text as shown.
    #[default]
    Utf8,
    /// Hexadecimal digits, two a byte, either case.
    Hex,
    /// Standard base64 with padding (RFC 4648 §4).
    Base64,
    /// Base64 if the text begins with the prefix, else its UTF-8 bytes.
    Base64OrUtf8,
    /// Base64 of DER: SubjectPublicKeyInfo (RFC 5280) for a public key, PKCS#8 (RFC 5958) for both halves.
    SpkiDer,
    /// A JWK or a JWK set in JSON (RFC 7517).
    Jwks,
}

/// The text is not in the scheme's key format. It says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not in the scheme's format")]
pub struct KeyFormatError;

impl KeyFormat {
    /// Whether keys of the algorithm can be written so.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let has_halves = algorithm.is_public_key();
        let fits = match self.decoding {
            KeyDecoding::Utf8 => !has_halves,
            KeyDecoding::Base64OrUtf8 => !has_halves && !self.prefix.is_empty(),
            KeyDecoding::Hex | KeyDecoding::Base64 => {
                !has_halves || algorithm == Algorithm::Ed25519
            }
            KeyDecoding::SpkiDer => algorithm == Algorithm::EcdsaP256,
            KeyDecoding::Jwks => algorithm == Algorithm::Es256,
        };
        fits && (has_halves || self.private_prefix.is_empty())
    }

    /// Decodes key text. An empty key is none, wherever it comes from: anybody can sign with it.
    ///
    /// # Errors
    /// The text is not in this format, or holds no key of the algorithm.
    pub fn decode(&self, algorithm: Algorithm, text: &SecretString) -> Result<Key, KeyFormatError> {
        if !self.fits(algorithm) {
            return Err(KeyFormatError);
        }
        let text = text.expose_secret();
        let (bare, private) = self.bare(text);
        let bytes = match self.decoding {
            KeyDecoding::Utf8 => Ok(text.as_bytes().to_vec()),
            KeyDecoding::Base64OrUtf8 if !text.starts_with(&self.prefix) => {
                Ok(text.as_bytes().to_vec())
            }
            KeyDecoding::Jwks => Ok(bare.as_bytes().to_vec()),
            KeyDecoding::Hex => hex::decode(bare).map_err(|_| KeyFormatError),
            KeyDecoding::Base64 | KeyDecoding::Base64OrUtf8 | KeyDecoding::SpkiDer => {
                STANDARD.decode(bare).map_err(|_| KeyFormatError)
            }
        };
        let key = Key::of(algorithm, Zeroizing::new(bytes?))?;
        let is_as_said = private.is_none_or(|private| private != key.is_public_only());
        match is_as_said || !algorithm.is_public_key() {
            true => Ok(key),
            false => Err(KeyFormatError),
        }
    }

    /// The text without the prefix that it has, and whether that says that it holds the private half.
    pub(crate) fn bare<'t>(&self, text: &'t str) -> (&'t str, Option<bool>) {
        for (prefix, private) in [(&self.private_prefix, true), (&self.prefix, false)] {
            if !prefix.is_empty()
                && let Some(bare) = text.strip_prefix(prefix.as_str())
            {
                return (bare, Some(private));
            }
        }
        (text, None)
    }

    /// Makes a key of 32 random bytes and writes it as the vendor would show it: with both halves, where it has
    /// halves.
    #[must_use]
    pub fn generated(&self, algorithm: Algorithm, random: &Zeroizing<[u8; 32]>) -> SecretString {
        let text = match algorithm {
            Algorithm::Ed25519 => self.encode(Ed25519::grown(random).as_slice()),
            Algorithm::EcdsaP256 => self.encode(&P256::private_der(&P256::grown(random))),
            Algorithm::Es256 => JwkSet::private_text(&P256::grown(random)),
            _ => self.encode(random.as_slice()),
        };
        let prefix = match algorithm.is_public_key() {
            true => &self.private_prefix,
            false => &self.prefix,
        };
        SecretString::from([prefix, text.as_str()].concat())
    }

    /// The public half of a key as the vendor would show it; `None` if the key has no halves.
    #[must_use]
    pub fn public_text(&self, key: &Key) -> Option<String> {
        let text = match &key.prepared {
            Prepared::Ed25519(key) => self.encode(key.public()),
            Prepared::EcdsaP256(key) => self.encode(&key.public_der()),
            Prepared::Es256(set) => Zeroizing::new(set.public_text()),
            _ => return None,
        };
        Some([&self.prefix, text.as_str()].concat())
    }

    fn encode(&self, bytes: &[u8]) -> Zeroizing<String> {
        Zeroizing::new(match self.decoding {
            // A text key is the text itself, whatever it looks like.
            KeyDecoding::Utf8 | KeyDecoding::Hex | KeyDecoding::Jwks => hex::encode(bytes),
            KeyDecoding::Base64 | KeyDecoding::Base64OrUtf8 | KeyDecoding::SpkiDer => {
                STANDARD.encode(bytes)
            }
        })
    }
}
