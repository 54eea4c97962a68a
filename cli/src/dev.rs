//! `dev`: an open server on this machine, over demo secrets that it has just tried itself.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Args;
use countersign_client::Client;
use countersign_server::{Config, Server, core_dump, telemetry};
use tempfile::TempDir;

use crate::{
    demo::{self, Demo},
    exit::Exit,
    quickstart, render,
    serve::{Signals, stop},
};

const WARNING: &str = "\
WARNING: for development only. There is no TLS and no authentication: every program on this machine can read,
rotate and use these secrets. Never import a real key here. For real use: countersign serve --config FILE";

/// Arguments of `dev`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign dev
  countersign dev --listen 127.0.0.1:0    a free port
  countersign dev --data-dir ./dev        keeps its secrets for the next start")]
pub(crate) struct DevArgs {
    /// The loopback address and port to listen on
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The folder of the store; unset: a fresh one that goes away at the end
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(args: DevArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let folder = Folder::new(args.data_dir)?;
    let config = Config::dev(args.listen, folder.path())?;
    telemetry::init(&config.log);
    core_dump::forbid();
    let server = Server::start(config).await?;
    let shown = tokio::select! {
        shown = show(server.local_addr(), &folder, out) => {
            if shown.is_ok() {
                signals.next().await;
            }
            shown
        }
        // Told to end before all was shown.
        () = signals.next() => Ok(()),
    };
    stop(server, &mut signals).await;
    shown.map(|()| Exit::Ok)
}

async fn show(address: SocketAddr, folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
    let client = Client::connect(format!("http://{address}")).await?;
    let (demos, schemes) = demo::run(&client).await?;
    writeln!(
        out,
        "\nCountersign on http://{address}, store in {}\n\n{WARNING}\n",
        folder.path().display()
    )?;
    writeln!(out, "{}\n", table(&demos))?;
    writeln!(
        out,
        "There are {schemes} schemes: countersign scheme list\n"
    )?;
    quickstart::print(address, &demos, out)?;
    writeln!(out, "Ctrl-C stops it.")?;
    out.flush()?;
    Ok(())
}

fn table(demos: &[Demo]) -> String {
    let rows = demos.iter().map(|demo| {
        [
            demo.secret.clone(),
            demo.scheme.clone(),
            demo.shown_proof(),
            demo.verdict.clone(),
            demo.version.to_string(),
        ]
    });
    render::table(["secret", "scheme", "proof", "verdict", "version"], rows)
}

/// Where the store lies: a given folder, or one that goes away.
enum Folder {
    Given(PathBuf),
    Fresh(TempDir),
}

impl Folder {
    fn new(given: Option<PathBuf>) -> anyhow::Result<Self> {
        match given {
            Some(path) => Ok(Self::Given(path)),
            None => tempfile::Builder::new()
                .prefix("countersign-dev-")
                .tempdir()
                .map(Self::Fresh)
                .context("cannot make a folder for the store; name one with --data-dir"),
        }
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Given(path) => path,
            Self::Fresh(folder) => folder.path(),
        }
    }
}
