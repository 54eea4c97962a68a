//! `serve` and `config check`: a server for real use.

#[cfg(unix)]
mod environment;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use countersign_server::{Config, Overrides, Server, core_dump, descriptors, telemetry};

use crate::exit::Exit;

/// Arguments of `serve`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign config check --config countersign.toml
  countersign serve --config countersign.toml
  COUNTERSIGN_LISTEN=127.0.0.1:50052 countersign serve --config FILE
SIGTERM and Ctrl-C let calls in progress end first; a second one ends the program at once. SIGHUP has the files of TLS \
read at once, which happens every two seconds anyhow.
It exits with 64 if the configuration is wrong, with 65 if the store is damaged or does not belong to this release or \
key-encryption key, and with 69 if the port, the data directory or its disk cannot be had.")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The clock of this machine is right, although the store has seen a later time
    #[arg(long)]
    trust_clock: bool,
    /// Serve what verifies of a damaged store, and change nothing
    #[arg(long)]
    degraded: bool,
}

/// Where the settings come from: default < file < environment < flag.
#[derive(Args)]
pub(crate) struct SettingsArgs {
    /// The configuration file; examples/countersign.toml shows every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder of the store
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// json or human
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
}

impl SettingsArgs {
    pub(crate) fn load(self) -> anyhow::Result<Config> {
        let overrides = Overrides {
            listen: self.listen,
            data_dir: self.data_dir,
            log_format: self.log_format,
            log_level: self.log_level,
        };
        Ok(Config::load(
            self.config.as_deref().map(Path::new),
            &overrides,
        )?)
    }
}

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Exit> {
    #[cfg(unix)]
    environment::clear_of_the_key();
    let mut config = args.settings.load()?;
    config.trust_clock = args.trust_clock;
    config.degraded = args.degraded;
    telemetry::init(&config.log);
    core_dump::forbid();
    core_dump::warn_of_swap();
    descriptors::provide(&config.limits);
    let mut signals = Signals::new()?;
    let mut hangups = Hangups::new()?;
    let server = Server::start(config).await?;
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = hangups.next() => server.reload_certificates(),
        }
    }
    stop(server, &mut signals).await;
    Ok(Exit::Ok)
}

/// Stops a server gracefully; a further signal gives up on that.
pub(crate) async fn stop(server: Server, signals: &mut Signals) {
    tokio::select! {
        () = server.shutdown() => {}
        () = signals.next() => {}
    }
}

/// Ctrl-C, and SIGTERM where there is one.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn next(&mut self) {
        // Without signals the program ends the way that its system ends programs.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP where there is one.
struct Hangups {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Hangups {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { hangup })
    }

    async fn next(&mut self) {
        self.hangup.recv().await;
    }
}

#[cfg(not(unix))]
impl Hangups {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

/// Arguments of `config`.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with a configuration, or ok
    Check {
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

pub(crate) fn check(args: ConfigArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let ConfigCommand::Check { settings } = args.command;
    let config = settings.load()?;
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "ok")?;
    Ok(Exit::Ok)
}
