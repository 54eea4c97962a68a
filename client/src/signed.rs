//! What signing answers. A proof vouches for a user, so none of it shows in a debug text.

use std::{fmt, mem::take, time::SystemTime};

use crate::{Error, VersionUse};

/// A proof, with the version that made it.
#[derive(Clone)]
pub struct Signed<T> {
    /// The proof.
    pub proof: T,
    /// The version that signed.
    pub version: VersionUse,
    /// When the proof stops being accepted by age; none for proofs without a time.
    pub expire_time: Option<SystemTime>,
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("version", &self.version)
            .field("expire_time", &self.expire_time)
            .finish_non_exhaustive()
    }
}

/// The proof of an identity, by the purpose of the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum IdentityProof {
    /// A user hash, in the scheme's encoding.
    Hash(String),
    /// A compact JWS.
    Token(String),
}

impl IdentityProof {
    pub(crate) fn from_wire(hash: &mut String, token: &mut String) -> Result<Self, Error> {
        match (hash.is_empty(), token.is_empty()) {
            (false, true) => Ok(Self::Hash(take(hash))),
            (true, false) => Ok(Self::Token(take(token))),
            _ => Err(Error::IncompleteAnswer {
                field: "hash or token",
            }),
        }
    }

    /// The proof as text, to hand to the browser of the user.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hash(text) | Self::Token(text) => text,
        }
    }
}

impl fmt::Debug for IdentityProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash([redacted])",
            Self::Token(_) => "Token([redacted])",
        })
    }
}
