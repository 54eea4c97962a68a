//! Secrets and versions as rows.

use std::time::Duration;

use countersign_core::{
    SecretName, Timestamp,
    explain::KeyText,
    key_policy::KeyWarning,
    rotation::{Version, VersionState, Versions},
    time::millis,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::{
    ChangeError, NewKey, NewSecret, SecretRecord, Settings, VersionRecord, error::Fault,
    text::Word, time_mark,
};
use crate::{
    failpoint::failpoint,
    seal::{DataKey, Domain, Kind, Place, Seal},
};

/// The rows of an open transaction, or of a store that is being loaded.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) seal: &'a Seal,
    pub(super) now: Timestamp,
    /// Whether a version is accepted for its grace.
    pub(super) graces_hold: bool,
    /// Whether what cannot be read of the audit stands in nobody's way.
    pub(super) degraded: bool,
}

/// What a name stands for.
pub(super) enum Named {
    Secret(i64),
    Tombstone,
    Nothing,
}

impl Rows<'_> {
    pub(super) fn named(&self, name: &SecretName) -> Result<Named, Fault> {
        let sql = "SELECT id, delete_time IS NULL FROM secrets WHERE name = ?1
                   ORDER BY delete_time IS NULL DESC LIMIT 1";
        let found: Option<(i64, bool)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(match found {
            Some((id, true)) => Named::Secret(id),
            Some((_, false)) => Named::Tombstone,
            None => Named::Nothing,
        })
    }

    /// The id of the secret of this name.
    pub(super) fn id(&self, name: &SecretName) -> Result<i64, Fault> {
        match self.named(name)? {
            Named::Secret(id) => Ok(id),
            Named::Tombstone => Err(ChangeError::Deleted.into()),
            Named::Nothing => Err(ChangeError::NotFound.into()),
        }
    }

    /// Whether the secret of this id is deleted.
    pub(super) fn is_deleted(&self, id: i64) -> Result<bool, Fault> {
        let sql = "SELECT delete_time IS NOT NULL FROM secrets WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| row.get(0))?)
    }

    /// A secret with the keys of the versions that are live now.
    pub(super) fn record(&self, id: i64) -> Result<SecretRecord, Fault> {
        let mut record = self.bare_record(id)?;
        let lives = record.lives().map_err(|_| ChangeError::Corrupt)?;
        if !lives.any_live(self.now) {
            return Ok(record);
        }
        let data_key = self.data_key(id)?;
        for index in 0..record.versions.len() {
            let life = &record.versions[index].life;
            if life.state.verifies(self.now) && time_mark::holds(self, life.state) {
                let key = self.key(&data_key, &record, life.number)?;
                record.versions[index].key = Some(key);
            }
        }
        Ok(record)
    }

    /// A secret without keys.
    pub(super) fn bare_record(&self, id: i64) -> Result<SecretRecord, Fault> {
        let record = self.unchecked_record(id)?;
        self.check_binding(&record)?;
        self.check_latest(&record)?;
        Ok(record)
    }

    /// A secret without keys as its rows say, whoever wrote them.
    pub(super) fn unchecked_record(&self, id: i64) -> Result<SecretRecord, Fault> {
        let sql =
            "SELECT name, scheme, mode, tolerance, timestamp_unit, replay, parameters, labels,
                          create_time, update_time, revision
                   FROM secrets WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let row = rows.next()?.ok_or(ChangeError::Corrupt)?;
        let name: String = row.get("name")?;
        let revision: i64 = row.get("revision")?;
        Ok(SecretRecord {
            id,
            name: SecretName::parse(&name).map_err(|_| ChangeError::Corrupt)?,
            scheme: row.get("scheme")?,
            settings: settings(row)?,
            create_time: time(row, "create_time")?.ok_or(ChangeError::Corrupt)?,
            update_time: time(row, "update_time")?.ok_or(ChangeError::Corrupt)?,
            revision: u64::try_from(revision).map_err(|_| ChangeError::Corrupt)?,
            versions: self.versions(id)?,
        })
    }

    fn versions(&self, id: i64) -> Result<Vec<VersionRecord>, Fault> {
        let sql = "SELECT number, state, create_time, activate_time, grace_end_time, revoke_time,
                          key_id, imported, warnings, last_sign, last_verify
                   FROM versions WHERE secret_id = ?1 ORDER BY number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let mut versions = Vec::new();
        while let Some(row) = rows.next()? {
            versions.push(version(row)?);
        }
        // Most secrets have one, and records stay in memory.
        versions.shrink_to_fit();
        Ok(versions)
    }

    fn key(
        &self,
        data_key: &DataKey,
        record: &SecretRecord,
        version: u32,
    ) -> Result<SecretString, Fault> {
        let sql = "SELECT sealed_key FROM versions WHERE secret_id = ?1 AND number = ?2";
        let sealed: Option<Vec<u8>> = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![record.id, version], |row| row.get(0))?;
        let place = place(Kind::Key, record, version);
        let text = data_key.open(&place, &sealed.ok_or(ChangeError::Corrupt)?)?;
        let text = std::str::from_utf8(&text).map_err(|_| ChangeError::Corrupt)?;
        Ok(SecretString::from(text))
    }

    /// The keys of all versions that have one which opens.
    pub(super) fn key_texts(&self, record: &SecretRecord) -> Result<Vec<KeyText>, Fault> {
        let mut texts = Vec::new();
        let data_key = match self.data_key(record.id) {
            Ok(data_key) => data_key,
            Err(fault) if fault.is_corrupt() => return Ok(texts),
            Err(fault) => return Err(fault),
        };
        for version in &record.versions {
            let life = &version.life;
            match self.key(&data_key, record, life.number) {
                Ok(text) => texts.push(KeyText {
                    number: life.number,
                    state: life.state,
                    end_time: life.revoke_time.or(life.grace_end_time),
                    text,
                }),
                Err(fault) if fault.is_corrupt() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(texts)
    }

    /// Refuses a secret over the number that there may be.
    pub(super) fn check_quota(&self, new: &NewSecret) -> Result<(), Fault> {
        let namespace = new.name.namespace();
        // '0' is the character after '/', so the names of a namespace lie between the two.
        let sql = "SELECT (SELECT count(*) FROM secrets WHERE delete_time IS NULL),
                          (SELECT count(*) FROM secrets WHERE delete_time IS NULL
                               AND (name = ?1 OR name > ?1 || '/' AND name < ?1 || '0'))";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (all, own): (i64, i64) =
            statement.query_row([namespace], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let reached =
            |count: i64, max: usize| usize::try_from(count).is_ok_and(|count| count >= max);
        match reached(all, new.max_secrets) || reached(own, new.max_of_namespace) {
            true => Err(ChangeError::TooManySecrets.into()),
            false => Ok(()),
        }
    }

    /// Adds a secret without versions.
    pub(super) fn insert_secret(&self, new: &NewSecret, revision: u64) -> Result<i64, Fault> {
        let sql = "INSERT INTO secrets (name, scheme, parameters, labels, create_time, update_time, revision)
                   VALUES (?1, ?2, '{}', '{}', ?3, ?3, ?4)";
        self.connection.execute(
            sql,
            params![
                new.name.as_str(),
                new.scheme,
                self.now.unix_millis(),
                number(revision)
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        self.write_settings(id, &new.settings)?;
        Ok(id)
    }

    pub(super) fn write_settings(&self, id: i64, settings: &Settings) -> Result<(), Fault> {
        let sql = "UPDATE secrets SET mode = ?2, tolerance = ?3, timestamp_unit = ?4, replay = ?5,
                          parameters = ?6, labels = ?7
                   WHERE id = ?1";
        self.connection.execute(
            sql,
            params![
                id,
                settings.mode.map(Word::word),
                settings.tolerance.map(millis),
                settings.timestamp_unit.map(Word::word),
                settings.replay.map(Word::word),
                json(&settings.parameters),
                json(&settings.labels),
            ],
        )?;
        Ok(())
    }

    /// Ends a change of a secret: writes its number and binds the rows.
    pub(super) fn touch(&self, id: i64, revision: u64) -> Result<(), Fault> {
        self.connection.execute(
            "UPDATE secrets SET update_time = ?2, revision = ?3 WHERE id = ?1",
            params![id, self.now.unix_millis(), number(revision)],
        )?;
        self.bind(id)
    }

    /// Adds a version with its sealed key.
    pub(super) fn insert_version(
        &self,
        data_key: &DataKey,
        place: &Place<'_>,
        life: &Version,
        key: &NewKey,
    ) -> Result<(), Fault> {
        let sealed = data_key.seal(place, key.text.expose_secret().as_bytes())?;
        let words: Vec<_> = key.warnings.iter().map(|warning| warning.word()).collect();
        let sql = "INSERT INTO versions (secret_id, number, state, create_time, key_id, imported, warnings,
                                         sealed_key, fingerprint)
                   VALUES (?1, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8)";
        self.connection.execute(
            sql,
            params![
                place.secret_id,
                life.number,
                life.create_time.unix_millis(),
                key.key_id,
                key.imported,
                json(&words),
                sealed,
                self.fingerprint(key),
            ],
        )?;
        failpoint!("after-version");
        self.write_life(place.secret_id, life)
    }

    /// Writes states and times that differ; the ACTIVE version comes last, since there may be but one at a time.
    pub(super) fn write_lives(
        &self,
        id: i64,
        before: &Versions,
        after: &Versions,
    ) -> Result<(), Fault> {
        let mut changed: Vec<_> = before
            .iter()
            .zip(after)
            .filter(|(old, new)| old != new)
            .map(|(_, new)| new)
            .collect();
        changed.sort_by_key(|life| life.state == VersionState::Active);
        changed
            .iter()
            .try_for_each(|life| self.write_life(id, life))
    }

    fn write_life(&self, id: i64, life: &Version) -> Result<(), Fault> {
        let sql = "UPDATE versions SET state = ?3, activate_time = ?4, grace_end_time = ?5, revoke_time = ?6
                   WHERE secret_id = ?1 AND number = ?2";
        self.connection.prepare_cached(sql)?.execute(params![
            id,
            life.number,
            state_word(life.state),
            life.activate_time.map(Timestamp::unix_millis),
            life.grace_end_time.map(Timestamp::unix_millis),
            life.revoke_time.map(Timestamp::unix_millis),
        ])?;
        Ok(())
    }

    /// Refuses a key that any version of any secret has, or marks it as shared where that is allowed.
    pub(super) fn check_reuse(&self, name: &SecretName, key: &mut NewKey) -> Result<(), Fault> {
        let sql = "SELECT s.name, s.scheme FROM versions v JOIN secrets s ON s.id = v.secret_id
                   WHERE v.fingerprint = ?1 AND s.delete_time IS NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.fingerprint(key)])?;
        while let Some(row) = rows.next()? {
            let (other, scheme): (String, String) = (row.get(0)?, row.get(1)?);
            let other = SecretName::parse(&other).map_err(|_| ChangeError::Corrupt)?;
            let may_share = other != *name
                && other.namespace() == name.namespace()
                && key.may_share_with.contains(&scheme);
            if !may_share {
                return Err(ChangeError::KeyReused.into());
            }
            if !key.warnings.contains(&KeyWarning::KeyShared) {
                key.warnings.push(KeyWarning::KeyShared);
            }
        }
        Ok(())
    }

    fn fingerprint(&self, key: &NewKey) -> [u8; 32] {
        self.seal.fingerprint(Domain::Key, &[key.block.as_slice()])
    }
}

/// Where a text of this secret is sealed.
pub(super) fn place(kind: Kind, record: &SecretRecord, version: u32) -> Place<'_> {
    Place {
        kind,
        secret_id: record.id,
        name: &record.name,
        version,
        scheme: &record.scheme,
        request: &[],
    }
}

