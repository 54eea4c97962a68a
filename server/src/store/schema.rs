//! The schema, one script a step. A step and the number that says it was taken are one transaction, so a start that
//! was killed in between begins the step again.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::OpenError;
use crate::seal::{DeploymentId, Kek, Seal};

const STEPS: [&str; 2] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
];

/// "CSGN": marks the database file as a Countersign store.
const APPLICATION_ID: i64 = 0x4353_474e;

/// Brings the schema up to date and answers the seal of the store. Nothing is written before the store is known to
/// be one of ours, not newer than this program, and made with this key-encryption key.
pub(super) fn prepare(connection: &mut Connection, kek: &Kek) -> Result<Seal, OpenError> {
    let version = version(connection)?;
    if version > STEPS.len() {
        return Err(OpenError::NewerSchema);
    }
    let seal = if version == 0 {
        refuse_foreign_tables(connection)?;
        new_seal(kek)?
    } else {
        stored_seal(connection, kek)?
    };
    for (number, script) in (1_u32..).zip(STEPS).skip(version) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(script)?;
        if number == 1 {
            identify(&step, &seal)?;
        }
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    Ok(seal)
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

fn new_seal(kek: &Kek) -> Result<Seal, OpenError> {
    let mut deployment = DeploymentId::default();
    getrandom::fill(&mut deployment).map_err(|_| OpenError::System)?;
    Ok(Seal::new(kek, deployment))
}

fn stored_seal(connection: &Connection, kek: &Kek) -> Result<Seal, OpenError> {
    if application_id(connection)? != APPLICATION_ID {
        return Err(OpenError::NotAStore);
    }
    let deployment =
        DeploymentId::try_from(fact(connection, "deployment")?).map_err(|_| OpenError::Damaged)?;
    let seal = Seal::new(kek, deployment);
    if seal.matches(&fact(connection, "kek_check")?) {
        Ok(seal)
    } else {
        Err(OpenError::WrongKek)
    }
}

fn fact(connection: &Connection, name: &str) -> Result<Vec<u8>, OpenError> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    Ok(connection.query_row(sql, [name], |row| row.get(0))?)
}

fn identify(step: &Transaction<'_>, seal: &Seal) -> Result<(), OpenError> {
    let sql = "INSERT INTO meta (name, value) VALUES ('deployment', ?1), ('kek_check', ?2)";
    step.execute(sql, (seal.deployment(), seal.check_value()))?;
    Ok(step.pragma_update(None, "application_id", APPLICATION_ID)?)
}
