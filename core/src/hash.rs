//! Identity hashes and unguessable ids: an HMAC over one field, without a time. A hash proves the field that it
//! covers and no other, and it holds until its key ends.

use serde::Deserialize;

use crate::{Identity, Key, Reason, encoding::Encoding};

/// The identity-hash part of a scheme file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashRules {
    /// The signed field.
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

/// Which identity field a hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Message {
    /// The user's id.
    #[serde(rename = "{id}")]
    Id,
    /// The email address, as given.
    #[serde(rename = "{email}")]
    Email,
    /// The user's id if one is sent, else the email address.
    #[serde(rename = "{id|email}")]
    IdElseEmail,
}

/// A field of an identity that a hash can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Identity::id`].
    Id,
    /// [`Identity::email`].
    Email,
}

/// A hash that holds.
#[derive(Debug)]
pub struct HashProof {
    /// The version that made it.
    pub version: u32,
    /// The one field that it proves.
    pub identity: Identity,
}

impl Message {
    /// The field that is signed for this identity.
    #[must_use]
    pub fn field(self, identity: &Identity) -> Field {
        match self {
            Self::Email => Field::Email,
            Self::IdElseEmail if identity.id.is_empty() => Field::Email,
            Self::Id | Self::IdElseEmail => Field::Id,
        }
    }

    /// As it stands in a scheme file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "{id}",
            Self::Email => "{email}",
            Self::IdElseEmail => "{id|email}",
        }
    }
}

impl Field {
    /// The field's text in an identity.
    #[must_use]
    pub fn of(self, identity: &Identity) -> &str {
        match self {
            Self::Id => &identity.id,
            Self::Email => &identity.email,
        }
    }

    /// The field's name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Email => "email",
        }
    }

    fn alone(self, identity: &Identity) -> Identity {
        let mut proven = Identity::default();
        match self {
            Self::Id => proven.id.clone_from(&identity.id),
            Self::Email => proven.email.clone_from(&identity.email),
        }
        proven
    }
}

impl HashRules {
    /// The hash of an identity's signed field.
    #[must_use]
    pub fn sign(&self, key: &Key, identity: &Identity) -> String {
        let text = self.message.field(identity).of(identity);
        self.encoding.encode(&key.tag(&[text.as_bytes()]))
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
        let field = self.message.field(identity);
        let text = field.of(identity).as_bytes();
        let mut proven = None;
        let mut any_key = false;
        for (version, key) in keys {
            any_key = true;
            if key.tag(&[text]).matches(&received) && proven.is_none() {
                proven = Some(version);
            }
        }
        match proven {
            Some(version) => Ok(HashProof {
                version,
                identity: field.alone(identity),
            }),
            None if any_key => Err(Reason::SignatureMismatch),
            None => Err(Reason::NoLiveVersion),
        }
    }
}

#[cfg(test)]
mod tests;
