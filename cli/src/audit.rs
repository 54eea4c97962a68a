//! `audit`: who did what, and whether all of it is still there.

mod export;
mod line;
mod verify;

use std::{io::Write, path::PathBuf, time::SystemTime};

use clap::{Args, Subcommand};
use countersign_client::v1;
use countersign_core::audit::Head;
use serde_json::json;

use crate::{
    args::Connection,
    exit::Exit,
    json,
    render::{since, table},
};
use line::Line;

/// Arguments of `audit`.
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// List records, oldest first; those of names that the token may read the audit of
    #[command(after_help = "Example:\n  countersign audit list --subject acme/chat")]
    List {
        /// Only records of this secret, token or scheme
        #[arg(long, default_value = "", hide_default_value = true)]
        subject: String,
        /// Only records with a higher number
        #[arg(long, default_value_t, value_name = "NUMBER")]
        after: u64,
        #[command(flatten)]
        connection: Connection,
    },
    /// Write the records with their hashes, one JSON object a line, for `audit verify --file`
    #[command(after_help = "Example:\n  countersign audit export --out audit.jsonl")]
    Export {
        /// Only records with a higher number
        #[arg(long, default_value_t, value_name = "NUMBER")]
        after: u64,
        /// Into this new file; unset: to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Check that no record is missing, was added or edited; exits 1 if one is or was
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// A head that was written down earlier: the number of a record and its hash
        #[arg(long, value_name = "NUMBER:HEX")]
        anchor: Option<Head>,
        /// Check an export instead of asking the server; with --anchor it may begin with the record after that
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
}

const VERIFY_HELP: &str = "\
It prints the head of the chain. Whoever writes that down where the server
cannot change it can show later, with --anchor, that nothing up to there was
cut off or rewritten. Every line \"audit\" of the server's log has one too.

Examples:
  countersign audit verify
  countersign audit verify --file audit.jsonl";

pub(crate) async fn run(args: AuditArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        AuditCommand::List {
            subject,
            after,
            connection,
        } => list(subject, after, &connection, out).await?,
        AuditCommand::Export {
            after,
            out: path,
            connection,
        } => export::run(after, path.as_deref(), &connection, out).await?,
        AuditCommand::Verify {
            anchor,
            file: Some(path),
            connection,
        } => return verify::file(&path, anchor, connection.json, out),
        AuditCommand::Verify {
            anchor, connection, ..
        } => return verify::ask(anchor, &connection, out).await,
    }
    Ok(Exit::Ok)
}

async fn list(
    subject: String,
    after: u64,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let client = connection.connect().await?;
    let records = client.list_audit_records(subject, after).await?;
    if connection.json {
        let records: Vec<_> = records.iter().map(Line::of).collect();
        return json::print(&json!({ "records": records }), out);
    }
    let now = SystemTime::now();
    let header = ["number", "when", "who", "what", "subject", "how", "outcome"];
    writeln!(
        out,
        "{}",
        table(header, records.iter().map(|each| row(each, now)))
    )?;
    Ok(())
}

fn row(record: &v1::AuditRecord, now: SystemTime) -> [String; 7] {
    let subject = match record.version {
        0 => record.subject.clone(),
        version => format!("{} version {version}", record.subject),
    };
    [
        record.number.to_string(),
        since(record.time.as_ref(), now),
        record.principal.clone(),
        record.method.clone(),
        subject,
        record.detail.clone(),
        record.outcome.clone(),
    ]
}
