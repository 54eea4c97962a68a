//! The control plane: create, read, rotate, end. Reads come from the ring; changes go to the store, which finishes
//! them whether or not the caller waits.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Scheme, SecretName, Timestamp,
    catalogue::Catalogue,
    key_policy::{self, KeyRefusal, KeyWarning},
    rotation::{Ending, RotationError},
};
use countersign_proto::v1::{
    self, ActivateVersionRequest, ActivateVersionResponse, CreateSecretRequest,
    CreateSecretResponse, DeleteSecretRequest, DeleteSecretResponse, GetSecretRequest,
    GetSecretResponse, ListSecretsRequest, ListSecretsResponse, RevokeVersionRequest,
    RevokeVersionResponse, RotateSecretRequest, RotateSecretResponse, UpdateSecretRequest,
    UpdateSecretResponse, rotate_secret_request, secret_service_server::SecretService,
};
use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::{KeyPolicy, Shared, settings};
use crate::{
    convert,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    ring::{Absent, Entry, Uses},
    store::{Caller, ChangeError, NewKey, NewSecret, Rotate, SecretRecord, Settings},
};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// `SecretService`.
pub(crate) struct ControlPlane(pub Arc<Shared>);

#[tonic::async_trait]
impl SecretService for ControlPlane {
    async fn create_secret(
        &self,
        request: Request<CreateSecretRequest>,
    ) -> Result<Response<CreateSecretResponse>, Status> {
        let caller = caller(&request);
        let response = self.0.create(caller, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let name = convert::name("name", &request.get_ref().name)?;
        let entry = self.0.secret(name.as_str())?;
        Ok(Response::new(GetSecretResponse {
            secret: Some(entry_to_wire(&entry, self.0.clock.now())),
        }))
    }

    async fn list_secrets(
        &self,
        request: Request<ListSecretsRequest>,
    ) -> Result<Response<ListSecretsResponse>, Status> {
        Ok(Response::new(self.0.list(request.get_ref())?))
    }

    async fn update_secret(
        &self,
        request: Request<UpdateSecretRequest>,
    ) -> Result<Response<UpdateSecretResponse>, Status> {
        let caller = caller(&request);
        let secret = self.0.update(caller, request.into_inner()).await?;
        Ok(Response::new(UpdateSecretResponse {
            secret: Some(secret),
        }))
    }

    async fn delete_secret(
        &self,
        request: Request<DeleteSecretRequest>,
    ) -> Result<Response<DeleteSecretResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let name = convert::name("name", &request.name)?;
        let deleted = self.0.store.delete(caller, name, request.force).await;
        deleted.map_err(change_failure)?;
        Ok(Response::new(DeleteSecretResponse {}))
    }

    async fn rotate_secret(
        &self,
        request: Request<RotateSecretRequest>,
    ) -> Result<Response<RotateSecretResponse>, Status> {
        let caller = caller(&request);
        let response = self.0.rotate(caller, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    async fn activate_version(
        &self,
        request: Request<ActivateVersionRequest>,
    ) -> Result<Response<ActivateVersionResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let name = convert::name("name", &request.name)?;
        let number = version_number(request.version)?;
        let grace = self.0.grace(request.grace_period)?;
        let changed = self.0.store.activate(caller, name, number, grace).await;
        Ok(Response::new(ActivateVersionResponse {
            secret: Some(self.0.changed(changed)?),
        }))
    }

    async fn revoke_version(
        &self,
        request: Request<RevokeVersionRequest>,
    ) -> Result<Response<RevokeVersionResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let name = convert::name("name", &request.name)?;
        let number = version_number(request.version)?;
        let changed = self
            .0
            .store
            .revoke(caller, name, number, request.force)
            .await;
        Ok(Response::new(RevokeVersionResponse {
            secret: Some(self.0.changed(changed)?),
        }))
    }
}

