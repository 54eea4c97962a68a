//! The audit: one record for every call of the control plane, chained by hashes, its head under a MAC.
//!
//! Who edits the file can compute hashes but no MAC, so an edited chain does not meet its head. A head that does not
//! fit is never sealed again: what was found once is found from then on.
//!
//! It does not tell that the whole file was replaced by an older one; a head that was written down elsewhere does.

use countersign_core::{
    Timestamp,
    audit::{Check, Finding, Hash, Head, Record},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq;

use super::{
    AuditRow, Caller, ChangeError, Noted, Recorded, Store,
    error::Fault,
    rows::{Rows, number},
    writer::{Change, Done},
};
use crate::{
    failpoint::failpoint,
    seal::{Domain, Seal},
};

/// Where the head stands in the table of facts.
const HEAD: &str = "audit_head";
/// Records that a check reads at once; changes wait no longer than that takes.
const CHECKED_AT_ONCE: u32 = 512;

const COLUMNS: &str = "n, time, principal, rpc_id, method, subject, version, detail, outcome, hash";

/// A record that is written; the log learns of it when it is committed.
pub(super) struct Written {
    record: Record,
    head: Head,
    recorded: Recorded,
}

impl Written {
    /// Tells the call and the log. The line is the anchor outside of the store: its number and hash speak for all records before it.
    pub(super) fn committed(&self) {
        self.recorded.set();
        let record = &self.record;
        tracing::info!(
            change = record.number,
            hash = hex::encode(self.head.hash),
            request_id = record.rpc_id,
            principal = record.principal,
            method = record.method,
            subject = record.subject,
            version = record.version,
            detail = record.detail,
            outcome = record.outcome,
            "audit"
        );
    }
}

impl Change<'_> {
    /// Writes the record of a change that succeeds. `detail` names no key and no input.
    pub(super) fn audit(
        &self,
        caller: &Caller,
        method: &str,
        subject: &str,
        version: Option<u32>,
        detail: &str,
    ) -> Result<(), Fault> {
        // A change whose body came after the revocation, or waited behind it.
        if caller.revoked.is_set() {
            return Err(ChangeError::CallerRevoked.into());
        }
        self.append(
            caller,
            Record {
                number: self.n,
                time: self.rows.now,
                principal: caller.principal.clone(),
                rpc_id: caller.rpc_id.clone(),
                method: method.to_owned(),
                subject: subject.to_owned(),
                version: version.unwrap_or(0),
                detail: detail.to_owned(),
                outcome: "OK".to_owned(),
            },
        )
    }

    fn append(&self, caller: &Caller, record: Record) -> Result<(), Fault> {
        if caller.recorded.is_set() {
            tracing::error!("a call that was recorded as refused makes no change");
            return Err(ChangeError::Unavailable.into());
        }
        let rows = &self.rows;
        let last = rows.audit_head()?;
        let head = last.head.after(&record);
        insert(rows.connection, &record, &head.hash)?;
        let is_next = last.head.number.checked_add(1) == Some(record.number);
        if last.is_sealed && is_next {
            write_head(rows.connection, &head, &seal_of(rows.seal, &head))?;
        } else {
            tracing::error!("the audit was edited: its chain goes on without a seal");
            write_head(rows.connection, &head, &Hash::default())?;
        }
        failpoint!("after-audit");
        self.written.replace(Some(Written {
            record,
            head,
            recorded: caller.recorded.clone(),
        }));
        Ok(())
    }
}

/// Writes a record of what changed nothing, unless the call has one.
pub(super) fn note(change: &Change<'_>, caller: &Caller, noted: &Noted) -> Result<Done<()>, Fault> {
    if caller.recorded.is_set() {
        return Ok(Done::RollBack(()));
    }
    change.append(
        caller,
        Record {
            number: change.n,
            time: change.rows.now,
            principal: caller.principal.clone(),
            rpc_id: caller.rpc_id.clone(),
            method: noted.method.clone(),
            subject: noted.subject.clone(),
            version: 0,
            detail: noted.detail.clone(),
            outcome: noted.outcome.clone(),
        },
    )?;
    Ok(Done::Commit {
        answer: (),
        publish: Vec::new(),
    })
}

