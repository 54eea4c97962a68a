//! Keys of ECDSA over P-256, by themselves as DER or as members of a JWK set.

use p256::{
    PublicKey, SecretKey,
    ecdsa::{
        Signature, SigningKey, VerifyingKey,
        signature::hazmat::{PrehashSigner, PrehashVerifier},
    },
    elliptic_curve::sec1::ToSec1Point,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::KeyFormatError;

pub(super) struct P256 {
    public: PublicKey,
    verifying: VerifyingKey,
    private: Option<SigningKey>,
}

impl P256 {
    /// SubjectPublicKeyInfo for the public half, PKCS#8 for both, whose halves must belong together.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, KeyFormatError> {
        if let Ok(private) = SecretKey::from_pkcs8_der(der) {
            return Ok(Self::from_private(&private));
        }
        let public = PublicKey::from_public_key_der(der).map_err(|_| KeyFormatError)?;
        Ok(Self::from_public(public))
    }

    pub(super) fn from_public(public: PublicKey) -> Self {
        Self {
            public,
            verifying: public.into(),
            private: None,
        }
    }

    pub(super) fn from_private(private: &SecretKey) -> Self {
        Self {
            private: Some(private.into()),
            ..Self::from_public(private.public_key())
        }
    }

    /// A private key of random bytes. One in 2^32 of them is no scalar; its hash is tried next.
    pub(super) fn grown(random: &Zeroizing<[u8; 32]>) -> SecretKey {
        let mut bytes = random.clone();
        loop {
            match SecretKey::from_slice(bytes.as_slice()) {
                Ok(private) => return private,
                Err(_) => *bytes = Sha256::digest(bytes.as_slice()).into(),
            }
        }
    }

    /// Both halves as PKCS#8.
    pub(super) fn private_der(private: &SecretKey) -> Zeroizing<Vec<u8>> {
        let der = private.to_pkcs8_der().expect("a key has a DER form");
        Zeroizing::new(der.as_bytes().to_vec())
    }

    /// The public half as SubjectPublicKeyInfo.
    pub(super) fn public_der(&self) -> Vec<u8> {
        let der = self.public.to_public_key_der();
        der.expect("a key has a DER form").into_vec()
    }

    /// The coordinates of the public half.
    pub(super) fn point(&self) -> [u8; 64] {
        point(&self.public)
    }

    pub(super) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn sign(&self, digest: &[u8; 32]) -> Option<Signature> {
        let private = self.private.as_ref()?;
        private.sign_prehash(digest).ok()
    }

    pub(super) fn verifies(&self, digest: &[u8; 32], signature: &Signature) -> bool {
        self.verifying.verify_prehash(digest, signature).is_ok()
    }

    /// A signature in DER, as strict as DER is.
    pub(super) fn verifies_der(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.verifies(digest, &signature))
    }

    /// A signature as its two numbers.
    pub(super) fn verifies_raw(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.verifies(digest, &signature))
    }
}

/// The coordinates of a public key, 32 bytes each.
pub(super) fn point(public: &PublicKey) -> [u8; 64] {
    let mut point = [0; 64];
    let sec1 = public.to_sec1_point(false);
    point.copy_from_slice(&sec1.as_bytes()[1..]);
    point
}
