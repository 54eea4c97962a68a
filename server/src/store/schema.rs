//! The schema, one script a step. All steps that a store needs and the number that says they were taken are one
//! transaction, so a start that was killed in between begins again.
//!
//! Invariant: a store has the tables, indexes and nothing else that its steps make. A view or a trigger that somebody
//! added could show other rows than there are.

use countersign_core::{Timestamp, rotation::RotationLimits};
use rusqlite::{
    Batch, Connection, OptionalExtension, Transaction, TransactionBehavior,
    fallible_iterator::FallibleIterator,
};

use super::{
    OpenError,
    audit::{self, Written},
    data_keys,
    rows::Rows,
    writer::Change,
};
use crate::failpoint::failpoint;
use crate::seal::{DeploymentId, KekId, Keks, Seal, Wrapped};

/// A step that was released never changes again, comments in its statements included: a store keeps their text, and is
/// held against it.
const STEPS: [&str; 1] = [include_str!("schema/0001.sql")];

/// The number of a schema before the first step; those below were of development versions, and nobody has such a store.
const BEFORE_STEPS: usize = 6;
const LATEST: usize = BEFORE_STEPS + STEPS.len();

/// "CSGN": marks the database file as a Countersign store.
const APPLICATION_ID: i64 = 0x4353_474e;

/// Brings the schema up to date and answers the seal of the store. Nothing is written before the store is known to
/// be one of ours, not newer than this program, and to open with these key-encryption keys.
pub(super) fn prepare(
    connection: &mut Connection,
    keks: &Keks,
    now: Timestamp,
) -> Result<Seal, OpenError> {
    let version = known_version(connection)?;
    let seal = match version {
        0 => {
            refuse_foreign_tables(connection)?;
            Seal::create(keks, new_deployment()?)?
        }
        _ => stored_seal(connection, keks)?,
    };
    if version < LATEST {
        let steps = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for script in &STEPS[version.saturating_sub(BEFORE_STEPS)..] {
            let mut statements = Batch::new(&steps, script);
            while let Some(mut statement) = statements.next()? {
                failpoint!("migrate");
                statement.execute([])?;
            }
        }
        if version == 0 {
            identify(&steps, &seal)?;
            audit::begin(&steps, &seal)?;
        }
        steps.pragma_update(None, "user_version", LATEST as i64)?;
        failpoint!("migrate");
        steps.commit()?;
        failpoint!("migrate");
    }
    refuse_other_objects(connection)?;
    replace_kek(connection, &seal, now)?;
    Ok(seal)
}

/// The seal of a store that is not to be written.
pub(super) fn as_it_is(connection: &Connection, keks: &Keks) -> Result<Seal, OpenError> {
    if known_version(connection)? != LATEST {
        return Err(OpenError::Damaged);
    }
    refuse_other_objects(connection)?;
    stored_seal(connection, keks)
}

/// The number of the schema: 0 where there is nothing yet, or one that this program can bring up to date.
fn known_version(connection: &Connection) -> Result<usize, OpenError> {
    match version(connection)? {
        version if version > LATEST => Err(OpenError::NewerSchema),
        version if (1..=BEFORE_STEPS).contains(&version) && is_ours(connection)? => {
            Err(OpenError::OlderSchema)
        }
        version if (1..=BEFORE_STEPS).contains(&version) => Err(OpenError::NotAStore),
        version => Ok(version),
    }
}

/// Refuses a store in which anything stands beside what the steps make, or anything of it in other words.
fn refuse_other_objects(connection: &Connection) -> Result<(), OpenError> {
    let made = Connection::open_in_memory()?;
    STEPS
        .iter()
        .try_for_each(|script| made.execute_batch(script))?;
    match objects(connection)? == objects(&made)? {
        true => Ok(()),
        false => {
            tracing::error!("the database has tables, views or triggers that nobody here made");
            Err(OpenError::Damaged)
        }
    }
}

/// Everything in a database: kind, name, table and text.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    })?;
    rows.collect()
}

/// Whether a database is a store of this service.
pub(super) fn is_ours(connection: &Connection) -> Result<bool, OpenError> {
    Ok(application_id(connection)? == APPLICATION_ID)
}