/// A change number for SQLite, whose integers are signed.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn settings(row: &Row<'_>) -> Result<Settings, Fault> {
    let tolerance: Option<i64> = row.get("tolerance")?;
    Ok(Settings {
        mode: word(row, "mode")?,
        tolerance: tolerance
            .map(|millis| u64::try_from(millis).map(Duration::from_millis))
            .transpose()
            .map_err(|_| ChangeError::Corrupt)?,
        timestamp_unit: word(row, "timestamp_unit")?,
        replay: word(row, "replay")?,
        parameters: from_json(row, "parameters")?,
        labels: from_json(row, "labels")?,
    })
}

fn version(row: &Row<'_>) -> Result<VersionRecord, Fault> {
    let grace_end_time = time(row, "grace_end_time")?;
    let words: Vec<String> = from_json(row, "warnings")?;
    let life = Version {
        number: row.get("number")?,
        state: state(&row.get::<_, String>("state")?, grace_end_time)?,
        create_time: time(row, "create_time")?.ok_or(ChangeError::Corrupt)?,
        activate_time: time(row, "activate_time")?,
        grace_end_time,
        revoke_time: time(row, "revoke_time")?,
    };
    Ok(VersionRecord {
        life,
        key: None,
        key_id: row.get("key_id")?,
        imported: row.get("imported")?,
        warnings: words
            .iter()
            .map(|word| KeyWarning::from_word(word))
            .collect::<Result<_, _>>()?,
        last_sign: time(row, "last_sign")?,
        last_verify: time(row, "last_verify")?,
    })
}

fn state(word: &str, grace_end: Option<Timestamp>) -> Result<VersionState, ChangeError> {
    match (word, grace_end) {
        ("pending", _) => Ok(VersionState::Pending),
        ("active", _) => Ok(VersionState::Active),
        ("grace", Some(until)) => Ok(VersionState::Grace { until }),
        ("retired", _) => Ok(VersionState::Retired),
        ("revoked", _) => Ok(VersionState::Revoked),
        _ => Err(ChangeError::Corrupt),
    }
}

/// The word of a state; its times have columns of their own.
pub(super) fn state_word(state: VersionState) -> &'static str {
    match state {
        VersionState::Pending => "pending",
        VersionState::Active => "active",
        VersionState::Grace { .. } => "grace",
        VersionState::Retired => "retired",
        VersionState::Revoked => "revoked",
    }
}

fn time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Fault> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_unix_millis))
}

fn word<T: Word>(row: &Row<'_>, column: &str) -> Result<Option<T>, Fault> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| T::from_word(&text)).transpose()?)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("lists and maps of strings are JSON")
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, Fault> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| ChangeError::Corrupt.into())
}
