//! The keys of a store before there were data keys: all of them came out of the key-encryption key. The one that
//! sealed becomes the data key of the secrets there are, and the one that made fingerprints the integrity key, so that
//! no row has to be sealed anew.

use hkdf::Hkdf;
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{DeploymentId, Kek, PlainKey};

/// The keys of a store of the old form.
pub(crate) struct LegacyKeys {
    /// What sealed keys and answers.
    pub(crate) sealing: PlainKey,
    /// What made fingerprints.
    pub(crate) fingerprints: PlainKey,
    check_value: PlainKey,
}

impl LegacyKeys {
    pub(crate) fn derive(kek: &Kek, deployment: &DeploymentId) -> Self {
        let root = Hkdf::<Sha256>::new(Some(deployment), kek.expose_secret());
        let derive = |purpose: &[u8]| {
            let mut key = PlainKey::default();
            root.expand(purpose, key.as_mut_slice())
                .expect("32 bytes are within HKDF's limit");
            key
        };
        Self {
            sealing: derive(b"countersign v1 seal"),
            fingerprints: derive(b"countersign v1 fingerprint"),
            check_value: derive(b"countersign v1 check"),
        }
    }

    /// Whether the store was made with this key-encryption key.
    pub(crate) fn matches(&self, check_value: &[u8]) -> bool {
        bool::from(self.check_value.as_slice().ct_eq(check_value))
    }

    /// What such a store keeps to know its key again.
    #[cfg(test)]
    pub(crate) fn check_value(&self) -> &[u8] {
        self.check_value.as_slice()
    }
}
