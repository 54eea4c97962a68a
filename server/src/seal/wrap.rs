//! Wrapping the keys of a store under the key-encryption key.

use std::fmt;

use hkdf::Hkdf;
use secrecy::ExposeSecret;
use sha2::Sha256;

use super::{
    DeploymentId, Kek, PlainKey, SealError,
    cipher::{ALGORITHM, Cipher, associated_data},
};

const FORMAT: &[u8] = b"countersign wrap 1";
const ID_BYTES: usize = 8;

/// The public id of a key-encryption key. It tells one key from another and nothing else about it, and it is the same
/// in every store, so that somebody can prove which key a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KekId([u8; ID_BYTES]);

impl KekId {
    /// The id of a key.
    #[must_use]
    pub fn of(kek: &Kek) -> Self {
        let mut id = [0; ID_BYTES];
        Hkdf::<Sha256>::new(None, kek.expose_secret())
            .expand(b"countersign v1 kek id", &mut id)
            .expect("8 bytes are within HKDF's limit");
        Self(id)
    }

    /// The id that a row holds.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A key of the store as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrapped {
    /// Under which key.
    pub(crate) kek: KekId,
    /// Nonce, ciphertext and tag.
    pub(crate) text: Vec<u8>,
}

/// What a wrapped key is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The data key of the secret with this id.
    Secret(i64),
    /// The integrity key of the store.
    Integrity,
}

/// Wraps under one key-encryption key for one store.
pub(super) struct Wrapper {
    id: KekId,
    deployment: DeploymentId,
    cipher: Cipher,
}

impl Wrapper {
    pub(super) fn new(kek: &Kek, deployment: &DeploymentId) -> Self {
        let mut key = PlainKey::default();
        Hkdf::<Sha256>::new(Some(deployment), kek.expose_secret())
            .expand(b"countersign v2 wrap", key.as_mut_slice())
            .expect("32 bytes are within HKDF's limit");
        Self {
            id: KekId::of(kek),
            deployment: *deployment,
            cipher: Cipher::new(&key),
        }
    }

    pub(super) fn id(&self) -> KekId {
        self.id
    }

    pub(super) fn wrap(&self, purpose: Purpose, key: &PlainKey) -> Result<Wrapped, SealError> {
        let aad = self.associated_data(purpose);
        Ok(Wrapped {
            kek: self.id,
            text: self.cipher.encrypt(&aad, key.as_slice())?,
        })
    }

    pub(super) fn unwrap(
        &self,
        purpose: Purpose,
        wrapped: &Wrapped,
    ) -> Result<PlainKey, SealError> {
        let aad = self.associated_data(purpose);
        let text = self.cipher.decrypt(&aad, &wrapped.text)?;
        let mut key = PlainKey::default();
        if text.len() != key.len() {
            return Err(SealError::Broken);
        }
        key.copy_from_slice(&text);
        Ok(key)
    }

    fn associated_data(&self, purpose: Purpose) -> Vec<u8> {
        let (word, secret_id): (&[u8], _) = match purpose {
            Purpose::Secret(id) => (b"secret", id),
            Purpose::Integrity => (b"integrity", 0),
        };
        associated_data(&[
            FORMAT,
            &self.deployment,
            word,
            &secret_id.to_be_bytes(),
            self.id.as_bytes(),
            ALGORITHM,
        ])
    }
}
