//! A store whose file is damaged, served as far as it verifies. Nothing is written: what is left of the file is what
//! somebody may still need to repair it.
//!
//! SQLite ends a scan at the first page that it cannot read. So rows are asked for one by one, by what two scans from
//! both ends of a table and its index still name. What is read is held against its tags and seals like every other
//! row, and what does not hold is named and left out.

use std::collections::BTreeMap;

use countersign_core::SecretName;
use rusqlite::{Connection, Row, config::DbConfig};

use super::{OpenError, SecretRecord, TokenRecord, audit, open::Found, rows::Rows};

/// Findings of SQLite that the log names.
const FINDINGS: usize = 10;

/// Sees that the file stays as it is, also when it is closed.
pub(super) fn protect(connection: &Connection) -> Result<(), OpenError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection.pragma_update(None, "query_only", true)?)
}

/// Says in the log what SQLite finds wrong.
pub(super) fn report(connection: &Connection) {
    let sql = format!("PRAGMA quick_check({FINDINGS})");
    let findings: Vec<String> = scan(connection, &sql, |row| row.get(0));
    for finding in findings.iter().filter(|finding| *finding != "ok") {
        tracing::error!(finding, "the database is damaged");
    }
    tracing::warn!(
        "serving what verifies of the store, without changing it (--degraded): every change is refused"
    );
}

/// Everything that verifies.
pub(super) fn load(rows: &Rows<'_>) -> Found {
    if audit::look(rows).is_err() {
        tracing::error!("the end of the audit cannot be read");
    }
    let (records, corrupt) = secrets(rows);
    Found {
        schemes: kept(rows, "schemes", |id| rows.scheme(id).ok().flatten()),
        records,
        corrupt,
        tokens: tokens(rows),
    }
}

fn secrets(rows: &Rows<'_>) -> (Vec<SecretRecord>, Vec<SecretName>) {
    let (mut records, mut corrupt) = (Vec::new(), Vec::new());
    for (id, name) in names(rows.connection) {
        match rows.is_deleted(id) {
            Ok(true) => {}
            Ok(false) | Err(_) => match rows.record(id) {
                Ok(record) => records.push(record),
                Err(_) => {
                    tracing::error!(
                        secret = name,
                        "a stored secret is damaged and does not serve"
                    );
                    corrupt.extend(SecretName::parse(&name));
                }
            },
        }
    }
    (records, corrupt)
}

/// The names of all secrets that the table or its index still knows.
fn names(connection: &Connection) -> BTreeMap<i64, String> {
    let named = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let in_index = "SELECT id, name FROM secrets INDEXED BY one_secret_of_a_name
                    WHERE delete_time IS NULL ORDER BY name";
    let in_table = "SELECT id, name FROM secrets NOT INDEXED WHERE delete_time IS NULL ORDER BY id";
    let mut names = BTreeMap::new();
    for sql in [in_index, in_table] {
        names.extend(scan_from_both_ends(connection, sql, named));
    }
    names
}

/// All tokens that verify, oldest first.
fn tokens(rows: &Rows<'_>) -> Vec<TokenRecord> {
    let mut tokens = kept(rows, "tokens", |id| rows.token_of_id(id).ok().flatten());
    tokens.sort_by_key(|token| token.create_time);
    tokens
}

/// The rows of a table that verify, by their ids.
fn kept<T>(rows: &Rows<'_>, table: &str, row: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let sql = format!("SELECT id FROM {table} ORDER BY id");
    let mut ids: Vec<String> = scan_from_both_ends(rows.connection, &sql, |row| row.get(0));
    ids.sort();
    ids.dedup();
    let kept: Vec<_> = ids.iter().filter_map(|id| row(id)).collect();
    if kept.len() < ids.len() {
        let damaged = ids.len() - kept.len();
        tracing::error!(table, damaged, "stored rows are damaged and left out");
    }
    kept
}

/// What a query with an order finds before the first page that cannot be read, and after the last one.
fn scan_from_both_ends<T>(
    connection: &Connection,
    sql: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut found = scan(connection, sql, read);
    found.extend(scan(connection, &format!("{sql} DESC"), read));
    found
}

/// What a query finds before the first page that cannot be read.
fn scan<T>(
    connection: &Connection,
    sql: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let scanned = connection.prepare(sql).and_then(|mut statement| {
        let rows = statement.query_map([], read)?;
        Ok(rows.map_while(Result::ok).collect())
    });
    scanned.unwrap_or_default()
}
