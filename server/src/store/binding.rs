//! The tag that binds the rows of a secret. The seal protects keys; what says which of them may verify, and until
//! when, stands in the clear beside them. Without the tag, who can write to the file could bring a revoked version
//! back by editing a word.
//!
//! It does not tell that all rows of a secret were replaced by older ones.

use countersign_core::{Timestamp, time::millis};
use rusqlite::params;
use subtle::ConstantTimeEq;

use super::{
    ChangeError, SecretRecord, VersionRecord,
    error::Fault,
    rows::{Rows, state_word},
    text::Word,
};
use crate::seal::Domain;

impl Rows<'_> {
    /// Binds the rows of a secret as they are now. Whoever calls it has checked them before changing them.
    pub(super) fn bind(&self, id: i64) -> Result<(), Fault> {
        let tag = self.tag(&self.unchecked_record(id)?);
        let sql = "UPDATE secrets SET tag = ?2 WHERE id = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute(params![id, tag])?;
        Ok(())
    }

    /// Refuses rows that were edited by anyone else.
    pub(super) fn check_binding(&self, record: &SecretRecord) -> Result<(), Fault> {
        let sql = "SELECT tag FROM secrets WHERE id = ?1";
        let stored: Option<Vec<u8>> = self
            .connection
            .prepare_cached(sql)?
            .query_row([record.id], |row| row.get(0))?;
        let is_bound = stored.is_some_and(|tag| bool::from(tag.ct_eq(&self.tag(record))));
        if is_bound {
            Ok(())
        } else {
            Err(ChangeError::Corrupt.into())
        }
    }

    fn tag(&self, record: &SecretRecord) -> [u8; 32] {
        self.seal.fingerprint(Domain::Rows, &[&bound(record)])
    }
}

/// All that is bound, as a JSON array of arrays: fields by position, so that the text is the same in every release.
/// Times of last use are left out, because they are written without a change.
fn bound(record: &SecretRecord) -> Vec<u8> {
    let settings = &record.settings;
    let fields = (
        (record.id, record.name.as_str(), &record.scheme),
        (
            record.create_time.unix_millis(),
            record.update_time.unix_millis(),
            record.revision,
        ),
        (
            settings.mode.map(Word::word),
            settings.tolerance.map(millis),
            settings.timestamp_unit.map(Word::word),
            settings.replay.map(Word::word),
            &settings.parameters,
            &settings.labels,
        ),
    );
    let versions: Vec<_> = record.versions.iter().map(bound_version).collect();
    serde_json::to_vec(&(fields, versions)).expect("numbers, strings and maps of strings are JSON")
}

fn bound_version(version: &VersionRecord) -> impl serde::Serialize {
    let life = &version.life;
    let warnings: Vec<_> = version.warnings.iter().map(|each| each.word()).collect();
    (
        (life.number, state_word(life.state)),
        life.create_time.unix_millis(),
        life.activate_time.map(Timestamp::unix_millis),
        life.grace_end_time.map(Timestamp::unix_millis),
        life.revoke_time.map(Timestamp::unix_millis),
        (version.key_id.clone(), version.imported, warnings),
    )
}
