//! `audit export`: the records as lines that anybody can check, with `audit verify --file` or with a program of their
//! own.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;
use countersign_client::v1;

use super::line::{Line, hex};
use crate::{args::Connection, exit::usage};

const PAGE_SIZE: i32 = 1000;

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
