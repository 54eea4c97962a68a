//! Identity hashes and unguessable ids: an HMAC over fields of an identity, mostly over one, without a time. A hash
//! proves the fields that it covers and no other, and it holds until its key ends.

mod message;

use serde::Deserialize;

pub use self::message::{Field, MAX_PARTS, Message, MessageError, Unsignable};
use crate::{Identity, Key, Reason, encoding::Encoding};

/// The identity-hash part of a scheme file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashRules {
    /// The signed fields.
    pub message: Message,
    /// The text form of the hash.
    pub encoding: Encoding,
    /// Whether a hash in the other case is refused.
    #[serde(default)]
    pub strict: bool,
}

/// The resource-id part of a scheme file: the message is the id to protect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRules {
    /// The text form of the unguessable id.
    pub encoding: Encoding,
}

/// A hash that holds.
#[derive(Debug)]
pub struct HashProof {
    /// The version that made it.
    pub version: u32,
    /// The fields that it proves, and nothing else; one that the scheme lower-cases is in lower case here.
    pub identity: Identity,
}

impl HashRules {
    /// The hash of an identity's signed fields.
    ///
    /// # Errors
    /// The identity has no message.
    pub fn sign(&self, key: &Key, identity: &Identity) -> Result<String, Unsignable> {
        let message = self.message.of(identity)?;
        Ok(self.encoding.encode(&key.tag(&[message.as_bytes()])))
    }

    /// Checks a hash against every key, without early exit.
    ///
    /// # Errors
    /// Why the hash is refused.
    pub fn verify<'k>(
        &self,
        identity: &Identity,
        hash: &str,
        keys: impl Iterator<Item = (u32, &'k Key)>,
    ) -> Result<HashProof, Reason> {
        let received = self
            .encoding
            .decode(hash, self.strict)
            .ok_or(Reason::SignatureMalformed)?;
        let message = self.message.of(identity)?;
        let mut proven = None;
        let mut any_key = false;
        for (version, key) in keys {
            any_key = true;
            if key.tag(&[message.as_bytes()]).matches(&received) && proven.is_none() {
                proven = Some(version);
            }
        }
        match proven {
            Some(version) => Ok(HashProof {
                version,
                identity: self.message.proven(identity),
            }),
            None if any_key => Err(Reason::SignatureMismatch),
            None => Err(Reason::NoLiveVersion),
        }
    }
}

/// What was sent cannot be what was hashed, and nobody needs the key to see that.
impl From<Unsignable> for Reason {
    fn from(unsignable: Unsignable) -> Self {
        match unsignable {
            Unsignable::Empty(_) => Self::ClaimMissing,
            Unsignable::Ambiguous(_) => Self::ClaimInvalid,
        }
    }
}

#[cfg(test)]
mod tests;
