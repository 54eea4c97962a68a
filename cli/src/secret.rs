//! `secret`: look at secrets and delete them. The verbs that make and change them stand in `settings` and `rotation`.

use std::{collections::BTreeMap, io::Write, time::SystemTime};

use clap::{Args, Subcommand};
use countersign_client::v1;
use serde_json::json;

use crate::{
    args::Connection,
    change,
    exit::Exit,
    json,
    render::{fields, since, table, versions, warning, word},
    rotation::{self, ActivateArgs, RevokeArgs, RotateArgs},
    settings::{self, CreateArgs, UpdateArgs},
};

/// Arguments of `secret`.
#[derive(Args)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Subcommand)]
enum SecretCommand {
    /// Create a secret, with a generated key or an imported one
    Create(CreateArgs),
    /// Show a secret and its versions, never a key
    Get(GetArgs),
    /// List secrets
    List(ListArgs),
    /// Change mode, tolerance, timestamp unit, replay policy or labels
    Update(UpdateArgs),
    /// Make a new version; the old one goes on verifying for a while
    Rotate(RotateArgs),
    /// Let a staged version sign
    Activate(ActivateArgs),
    /// End a version at once
    Revoke(RevokeArgs),
    /// Delete a secret and erase its keys
    Delete(DeleteArgs),
}

pub(crate) async fn run(args: SecretArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        SecretCommand::Create(args) => settings::create(args, out).await?,
        SecretCommand::Get(args) => get(args, out).await?,
        SecretCommand::List(args) => list(args, out).await?,
        SecretCommand::Update(args) => settings::update(args, out).await?,
        SecretCommand::Rotate(args) => rotation::rotate(args, out).await?,
        SecretCommand::Activate(args) => rotation::activate(args, out).await?,
        SecretCommand::Revoke(args) => rotation::revoke(args, out).await?,
        SecretCommand::Delete(args) => delete(args, out).await?,
    }
    Ok(Exit::Ok)
}

/// Shows a generated key, the one time that it is shown.
pub(crate) fn reveal(key: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    if !key.is_empty() {
        writeln!(
            out,
            "\nThe key; store it now. Only the same --request-id shows it again, for 24 hours:\n\n  {key}\n\n\
             A vendor that issues keys of its own never signs with this one: import such a key with --key-file.\n"
        )?;
    }
    Ok(())
}

/// Says what is recorded about the key of a new version.
pub(crate) fn warn(
    secret: Option<&v1::Secret>,
    version: u32,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let new = secret.and_then(|secret| secret.versions.iter().find(|v| v.number == version));
    for known in new.into_iter().flat_map(v1::Version::warnings) {
        writeln!(out, "WARNING: {}.", warning(known))?;
    }
    Ok(())
}

#[derive(Args)]
pub(crate) struct GetArgs {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    connection: Connection,
}

async fn get(args: GetArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let secret = args
        .connection
        .connect()
        .await?
        .get_secret(args.name)
        .await?;
    print(&secret, args.connection.json, out)
}

/// Prints a secret with its versions.
pub(crate) fn print(secret: &v1::Secret, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if as_json {
        return json::print(&json::secret(secret), out);
    }
    let now = SystemTime::now();
    fields(
        out,
        [
            ("secret", Some(secret.name.clone())),
            ("scheme", Some(secret.scheme.clone())),
            ("mode", Some(word(secret.mode().as_str_name(), "MODE_"))),
            (
                "tolerance",
                secret.tolerance.as_ref().map(ToString::to_string),
            ),
            (
                "timestamps",
                Some(word(
                    secret.timestamp_unit().as_str_name(),
                    "TIMESTAMP_UNIT_",
                )),
            ),
            (
                "replay",
                Some(word(secret.replay_policy().as_str_name(), "REPLAY_POLICY_")),
            ),
            ("parameters", Some(pairs(&secret.parameters))),
            ("labels", Some(pairs(&secret.labels))),
            ("changed", Some(since(secret.update_time.as_ref(), now))),
        ],
    )?;
    writeln!(out, "{}", versions(secret, now))?;
    Ok(())
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = map
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(", ")
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only secrets of this namespace
    #[arg(default_value = "", hide_default_value = true)]
    namespace: String,
    #[command(flatten)]
    connection: Connection,
}

async fn list(args: ListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let secrets = args
        .connection
        .connect()
        .await?
        .list_secrets(args.namespace)
        .await?;
    if args.connection.json {
        let secrets: Vec<_> = secrets.iter().map(json::secret).collect();
        return json::print(&json!({ "secrets": secrets }), out);
    }
    let now = SystemTime::now();
    let rows = secrets.iter().map(|secret| {
        let active = secret
            .versions
            .iter()
            .find(|version| version.state() == v1::VersionState::Active);
        let live = secret
            .versions
            .iter()
            .filter(|version| is_live(version))
            .count();
        [
            secret.name.clone(),
            secret.scheme.clone(),
            word(secret.mode().as_str_name(), "MODE_"),
            active.map_or("none".to_owned(), |version| version.number.to_string()),
            live.to_string(),
            since(secret.update_time.as_ref(), now),
        ]
    });
    writeln!(
        out,
        "{}",
        table(
            ["secret", "scheme", "mode", "active", "live", "changed"],
            rows
        )
    )?;
    Ok(())
}

fn is_live(version: &v1::Version) -> bool {
    use v1::VersionState::{Active, Grace, Pending};
    matches!(version.state(), Active | Grace | Pending)
}

#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// Name of the secret
    name: String,
    /// Delete it although versions are live
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

async fn delete(args: DeleteArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    args.connection
        .connect()
        .await?
        .delete_secret(&args.name, args.force)
        .await
        .map_err(|error| change::without_request_id(error, &args.name))?;
    if args.connection.json {
        return json::print(&json!({}), out);
    }
    writeln!(out, "Deleted {}; its keys are erased.", args.name)?;
    Ok(())
}
