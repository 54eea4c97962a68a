//! `kek`: what can be said of a key-encryption key without showing it.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use countersign_server::{ConfigErrors, KekId, config};

use crate::exit::Exit;

/// Arguments of `kek`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign kek id /etc/countersign/kek
The log of every start says the id of the key that the store is under (\"kek\"), so the two tell whether a backup of \
the key is the right one.")]
pub(crate) struct KekArgs {
    #[command(subcommand)]
    command: KekCommand,
}

#[derive(Subcommand)]
enum KekCommand {
    /// Print the public id of the key in a file; needs no server
    Id {
        /// A file with a key-encryption key
        file: PathBuf,
    },
}

pub(crate) fn run(args: KekArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let KekCommand::Id { file } = args.command;
    let key = config::read_kek(&file).map_err(|error| ConfigErrors(vec![error]))?;
    writeln!(out, "{}", KekId::of(&key))?;
    Ok(Exit::Ok)
}
