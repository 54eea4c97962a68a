//! `scheme`: the catalogue.

mod own;

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use countersign_client::v1;
use serde_json::json;

use crate::{
    args::Connection,
    exit::Exit,
    json,
    render::{fields, table, word},
};

/// Arguments of `scheme`.
#[derive(Args)]
pub(crate) struct SchemeArgs {
    #[command(subcommand)]
    command: SchemeCommand,
}

#[derive(Subcommand)]
enum SchemeCommand {
    /// List all schemes
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what a scheme signs and what its keys look like
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
  countersign scheme show github.webhook --definition > acme.toml
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
    let rows = schemes.into_iter().map(|scheme| {
        let purpose = purpose(&scheme);
        [scheme.id, purpose, scheme.title]
    });
    writeln!(out, "{}", table(["scheme", "purpose", "title"], rows))?;
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
    let key_id = scheme
        .key_id_required
        .then(|| "required, see --key-id".to_owned());
    let rows = [
        ("scheme", Some(scheme.id.clone())),
        ("title", Some(scheme.title.clone())),
        ("purpose", Some(purpose(&scheme))),
        ("key", Some(scheme.key_format.clone())),
        ("key id", key_id),
        ("signs", Some(scheme.signed_text.clone())),
        ("signature", Some(scheme.signature_format.clone())),
        ("headers", Some(scheme.headers.join(", "))),
        ("parameters", Some(scheme.parameters.join(", "))),
        (
            "may be old",
            scheme.tolerance_past.as_ref().map(ToString::to_string),
        ),
        (
            "may be ahead",
            scheme.tolerance_future.as_ref().map(ToString::to_string),
        ),
        ("source", Some(scheme.source.clone())),
    ];
    fields(out, rows)?;
    writeln!(out, "\n{}", crate::render::plain(scheme.description.trim()))?;
    Ok(())
}

fn purpose(scheme: &v1::Scheme) -> String {
    word(scheme.purpose().as_str_name(), "PURPOSE_")
}
