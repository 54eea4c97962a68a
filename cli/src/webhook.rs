//! `webhook`: sign a delivery as its vendor would, or check one.

mod body;
mod delivery;
mod fault;
mod output;
mod send;
mod sign;
mod verify;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::exit::Exit;

/// Arguments of `webhook`.
#[derive(Args)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// Sign a delivery as its vendor would, and print it, send it or make it faulty
    Sign(Box<sign::SignArgs>),
    /// Check whether a delivery is genuine
    Verify(Box<verify::VerifyArgs>),
}

pub(crate) async fn run(args: WebhookArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        WebhookCommand::Sign(args) => sign::run(*args, out).await,
        WebhookCommand::Verify(args) => verify::run(*args, out).await,
    }
}
