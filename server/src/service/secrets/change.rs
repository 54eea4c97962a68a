//! Create, rotate, update: from the wire to one change of the store.

use std::{sync::Arc, time::Duration};

use countersign_core::{Scheme, SecretName, rotation::Ending};
use countersign_proto::v1::{
    self, CreateSecretRequest, CreateSecretResponse, RotateSecretRequest, RotateSecretResponse,
    UpdateSecretRequest, rotate_secret_request,
};
use prost::Message;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{
    Shared, authorized, settings,
    wire::{change_failure, etag, record_to_wire},
};
use crate::{
    access::Admitted,
    convert,
    failure::{ErrorReason, Failure},
    ring::{Absent, Entry},
    store::{Caller, ChangeError, NewKey, NewSecret, RequestId, Rotate, SecretRecord, Settings},
};

impl Shared {
    pub(super) async fn create(
        &self,
        admitted: &Admitted,
        caller: Caller,
        mut request: CreateSecretRequest,
    ) -> Result<CreateSecretResponse, Failure> {
        let request_id = self.request_id(&request.request_id, "CreateSecret", &request)?;
        let name = authorized(admitted, &request.name)?;
        let known = self.scheme(&request.scheme).ok_or_else(unknown_scheme)?;
        let scheme = &*known.scheme;
        let mut settings = Settings {
            mode: convert::mode("mode", request.mode)?,
            tolerance: request
                .tolerance
                .map(|tolerance| convert::duration("tolerance", tolerance))
                .transpose()?,
            timestamp_unit: convert::timestamp_unit("timestamp_unit", request.timestamp_unit)?,
            replay: convert::replay_policy("replay_policy", request.replay_policy)?,
            parameters: std::mem::take(&mut request.parameters),
            labels: std::mem::take(&mut request.labels),
        };
        settings::complete(scheme, &mut settings);
        settings::check(scheme, &settings)?;
        let imported = std::mem::take(&mut request.imported_key).into();
        let key = self.new_key(scheme, imported, request.key_id)?;
        let new = NewSecret {
            name,
            scheme: scheme.id.clone(),
            scheme_revision: known.revision(),
            settings,
            key,
            max_secrets: self.limits.max_secrets,
            max_of_namespace: self.limits.max_secrets_per_namespace,
        };
        let now = self.clock.now();
        let answer = self
            .store
            .create(caller, request_id, new, move |outcome| {
                Zeroizing::new(
                    CreateSecretResponse {
                        secret: Some(record_to_wire(outcome.record, &known.scheme, None, now)),
                        version: outcome.version,
                        revealed_key: revealed(outcome.key),
                    }
                    .encode_to_vec(),
                )
            })
            .await
            .map_err(|error| match error {
                ChangeError::SchemeNotFound => unknown_scheme(),
                error => change_failure(error),
            })?;
        decode(&answer)
    }

    pub(super) async fn rotate(
        &self,
        admitted: &Admitted,
        caller: Caller,
        mut request: RotateSecretRequest,
    ) -> Result<RotateSecretResponse, Failure> {
        let request_id = self.request_id(&request.request_id, "RotateSecret", &request)?;
        let name = authorized(admitted, &request.name)?;
        let ending = self.ending(&request)?;
        let scheme = self.scheme_of(&name).await;
        let scheme = scheme.map_err(|failure| admitted.conceal(name.as_str(), failure))?;
        let entry = self.ring.secret(name.as_str()).ok();
        let imported = std::mem::take(&mut request.imported_key).into();
        let key = self.new_key(&scheme, imported, request.key_id)?;
        let validate_only = request.validate_only;
        let rotation = Rotate {
            name,
            scheme: scheme.id.clone(),
            ending,
            expected_version: (request.expected_version != 0).then_some(request.expected_version),
            key,
            validate_only,
        };
        let now = self.clock.now();
        let answer = self
            .store
            .rotate(caller, request_id, rotation, move |outcome| {
                let revealed_key = match validate_only {
                    true => String::new(),
                    false => revealed(outcome.key),
                };
                Zeroizing::new(
                    RotateSecretResponse {
                        secret: Some(record_to_wire(
                            outcome.record,
                            &scheme,
                            entry.as_deref(),
                            now,
                        )),
                        version: outcome.version,
                        revealed_key,
                    }
                    .encode_to_vec(),
                )
            })
            .await
            .map_err(change_failure)?;
        decode(&answer)
    }

