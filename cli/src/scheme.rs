//! `scheme`: the catalogue.

mod fallback;
mod own;

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use countersign_client::v1;
use countersign_core::{OwnScheme, page};
use serde_json::json;

use crate::{
    args::Connection,
    exit::Exit,
    json,
    render::{plain, table, word},
};

/// Arguments of `scheme`.
#[derive(Args)]
pub(crate) struct SchemeArgs {
    #[command(subcommand)]
    command: SchemeCommand,
}

#[derive(Subcommand)]
enum SchemeCommand {
    /// List all schemes, how well their facts are known, and where these come from
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what a scheme signs and proves, its headers, its keys and their rotation, and its traps
    #[command(after_help = "Example:\n  countersign scheme show chatwoot.identity")]
    Show {
        /// Id of the scheme
        id: String,
        /// Print its description instead, as `scheme create` takes it under another vendor
        #[arg(long)]
        definition: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Add a scheme of your own from its description
    #[command(after_help = CREATE_HELP)]
    Create {
        /// The description in TOML; - reads standard input
        file: PathBuf,
        /// Only lint it and run its vectors
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove a scheme of your own that no secret uses
    #[command(after_help = "Example:\n  countersign scheme delete acme.webhook")]
    Delete {
        /// Id of the scheme
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Check a description and run its vectors, without a server; exits 1 if it would be refused
    #[command(after_help = "Example:\n  countersign scheme lint acme.toml")]
    Lint {
        /// The description in TOML; - reads standard input
        file: PathBuf,
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
}

const CREATE_HELP: &str = "\
Examples:
  countersign scheme show github.webhook --definition |
    sed 's/^vendor = .*/vendor = \"acme\"/' > acme.toml
  countersign scheme lint acme.toml
  countersign scheme create acme.toml";

pub(crate) async fn run(args: SchemeArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        SchemeCommand::List { connection } => list(&connection, out).await?,
        SchemeCommand::Show {
            id,
            definition,
            connection,
        } => show(&id, definition, &connection, out).await?,
        SchemeCommand::Create {
            file,
            dry_run,
            connection,
        } => own::create(&file, dry_run, &connection, out).await?,
        SchemeCommand::Delete { id, connection } => own::delete(&id, &connection, out).await?,
        SchemeCommand::Lint { file, json } => return own::lint(&file, json, out),
    }
    Ok(Exit::Ok)
}

async fn list(connection: &Connection, out: &mut dyn Write) -> anyhow::Result<()> {
    let schemes = connection.connect().await?.list_schemes().await?;
    if connection.json {
        let schemes: Vec<_> = schemes.iter().map(json::scheme).collect();
        return json::print(&json!({ "schemes": schemes }), out);
    }
    let rows = schemes.iter().map(|scheme| {
        [
            scheme.id.clone(),
            purpose(scheme),
            facts(scheme),
            first(&scheme.source),
        ]
    });
    let header = ["scheme", "purpose", "facts", "source"];
    writeln!(out, "{}", table(header, rows))?;
    Ok(())
}

async fn show(
    id: &str,
    definition: bool,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let scheme = connection.connect().await?.get_scheme(id).await?;
    if definition {
        out.write_all(scheme.definition.as_bytes())?;
        return Ok(());
    }
    if connection.json {
        return json::print(&json::scheme(&scheme), out);
    }
    // What the server says of a scheme is its description, whatever this program has under the same id.
    match OwnScheme::parse_stored(&scheme.definition) {
        Ok(own) if scheme.custom => {
            write!(out, "{}", plain(&page::of_own_scheme(&own.scheme)))?;
        }
        Ok(own) => write!(out, "{}", plain(&page::of_scheme(&own.scheme)))?,
        // The server is older than descriptions, or newer than this program can read.
        Err(_) => fallback::show(&scheme, out)?,
    }
    Ok(())
}

/// How well the facts are known; of one's own schemes nobody but their author can say.
fn facts(scheme: &v1::Scheme) -> String {
    match scheme.custom {
        true => "own".to_owned(),
        false => word(scheme.confidence().as_str_name(), "CONFIDENCE_"),
    }
}

/// The first of several sources, short enough for a table; the page has all.
fn first(source: &str) -> String {
    const MAX_CHARS: usize = 56;
    let first = source.split(';').next().unwrap_or_default().trim();
    match first.chars().count() > MAX_CHARS {
        true => first.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
        false => first.to_owned(),
    }
}

fn purpose(scheme: &v1::Scheme) -> String {
    word(scheme.purpose().as_str_name(), "PURPOSE_")
}
