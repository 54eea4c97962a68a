//! Keys that cannot be printed, compared with `==`, cloned or serialised by accident, of every algorithm that a vendor
//! signs with.

mod algorithm;
mod ed25519;
mod format;
mod jwk;
mod p256;
mod tag;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use self::{
    algorithm::{Algorithm, MAX_SIGNATURE_BYTES},
    format::{KeyDecoding, KeyFormat, KeyFormatError},
    jwk::MAX_JWKS,
    tag::{TAG_BYTES, Tag},
};
use self::{ed25519::Ed25519, jwk::JwkSet, p256::P256, tag::sha256};

/// A key with its state prepared, so that a check costs what the message costs and nothing else.
pub struct Key {
    bytes: SecretSlice<u8>,
    prepared: Prepared,
}

enum Prepared {
    HmacSha256(Hmac<Sha256>),
    HmacSha1(Hmac<Sha1>),
    Sha256,
    Token,
    Ed25519(Box<Ed25519>),
    EcdsaP256(Box<P256>),
    Es256(JwkSet),
}

impl Key {
    /// A key of HMAC-SHA256, which may have any length (RFC 2104).
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        let prepared = Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length");
        Self::with(bytes, Prepared::HmacSha256(prepared))
    }

    /// A key of any algorithm: the bytes of a MAC key or token, the raw public half or seed and public half of
    /// Ed25519, the DER of ECDSA, the JSON of ES256.
    ///
    /// # Errors
    /// The bytes are empty or no key of the algorithm.
    pub fn of(algorithm: Algorithm, bytes: Zeroizing<Vec<u8>>) -> Result<Self, KeyFormatError> {
        if bytes.is_empty() {
            return Err(KeyFormatError);
        }
        let prepared = match algorithm {
            Algorithm::HmacSha256 => return Ok(Self::new(bytes)),
            Algorithm::HmacSha1 => {
                let prepared = Hmac::new_from_slice(&bytes);
                Prepared::HmacSha1(prepared.expect("HMAC takes a key of any length"))
            }
            Algorithm::Sha256 => Prepared::Sha256,
            Algorithm::Token => Prepared::Token,
            Algorithm::Ed25519 => Prepared::Ed25519(Box::new(Ed25519::new(&bytes)?)),
            Algorithm::EcdsaP256 => Prepared::EcdsaP256(Box::new(P256::from_der(&bytes)?)),
            Algorithm::Es256 => Prepared::Es256(JwkSet::parse(&bytes)?),
        };
        Ok(Self::with(bytes, prepared))
    }

    fn with(bytes: Zeroizing<Vec<u8>>, prepared: Prepared) -> Self {
        let bytes = SecretSlice::from(bytes.to_vec());
        Self { bytes, prepared }
    }

    /// What the key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.prepared {
            Prepared::HmacSha256(_) => Algorithm::HmacSha256,
            Prepared::HmacSha1(_) => Algorithm::HmacSha1,
            Prepared::Sha256 => Algorithm::Sha256,
            Prepared::Token => Algorithm::Token,
            Prepared::Ed25519(_) => Algorithm::Ed25519,
            Prepared::EcdsaP256(_) => Algorithm::EcdsaP256,
            Prepared::Es256(_) => Algorithm::Es256,
        }
    }

    /// The MAC of the parts as one message; for [`Algorithm::Sha256`] their plain digest, the secret being among
    /// them. Other algorithms have no digest that proves anything: their tag matches nothing.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        match &self.prepared {
            Prepared::HmacSha256(prepared) => Tag::sha256(mac(prepared, parts).into()),
            Prepared::HmacSha1(prepared) => Tag::sha1(mac(prepared, parts).into()),
            Prepared::Sha256 => Tag::of_text(parts),
            _ => Tag::none(),
        }
    }

    /// The bytes of a signature over the parts as one message; `None` when only the public half is known. A token
    /// is its own signature, over anything.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        match &self.prepared {
            Prepared::HmacSha256(_) | Prepared::HmacSha1(_) | Prepared::Sha256 => {
                Some(self.tag(parts).expose_bytes().to_vec())
            }
            Prepared::Token => Some(self.expose_bytes().to_vec()),
            Prepared::Ed25519(key) => key.sign(&parts.concat()),
            Prepared::EcdsaP256(key) => {
                let signature = key.sign(&sha256(parts))?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Prepared::Es256(set) => set.sign(&sha256(parts)),
        }
    }

    /// Whether this key made one of the signatures over the parts, and if so, the tag that makes the delivery the
    /// same as another one. Of a MAC it is the MAC. A signature with a public key can be turned into others that
    /// hold too, and a token is the same for every delivery: there it is SHA-256 of the text.
    ///
    /// MACs and tokens are compared in constant time, and all of them are looked at.
    pub fn check<'s>(
        &self,
        parts: &[&[u8]],
        mut signatures: impl Iterator<Item = &'s [u8]>,
    ) -> Option<Tag> {
        let is_signed = match &self.prepared {
            Prepared::HmacSha256(_) | Prepared::HmacSha1(_) | Prepared::Sha256 => {
                let tag = self.tag(parts);
                let found = signatures.fold(false, |found, received| found | tag.matches(received));
                return found.then_some(tag);
            }
            // Digests are compared, so that not even the length of the token shows.
            Prepared::Token => {
                let own = Sha256::digest(self.expose_bytes());
                let is_own =
                    |received: &[u8]| bool::from(own.as_slice().ct_eq(&Sha256::digest(received)));
                signatures.fold(false, |found, received| found | is_own(received))
            }
            Prepared::Ed25519(key) => {
                let text = parts.concat();
                signatures.any(|received| key.verifies(&text, received))
            }
            Prepared::EcdsaP256(key) => {
                let digest = sha256(parts);
                signatures.any(|received| key.verifies_der(&digest, received))
            }
            Prepared::Es256(set) => {
                let digest = sha256(parts);
                signatures.any(|received| set.any_verifies(&digest, received))
            }
        };
        is_signed.then(|| Tag::of_text(parts))
    }

    /// Whether the ES256 key of this name made the signature over a JWS signing input.
    #[must_use]
    pub fn es256_verify(&self, kid: &str, signing_input: &[u8], signature: &[u8]) -> bool {
        let Prepared::Es256(set) = &self.prepared else {
            return false;
        };
        set.verifies(kid, &sha256(&[signing_input]), signature)
    }

    /// The name of the ES256 key that signs: it belongs in the header that is signed.
    #[must_use]
    pub fn es256_kid(&self) -> Option<&str> {
        match &self.prepared {
            Prepared::Es256(set) => set.signing_kid(),
            _ => None,
        }
    }

    /// The ES256 signature of a JWS signing input, and the name of the key that made it.
    #[must_use]
    pub fn es256_sign(&self, signing_input: &[u8]) -> Option<(&str, Vec<u8>)> {
        let Prepared::Es256(set) = &self.prepared else {
            return None;
        };
        let signature = set.sign(&sha256(&[signing_input]))?;
        Some((set.signing_kid()?, signature))
    }

    /// Whether it can check and not sign.
    #[must_use]
    pub fn is_public_only(&self) -> bool {
        match &self.prepared {
            Prepared::Ed25519(key) => !key.is_private(),
            Prepared::EcdsaP256(key) => !key.is_private(),
            Prepared::Es256(set) => !set.is_private(),
            _ => false,
        }
    }

    /// The key as it was decoded, for a library that signs with it or a text that holds it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        self.bytes.expose_secret()
    }

    /// What tells whether two keys sign alike: they do exactly when these are equal. A MAC key as HMAC sees it: hashed
    /// when longer than a block, padded with zeros to one. Of a key with halves, the public one.
    #[must_use]
    pub fn effective_block(&self) -> Zeroizing<[u8; 64]> {
        match &self.prepared {
            Prepared::HmacSha1(_) => mac_block::<Sha1>(self.expose_bytes()),
            Prepared::HmacSha256(_) | Prepared::Sha256 | Prepared::Token => {
                mac_block::<Sha256>(self.expose_bytes())
            }
            Prepared::Ed25519(key) => public_block("countersign Ed25519 public key", key.public()),
            Prepared::EcdsaP256(key) => public_block("countersign P-256 public key", &key.point()),
            Prepared::Es256(set) => {
                public_block("countersign ES256 public keys", &set.fingerprint())
            }
        }
    }
}

fn mac<M: Mac + Clone>(prepared: &M, parts: &[&[u8]]) -> hmac::digest::Output<M> {
    let mut mac = prepared.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

fn mac_block<D: Digest>(bytes: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0; 64]);
    if bytes.len() > block.len() {
        let digest = D::digest(bytes);
        block[..digest.len()].copy_from_slice(&digest);
    } else {
        block[..bytes.len()].copy_from_slice(bytes);
    }
    block
}

/// The text in front keeps a public key from looking like a MAC key, or like one of another algorithm.
fn public_block(domain: &str, public: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0; 64]);
    let (front, digest) = block.split_at_mut(32);
    front[..domain.len()].copy_from_slice(domain.as_bytes());
    digest.copy_from_slice(&Sha256::digest(public));
    block
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

#[cfg(test)]
mod tests;