    pub(super) async fn update(
        &self,
        admitted: &Admitted,
        caller: Caller,
        request: UpdateSecretRequest,
    ) -> Result<v1::Secret, Failure> {
        let wire = request
            .secret
            .ok_or_else(|| Failure::field("secret", "required"))?;
        let name = convert::name("secret.name", &wire.name)?;
        admitted.authorize(name.as_str())?;
        let paths = mask(request.update_mask, &wire)?;
        let mut tries = UPDATE_TRIES;
        loop {
            let entry = self.secret_or_deleted(&name).await;
            let entry = entry.map_err(|failure| admitted.conceal(name.as_str(), failure))?;
            if !wire.etag.is_empty() && wire.etag != etag(&entry.record) {
                return Err(Failure::new(ErrorReason::EtagMismatch));
            }
            let new = masked(&entry.record.settings, &wire, &paths)?;
            settings::check(&entry.secret.scheme, &new)?;
            // The settings were computed from this revision; a change in between is not lost.
            let revision = Some(entry.record.revision);
            let changed = self
                .store
                .update(
                    caller.clone(),
                    name.clone(),
                    revision,
                    new,
                    request.validate_only,
                )
                .await;
            tries -= 1;
            if !matches!(changed, Err(ChangeError::RevisionMismatch))
                || !wire.etag.is_empty()
                || tries == 0
            {
                return self.changed(admitted, name.as_str(), changed);
            }
        }
    }

    fn ending(&self, request: &RotateSecretRequest) -> Result<Ending, Failure> {
        use rotate_secret_request::Ending as Wire;
        match (request.stage, &request.ending) {
            (true, None) => Ok(Ending::Staged),
            (true, Some(_)) => Err(Failure::field(
                "stage",
                "without grace_period and emergency; ActivateVersion takes the grace",
            )),
            (false, Some(Wire::Emergency(true))) => Ok(Ending::Emergency),
            (false, Some(Wire::Emergency(false))) => {
                Err(Failure::field("emergency", "true, or not set"))
            }
            (false, Some(Wire::GracePeriod(grace))) => self.grace(Some(*grace)).map(Ending::Grace),
            (false, None) => self.grace(None).map(Ending::Grace),
        }
    }

    pub(super) fn grace(&self, wire: Option<prost_types::Duration>) -> Result<Duration, Failure> {
        let max = self.limits.max_grace;
        let expected = || {
            let days = max.as_secs() / 86_400;
            Failure::field(
                "grace_period",
                format!("more than 0 and at most {days} days"),
            )
        };
        let Some(wire) = wire else {
            return Ok(self.limits.default_grace);
        };
        let grace = convert::duration("grace_period", wire).map_err(|_| expected())?;
        if grace.as_millis() == 0 || grace > max {
            return Err(expected());
        }
        Ok(grace)
    }

    fn request_id(
        &self,
        id: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<RequestId, Failure> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(8..=64).contains(&id.len()) || !id.bytes().all(allowed) {
            return Err(Failure::field(
                "request_id",
                "8 to 64 characters of A-Z a-z 0-9 . _ -, best a UUID",
            ));
        }
        let arguments = Zeroizing::new(request.encode_to_vec());
        Ok(RequestId {
            id: id.to_owned(),
            args_digest: self.store.fingerprint(&[method.as_bytes(), &arguments]),
        })
    }

    /// A secret of the ring; if it is not there, whether it once was.
    async fn secret_or_deleted(&self, name: &SecretName) -> Result<Arc<Entry>, Failure> {
        match self.ring.secret(name.as_str()) {
            Ok(entry) => Ok(entry),
            Err(Absent::Corrupt) => Err(Failure::new(ErrorReason::SecretCorrupt)),
            Err(Absent::Unknown) => {
                let scheme = self.store.scheme_of(name.clone()).await;
                // There it is by now: it was created a moment ago.
                let raced = |_| Failure::new(ErrorReason::EtagMismatch);
                Err(scheme.map_or_else(change_failure, raced))
            }
        }
    }

