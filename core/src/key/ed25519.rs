//! Keys of Ed25519: 32 bytes of the public half, or 64 of the seed and the public half.

use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::KeyFormatError;

pub(super) struct Ed25519 {
    public: VerifyingKey,
    private: Option<SigningKey>,
}

impl Ed25519 {
    /// Halves that do not belong together are refused: signing with them would give the private one away. So are
    /// public keys under which a signature of one text holds for others.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, KeyFormatError> {
        let private = match bytes.try_into() {
            Ok(pair) => Some(SigningKey::from_keypair_bytes(pair).map_err(|_| KeyFormatError)?),
            Err(_) => None,
        };
        let public = match &private {
            Some(private) => private.verifying_key(),
            None => {
                let bytes = bytes.try_into().map_err(|_| KeyFormatError)?;
                VerifyingKey::from_bytes(bytes).map_err(|_| KeyFormatError)?
            }
        };
        // One point, one spelling.
        let is_canonical = public.to_edwards().compress().as_bytes() == public.as_bytes();
        if public.is_weak() || !is_canonical {
            return Err(KeyFormatError);
        }
        Ok(Self { public, private })
    }

    /// Both halves of the key that grows from a seed.
    pub(super) fn grown(seed: &[u8; 32]) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(SigningKey::from_bytes(seed).to_keypair_bytes())
    }

    pub(super) fn public(&self) -> &[u8; PUBLIC_KEY_LENGTH] {
        self.public.as_bytes()
    }

    pub(super) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let private = self.private.as_ref()?;
        Some(private.sign(text).to_bytes().to_vec())
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.public.verify_strict(text, &signature).is_ok())
    }
}