/// Whether there is nothing in a database yet.
pub(super) fn is_new(connection: &Connection) -> Result<bool, OpenError> {
    Ok(version(connection)? == 0)
}

fn version(connection: &Connection) -> Result<usize, OpenError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| OpenError::NotAStore)
}

fn refuse_foreign_tables(connection: &Connection) -> Result<(), OpenError> {
    let sql = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if tables == 0 && application_id(connection)? == 0 {
        Ok(())
    } else {
        Err(OpenError::NotAStore)
    }
}

fn application_id(connection: &Connection) -> Result<i64, OpenError> {
    Ok(connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

fn new_deployment() -> Result<DeploymentId, OpenError> {
    let mut deployment = DeploymentId::default();
    getrandom::fill(&mut deployment).map_err(|_| OpenError::System)?;
    Ok(deployment)
}

fn stored_seal(connection: &Connection, keks: &Keks) -> Result<Seal, OpenError> {
    if !is_ours(connection)? {
        return Err(OpenError::NotAStore);
    }
    let deployment = fact(connection, "deployment")?.ok_or(OpenError::Damaged)?;
    let deployment = DeploymentId::try_from(deployment).map_err(|_| OpenError::Damaged)?;
    let wrapped = integrity_key(connection)?.ok_or(OpenError::Damaged)?;
    if keks.iter().all(|kek| KekId::of(kek) != wrapped.kek) {
        return Err(OpenError::WrongKek);
    }
    Ok(Seal::open(keks, deployment, &wrapped)?)
}

fn fact(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let value = connection.query_row(sql, [name], |row| row.get(0));
    Ok(value.optional()?)
}

fn integrity_key(connection: &Connection) -> Result<Option<Wrapped>, OpenError> {
    let Some(text) = fact(connection, "integrity_key")? else {
        return Ok(None);
    };
    let kek = fact(connection, "integrity_kek")?;
    let kek = kek.and_then(|bytes| KekId::from_bytes(&bytes));
    let kek = kek.ok_or(OpenError::Damaged)?;
    Ok(Some(Wrapped { kek, text }))
}

fn write_integrity_key(step: &Transaction<'_>, seal: &Seal) -> Result<(), OpenError> {
    let wrapped = seal.integrity_key()?;
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('integrity_key', ?1), ('integrity_kek', ?2)";
    step.execute(sql, (wrapped.text, wrapped.kek.as_bytes()))?;
    Ok(())
}

fn identify(step: &Transaction<'_>, seal: &Seal) -> Result<(), OpenError> {
    let sql = "INSERT INTO meta (name, value) VALUES ('deployment', ?1)";
    step.execute(sql, [seal.deployment()])?;
    write_integrity_key(step, seal)?;
    Ok(step.pragma_update(None, "application_id", APPLICATION_ID)?)
}

/// Puts the integrity key under the current key-encryption key; the data keys follow while the store serves. Refuses a
/// start without a key-encryption key that some of them still need.
fn replace_kek(connection: &mut Connection, seal: &Seal, now: Timestamp) -> Result<(), OpenError> {
    let given = [Some(seal.kek()), seal.previous_kek()];
    if let Some(needed) = data_keys::kek_being_replaced(connection)?
        && !given.contains(&Some(needed))
    {
        match data_keys::keys_under(connection, needed)? {
            0 => {}
            keys => return Err(OpenError::PreviousKekNeeded { keys }),
        }
    }
    let stored = integrity_key(connection)?.ok_or(OpenError::Damaged)?;
    if stored.kek != seal.kek() {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_integrity_key(&step, seal)?;
        failpoint!("replace-kek");
        let rows = Rows {
            connection: &step,
            seal,
            now,
            graces_hold: true,
            degraded: false,
        };
        let limits = RotationLimits::default();
        let change = Change::begin(rows, &limits)?;
        data_keys::begin_replacing(&change, stored.kek)?;
        failpoint!("replace-kek");
        let written = change.written.take();
        step.commit()?;
        written.iter().for_each(Written::committed);
        failpoint!("replace-kek");
    }
    Ok(())
}
