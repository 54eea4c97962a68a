//! Requests that must not happen twice.

use std::time::Duration;

use countersign_core::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Caller, ChangeError, RequestId, SecretRecord, error::Fault, rows::place, writer::Change,
};
use crate::seal::{Kind, Place};

/// The bytes of an answer, which may hold a key.
pub(super) type Answer = Zeroizing<Vec<u8>>;

/// How long the answer to a request can be asked for again.
pub(super) const ANSWER_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A request as the caller made it.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) request: RequestId,
    pub(super) method: &'static str,
    /// Check everything, write nothing; it never answers what another request was answered.
    pub(super) validate_only: bool,
}

struct Stored {
    principal: String,
    method: String,
    args_digest: Vec<u8>,
    answer: Option<Vec<u8>>,
    secret_id: i64,
    version: u32,
    create_time: Timestamp,
}

impl Change<'_> {
    /// The answer that this request was given before, or `None` if its id is new. A row that does not open is a
    /// conflict and never "absent": absent would make a second key.
    pub(super) fn answered(&self, asked: &Asked) -> Result<Option<Answer>, Fault> {
        match self.stored_answer(asked) {
            Err(fault) if fault.is_corrupt() => {
                tracing::error!("a stored request is damaged");
                Err(ChangeError::RequestIdConflict.into())
            }
            Ok(Some(_)) if asked.validate_only => Err(ChangeError::RequestIdConflict.into()),
            result => result,
        }
    }

    fn stored_answer(&self, asked: &Asked) -> Result<Option<Answer>, Fault> {
        let sql = "SELECT principal, method, args_digest, answer, secret_id, version, create_time
                   FROM requests WHERE id = ?1";
        let stored = self
            .rows
            .connection
            .prepare_cached(sql)?
            .query_row([&asked.request.id], Stored::read)
            .optional()?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        if !stored.is(asked) {
            return Err(ChangeError::RequestIdConflict.into());
        }
        let expired = stored.create_time.plus(ANSWER_LIFE) <= self.rows.now;
        let bound = stored.bound(&asked.request.id);
        let Some(sealed) = stored.answer.filter(|_| !expired) else {
            return Err(ChangeError::RequestIdExpired.into());
        };
        let record = self.rows.bare_record(stored.secret_id)?;
        let place = Place {
            request: &bound,
            ..place(Kind::Answer, &record, stored.version)
        };
        let data_key = self.rows.data_key(record.id)?;
        Ok(Some(data_key.open(&place, &sealed)?))
    }

    /// Keeps the answer for a retry.
    pub(super) fn remember(
        &self,
        asked: &Asked,
        record: &SecretRecord,
        version: u32,
        answer: &Answer,
    ) -> Result<(), Fault> {
        let stored = Stored {
            principal: asked.caller.principal.clone(),
            method: asked.method.to_owned(),
            args_digest: asked.request.args_digest.to_vec(),
            answer: None,
            secret_id: record.id,
            version,
            create_time: self.rows.now,
        };
        let bound = stored.bound(&asked.request.id);
        let place = Place {
            request: &bound,
            ..place(Kind::Answer, record, version)
        };
        let sealed = self.rows.data_key(record.id)?.seal(&place, answer)?;
        let sql = "INSERT INTO requests (id, principal, method, args_digest, answer, secret_id, version, create_time)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.rows.connection.prepare_cached(sql)?.execute(params![
            asked.request.id,
            stored.principal,
            stored.method,
            stored.args_digest,
            sealed,
            stored.secret_id,
            stored.version,
            stored.create_time.unix_millis(),
        ])?;
        Ok(())
    }
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            principal: row.get("principal")?,
            method: row.get("method")?,
            args_digest: row.get("args_digest")?,
            answer: row.get("answer")?,
            secret_id: row.get("secret_id")?,
            version: row.get("version")?,
            create_time: Timestamp::from_unix_millis(row.get("create_time")?),
        })
    }

    /// What the answer opens for: it is nobody else's, of nothing else and of no other time.
    fn bound(&self, id: &str) -> Vec<u8> {
        let time = self.create_time.unix_millis();
        let bound = (id, &self.principal, &self.method, &self.args_digest, time);
        serde_json::to_vec(&bound).expect("numbers and strings are JSON")
    }

    fn is(&self, asked: &Asked) -> bool {
        self.principal == asked.caller.principal
            && self.method == asked.method
            && bool::from(self.args_digest.ct_eq(&asked.request.args_digest))
    }
}
