//! Envelope encryption of what the store keeps: nothing secret reaches a disk but as sealed text.
//!
//! There are three layers. The key-encryption key comes from outside, is never stored and never encrypts a secret: a
//! key derived from it wraps the random keys of the store ([`wrap`]). Those are one data key for each secret, which
//! seals the secret's texts (XChaCha20-Poly1305 under a random 192-bit nonce), and one integrity key, which makes
//! fingerprints and tags (HMAC-SHA256). So another key-encryption key means new wrappings and nothing else.
//!
//! Invariant: sealed text opens only at the [`Place`] it was sealed for; a row moved to another version, secret,
//! scheme or deployment does not open.
//! Invariant: a wrapped key opens only for its purpose, in its deployment, under the key-encryption key it names.

mod cipher;
#[cfg(test)]
mod tests;
mod wrap;

use std::fmt;

use countersign_core::SecretName;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretBox;
use sha2::Sha256;
use zeroize::Zeroizing;

use cipher::{Cipher, associated_data, length};
pub use wrap::KekId;
pub(crate) use wrap::Wrapped;
use wrap::{Purpose, Wrapper};

/// The key-encryption key: 32 random bytes from outside the store.
pub type Kek = SecretBox<[u8; 32]>;

/// The random id of one store, part of everything sealed in it.
pub(crate) type DeploymentId = [u8; 16];

/// A key of the store in the clear.
pub(crate) type PlainKey = Zeroizing<[u8; 32]>;

const FORMAT: &[u8] = &[1];

/// What a sealed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key of a version, as the vendor shows it.
    Key,
    /// The answer to a request, kept for its retry.
    Answer,
}

/// Where a sealed text belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) kind: Kind,
    pub(crate) secret_id: i64,
    pub(crate) name: &'a SecretName,
    pub(crate) version: u32,
    pub(crate) scheme: &'a str,
    /// Of an answer: whose request it answers, and which; empty of a key.
    pub(crate) request: &'a [u8],
}

/// What a fingerprint is of; fingerprints of two domains never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// The effective block of a key.
    Key,
    /// The arguments of a request.
    Arguments,
    /// The rows of a secret.
    Rows,
    /// The row of a scheme.
    Scheme,
    /// The row of a token.
    Token,
    /// The head of the audit.
    AuditHead,
}

/// Sealing failed or the text does not open. It says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the system gave no random bytes")]
    NoRandomness,
    #[error("the sealed text does not open here")]
    Broken,
}

/// The key-encryption keys that a start was given.
#[derive(Debug)]
pub(crate) struct Keks {
    /// Wraps.
    pub(crate) current: Kek,
    /// Opens what it wrapped, until all of that is wrapped anew.
    pub(crate) previous: Option<Kek>,
}

impl Keks {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Kek> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// Makes and opens the data keys of one store, and its fingerprints.
pub(crate) struct Seal {
    deployment: DeploymentId,
    current: Wrapper,
    previous: Option<Wrapper>,
    integrity: PlainKey,
    fingerprints: Hmac<Sha256>,
}

impl Seal {
    /// For a new store, with a new integrity key.
    pub(crate) fn create(keks: &Keks, deployment: DeploymentId) -> Result<Self, SealError> {
        Ok(Self::with(keks, deployment, random_key()?))
    }

    /// For a store whose integrity key is known.
    pub(crate) fn with(keks: &Keks, deployment: DeploymentId, integrity: PlainKey) -> Self {
        let wrapper = |kek| Wrapper::new(kek, &deployment);
        Self {
            current: wrapper(&keks.current),
            previous: keks.previous.as_ref().map(wrapper),
            fingerprints: Hmac::new_from_slice(integrity.as_slice())
                .expect("HMAC takes a key of any length"),
            integrity,
            deployment,
        }
    }

    /// For a store with this wrapped integrity key.
    ///
    /// # Errors
    /// [`SealError::Broken`] also under another key-encryption key.
    pub(crate) fn open(
        keks: &Keks,
        deployment: DeploymentId,
        wrapped: &Wrapped,
    ) -> Result<Self, SealError> {
        let wrapper = keks
            .iter()
            .map(|kek| Wrapper::new(kek, &deployment))
            .find(|wrapper| wrapper.id() == wrapped.kek)
            .ok_or(SealError::Broken)?;
        let integrity = wrapper.unwrap(Purpose::Integrity, wrapped)?;
        Ok(Self::with(keks, deployment, integrity))
    }

