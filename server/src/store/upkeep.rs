//! What time does to a store: graces and answers end, versions are used. None of it is a change, so none of it takes
//! a number or an audit row.

use std::sync::Arc;

use countersign_core::{Timestamp, time::millis};
use rusqlite::{Connection, params};

use super::{
    ChangeError, Published, SecretRecord, UseTimes,
    error::Fault,
    requests::ANSWER_LIFE,
    rows::Rows,
    time_mark,
    writer::{Done, Writer},
};

/// Writes down which graces are over, which makes their end last under any clock, and erases answers that are too
/// old. Memory is told, so that it drops the keys of versions that ended.
pub(super) fn sweep(writer: &mut Writer) -> Result<(), ChangeError> {
    let erased = writer.upkeep(|rows| {
        let mut publish = Vec::new();
        for id in ended(rows)? {
            match retire(rows, id) {
                Ok(record) => publish.push(Published::Changed(Arc::new(record))),
                // A damaged secret is not in memory, so there is nothing to tell.
                Err(fault) if fault.is_corrupt() => {}
                Err(fault) => return Err(fault),
            }
        }
        let erased = erase_answers(rows)?;
        Ok(if erased == 0 && publish.is_empty() {
            Done::RollBack(false)
        } else {
            let answer = erased > 0;
            Done::Commit { answer, publish }
        })
    })?;
    if erased {
        writer.truncate_log();
    }
    writer.ballast().keep();
    time_mark::keep(writer)
}

fn ended(rows: &Rows<'_>) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT DISTINCT v.secret_id FROM versions v JOIN secrets s ON s.id = v.secret_id
               WHERE v.state = 'grace' AND v.grace_end_time <= ?1 AND s.delete_time IS NULL";
    let mut statement = rows.connection.prepare_cached(sql)?;
    let ids = statement.query_map([rows.now.unix_millis()], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

fn retire(rows: &Rows<'_>, id: i64) -> Result<SecretRecord, Fault> {
    let lives = rows.bare_record(id)?.lives();
    let before = lives.map_err(|_| ChangeError::Corrupt)?;
    rows.write_lives(id, &before, &before.swept(rows.now))?;
    rows.bind(id)?;
    rows.record(id)
}

fn erase_answers(rows: &Rows<'_>) -> Result<usize, Fault> {
    let sql = "UPDATE requests SET answer = NULL WHERE answer IS NOT NULL AND create_time <= ?1";
    let now = rows.now.unix_millis();
    let oldest = now.saturating_sub(millis(ANSWER_LIFE));
    Ok(rows.connection.prepare_cached(sql)?.execute([oldest])?)
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
    let n: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, n))
}