impl Shared {
    async fn create(
        &self,
        caller: Caller,
        mut request: CreateSecretRequest,
    ) -> Result<CreateSecretResponse, Failure> {
        let request_id = self.request_id(&request.request_id, "CreateSecret", &request)?;
        let name = convert::name("name", &request.name)?;
        let scheme = Catalogue::builtin()
            .scheme(&request.scheme)
            .ok_or_else(|| Failure::field("scheme", "a known scheme; see ListSchemes"))?;
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
            settings,
            key,
        };
        let now = self.clock.now();
        let answer = self
            .store
            .create(caller, request_id, new, move |outcome| {
                Zeroizing::new(
                    CreateSecretResponse {
                        secret: Some(record_to_wire(outcome.record, now, |_| None)),
                        version: outcome.version,
                        revealed_key: revealed(outcome.key),
                    }
                    .encode_to_vec(),
                )
            })
            .await
            .map_err(change_failure)?;
        decode(&answer)
    }

    async fn rotate(
        &self,
        caller: Caller,
        mut request: RotateSecretRequest,
    ) -> Result<RotateSecretResponse, Failure> {
        let request_id = self.request_id(&request.request_id, "RotateSecret", &request)?;
        let name = convert::name("name", &request.name)?;
        let ending = self.ending(&request)?;
        let entry = self.secret_or_deleted(&name).await?;
        let scheme = entry.secret.scheme.clone();
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
                let uses = |number| entry.uses(number);
                let revealed_key = match validate_only {
                    true => String::new(),
                    false => revealed(outcome.key),
                };
                Zeroizing::new(
                    RotateSecretResponse {
                        secret: Some(record_to_wire(outcome.record, now, uses)),
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

    async fn update(
        &self,
        caller: Caller,
        request: UpdateSecretRequest,
    ) -> Result<v1::Secret, Failure> {
        let wire = request
            .secret
            .ok_or_else(|| Failure::field("secret", "required"))?;
        let name = convert::name("secret.name", &wire.name)?;
        let entry = self.secret_or_deleted(&name).await?;
        if !wire.etag.is_empty() && wire.etag != etag(&entry.record) {
            return Err(Failure::new(ErrorReason::EtagMismatch));
        }
        let mut new = entry.record.settings.clone();
        for path in mask(request.update_mask, &wire)? {
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
        settings::check(&entry.secret.scheme, &new)?;
        // The settings were computed from this revision; another change in between loses nothing.
        let revision = Some(entry.record.revision);
        let changed = self
            .store
            .update(
                caller,
                name,
                revision,
                |settings| {
                    *settings = new;
                    Ok(())
                },
                request.validate_only,
            )
            .await;
        self.changed(changed)
    }

    fn list(&self, request: &ListSecretsRequest) -> Result<ListSecretsResponse, Failure> {
        let namespace = request.namespace.as_str();
        if !namespace.is_empty() && !countersign_core::name::is_segment(namespace) {
            return Err(Failure::field("namespace", "one segment of a name"));
        }
        let size = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) => size.min(MAX_PAGE),
            Err(_) => return Err(Failure::field("page_size", "0 or more")),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(self.read_page_token(namespace, token)?),
        };
        let filter = (!namespace.is_empty()).then_some(namespace);
        let (page, more) = self.ring.page(filter, after, size);
        let now = self.clock.now();
        let next_page_token = match page.last() {
            Some(last) if more => self.page_token(namespace, &last.record.name),
            _ => String::new(),
        };
        Ok(ListSecretsResponse {
            secrets: page.iter().map(|entry| entry_to_wire(entry, now)).collect(),
            next_page_token,
        })
    }

    /// A page token names the last secret of the page and is bound to the namespace by a MAC.
    fn page_token(&self, namespace: &str, last: &SecretName) -> String {
        let mut token = self.page_mac(namespace, last.as_str()).to_vec();
        token.extend_from_slice(last.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    fn read_page_token(&self, namespace: &str, token: &str) -> Result<SecretName, Failure> {
        let refused = || Failure::field("page_token", "next_page_token of the page before");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (mac, name) = bytes.split_at_checked(16).ok_or_else(refused)?;
        let name = std::str::from_utf8(name).map_err(|_| refused())?;
        let expected = self.page_mac(namespace, name);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&expected[..], mac)) {
            return Err(refused());
        }
        SecretName::parse(name).map_err(|_| refused())
    }

    fn page_mac(&self, namespace: &str, name: &str) -> [u8; 16] {
        let parts = [b"page", namespace.as_bytes(), name.as_bytes()];
        let mut mac = [0; 16];
        mac.copy_from_slice(&self.store.fingerprint(&parts)[..16]);
        mac
    }

    /// A key to add, generated or imported and found good.
    fn new_key(
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
            let text = scheme.key.generated(&random);
            let key = scheme
                .key
                .decode(&text)
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
    ) -> Result<(countersign_core::Key, Vec<KeyWarning>), Failure> {
        if self.key_policy == KeyPolicy::SampleKeysAllowed {
            let key = scheme.key.decode(text);
            return Ok((
                key.map_err(|_| Failure::new(ErrorReason::KeyFormat))?,
                Vec::new(),
            ));
        }
        key_policy::check(&scheme.key, scheme.min_key_bytes(), text).map_err(|refusal| {
            let reason = match refusal {
                KeyRefusal::Empty => ErrorReason::EmptyKey,
                KeyRefusal::NotInFormat
                | KeyRefusal::SurroundingWhitespace
                | KeyRefusal::TrailingNul => ErrorReason::KeyFormat,
                KeyRefusal::TooShort { .. } | KeyRefusal::TooLong => ErrorReason::KeyLength,
                KeyRefusal::Weak => ErrorReason::WeakKey,
            };
            Failure::with_message(reason, refusal.to_string()).at("imported_key")
        })
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

    fn grace(&self, wire: Option<prost_types::Duration>) -> Result<Duration, Failure> {
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
    ) -> Result<crate::store::RequestId, Failure> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(8..=64).contains(&id.len()) || !id.bytes().all(allowed) {
            return Err(Failure::field(
                "request_id",
                "8 to 64 characters of A-Z a-z 0-9 . _ -, best a UUID",
            ));
        }
        let arguments = Zeroizing::new(request.encode_to_vec());
        Ok(crate::store::RequestId {
            id: id.to_owned(),
            args_digest: self.store.fingerprint(&[method.as_bytes(), &arguments]),
        })
    }

    /// A secret of the ring; if it is not there, whether it once was.
    async fn secret_or_deleted(&self, name: &SecretName) -> Result<Arc<Entry>, Failure> {
        match self.ring.secret(name.as_str()) {
            Ok(entry) => Ok(entry),
            Err(Absent::Corrupt) => Err(Failure::new(ErrorReason::SecretCorrupt)),
            Err(Absent::Unknown) => Err(change_failure(self.store.absence(name.clone()).await)),
        }
    }

    fn changed(
        &self,
        changed: Result<Arc<SecretRecord>, ChangeError>,
    ) -> Result<v1::Secret, Failure> {
        let record = changed.map_err(change_failure)?;
        let entry = self.ring.secret(record.name.as_str()).ok();
        Ok(record_to_wire(&record, self.clock.now(), |number| {
            entry.as_ref().and_then(|entry| entry.uses(number))
        }))
    }
}

const UPDATABLE: &str = "mode, tolerance, timestamp_unit, replay_policy, labels or *";

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
        .filter_map(|(path, set)| set.then(|| path.to_owned()))
        .collect();
    match populated.is_empty() {
        true => Err(Failure::field("update_mask", UPDATABLE)),
        false => Ok(populated),
    }
}

