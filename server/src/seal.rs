//! Envelope encryption of what the store keeps: nothing secret reaches a disk but as sealed text.
//!
//! The key-encryption key never encrypts. HKDF-SHA256, salted with the deployment's id, derives from it a key that
//! seals (XChaCha20-Poly1305 under a random 192-bit nonce), a key that makes equality fingerprints (HMAC-SHA256)
//! and a check value that tells a wrong key before it does harm.
//!
//! Invariant: sealed text opens only at the [`Place`] it was sealed for; a row moved to another version, secret,
//! scheme or deployment does not open.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use countersign_core::SecretName;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The key-encryption key: 32 random bytes from outside the store.
pub type Kek = SecretBox<[u8; 32]>;

/// The random id of one store, part of everything sealed in it.
pub(crate) type DeploymentId = [u8; 16];

const FORMAT: &[u8] = &[1];
const ALGORITHM: &[u8] = b"XChaCha20-Poly1305";
const NONCE_BYTES: usize = 24;

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
}

/// Sealing failed or the text does not open. It says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the system gave no random bytes")]
    NoRandomness,
    #[error("the sealed text does not open here")]
    Broken,
}

/// Seals, opens and fingerprints for one store.
pub(crate) struct Seal {
    deployment: DeploymentId,
    cipher: XChaCha20Poly1305,
    fingerprints: Hmac<Sha256>,
    check_value: [u8; 32],
}

impl Seal {
    /// Derives the keys of a store.
    pub(crate) fn new(kek: &Kek, deployment: DeploymentId) -> Self {
        let root = Hkdf::<Sha256>::new(Some(&deployment), kek.expose_secret());
        let derive = |purpose: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            root.expand(purpose, key.as_mut())
                .expect("32 bytes are within HKDF's limit");
            key
        };
        Self {
            deployment,
            cipher: XChaCha20Poly1305::new(&(*derive(b"countersign v1 seal")).into()),
            fingerprints: Hmac::new_from_slice(derive(b"countersign v1 fingerprint").as_slice())
                .expect("HMAC takes a key of any length"),
            check_value: *derive(b"countersign v1 check"),
        }
    }

    /// The id of the store.
    pub(crate) fn deployment(&self) -> &DeploymentId {
        &self.deployment
    }

    /// Tells one key-encryption key from another, and nothing else about it.
    pub(crate) fn check_value(&self) -> &[u8; 32] {
        &self.check_value
    }

    /// Whether the store was made with this key-encryption key.
    pub(crate) fn matches(&self, check_value: &[u8]) -> bool {
        bool::from(self.check_value.ct_eq(check_value))
    }

    /// Seals a text for a place: nonce, then ciphertext and tag.
    pub(crate) fn seal(&self, place: &Place<'_>, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let payload = Payload {
            msg: text,
            aad: &self.associated_data(place),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Broken)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a text that was sealed for this place.
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, msg) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Broken)?;
        let aad = &self.associated_data(place);
        self.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(|_| SealError::Broken)
    }

    /// A keyed fingerprint of the parts, for equality and nothing else.
    pub(crate) fn fingerprint(&self, domain: Domain, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.fingerprints.clone();
        mac.update(&[match domain {
            Domain::Key => 1,
            Domain::Arguments => 2,
            Domain::Rows => 3,
            Domain::Scheme => 4,
        }]);
        for part in parts {
            mac.update(&length(part));
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn associated_data(&self, place: &Place<'_>) -> Vec<u8> {
        let kind: &[u8] = match place.kind {
            Kind::Key => b"key",
            Kind::Answer => b"answer",
        };
        let parts: [&[u8]; 8] = [
            FORMAT,
            &self.deployment,
            kind,
            &place.secret_id.to_be_bytes(),
            place.name.as_str().as_bytes(),
            &place.version.to_be_bytes(),
            place.scheme.as_bytes(),
            ALGORITHM,
        ];
        let mut data = Vec::new();
        for part in parts {
            data.extend_from_slice(&length(part));
            data.extend_from_slice(part);
        }
        data
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

fn length(part: &[u8]) -> [u8; 8] {
    // Widening: usize has at most 64 bits.
    (part.len() as u64).to_be_bytes()
}
