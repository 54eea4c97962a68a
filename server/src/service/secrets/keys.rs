//! The key of a new version, generated or imported.

use countersign_core::{
    Key, Scheme,
    key_policy::{self, KeyRefusal, KeyWarning},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Shared, settings};
use crate::{
    failure::{ErrorReason, Failure},
    service::KeyPolicy,
    store::NewKey,
};

impl Shared {
    /// A key to add, generated or imported and found good.
    pub(super) fn new_key(
        &self,
        scheme: &Scheme,
        imported: SecretString,
        key_id: String,
    ) -> Result<NewKey, Failure> {
        let key_id = settings::key_id(scheme, key_id)?;
        let is_imported = !imported.expose_secret().is_empty();
        let (text, key, warnings) = if is_imported {
            let (key, warnings) = self.imported_key(scheme, &imported)?;
            (imported, key, warnings)
        } else {
            let internal = |_| Failure::new(ErrorReason::Internal);
            let random = crate::random::key_bytes().map_err(internal)?;
            let text = scheme.generate_key(&random);
            let key = scheme
                .decode_key(&text)
                .map_err(|_| Failure::new(ErrorReason::Internal))?;
            (text, key, Vec::new())
        };
        Ok(NewKey {
            text,
            block: key.effective_block(),
            imported: is_imported,
            key_id,
            warnings,
            may_share_with: scheme.shares_key_with.clone(),
        })
    }

    fn imported_key(
        &self,
        scheme: &Scheme,
        text: &SecretString,
    ) -> Result<(Key, Vec<KeyWarning>), Failure> {
        if self.key_policy == KeyPolicy::SampleKeysAllowed {
            let key = scheme.decode_key(text);
            return Ok((
                key.map_err(|_| Failure::new(ErrorReason::KeyFormat))?,
                Vec::new(),
            ));
        }
        let checked = key_policy::check(
            &scheme.key,
            scheme.algorithm(),
            scheme.min_key_bytes(),
            text,
        );
        checked.map_err(|refusal| {
            let reason = match refusal {
                KeyRefusal::Empty => ErrorReason::EmptyKey,
                KeyRefusal::NotInFormat
                | KeyRefusal::ApiKey
                | KeyRefusal::SurroundingWhitespace
                | KeyRefusal::TrailingNul => ErrorReason::KeyFormat,
                KeyRefusal::TooShort { .. } | KeyRefusal::TooLong | KeyRefusal::TextTooLong => {
                    ErrorReason::KeyLength
                }
                KeyRefusal::Weak => ErrorReason::WeakKey,
            };
            Failure::with_message(reason, refusal.to_string()).at("imported_key")
        })
    }
}
