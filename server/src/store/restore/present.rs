//! What the store that is there knows and the copy does not: which versions ended since.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use rusqlite::{Connection, OptionalExtension};

use super::super::{
    OpenError,
    open::{self, DATABASE},
    rows::Rows,
    upkeep,
};

/// What is known of the store that a copy replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// There is none.
    Absent,
    /// It cannot be read, so nothing is known of what ended since the copy.
    Unreadable,
    /// It is the store of another deployment, so nothing is known either.
    Another,
    /// It is the store that the copy was taken of.
    Same {
        /// So many of its changes are not in the copy.
        later_changes: u64,
    },
}

/// What happened to a version since the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Nothing,
    Ended,
    Deleted,
}

/// The store that is there.
pub(super) struct Known {
    pub(super) present: Present,
    ended: HashMap<(i64, u32), Since>,
    revoked_tokens: HashSet<String>,
    connection: Option<Connection>,
}

impl Known {
    /// Looks at the store of a data directory beside the rows of a copy.
    pub(super) fn of(data_dir: &Path, copy: &Rows<'_>) -> Result<Self, OpenError> {
        let path = data_dir.join(DATABASE);
        let mut known = Self {
            present: Present::Absent,
            ended: HashMap::new(),
            revoked_tokens: HashSet::new(),
            connection: None,
        };
        let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length == 0 {
            return Ok(known);
        }
        match known.read(&path, copy) {
            Ok(present) => known.present = present,
            Err(OpenError::InUse) => return Err(OpenError::InUse),
            Err(_) => {
                known.present = Present::Unreadable;
                known.ended.clear();
                known.revoked_tokens.clear();
            }
        }
        Ok(known)
    }

    pub(super) fn since(&self, secret_id: i64, number: u32) -> Since {
        let since = self.ended.get(&(secret_id, number));
        since.copied().unwrap_or(Since::Nothing)
    }

    pub(super) fn has_revoked(&self, token: &str) -> bool {
        self.revoked_tokens.contains(token)
    }

    /// Closes it, so that nothing of it is left in a log beside it.
    pub(super) fn close(&mut self) -> Result<(), OpenError> {
        match self.connection.take() {
            Some(connection) if self.present != Present::Unreadable => open::close(connection),
            _ => Ok(()),
        }
    }

    fn read(&mut self, path: &Path, copy: &Rows<'_>) -> Result<Present, OpenError> {
        let connection = self.connection.insert(open::connect_to(path)?);
        open::check(connection)?;
        if deployment(connection)? != deployment(copy.connection)? {
            return Ok(Present::Another);
        }
        let later = upkeep::change_number(connection)?;
        let copied = upkeep::change_number(copy.connection)?;
        let sql = "SELECT s.id, v.number, s.delete_time IS NOT NULL
                   FROM secrets s JOIN versions v ON v.secret_id = s.id
                   WHERE s.delete_time IS NOT NULL OR v.state IN ('retired', 'revoked')
                      OR v.grace_end_time <= ?1";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([copy.now.unix_millis()], |row| {
            let since = match row.get(2)? {
                true => Since::Deleted,
                false => Since::Ended,
            };
            Ok(((row.get(0)?, row.get(1)?), since))
        })?;
        self.ended = rows.collect::<rusqlite::Result<_>>()?;
        self.revoked_tokens = revoked_tokens(connection)?;
        Ok(Present::Same {
            later_changes: later.saturating_sub(copied),
        })
    }
}

/// The ids of tokens that were revoked; a store of before there were tokens has none.
fn revoked_tokens(connection: &Connection) -> Result<HashSet<String>, OpenError> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'tokens'";
    let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(HashSet::new());
    }
    let sql = "SELECT id FROM tokens WHERE revoke_time IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

fn deployment(connection: &Connection) -> Result<Option<Vec<u8>>, OpenError> {
    let sql = "SELECT value FROM meta WHERE name = 'deployment'";
    let found = connection.query_row(sql, [], |row| row.get(0));
    Ok(found.optional()?)
}