    /// The scheme of a secret, also of one whose key does not open: an emergency rotation repairs it.
    async fn scheme_of(&self, name: &SecretName) -> Result<Arc<Scheme>, Failure> {
        if let Ok(entry) = self.ring.secret(name.as_str()) {
            return Ok(entry.secret.scheme.clone());
        }
        let id = self.store.scheme_of(name.clone()).await;
        let id = id.map_err(change_failure)?;
        self.stored_scheme(&id)
    }

    /// The scheme that a stored secret names.
    fn stored_scheme(&self, id: &str) -> Result<Arc<Scheme>, Failure> {
        match self.scheme(id) {
            Some(known) => Ok(known.scheme),
            None => Err(Failure::new(ErrorReason::SecretCorrupt)),
        }
    }

    pub(super) fn changed(
        &self,
        admitted: &Admitted,
        name: &str,
        changed: Result<Arc<SecretRecord>, ChangeError>,
    ) -> Result<v1::Secret, Failure> {
        let changed = changed.map_err(change_failure);
        let record = changed.map_err(|failure| admitted.conceal(name, failure))?;
        let entry = self.ring.secret(record.name.as_str()).ok();
        let scheme = self.stored_scheme(&record.scheme)?;
        let now = self.clock.now();
        Ok(record_to_wire(&record, &scheme, entry.as_deref(), now))
    }
}

fn unknown_scheme() -> Failure {
    Failure::field("scheme", "a known scheme; see ListSchemes")
}

/// How often an update without etag is computed anew when another change came between.
const UPDATE_TRIES: u32 = 5;

const UPDATABLE: &str = "mode, tolerance, timestamp_unit, replay_policy, labels or *";

/// The settings with the named fields taken from the wire.
fn masked(old: &Settings, wire: &v1::Secret, paths: &[String]) -> Result<Settings, Failure> {
    let mut new = old.clone();
    for path in paths {
        match path.as_str() {
            "mode" => new.mode = convert::mode("secret.mode", wire.mode)?,
            "tolerance" => {
                new.tolerance = wire
                    .tolerance
                    .map(|tolerance| convert::duration("secret.tolerance", tolerance))
                    .transpose()?;
            }
            "timestamp_unit" => {
                let field = "secret.timestamp_unit";
                new.timestamp_unit = convert::timestamp_unit(field, wire.timestamp_unit)?;
            }
            "replay_policy" => {
                let field = "secret.replay_policy";
                new.replay = convert::replay_policy(field, wire.replay_policy)?;
            }
            "labels" => new.labels.clone_from(&wire.labels),
            _ => return Err(Failure::field("update_mask", UPDATABLE)),
        }
    }
    Ok(new)
}

/// The fields to change: those named, or those set.
fn mask(mask: Option<prost_types::FieldMask>, wire: &v1::Secret) -> Result<Vec<String>, Failure> {
    let all = [
        "mode",
        "tolerance",
        "timestamp_unit",
        "replay_policy",
        "labels",
    ];
    let named = mask.map(|mask| mask.paths).unwrap_or_default();
    if named == ["*"] {
        return Ok(all.map(str::to_owned).to_vec());
    }
    if !named.is_empty() {
        return Ok(named);
    }
    let set = [
        wire.mode != 0,
        wire.tolerance.is_some(),
        wire.timestamp_unit != 0,
        wire.replay_policy != 0,
        !wire.labels.is_empty(),
    ];
    let populated: Vec<_> = all
        .into_iter()
        .zip(set)
        .filter(|(_, set)| *set)
        .map(|(path, _)| path.to_owned())
        .collect();
    match populated.is_empty() {
        true => Err(Failure::field("update_mask", UPDATABLE)),
        false => Ok(populated),
    }
}

fn revealed(key: &NewKey) -> String {
    match key.imported {
        true => String::new(),
        false => key.text.expose_secret().to_owned(),
    }
}

fn decode<T: Message + Default>(answer: &[u8]) -> Result<T, Failure> {
    T::decode(answer).map_err(|_| Failure::new(ErrorReason::Internal))
}
