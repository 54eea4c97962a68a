//! The changes that make no key: activate, revoke, update, delete.

use std::sync::Arc;

use countersign_core::{
    SecretName,
    rotation::{RotationError, Versions},
};
use rusqlite::params;

use super::{
    Caller, ChangeError, Published, SecretRecord, Settings,
    error::Fault,
    rows::number,
    writer::{Change, Done},
};
use crate::failpoint::failpoint;

type Changed = Result<Done<Arc<SecretRecord>>, Fault>;

/// A step of one version. If it changes nothing, no number is taken and nothing is audited.
pub(super) fn step(
    change: &Change<'_>,
    caller: &Caller,
    method: &'static str,
    (name, version): (&SecretName, u32),
    step: impl FnOnce(&Versions) -> Result<Versions, RotationError>,
) -> Changed {
    let rows = &change.rows;
    let id = rows.id(name)?;
    let lives = rows.bare_record(id)?.lives();
    let before = lives.map_err(|_| ChangeError::Corrupt)?;
    let after = step(&before)?;
    if after == before {
        return Ok(Done::RollBack(Arc::new(rows.record(id)?)));
    }
    rows.write_lives(id, &before, &after)?;
    rows.touch(id, change.n)?;
    change.audit(caller, method, name.as_str(), Some(version), "")?;
    publish(rows.record(id)?)
}

/// New settings. If they change nothing, no number is taken and nothing is audited.
pub(super) fn update(
    change: &Change<'_>,
    caller: &Caller,
    edit: Edit,
    name: &SecretName,
) -> Changed {
    let rows = &change.rows;
    let id = rows.id(name)?;
    let secret = rows.bare_record(id)?;
    if edit
        .expected_revision
        .is_some_and(|revision| revision != secret.revision)
    {
        return Err(ChangeError::RevisionMismatch.into());
    }
    if edit.settings == secret.settings {
        return Ok(Done::RollBack(Arc::new(rows.record(id)?)));
    }
    rows.write_settings(id, &edit.settings)?;
    rows.touch(id, change.n)?;
    change.audit(caller, "UpdateSecret", name.as_str(), None, "")?;
    let record = rows.record(id)?;
    if edit.validate_only {
        return Ok(Done::RollBack(Arc::new(record)));
    }
    publish(record)
}

/// An update of a secret's settings.
pub(super) struct Edit {
    pub(super) expected_revision: Option<u64>,
    pub(super) settings: Settings,
    pub(super) validate_only: bool,
}

/// Erases the data key, the keys and the answers of a secret and leaves its tombstone. A damaged secret counts as live.
pub(super) fn delete(
    change: &Change<'_>,
    caller: &Caller,
    name: &SecretName,
    force: bool,
) -> Result<Done<()>, Fault> {
    let id = change.rows.id(name)?;
    let live = match change.rows.bare_record(id) {
        Ok(secret) => secret.lives().map_or(true, |v| v.any_live(change.rows.now)),
        Err(fault) if fault.is_corrupt() => true,
        Err(fault) => return Err(fault),
    };
    if live && !force {
        return Err(ChangeError::LiveVersionsNeedForce.into());
    }
    erase(change, id)?;
    change.audit(caller, "DeleteSecret", name.as_str(), None, "")?;
    Ok(Done::Commit {
        answer: (),
        publish: vec![Published::Deleted(name.clone())],
    })
}

fn erase(change: &Change<'_>, id: i64) -> Result<(), Fault> {
    let connection = change.rows.connection;
    let keys = "UPDATE versions SET sealed_key = NULL, fingerprint = NULL WHERE secret_id = ?1";
    connection.execute(keys, [id])?;
    failpoint!("after-version");
    change.rows.erase_data_key(id)?;
    let answers = "UPDATE requests SET answer = NULL WHERE secret_id = ?1";
    connection.execute(answers, [id])?;
    let tombstone = "UPDATE secrets SET delete_time = ?2, update_time = ?2, revision = ?3, mode = NULL,
                            tolerance = NULL, timestamp_unit = NULL, replay = NULL, parameters = '{}', labels = '{}',
                            tag = NULL
                     WHERE id = ?1";
    let now = change.rows.now.unix_millis();
    connection.execute(tombstone, params![id, now, number(change.n)])?;
    Ok(())
}

fn publish(record: SecretRecord) -> Changed {
    let record = Arc::new(record);
    Ok(Done::Commit {
        answer: Arc::clone(&record),
        publish: vec![Published::Changed(record)],
    })
}
