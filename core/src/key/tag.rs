//! What a key makes of a text, to compare with what was received and to know a text again.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest tag in bytes: one of SHA-256.
pub const TAG_BYTES: usize = 32;

/// A digest that this program computed. It is compared in constant time and never shown.
pub struct Tag {
    bytes: [u8; TAG_BYTES],
    len: u8,
}

impl Tag {
    /// SHA-256 of the parts as one text: what makes two deliveries the same when the signature cannot, because others
    /// can be derived from it or because it is the same for every delivery.
    #[must_use]
    pub fn of_text(parts: &[&[u8]]) -> Self {
        Self::sha256(sha256(parts))
    }

    pub(super) fn sha256(bytes: [u8; 32]) -> Self {
        Self { bytes, len: 32 }
    }

    pub(super) fn sha1(digest: [u8; 20]) -> Self {
        let mut bytes = [0; TAG_BYTES];
        bytes[..digest.len()].copy_from_slice(&digest);
        Self { bytes, len: 20 }
    }

    /// A tag that nothing matches.
    pub(super) fn none() -> Self {
        let bytes = [0; TAG_BYTES];
        Self { bytes, len: 0 }
    }

    /// Whether `other` is this tag; false for any other length. Constant time in the contents.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.len != 0 && bool::from(self.expose_bytes().ct_eq(other))
    }

    /// The bytes, for an answer to Sign or for a replay record.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag([redacted])")
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