fn caller<T>(request: &Request<T>) -> Caller {
    Caller {
        principal: crate::gate::principal(request),
        rpc_id: RequestId::of(request).to_string(),
    }
}

fn version_number(number: u32) -> Result<u32, Failure> {
    match number {
        0 => Err(Failure::field("version", "a version number, from 1")),
        number => Ok(number),
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

fn etag(record: &SecretRecord) -> String {
    format!("{:x}", record.revision)
}

fn entry_to_wire(entry: &Entry, now: Timestamp) -> v1::Secret {
    record_to_wire(&entry.record, now, |number| entry.uses(number))
}

fn record_to_wire<'a>(
    record: &SecretRecord,
    now: Timestamp,
    uses: impl Fn(u32) -> Option<&'a Uses>,
) -> v1::Secret {
    let scheme = Catalogue::builtin().scheme(&record.scheme);
    let settings = &record.settings;
    v1::Secret {
        name: record.name.to_string(),
        scheme: record.scheme.clone(),
        purpose: scheme
            .map_or(v1::Purpose::Unspecified, |scheme| {
                convert::purpose_to_wire(scheme.purpose())
            })
            .into(),
        mode: convert::mode_to_wire(settings.mode),
        versions: record
            .versions
            .iter()
            .map(|version| version_to_wire(version, now, uses(version.life.number)))
            .collect(),
        tolerance: settings.tolerance.map(convert::duration_to_wire),
        timestamp_unit: convert::timestamp_unit_to_wire(settings.timestamp_unit),
        replay_policy: convert::replay_policy_to_wire(settings.replay),
        parameters: settings.parameters.clone(),
        labels: settings.labels.clone(),
        create_time: Some(convert::timestamp_to_wire(record.create_time)),
        update_time: Some(convert::timestamp_to_wire(record.update_time)),
        etag: etag(record),
    }
}

fn version_to_wire(
    version: &crate::store::VersionRecord,
    now: Timestamp,
    uses: Option<&Uses>,
) -> v1::Version {
    let life = &version.life;
    let time = |time: Option<Timestamp>| time.map(convert::timestamp_to_wire);
    v1::Version {
        number: life.number,
        state: convert::state_to_wire(life.state.at(now)).into(),
        create_time: Some(convert::timestamp_to_wire(life.create_time)),
        activate_time: time(life.activate_time),
        grace_end_time: time(life.grace_end_time),
        revoke_time: time(life.revoke_time),
        last_sign_time: time(uses.and_then(Uses::last_sign)),
        last_verify_time: time(uses.and_then(Uses::last_verify)),
        key_id: version.key_id.clone().unwrap_or_default(),
        imported: version.imported,
        warnings: version
            .warnings
            .iter()
            .copied()
            .map(warning_to_wire)
            .collect(),
    }
}

fn warning_to_wire(warning: KeyWarning) -> i32 {
    match warning {
        KeyWarning::ShortKey => v1::KeyWarning::ShortKey,
        KeyWarning::KeyShared => v1::KeyWarning::KeyShared,
    }
    .into()
}

fn change_failure(error: ChangeError) -> Failure {
    let reason = match error {
        ChangeError::NotFound => ErrorReason::SecretNotFound,
        ChangeError::Deleted => ErrorReason::SecretDeleted,
        ChangeError::NameTaken => ErrorReason::SecretExists,
        ChangeError::RequestIdConflict => ErrorReason::RequestIdConflict,
        ChangeError::RequestIdExpired => ErrorReason::RequestIdExpired,
        ChangeError::KeyReused => {
            return Failure::new(ErrorReason::KeyReused).at("imported_key");
        }
        ChangeError::RevisionMismatch | ChangeError::SchemeMismatch => ErrorReason::EtagMismatch,
        ChangeError::LiveVersionsNeedForce => ErrorReason::ForceRequired,
        ChangeError::Busy => ErrorReason::Overloaded,
        ChangeError::DiskFull => ErrorReason::StorageFull,
        ChangeError::Unavailable => ErrorReason::StoreUnavailable,
        ChangeError::Corrupt => ErrorReason::SecretCorrupt,
        ChangeError::InvalidSettings => ErrorReason::FieldInvalid,
        ChangeError::Rotation(error) => return rotation_failure(error),
    };
    Failure::new(reason)
}

fn rotation_failure(error: RotationError) -> Failure {
    let message = error.to_string();
    match error {
        RotationError::ExpectedVersion => Failure::new(ErrorReason::ExpectedVersionMismatch),
        RotationError::TooManyLive { next_end } => {
            let next = match next_end.map(convert::timestamp_to_wire) {
                Some(end) => format!("the next grace ends at {end}"),
                None => "no grace will end by itself".to_owned(),
            };
            let remedy = ErrorReason::TooManyLiveVersions.meaning();
            let message = format!("{message}; {next}; {remedy}");
            Failure::with_message(ErrorReason::TooManyLiveVersions, message)
        }
        RotationError::GraceOutOfRange => Failure::field("grace_period", message),
        RotationError::UnknownVersion => Failure::new(ErrorReason::VersionNotFound),
        RotationError::ActiveNeedsForce => {
            Failure::with_message(ErrorReason::ForceRequired, message)
        }
        _ => Failure::with_message(ErrorReason::VersionState, message),
    }
}
