//! `init`: the first token of a store, which may do everything.

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Args;
use countersign_core::{SecretName, Timestamp};
use secrecy::ExposeSecret;

use crate::{
    exit::{Exit, Usage},
    input,
    serve::SettingsArgs,
};

/// Arguments of `init`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign init --config countersign.toml --out admin.token
  export COUNTERSIGN_TOKEN=$(cat admin.token)
  countersign token create acme/chat --grant verify:acme/*

It works on the data directory itself, which no server may use meanwhile, and just once: while a
token may do everything, there is no other first one. Whoever can run it could read the store
anyway.")]
pub(crate) struct InitArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Name of the token, as the audit will show it
    #[arg(long, default_value = "admin", value_name = "NAME")]
    name: String,
    /// How long it is valid; unset: until it is revoked
    #[arg(long, value_parser = input::duration, value_name = "TIME")]
    expires_in: Option<Duration>,
    /// Write the token to a new file that only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(args: InitArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = args.settings.load()?;
    let name = SecretName::parse(&args.name)
        .map_err(|_| Usage("--name: 1 to 4 segments of a-z 0-9 . _ - joined by /".to_owned()))?;
    let expire_time = args.expires_in.map(|life| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let end = now.unwrap_or_default() + life;
        Timestamp::from_unix_millis(i64::try_from(end.as_millis()).unwrap_or(i64::MAX))
    });
    let file = args
        .out
        .as_deref()
        .map(input::PrivateFile::create)
        .transpose()?;
    let token = countersign_server::init(config, name, expire_time).await?;
    match (file, args.out) {
        (Some(mut file), Some(path)) => {
            writeln!(file, "{}", token.expose_secret())?;
            file.keep()?;
            writeln!(
                out,
                "The first token is in {}; it may do everything.",
                path.display()
            )?;
        }
        _ => writeln!(
            out,
            "The first token; it may do everything. Store it now, nothing shows it again:\n\n  {}\n",
            token.expose_secret()
        )?,
    }
    Ok(Exit::Ok)
}
