//! Secrets and errors of the store as the wire shows them. Of a key nothing but its public half comes out.

use countersign_core::{Scheme, Timestamp, key_policy::KeyWarning, rotation::RotationError};
use countersign_proto::v1;

use crate::{
    convert,
    failure::{ErrorReason, Failure},
    ring::{Entry, Uses},
    store::{ChangeError, SecretRecord, VersionRecord},
};

pub(super) fn etag(record: &SecretRecord) -> String {
    format!("{:x}", record.revision)
}

pub(super) fn entry_to_wire(entry: &Entry, now: Timestamp) -> v1::Secret {
    record_to_wire(&entry.record, &entry.secret.scheme, Some(entry), now)
}

/// `entry` is the secret in memory, before the change that made the record or after it.
pub(super) fn record_to_wire(
    record: &SecretRecord,
    scheme: &Scheme,
    entry: Option<&Entry>,
    now: Timestamp,
) -> v1::Secret {
    let settings = &record.settings;
    v1::Secret {
        name: record.name.to_string(),
        scheme: record.scheme.clone(),
        purpose: convert::purpose_to_wire(scheme.purpose()).into(),
        mode: convert::mode_to_wire(settings.mode),
        versions: record
            .versions
            .iter()
            .map(|version| v1::Version {
                public_key: public_key(scheme, version, entry).unwrap_or_default(),
                ..version_to_wire(version, now, entry)
            })
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

fn version_to_wire(version: &VersionRecord, now: Timestamp, entry: Option<&Entry>) -> v1::Version {
    let life = &version.life;
    let uses = entry.and_then(|entry| entry.uses(life.number));
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
        public_key: String::new(),
    }
}

/// The public half of a version's key, which stands in the record or, once it serves, in memory alone.
fn public_key(scheme: &Scheme, version: &VersionRecord, entry: Option<&Entry>) -> Option<String> {
    if !scheme.algorithm().is_public_key() {
        return None;
    }
    if let Some(text) = &version.key {
        return scheme.key.public_text(&scheme.decode_key(text).ok()?);
    }
    let mut serving = entry?.secret.versions.iter();
    let serving = serving.find(|serving| serving.number == version.life.number)?;
    scheme.key.public_text(&serving.key)
}

fn warning_to_wire(warning: KeyWarning) -> i32 {
    match warning {
        KeyWarning::ShortKey => v1::KeyWarning::ShortKey,
        KeyWarning::KeyShared => v1::KeyWarning::KeyShared,
    }
    .into()
}

pub(in crate::service) fn change_failure(error: ChangeError) -> Failure {
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
        ChangeError::SchemeTaken => ErrorReason::SchemeExists,
        ChangeError::SchemeNotFound => ErrorReason::SchemeNotFound,
        ChangeError::SchemeInUse => ErrorReason::SchemeInUse,
        ChangeError::TooManySchemes => ErrorReason::TooManySchemes,
        ChangeError::SchemeCorrupt => ErrorReason::SchemeCorrupt,
        ChangeError::TokenTaken | ChangeError::AdminExists => ErrorReason::TokenExists,
        ChangeError::TokenNotFound => ErrorReason::TokenNotFound,
        ChangeError::TooManyTokens => ErrorReason::TooManyTokens,
        ChangeError::LastAdmin => ErrorReason::LastAdmin,
        ChangeError::CallerRevoked => ErrorReason::Unauthenticated,
        ChangeError::TooManySecrets => ErrorReason::TooManySecrets,
        ChangeError::Busy => ErrorReason::Overloaded,
        ChangeError::DiskFull => ErrorReason::StorageFull,
        ChangeError::Unavailable => ErrorReason::StoreUnavailable,
        ChangeError::Corrupt => ErrorReason::SecretCorrupt,
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
