//! The `countersign` program: `serve` and `dev` run the server, every other verb is a client of one.

mod args;
mod audit;
mod backup;
mod change;
mod commands;
mod conformance;
mod demo;
mod dev;
mod exit;
mod explain;
mod health;
mod init;
mod input;
mod json;
mod kek;
mod proof;
mod quickstart;
mod render;
mod rotation;
mod scheme;
mod secret;
mod serve;
mod settings;
mod token;
mod webhook;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell if the terminal is gone.
            drop(error.print());
            return Exit::of_arguments(&error).into();
        }
    };
    match start(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            exit::report(&error, &mut io::stderr());
            Exit::of(&error).into()
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("the async runtime does not start")?;
    let mut out = io::stdout().lock();
    let exit = runtime.block_on(run(cli.command, &mut out));
    // Whatever still runs was given up on by a second signal.
    runtime.shutdown_background();
    let exit = exit?;
    out.flush()?;
    Ok(exit)
}

async fn run(command: Command, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::Dev(args) => dev::run(args, out).await,
        Command::Init(args) => init::run(args, out).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Secret(args) => secret::run(args, out).await,
        Command::Sign(args) => proof::sign(args, out).await,
        Command::Verify(args) => proof::verify(args, out).await,
        Command::Webhook(args) => webhook::run(args, out).await,
        Command::Explain(args) => explain::run(args, out).await,
        Command::Scheme(args) => scheme::run(args, out).await,
        Command::Token(args) => token::run(args, out).await,
        Command::Audit(args) => audit::run(args, out).await,
        Command::Health(args) => health::run(args, out).await,
        Command::Config(args) => serve::check(args, out),
        Command::Backup(args) => backup::backup(args, out).await,
        Command::Restore(args) => backup::run(args, out),
        Command::Kek(args) => kek::run(args, out),
        Command::Conformance(args) => conformance::run(args, out),
        Command::Completions { shell } => {
            // Into memory first: the generator panics where a pipe is closed.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut script);
            out.write_all(&script)?;
            Ok(Exit::Ok)
        }
    }
}
