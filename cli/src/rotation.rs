//! `secret rotate`, `activate` and `revoke`: how keys come and go.

use std::{io::Write, time::Duration};

use clap::Args;
use countersign_client::v1::{self, rotate_secret_request::Ending};
use secrecy::ExposeSecret;

use crate::{
    args::Connection,
    input::{KeyArgs, duration, request_id, wire_duration},
    json,
    secret::{print, reveal},
};

/// Arguments of `secret rotate`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign secret rotate acme/stripe --grace 24h        the old key verifies for another day
  countersign secret rotate acme/stripe --emergency        every older key is dead when this returns
  countersign secret rotate acme/chat --stage              verifies now, signs after `secret activate`
  countersign secret rotate acme/stripe --import           the vendor made the new key")]
pub(crate) struct RotateArgs {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    ending: EndingArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// The vendor's public id of the new key, for schemes that need one
    #[arg(long, default_value = "", hide_default_value = true)]
    key_id: String,
    /// Rotate only if this version is the active one
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "0",
        hide_default_value = true
    )]
    expected_version: u32,
    /// Check the rotation and show what would be, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Repeat a request that may have been lost: the same id and arguments give the same result
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
#[group(multiple = false)]
struct EndingArgs {
    /// How long the old key goes on verifying; unset: 24 hours
    #[arg(long, value_parser = duration, value_name = "TIME")]
    grace: Option<Duration>,
    /// Kill every older version at once
    #[arg(long)]
    emergency: bool,
    /// Let the new version verify but not sign yet
    #[arg(long)]
    stage: bool,
}

impl EndingArgs {
    fn to_wire(&self) -> anyhow::Result<Option<Ending>> {
        Ok(match self.grace {
            Some(grace) => Some(Ending::GracePeriod(wire_duration(grace)?)),
            None => self.emergency.then_some(Ending::Emergency(true)),
        })
    }
}

pub(crate) async fn rotate(args: RotateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = args.key.read()?;
    let name = args.name;
    let request = v1::RotateSecretRequest {
        request_id: request_id(args.request_id),
        name: name.clone(),
        ending: args.ending.to_wire()?,
        imported_key: key
            .map(|key| key.expose_secret().to_owned())
            .unwrap_or_default(),
        expected_version: args.expected_version,
        stage: args.ending.stage,
        validate_only: args.dry_run,
        key_id: args.key_id,
    };
    let answer = args
        .connection
        .connect()
        .await?
        .rotate_secret(request)
        .await?;
    if args.connection.json {
        let value = json::new_version(answer.secret.as_ref(), answer.version, &answer.revealed_key);
        return json::print(&value, out);
    }
    if args.dry_run {
        writeln!(
            out,
            "Nothing was changed. The rotation would make version {}:\n",
            answer.version
        )?;
    } else if args.ending.stage {
        writeln!(
            out,
            "Made version {0}. It verifies; `secret activate {name} {0}` lets it sign.",
            answer.version
        )?;
    } else {
        writeln!(out, "Made version {}.", answer.version)?;
    }
    reveal(&answer.revealed_key, out)?;
    match &answer.secret {
        Some(secret) => print(secret, false, out),
        None => Ok(()),
    }
}

/// Arguments of `secret activate`.
#[derive(Args)]
pub(crate) struct ActivateArgs {
    /// Name of the secret
    name: String,
    /// Number of the staged version
    version: u32,
    /// How long the version active until now goes on verifying; unset: 24 hours
    #[arg(long, value_parser = duration, value_name = "TIME")]
    grace: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn activate(args: ActivateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let request = v1::ActivateVersionRequest {
        name: args.name,
        version: args.version,
        grace_period: args.grace.map(wire_duration).transpose()?,
    };
    let secret = args
        .connection
        .connect()
        .await?
        .activate_version(request)
        .await?;
    print(&secret, args.connection.json, out)
}

/// Arguments of `secret revoke`.
#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Name of the secret
    name: String,
    /// Number of the version
    version: u32,
    /// Revoke it although it is the active one; the secret then signs nothing until it is rotated
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn revoke(args: RevokeArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let client = args.connection.connect().await?;
    let secret = client
        .revoke_version(args.name, args.version, args.force)
        .await?;
    print(&secret, args.connection.json, out)
}
