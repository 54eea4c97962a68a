//! `health`: whether a server serves.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::{args::Connection, exit::Exit, json};

/// Arguments of `health`.
#[derive(Args)]
#[command(
    after_help = "Exits with 0 if the server serves, with 69 if it does not or cannot be reached."
)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(args: HealthArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let serving = args.connection.connect().await?.health().await?;
    let word = if serving { "SERVING" } else { "NOT_SERVING" };
    if args.connection.json {
        json::print(&json!({ "status": word }), out)?;
    } else {
        writeln!(out, "{word}")?;
    }
    Ok(if serving { Exit::Ok } else { Exit::Unavailable })
}
