//! The schema, one script a step. All steps that a store needs and the number that says they were taken are one
//! transaction, so a start that was killed in between begins again.
//!
//! Invariant: a step that trusts what it finds, as the one that makes a chain of the audit, is not taken twice. From
//! [`BOUND`] on the integrity key does not open under a smaller number, so nobody can write one to have it taken again.

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
use crate::seal::{DeploymentId, KekId, Keks, Seal, Wrapped, legacy::LegacyKeys};

const STEPS: [&str; 6] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
];

/// The step that gave secrets data keys.
const ENVELOPE: u32 = 4;
/// The step that made a chain of the audit.
const AUDIT_CHAIN: u32 = 5;
/// The step that binds the integrity key to the steps before it.
const BOUND: usize = 6;

/// "CSGN": marks the database file as a Countersign store.
const APPLICATION_ID: i64 = 0x4353_474e;

/// Brings the schema up to date and answers the seal of the store. Nothing is written before the store is known to
/// be one of ours, not newer than this program, and to open with these key-encryption keys.
pub(super) fn prepare(
    connection: &mut Connection,
    keks: &Keks,
    now: Timestamp,
) -> Result<Seal, OpenError> {
    let version = version(connection)?;
    if version > STEPS.len() {
        return Err(OpenError::NewerSchema);
    }
    let seal = if version == 0 {
        refuse_foreign_tables(connection)?;
        Seal::create(keks, new_deployment()?)?
    } else {
        stored_seal(connection, keks, version)?
    };
    if version < STEPS.len() {
        let steps = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (number, script) in (1_u32..).zip(STEPS).skip(version) {
            take(&steps, number, script, &seal, keks)?;
        }
        write_integrity_key(&steps, &seal)?;
        steps.pragma_update(None, "user_version", STEPS.len() as i64)?;
        failpoint!("migrate");
        steps.commit()?;
        failpoint!("migrate");
    }
    replace_kek(connection, &seal, now)?;
    Ok(seal)
}

fn take(
    steps: &Transaction<'_>,
    number: u32,
    script: &str,
    seal: &Seal,
    keks: &Keks,
) -> Result<(), OpenError> {
    let mut statements = Batch::new(steps, script);
    while let Some(mut statement) = statements.next()? {
        failpoint!("migrate");
        statement.execute([])?;
    }
    match number {
        1 => identify(steps, seal)?,
        AUDIT_CHAIN => audit::chain(steps, seal)?,
        ENVELOPE => wrap_legacy_keys(steps, seal, keks)?,
        _ => {}
    }
    failpoint!("migrate");
    Ok(())
}

/// The seal of a store that is not to be written.
pub(super) fn as_it_is(connection: &Connection, keks: &Keks) -> Result<Seal, OpenError> {
    let version = version(connection)?;
    if version > STEPS.len() {
        return Err(OpenError::NewerSchema);
    }
    if version < STEPS.len() {
        return Err(OpenError::Damaged);
    }
    stored_seal(connection, keks, version)
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

fn stored_seal(connection: &Connection, keks: &Keks, version: usize) -> Result<Seal, OpenError> {
    if !is_ours(connection)? {
        return Err(OpenError::NotAStore);
    }
    let deployment = fact(connection, "deployment")?.ok_or(OpenError::Damaged)?;
    let deployment = DeploymentId::try_from(deployment).map_err(|_| OpenError::Damaged)?;
    if let Some(wrapped) = integrity_key(connection)? {
        if keks.iter().all(|kek| KekId::of(kek) != wrapped.kek) {
            return Err(OpenError::WrongKek);
        }
        return Ok(match version < BOUND {
            true => Seal::open_unbound(keks, deployment, &wrapped)?,
            false => Seal::open(keks, deployment, &wrapped)?,
        });
    }
    let check_value = fact(connection, "kek_check")?.ok_or(OpenError::Damaged)?;
    let mut legacy = keks.iter().map(|kek| LegacyKeys::derive(kek, &deployment));
    let keys = legacy.find(|keys| keys.matches(&check_value));
    let keys = keys.ok_or(OpenError::WrongKek)?;
    Ok(Seal::with(keks, deployment, keys.fingerprints))
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
    Ok(step.pragma_update(None, "application_id", APPLICATION_ID)?)
}

/// Wraps the keys of a store that has none of its own yet.
fn wrap_legacy_keys(step: &Transaction<'_>, seal: &Seal, keks: &Keks) -> Result<(), OpenError> {
    let Some(check_value) = fact(step, "kek_check")? else {
        return Ok(());
    };
    let mut legacy = keks
        .iter()
        .map(|kek| LegacyKeys::derive(kek, seal.deployment()));
    let keys = legacy.find(|keys| keys.matches(&check_value));
    let sealing = keys.ok_or(OpenError::WrongKek)?.sealing;
    let mut secrets = step.prepare("SELECT id FROM secrets WHERE delete_time IS NULL")?;
    let ids = secrets.query_map([], |row| row.get(0))?;
    for id in ids.collect::<rusqlite::Result<Vec<i64>>>()? {
        failpoint!("migrate");
        data_keys::insert(step, id, &seal.wrap_data_key(id, &sealing)?)?;
    }
    step.execute("DELETE FROM meta WHERE name = 'kek_check'", [])?;
    Ok(())
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
