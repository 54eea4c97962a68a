//! What time does to a store: graces and answers end, versions are used. None of it is a change, so none of it takes
//! a number or an audit row.

use std::sync::Arc;

use countersign_core::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    AuditRow, ChangeError, Published, UseTimes,
    error::Fault,
    requests::ANSWER_LIFE,
    rows::{Rows, number},
    writer::{Done, Writer},
};

/// Writes down which graces are over, which makes their end last under any clock, and erases answers that are too
/// old. Memory is told, so that it drops the keys of versions that ended.
pub(super) fn sweep(writer: &mut Writer) -> Result<(), ChangeError> {
    let erased = writer.upkeep(|rows| {
        let now = rows.now.unix_millis();
        let ended = ended(rows)?;
        let retire =
            "UPDATE versions SET state = 'retired' WHERE state = 'grace' AND grace_end_time <= ?1";
        rows.connection.execute(retire, [now])?;
        let oldest =
            "UPDATE requests SET answer = NULL WHERE answer IS NOT NULL AND create_time <= ?1";
        let bound = rows.now.unix_millis().saturating_sub(answer_life());
        let erased = rows.connection.execute(oldest, [bound])?;
        let publish = records(rows, &ended)?;
        Ok(if erased == 0 && ended.is_empty() {
            Done::RollBack(false)
        } else {
            Done::Commit {
                answer: erased > 0,
                publish,
            }
        })
    })?;
    if erased {
        writer.truncate_log();
    }
    Ok(())
}

/// Moves the times of last use forward, never back.
pub(super) fn record_use(writer: &mut Writer, uses: &[UseTimes]) -> Result<(), ChangeError> {
    writer.upkeep(|rows| {
        let sql = "UPDATE versions
                   SET last_sign   = nullif(max(ifnull(last_sign, ?5), ifnull(?3, ?5)), ?5),
                       last_verify = nullif(max(ifnull(last_verify, ?5), ifnull(?4, ?5)), ?5)
                   WHERE secret_id = ?1 AND number = ?2";
        let mut statement = rows.connection.prepare_cached(sql)?;
        for each in uses {
            statement.execute(params![
                each.secret_id,
                each.version,
                each.last_sign.map(Timestamp::unix_millis),
                each.last_verify.map(Timestamp::unix_millis),
                i64::MIN,
            ])?;
        }
        Ok(Done::Commit {
            answer: (),
            publish: Vec::new(),
        })
    })
}

pub(super) fn change_number(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT n FROM change_counter";
    connection.query_row(sql, [], |row| unsigned(row, "n"))
}

pub(super) fn audit_rows(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<AuditRow>> {
    let sql = "SELECT n, time, principal, rpc_id, method, secret, version, outcome
               FROM audit WHERE n > ?1 ORDER BY n LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![number(after), limit], audit_row)?;
    rows.collect()
}

fn audit_row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        n: unsigned(row, "n")?,
        time: Timestamp::from_unix_millis(row.get("time")?),
        principal: row.get("principal")?,
        rpc_id: row.get("rpc_id")?,
        method: row.get("method")?,
        secret: row.get("secret")?,
        version: row.get("version")?,
        outcome: row.get("outcome")?,
    })
}

fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, value))
}

fn ended(rows: &Rows<'_>) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT DISTINCT v.secret_id FROM versions v JOIN secrets s ON s.id = v.secret_id
               WHERE v.state = 'grace' AND v.grace_end_time <= ?1 AND s.delete_time IS NULL";
    let mut statement = rows.connection.prepare_cached(sql)?;
    let ids = statement.query_map([rows.now.unix_millis()], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// A damaged secret is not in memory, so there is nothing to tell.
fn records(rows: &Rows<'_>, ids: &[i64]) -> Result<Vec<Published>, Fault> {
    let mut changed = Vec::new();
    for id in ids {
        match rows.record(*id) {
            Ok(record) => changed.push(Published::Changed(Arc::new(record))),
            Err(fault) if fault.is_corrupt() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(changed)
}

fn answer_life() -> i64 {
    countersign_core::time::millis(ANSWER_LIFE)
}