/// Begins the audit of a new store.
pub(super) fn begin(connection: &Connection, seal: &Seal) -> rusqlite::Result<()> {
    write_head(connection, &Head::START, &seal_of(seal, &Head::START))
}

/// Says in the log where the audit ends, and whether it ends there as it should; to be called at the start.
pub(super) fn look(rows: &Rows<'_>) -> Result<(), Fault> {
    let stored = rows.audit_head()?;
    let fits = stored.is_sealed && last(rows.connection)? == Some(stored.head);
    let (number, hash) = (stored.head.number, hex::encode(stored.head.hash));
    match fits {
        true => tracing::info!(change = number, hash, "the audit ends here"),
        false => tracing::error!(
            change = number,
            hash,
            "the audit was edited: `countersign audit verify` says where"
        ),
    }
    Ok(())
}

/// The records after a number, oldest first, of one subject if one is named.
pub(super) fn rows(
    connection: &Connection,
    subject: Option<&str>,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<AuditRow>> {
    let from = number(after.saturating_add(1));
    let Some(subject) = subject else {
        return rows_from(connection, from, limit);
    };
    let sql =
        format!("SELECT {COLUMNS} FROM audit WHERE subject = ?1 AND n >= ?2 ORDER BY n LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![subject, from, limit], row)?;
    rows.collect()
}

fn rows_from(connection: &Connection, from: i64, limit: u32) -> rusqlite::Result<Vec<AuditRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE n >= ?1 ORDER BY n LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![from, limit], row)?;
    rows.collect()
}

/// Checks the whole chain, a page at a time, so that changes get their turn in between.
pub(super) async fn check(
    store: &Store,
    anchor: Option<Head>,
) -> Result<(Head, Option<Finding>), ChangeError> {
    let mut check = Check::new(anchor);
    // From the smallest number there can be: what was put before the first record is found too.
    let mut from = i64::MIN;
    loop {
        let page = store.submit(move |writer| {
            let (seal, now) = (writer.seal(), writer.now());
            writer.read(|connection| {
                let rows = Rows {
                    connection,
                    seal: &seal,
                    now,
                    graces_hold: true,
                    degraded: false,
                };
                page(&rows, from)
            })
        });
        let Page { rows, end } = page.await?;
        for row in &rows {
            check.next(&row.record, &row.hash);
        }
        match (end, rows.last()) {
            (Some(end), _) => return Ok((end.stored.head, end.finding(check))),
            (None, Some(last)) => from = number(last.record.number.saturating_add(1)),
            (None, None) => return Err(ChangeError::Unavailable),
        }
    }
}

/// Checks the whole chain of a store that nobody serves.
pub(super) fn check_at_once(rows: &Rows<'_>) -> Result<Option<Finding>, Fault> {
    let (mut check, mut from) = (Check::new(None), i64::MIN);
    loop {
        let Page { rows: read, end } = page(rows, from)?;
        for row in &read {
            check.next(&row.record, &row.hash);
            from = number(row.record.number.saturating_add(1));
        }
        if let Some(end) = end {
            return Ok(end.finding(check));
        }
    }
}

/// A page of records that is being checked; the last one knows what it has to end with.
struct Page {
    rows: Vec<AuditRow>,
    end: Option<End>,
}

struct End {
    stored: StoredHead,
    /// The highest number that any row of the store bears.
    latest: u64,
}

impl End {
    fn finding(&self, check: Check) -> Option<Finding> {
        let head = &self.stored.head;
        let forged = (!self.stored.is_sealed).then_some(Finding::ForgedHead(head.number));
        let due = head.number.saturating_add(1);
        let behind = (self.latest > head.number).then_some(Finding::Behind(due));
        check.finish_at(head).or(forged).or(behind)
    }
}

fn page(rows: &Rows<'_>, from: i64) -> rusqlite::Result<Page> {
    let page = rows_from(rows.connection, from, CHECKED_AT_ONCE)?;
    let is_last = page.len() < CHECKED_AT_ONCE as usize;
    let end = is_last.then(|| rows.end()).transpose()?;
    Ok(Page { rows: page, end })
}

