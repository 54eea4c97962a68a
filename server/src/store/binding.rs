//! The tag that binds the rows of a secret. The seal protects keys; what says which of them may verify, and until
//! when, stands in the clear beside them. Without the tag, who can write to the file could bring a revoked version
//! back by editing a word.
//!
//! It does not tell that all rows of a secret were replaced by older ones; `latest` does.

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

/// A tag as it is stored.
type Tag = Option<Vec<u8>>;

impl Rows<'_> {
    /// Binds the rows of a secret as they are now. Whoever calls it has checked them before changing them.
    pub(super) fn bind(&self, id: i64) -> Result<(), Fault> {
        let (_, scheme_tag) = self.tags(id)?;
        let tag = self.tag(&self.unchecked_record(id)?, scheme_tag.as_deref());
        let sql = "UPDATE secrets SET tag = ?2 WHERE id = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute(params![id, tag])?;
        Ok(())
    }

    /// Refuses rows that were edited by anyone else.
    pub(super) fn check_binding(&self, record: &SecretRecord) -> Result<(), Fault> {
        let (stored, scheme_tag) = self.tags(record.id)?;
        let tag = self.tag(record, scheme_tag.as_deref());
        let is_bound = stored.is_some_and(|stored| bool::from(stored.ct_eq(&tag)));
        if is_bound {
            Ok(())
        } else {
            Err(ChangeError::Corrupt.into())
        }
    }

    /// The stored tag of a secret, and that of its scheme if it is an operator's own.
    fn tags(&self, id: i64) -> Result<(Tag, Tag), Fault> {
        let sql = "SELECT secrets.tag, schemes.tag
                   FROM secrets LEFT JOIN schemes ON schemes.id = secrets.scheme
                   WHERE secrets.id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// With the tag of its scheme, a secret does not open under another description of the same id.
    fn tag(&self, record: &SecretRecord, scheme_tag: Option<&[u8]>) -> [u8; 32] {
        let bound = bound(record);
        let parts: Vec<_> = std::iter::once(bound.as_slice())
            .chain(scheme_tag)
            .collect();
        self.seal.fingerprint(Domain::Rows, &parts)
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
