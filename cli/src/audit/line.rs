//! One record of the audit as a line of an export. Whoever checks an export may have it from anybody.

use countersign_client::v1;
use countersign_core::{
    Timestamp,
    audit::{Head, Record},
};
use serde::{Deserialize, Serialize};

/// A record as an export has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    number: u64,
    time: String,
    principal: Option<String>,
    rpc_id: Option<String>,
    method: Option<String>,
    subject: Option<String>,
    version: Option<u32>,
    detail: Option<String>,
    outcome: Option<String>,
    hash: String,
}

impl Line {
    pub(super) fn of(record: &v1::AuditRecord) -> Self {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let time = record.time.unwrap_or_default();
        Self {
            number: record.number,
            time: time.to_string(),
            principal: text(&record.principal),
            rpc_id: text(&record.rpc_id),
            method: text(&record.method),
            subject: text(&record.subject),
            version: Some(record.version).filter(|version| *version != 0),
            detail: text(&record.detail),
            outcome: text(&record.outcome),
            hash: hex(&record.hash),
        }
    }

    /// The record and the hash beside it; `None` if a service would not have written them so.
    pub(super) fn read(self) -> Option<(Record, Vec<u8>)> {
        let time: prost_types::Timestamp = self.time.parse().ok()?;
        let millis = time.nanos / 1_000_000;
        if millis * 1_000_000 != time.nanos {
            return None;
        }
        let time = time.seconds.checked_mul(1000)?.checked_add(millis.into())?;
        let hash = self.hash;
        // A head is a number and a hash, and is read as strictly.
        let head: Head = format!("{}:{hash}", self.number).parse().ok()?;
        let record = Record {
            number: self.number,
            time: Timestamp::from_unix_millis(time),
            principal: self.principal.unwrap_or_default(),
            rpc_id: self.rpc_id.unwrap_or_default(),
            method: self.method.unwrap_or_default(),
            subject: self.subject.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            detail: self.detail.unwrap_or_default(),
            outcome: self.outcome.unwrap_or_default(),
        };
        Some((record, head.hash.to_vec()))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
