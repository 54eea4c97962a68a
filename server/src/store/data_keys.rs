//! The data key of each secret, and how all of them come under another key-encryption key.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Caller, ChangeError,
    error::Fault,
    rows::Rows,
    writer::{Change, Done, Writer},
};
use crate::{
    failpoint::failpoint,
    seal::{DataKey, KekId, Wrapped},
};

/// The fact that names the key-encryption key which is being replaced.
const PREVIOUS_KEK: &str = "previous_kek";

/// One step of the rewrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrap {
    /// A key was wrapped anew, or passed by because it does not open; the next step begins after this secret.
    After(i64),
    /// All keys were looked at.
    Done {
        /// Those that still need the previous key-encryption key, because they do not open.
        left: u64,
    },
}

impl Rows<'_> {
    /// The data key of a secret.
    pub(super) fn data_key(&self, secret_id: i64) -> Result<DataKey, Fault> {
        let wrapped = self.wrapped_key(secret_id)?;
        Ok(self.seal.data_key(secret_id, &wrapped)?)
    }

    /// Gives a secret a new data key, in the place of one that it may have.
    pub(super) fn new_data_key(&self, secret_id: i64) -> Result<DataKey, Fault> {
        let (key, wrapped) = self.seal.new_data_key(secret_id)?;
        insert(self.connection, secret_id, &wrapped)?;
        Ok(key)
    }

    /// Without its data key, no text of a secret opens any more, wherever a copy of it lies.
    pub(super) fn erase_data_key(&self, secret_id: i64) -> Result<(), Fault> {
        let sql = "DELETE FROM data_keys WHERE secret_id = ?1";
        self.connection.execute(sql, [secret_id])?;
        Ok(())
    }

    fn wrapped_key(&self, secret_id: i64) -> Result<Wrapped, Fault> {
        let sql = "SELECT kek_id, wrapped FROM data_keys WHERE secret_id = ?1";
        let stored = self
            .connection
            .prepare_cached(sql)?
            .query_row([secret_id], wrapped)
            .optional()?;
        stored.flatten().ok_or(ChangeError::Corrupt.into())
    }

    fn rewrap(&self, secret_id: i64) -> Result<(), Fault> {
        let wrapped = self.wrapped_key(secret_id)?;
        let anew = self.seal.rewrap(secret_id, &wrapped)?;
        insert(self.connection, secret_id, &anew)
    }
}

pub(super) fn insert(
    connection: &Connection,
    secret_id: i64,
    wrapped: &Wrapped,
) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO data_keys (secret_id, kek_id, wrapped) VALUES (?1, ?2, ?3)";
    let kek = wrapped.kek.as_bytes();
    connection
        .prepare_cached(sql)?
        .execute(params![secret_id, kek, wrapped.text])?;
    Ok(())
}

/// Rewraps the next key after a secret that is under the previous key-encryption key.
pub(super) fn rewrap_next(writer: &mut Writer, after: i64) -> Result<Rewrap, ChangeError> {
    let step = writer.upkeep(|rows| {
        let Some(previous) = rows.seal.previous_kek() else {
            return Ok(Done::RollBack(Rewrap::Done { left: 0 }));
        };
        let Some(next) = next_under(rows.connection, previous, after)? else {
            let left = keys_under(rows.connection, previous)?;
            return Ok(Done::RollBack(Rewrap::Done { left }));
        };
        match rows.rewrap(next) {
            Ok(()) => {
                failpoint!("rewrap");
            }
            Err(fault) if fault.is_corrupt() => {
                tracing::error!(secret_id = next, "a data key does not open");
                return Ok(Done::RollBack(Rewrap::After(next)));
            }
            Err(fault) => return Err(fault),
        }
        Ok(Done::Commit {
            answer: Rewrap::After(next),
            publish: Vec::new(),
        })
    })?;
    if let Rewrap::Done { left: 0 } = step {
        writer.change(end_replacing)?;
        // The log may still hold what was wrapped before.
        writer.truncate_log();
    }
    Ok(step)
}

fn next_under(connection: &Connection, kek: KekId, after: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT secret_id FROM data_keys WHERE kek_id = ?1 AND secret_id > ?2
               ORDER BY secret_id LIMIT 1";
    connection
        .prepare_cached(sql)?
        .query_row(params![kek.as_bytes(), after], |row| row.get(0))
        .optional()
}

/// Notes that nothing needs the previous key-encryption key any more; once for each that was replaced.
fn end_replacing(change: &Change<'_>) -> Result<Done<()>, Fault> {
    let rows = &change.rows;
    let Some(previous) = kek_being_replaced(rows.connection)? else {
        return Ok(Done::RollBack(()));
    };
    let sql = "DELETE FROM meta WHERE name = ?1";
    rows.connection.execute(sql, [PREVIOUS_KEK])?;
    record(change, "done", previous)?;
    Ok(Done::Commit {
        answer: (),
        publish: Vec::new(),
    })
}

/// How far the replacement of a key-encryption key has come, for the audit.
fn record(change: &Change<'_>, step: &str, previous: KekId) -> Result<(), Fault> {
    let detail = format!(
        "{step}: {} in the place of {previous}",
        change.rows.seal.kek()
    );
    let caller = Caller::operator("key-encryption");
    change.audit(&caller, "ReplaceKeyEncryptionKey", "", None, &detail)
}

/// How many data keys are wrapped under a key-encryption key.
pub(super) fn keys_under(connection: &Connection, kek: KekId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM data_keys WHERE kek_id = ?1";
    connection.query_row(sql, [kek.as_bytes()], |row| {
        let count: i64 = row.get(0)?;
        Ok(count.unsigned_abs())
    })
}

/// Which key-encryption key is being replaced, if one is.
pub(super) fn kek_being_replaced(connection: &Connection) -> rusqlite::Result<Option<KekId>> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let stored: Option<Vec<u8>> = connection
        .query_row(sql, [PREVIOUS_KEK], |row| row.get(0))
        .optional()?;
    Ok(stored.and_then(|bytes| KekId::from_bytes(&bytes)))
}

/// Notes which key-encryption key is being replaced.
pub(super) fn begin_replacing(change: &Change<'_>, kek: KekId) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    let connection = change.rows.connection;
    connection.execute(sql, params![PREVIOUS_KEK, kek.as_bytes()])?;
    record(change, "begun", kek)
}

fn wrapped(row: &Row<'_>) -> rusqlite::Result<Option<Wrapped>> {
    let kek: Vec<u8> = row.get("kek_id")?;
    let text = row.get("wrapped")?;
    Ok(KekId::from_bytes(&kek).map(|kek| Wrapped { kek, text }))
}
