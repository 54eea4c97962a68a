//! Schemes of the operators' own: their rows, and the changes that add and remove one. A row never changes.

use std::sync::Arc;

use countersign_core::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use subtle::ConstantTimeEq;

use super::{
    Caller, ChangeError, NewScheme, Published, SchemeRecord,
    error::Fault,
    rows::{Rows, number},
    writer::{Change, Done},
};
use crate::seal::Domain;

/// Adds a scheme. The same description again changes nothing and is answered as it was the first time.
pub(super) fn create(
    change: &Change<'_>,
    caller: &Caller,
    new: NewScheme,
) -> Result<Done<Arc<SchemeRecord>>, Fault> {
    let rows = &change.rows;
    match rows.scheme(&new.id)? {
        Some(found) if found.definition == new.definition => {
            return Ok(Done::RollBack(Arc::new(found)));
        }
        Some(_) => return Err(ChangeError::SchemeTaken.into()),
        None => {}
    }
    if rows.number_of_schemes()? >= new.max_schemes {
        return Err(ChangeError::TooManySchemes.into());
    }
    let record = Arc::new(SchemeRecord {
        id: new.id,
        definition: new.definition,
        create_time: rows.now,
        revision: change.n,
    });
    if new.validate_only {
        return Ok(Done::RollBack(record));
    }
    rows.insert_scheme(&record)?;
    change.audit(caller, "CreateScheme", &record.id, None, "")?;
    Ok(Done::Commit {
        answer: Arc::clone(&record),
        publish: vec![Published::SchemeCreated(record)],
    })
}

/// Removes a scheme that no secret uses; also one that is damaged, which makes its id free again.
pub(super) fn delete(change: &Change<'_>, caller: &Caller, id: &str) -> Result<Done<()>, Fault> {
    let connection = change.rows.connection;
    let uses = "SELECT count(*) FROM secrets WHERE scheme = ?1 AND delete_time IS NULL";
    let uses: i64 = connection.query_row(uses, [id], |row| row.get(0))?;
    if uses > 0 {
        return Err(ChangeError::SchemeInUse.into());
    }
    if connection.execute("DELETE FROM schemes WHERE id = ?1", [id])? == 0 {
        return Err(ChangeError::SchemeNotFound.into());
    }
    change.audit(caller, "DeleteScheme", id, None, "")?;
    Ok(Done::Commit {
        answer: (),
        publish: vec![Published::SchemeDeleted(id.to_owned())],
    })
}

/// All schemes by id. One that is damaged is named in the log and left out.
pub(super) fn load(rows: &Rows<'_>) -> Result<Vec<SchemeRecord>, Fault> {
    let mut statement = rows
        .connection
        .prepare("SELECT id FROM schemes ORDER BY id")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    let mut schemes = Vec::new();
    for id in ids.collect::<rusqlite::Result<Vec<String>>>()? {
        match rows.scheme(&id) {
            Ok(scheme) => schemes.extend(scheme),
            Err(Fault::Change(ChangeError::SchemeCorrupt)) => {
                tracing::error!(
                    scheme = id,
                    "a stored scheme is damaged; its secrets do not serve"
                );
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(schemes)
}

impl Rows<'_> {
    /// The scheme of this id, if it is an operator's own.
    pub(super) fn scheme(&self, id: &str) -> Result<Option<SchemeRecord>, Fault> {
        let sql = "SELECT id, definition, create_time, revision, tag FROM schemes WHERE id = ?1";
        let found = self
            .connection
            .prepare_cached(sql)?
            .query_row([id], |row| Ok((scheme(row)?, row.get("tag")?)))
            .optional()?;
        let Some((record, tag)): Option<(SchemeRecord, Vec<u8>)> = found else {
            return Ok(None);
        };
        if !bool::from(self.scheme_tag(&record).ct_eq(&tag)) {
            return Err(ChangeError::SchemeCorrupt.into());
        }
        self.check_latest_scheme(&record)?;
        Ok(Some(record))
    }

    /// Refuses a scheme that is gone, or that is another one of the same id by now.
    pub(super) fn check_scheme(&self, id: &str, revision: u64) -> Result<(), Fault> {
        match self.scheme(id)? {
            Some(found) if found.revision == revision => Ok(()),
            _ => Err(ChangeError::SchemeNotFound.into()),
        }
    }

    fn number_of_schemes(&self) -> Result<usize, Fault> {
        let sql = "SELECT count(*) FROM schemes";
        let number: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn insert_scheme(&self, record: &SchemeRecord) -> Result<(), Fault> {
        let sql = "INSERT INTO schemes (id, definition, create_time, revision, tag)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        self.connection.execute(
            sql,
            params![
                record.id,
                record.definition,
                record.create_time.unix_millis(),
                number(record.revision),
                self.scheme_tag(record),
            ],
        )?;
        Ok(())
    }

    fn scheme_tag(&self, record: &SchemeRecord) -> [u8; 32] {
        let parts = [
            record.id.as_bytes(),
            record.definition.as_bytes(),
            &record.create_time.unix_millis().to_be_bytes(),
            &record.revision.to_be_bytes(),
        ];
        self.seal.fingerprint(Domain::Scheme, &parts)
    }
}

fn scheme(row: &Row<'_>) -> rusqlite::Result<SchemeRecord> {
    let revision: i64 = row.get("revision")?;
    Ok(SchemeRecord {
        id: row.get("id")?,
        definition: row.get("definition")?,
        create_time: Timestamp::from_unix_millis(row.get("create_time")?),
        // A number that no release writes fails the tag.
        revision: u64::try_from(revision).unwrap_or(u64::MAX),
    })
}