    /// The id of the store.
    pub(crate) fn deployment(&self) -> &DeploymentId {
        &self.deployment
    }

    /// The id of the key-encryption key that wraps.
    pub(crate) fn kek(&self) -> KekId {
        self.current.id()
    }

    /// The id of the key-encryption key that is to be replaced.
    pub(crate) fn previous_kek(&self) -> Option<KekId> {
        self.previous.as_ref().map(Wrapper::id)
    }

    /// The integrity key, wrapped anew.
    pub(crate) fn integrity_key(&self) -> Result<Wrapped, SealError> {
        self.current.wrap(Purpose::Integrity, &self.integrity)
    }

    /// A new data key for a secret.
    pub(crate) fn new_data_key(&self, secret_id: i64) -> Result<(DataKey, Wrapped), SealError> {
        let key = random_key()?;
        let wrapped = self.wrap_data_key(secret_id, &key)?;
        Ok((self.data_key_of(&key), wrapped))
    }

    /// Wraps a key that is to be the data key of a secret.
    pub(crate) fn wrap_data_key(
        &self,
        secret_id: i64,
        key: &PlainKey,
    ) -> Result<Wrapped, SealError> {
        self.current.wrap(Purpose::Secret(secret_id), key)
    }

    /// The data key of a secret.
    pub(crate) fn data_key(&self, secret_id: i64, wrapped: &Wrapped) -> Result<DataKey, SealError> {
        let key = self.unwrap(Purpose::Secret(secret_id), wrapped)?;
        Ok(self.data_key_of(&key))
    }

    /// The same data key under the key-encryption key that wraps now.
    pub(crate) fn rewrap(&self, secret_id: i64, wrapped: &Wrapped) -> Result<Wrapped, SealError> {
        let purpose = Purpose::Secret(secret_id);
        let key = self.unwrap(purpose, wrapped)?;
        self.current.wrap(purpose, &key)
    }

    /// A keyed fingerprint of the parts, for equality and nothing else.
    pub(crate) fn fingerprint(&self, domain: Domain, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.fingerprints.clone();
        mac.update(&[match domain {
            Domain::Key => 1,
            Domain::Arguments => 2,
            Domain::Rows => 3,
            Domain::Scheme => 4,
            Domain::Token => 5,
            Domain::AuditHead => 6,
        }]);
        for part in parts {
            mac.update(&length(part));
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn unwrap(&self, purpose: Purpose, wrapped: &Wrapped) -> Result<PlainKey, SealError> {
        let mut wrappers = std::iter::once(&self.current).chain(&self.previous);
        wrappers
            .find(|wrapper| wrapper.id() == wrapped.kek)
            .ok_or(SealError::Broken)?
            .unwrap(purpose, wrapped)
    }

    fn data_key_of(&self, key: &PlainKey) -> DataKey {
        DataKey {
            deployment: self.deployment,
            cipher: Cipher::new(key),
        }
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

/// Seals and opens the texts of one secret. It is wiped when it is dropped, and nothing keeps it longer than it takes
/// to read or write the rows of its secret.
pub(crate) struct DataKey {
    deployment: DeploymentId,
    cipher: Cipher,
}

impl DataKey {
    /// Seals a text for a place: nonce, then ciphertext and tag.
    pub(crate) fn seal(&self, place: &Place<'_>, text: &[u8]) -> Result<Vec<u8>, SealError> {
        self.cipher.encrypt(&self.associated_data(place), text)
    }

    /// Opens a text that was sealed for this place.
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.cipher.decrypt(&self.associated_data(place), sealed)
    }

    fn associated_data(&self, place: &Place<'_>) -> Vec<u8> {
        let kind: &[u8] = match place.kind {
            Kind::Key => b"key",
            Kind::Answer => b"answer",
        };
        associated_data(&[
            FORMAT,
            &self.deployment,
            kind,
            &place.secret_id.to_be_bytes(),
            place.name.as_str().as_bytes(),
            &place.version.to_be_bytes(),
            place.scheme.as_bytes(),
            place.request,
            cipher::ALGORITHM,
        ])
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

fn random_key() -> Result<PlainKey, SealError> {
    let mut key = PlainKey::default();
    getrandom::fill(key.as_mut_slice()).map_err(|_| SealError::NoRandomness)?;
    Ok(key)
}
