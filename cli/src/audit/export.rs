//! `audit export`: the records as lines that anybody can check, with `audit verify --file` or with a program of their
//! own.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;
use countersign_client::v1;
use countersign_core::{
    Timestamp,
    audit::{Head, Record},
};
use serde::{Deserialize, Serialize};

use crate::{args::Connection, exit::usage};

const PAGE_SIZE: i32 = 1000;

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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn run(
    after: u64,
    path: Option<&Path>,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(path) = path else {
        write(after, connection, out).await?;
        return Ok(());
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("cannot make --out {}", path.display()))?;
    let mut file = std::io::BufWriter::new(file);
    let last = write(after, connection, &mut file).await?;
    file.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    match last {
        None => writeln!(out, "There is no record after {after}.")?,
        Some(last) => writeln!(out, "Written up to {}:{}", last.number, hex(&last.hash))?,
    }
    Ok(())
}

/// Writes page by page and answers the last record.
async fn write(
    after: u64,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<Option<v1::AuditRecord>> {
    let client = connection.connect().await?;
    let mut request = v1::ListAuditRecordsRequest {
        after_number: after,
        page_size: PAGE_SIZE,
        ..Default::default()
    };
    let mut last = None;
    loop {
        let page = client.list_audit_records_page(request.clone()).await?;
        for record in &page.records {
            serde_json::to_writer(&mut *out, &Line::of(record)).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        last = page.records.into_iter().next_back().or(last);
        if page.next_page_token.is_empty() {
            return Ok(last);
        }
        if page.next_page_token == request.page_token {
            return Err(usage("the server answers the same page again"));
        }
        request.page_token = page.next_page_token;
    }
}
