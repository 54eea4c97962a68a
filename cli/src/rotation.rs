//! `secret rotate`, `activate` and `revoke`: how keys come and go.

use std::{io::Write, time::Duration};

use clap::Args;
use countersign_client::{
    Client,
    v1::{self, rotate_secret_request::Ending},
};
use secrecy::ExposeSecret;

use crate::{
    args::Connection,
    change,
    input::{KeyArgs, duration, request_id, wire_duration},
    json,
    secret::{print, reveal, warn},
};

/// Arguments of `secret rotate`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign secret rotate acme/stripe --grace 24h
      the old key verifies for another day
  countersign secret rotate acme/stripe --emergency
      every older key is dead when this returns
  countersign secret rotate acme/chat --stage
      verifies now, signs after `secret activate`
  countersign secret rotate acme/stripe --import
      the vendor made the new key")]
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
    let request = v1::RotateSecretRequest {
        request_id: request_id(args.request_id),
        name: args.name,
        ending: args.ending.to_wire()?,
        imported_key: key
            .map(|key| key.expose_secret().to_owned())
            .unwrap_or_default(),
        expected_version: args.expected_version,
        stage: args.ending.stage,
        validate_only: args.dry_run,
        key_id: args.key_id,
    };
    let rotate = |client: Client| {
        let request = request.clone();
        async move { client.rotate_secret(request).await }
    };
    let answer = if args.dry_run {
        rotate(args.connection.connect().await?).await?
    } else {
        change::with_request_id(&args.connection, &request.request_id, out, rotate).await?
    };
    if args.connection.json {
        let value = json::new_version(answer.secret.as_ref(), answer.version, &answer.revealed_key);
        return json::print(&value, out);
    }
    print_rotated(&request, &answer, &args.connection, out).await
}

async fn print_rotated(
    request: &v1::RotateSecretRequest,
    answer: &v1::RotateSecretResponse,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (name, version) = (&request.name, answer.version);
    if request.validate_only {
        writeln!(
            out,
            "Nothing was changed. The rotation would make version {version}:\n"
        )?;
    } else if request.stage {
        writeln!(
            out,
            "Made version {version}. It verifies; `secret activate {name} {version}` lets it sign."
        )?;
    } else {
        writeln!(out, "Made version {version}.")?;
    }
    let secret = answer.secret.as_ref();
    reveal(&answer.revealed_key, secret, connection, out).await?;
    warn(answer.secret.as_ref(), version, out)?;
    let Some(secret) = &answer.secret else {
        return Ok(());
    };
    let emergency = matches!(request.ending, Some(Ending::Emergency(true)));
    if emergency && !request.validate_only && had_shared_key(secret, version) {
        writeln!(out, "{SHARED_KEY_ELSEWHERE}")?;
    }
    print(secret, false, out)
}

const SHARED_KEY_ELSEWHERE: &str = "\
WARNING: a key that just died was shared: another secret of the namespace may hold the same key and go on accepting
it. Rotate that one with --emergency too.";

/// Whether a version before this one was recorded to have the key of another secret.
fn had_shared_key(secret: &v1::Secret, version: u32) -> bool {
    let mut older = secret.versions.iter().filter(|v| v.number < version);
    older.any(|version| version.warnings().any(|w| w == v1::KeyWarning::KeyShared))
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
    let name = args.name;
    let request = v1::ActivateVersionRequest {
        name: name.clone(),
        version: args.version,
        grace_period: args.grace.map(wire_duration).transpose()?,
    };
    let secret = args
        .connection
        .connect()
        .await?
        .activate_version(request)
        .await
        .map_err(|error| change::without_request_id(error, &name))?;
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
        .revoke_version(&args.name, args.version, args.force)
        .await
        .map_err(|error| change::without_request_id(error, &args.name))?;
    print(&secret, args.connection.json, out)
}
