//! `scheme`: the catalogue.

use std::io::Write;

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
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn run(args: SchemeArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        SchemeCommand::List { connection } => list(&connection, out).await?,
        SchemeCommand::Show { id, connection } => show(&id, &connection, out).await?,
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

async fn show(id: &str, connection: &Connection, out: &mut dyn Write) -> anyhow::Result<()> {
    let scheme = connection.connect().await?.get_scheme(id).await?;
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
