//! XChaCha20-Poly1305 as everything here uses it: a random nonce before the ciphertext, and associated data whose
//! parts cannot run into each other.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::KeyInit;
use zeroize::Zeroizing;

use super::{PlainKey, SealError};

pub(super) const ALGORITHM: &[u8] = b"XChaCha20-Poly1305";
pub(super) const NONCE_BYTES: usize = 24;

/// A cipher with its key, which is wiped when it is dropped.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(super) fn new(key: &PlainKey) -> Self {
        // A reference, so that no copy of the key is left behind.
        Self(XChaCha20Poly1305::new((&**key).into()))
    }

    /// Nonce, then ciphertext and tag.
    pub(super) fn encrypt(&self, aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random_nonce()?;
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg, aad })
            .map_err(|_| SealError::Broken)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub(super) fn decrypt(
        &self,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, msg) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Broken)?;
        self.0
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(|_| SealError::Broken)
    }
}

/// 192 random bits: a key would have to seal 2^80 texts before two of them meet.
pub(super) fn random_nonce() -> Result<[u8; NONCE_BYTES], SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
    Ok(nonce)
}

/// The parts, each behind its length.
pub(super) fn associated_data(parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&length(part));
        data.extend_from_slice(part);
    }
    data
}

pub(super) fn length(part: &[u8]) -> [u8; 8] {
    // Widening: usize has at most 64 bits.
    (part.len() as u64).to_be_bytes()
}
