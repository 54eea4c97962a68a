//! What a key does with a text.

use std::ops::RangeInclusive;

use crate::key_policy::MAX_KEY_BYTES;

/// Longest signature in bytes that an algorithm makes, once decoded. A [`Algorithm::Token`] is no signature and may
/// be longer.
pub const MAX_SIGNATURE_BYTES: usize = 72;

/// How signatures are made and checked. Always said by the scheme, never by what was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 2104).
    #[default]
    HmacSha256,
    /// HMAC with SHA-1. Its collisions do not break the MAC; some vendors have nothing else.
    HmacSha1,
    /// Plain SHA-256 over a text that holds the secret. The caller puts it there.
    Sha256,
    /// Ed25519 (RFC 8032), checked strictly.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, the signature in ASN.1 DER.
    EcdsaP256,
    /// JWS ES256 (RFC 7518 §3.4), the keys in a JWK set. A scheme file says so in its `jws` part.
    #[serde(skip)]
    Es256,
    /// No signature: the vendor sends the key itself.
    Token,
}

impl Algorithm {
    /// How long a signature may be in bytes, once decoded.
    #[must_use]
    pub fn signature_bytes(self) -> RangeInclusive<usize> {
        match self {
            Self::HmacSha256 | Self::Sha256 => 32..=32,
            Self::HmacSha1 => 20..=20,
            Self::Ed25519 | Self::Es256 => 64..=64,
            Self::EcdsaP256 => 8..=MAX_SIGNATURE_BYTES,
            Self::Token => 1..=MAX_KEY_BYTES,
        }
    }

    /// Whether checking needs the public half of a key alone.
    #[must_use]
    pub fn is_public_key(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP256 | Self::Es256)
    }

    /// In words, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha1 => "HMAC-SHA1",
            Self::Sha256 => "SHA-256",
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256 with SHA-256, DER",
            Self::Es256 => "ES256",
            Self::Token => "the key itself",
        }
    }
}
