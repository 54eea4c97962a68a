//! The latest time that the store has seen. A clock that is set back would make graces longer than they were granted,
//! so while it is behind this mark no version is accepted for its grace.

use std::time::Duration;

use countersign_core::{Timestamp, rotation::VersionState};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    ChangeError, Published,
    error::Fault,
    rows::Rows,
    writer::{Done, Writer},
};

/// The fact that holds the mark.
const TIME_MARK: &str = "time_mark";
/// Clocks are never equal, and time servers move them a little.
const SLACK: Duration = Duration::from_secs(5);

/// The latest time that a store has seen, and whether the clock is behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeMark {
    seen: Timestamp,
    written: Timestamp,
    is_behind: bool,
}

impl TimeMark {
    /// Reads the mark of a store. A clock that is to be trusted is never behind; the mark goes back to it.
    pub(super) fn read(
        connection: &Connection,
        now: Timestamp,
        trust_clock: bool,
    ) -> rusqlite::Result<Self> {
        let stored = match trust_clock {
            true => Timestamp::from_unix_millis(0),
            false => latest(connection)?,
        };
        let mut mark = Self {
            seen: stored,
            written: stored,
            is_behind: false,
        };
        mark.look(now);
        Ok(mark)
    }

    /// Whether a version may be accepted for its grace.
    pub(super) fn graces_hold(self) -> bool {
        !self.is_behind
    }

    /// The mark after a look at the clock.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        self.seen.max(now)
    }

    /// Holds the clock against the mark; answers whether that makes a difference to before.
    fn look(&mut self, now: Timestamp) -> bool {
        let is_behind = now.plus(SLACK) < self.seen;
        self.seen = self.seen.max(now);
        let changed = is_behind != self.is_behind;
        self.is_behind = is_behind;
        match (changed, is_behind) {
            (true, true) => tracing::error!(
                behind_secs = self.seen.millis_since(now) / 1000,
                "the clock is behind the latest time that the store has seen: versions in their grace are refused until \
                 it has caught up; correct the clock, or if it is right, start once with --trust-clock"
            ),
            (true, false) => tracing::warn!("the clock has caught up: graces hold again"),
            (false, _) => {}
        }
        changed
    }
}

/// Looks at the clock, keeps the mark, and tells memory when graces begin or cease to hold.
pub(super) fn keep(writer: &mut Writer) -> Result<(), ChangeError> {
    let now = writer.now();
    let changed = writer.time_mark().look(now);
    let mark = *writer.time_mark();
    if mark.seen > mark.written || changed {
        writer.upkeep(|rows| {
            write(rows.connection, mark.seen)?;
            Ok(Done::Commit {
                answer: (),
                publish: if changed { graces(rows)? } else { Vec::new() },
            })
        })?;
        writer.time_mark().written = mark.seen;
    }
    Ok(())
}

/// All secrets with a version in its grace, to be told again.
fn graces(rows: &Rows<'_>) -> Result<Vec<Published>, Fault> {
    let sql = "SELECT DISTINCT v.secret_id FROM versions v JOIN secrets s ON s.id = v.secret_id
               WHERE v.state = 'grace' AND s.delete_time IS NULL";
    let mut statement = rows.connection.prepare(sql)?;
    let ids = statement.query_map([], |row| row.get(0))?;
    let mut publish = Vec::new();
    for id in ids.collect::<rusqlite::Result<Vec<i64>>>()? {
        match rows.record(id) {
            Ok(record) => publish.push(Published::Changed(record.into())),
            Err(fault) if fault.is_corrupt() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(publish)
}

/// Whether a version that is live by the rows is accepted at all.
pub(super) fn holds(rows: &Rows<'_>, state: VersionState) -> bool {
    rows.graces_hold || !matches!(state, VersionState::Grace { .. })
}

/// The mark that is stored, or in a store of before there were marks, the time of its last change.
fn latest(connection: &Connection) -> rusqlite::Result<Timestamp> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let mark: Option<Vec<u8>> = connection
        .query_row(sql, [TIME_MARK], |row| row.get(0))
        .optional()?;
    if let Some(mark) = mark.and_then(|bytes| bytes.try_into().ok()) {
        return Ok(Timestamp::from_unix_millis(i64::from_be_bytes(mark)));
    }
    let sql = "SELECT coalesce(max(update_time), 0) FROM secrets";
    let change: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Timestamp::from_unix_millis(change))
}

/// Stores the mark; every change does, and the sweep.
pub(super) fn write(connection: &Connection, mark: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    let bytes = mark.unix_millis().to_be_bytes();
    connection
        .prepare_cached(sql)?
        .execute(params![TIME_MARK, bytes])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_core::time::millis;

    use super::*;

    #[test]
    fn a_clock_is_behind_after_more_than_the_slack() {
        let now = Timestamp::from_unix_secs(1_000_000);
        let at = |back: i64| {
            let mut mark = TimeMark {
                seen: now,
                written: now,
                is_behind: false,
            };
            mark.look(now.minus_millis(back));
            (mark.is_behind, mark.seen)
        };
        assert_eq!(at(millis(SLACK)), (false, now));
        assert_eq!(at(millis(SLACK) + 1), (true, now));
        assert_eq!(at(-1), (false, now.plus(Duration::from_millis(1))));
    }
}