/// The head as it stands in the store.
struct StoredHead {
    head: Head,
    /// Whether the service wrote it.
    is_sealed: bool,
}

impl Rows<'_> {
    fn audit_head(&self) -> rusqlite::Result<StoredHead> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let stored: Option<Vec<u8>> = statement.query_row([HEAD], |row| row.get(0)).optional()?;
        let Some((head, seal)) = stored.as_deref().and_then(read_head) else {
            let head = last(self.connection)?.unwrap_or(Head::START);
            return Ok(StoredHead {
                head,
                is_sealed: false,
            });
        };
        let is_sealed = bool::from(seal_of(self.seal, &head).ct_eq(seal));
        Ok(StoredHead { head, is_sealed })
    }

    fn end(&self) -> rusqlite::Result<End> {
        // Revisions are bound to their secrets, so who cuts the audit cannot lower them.
        let sql = "SELECT max((SELECT n FROM change_counter),
                              (SELECT coalesce(max(revision), 0) FROM secrets),
                              (SELECT coalesce(max(revision), 0) FROM schemes))";
        let latest: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(End {
            stored: self.audit_head()?,
            latest: u64::try_from(latest).unwrap_or(u64::MAX),
        })
    }
}

/// The last record, as a head.
fn last(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let sql = format!("SELECT {COLUMNS} FROM audit ORDER BY n DESC LIMIT 1");
    let last = connection.query_row(&sql, [], row).optional()?;
    Ok(match last {
        None => Some(Head::START),
        Some(AuditRow { record, hash }) => Hash::try_from(hash).ok().map(|hash| Head {
            number: record.number,
            hash,
        }),
    })
}

fn read_head(stored: &[u8]) -> Option<(Head, &[u8])> {
    let (number, rest) = stored.split_first_chunk()?;
    let (hash, seal) = rest.split_first_chunk()?;
    let head = Head {
        number: u64::from_be_bytes(*number),
        hash: *hash,
    };
    Some((head, seal))
}

fn seal_of(seal: &Seal, head: &Head) -> Hash {
    seal.fingerprint(Domain::AuditHead, &[&head.number.to_be_bytes(), &head.hash])
}

fn write_head(connection: &Connection, head: &Head, seal: &Hash) -> rusqlite::Result<()> {
    let value = [head.number.to_be_bytes().as_slice(), &head.hash, seal].concat();
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    connection
        .prepare_cached(sql)?
        .execute(params![HEAD, value])?;
    Ok(())
}

fn insert(connection: &Connection, record: &Record, hash: &Hash) -> rusqlite::Result<()> {
    let sql =
        format!("INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    connection.prepare_cached(&sql)?.execute(params![
        number(record.number),
        record.time.unix_millis(),
        record.principal,
        record.rpc_id,
        record.method,
        record.subject,
        record.version,
        record.detail,
        record.outcome,
        hash,
    ])?;
    Ok(())
}

/// A record as it stands in the store. One that no release writes is answered too, without a hash that would fit.
fn row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let n: i64 = row.get("n")?;
    let number = u64::try_from(n).unwrap_or(0);
    Ok(readable(row, number).unwrap_or_else(|_| AuditRow {
        record: Record {
            number,
            time: Timestamp::from_unix_millis(0),
            principal: String::new(),
            rpc_id: String::new(),
            method: String::new(),
            subject: String::new(),
            version: 0,
            detail: "this record cannot be read".to_owned(),
            outcome: String::new(),
        },
        hash: Vec::new(),
    }))
}

fn readable(row: &Row<'_>, number: u64) -> rusqlite::Result<AuditRow> {
    let record = Record {
        number,
        time: Timestamp::from_unix_millis(row.get("time")?),
        principal: row.get("principal")?,
        rpc_id: row.get("rpc_id")?,
        method: row.get("method")?,
        subject: row.get("subject")?,
        version: row.get("version")?,
        detail: row.get("detail")?,
        outcome: row.get("outcome")?,
    };
    Ok(AuditRow {
        record,
        hash: row.get("hash")?,
    })
}
