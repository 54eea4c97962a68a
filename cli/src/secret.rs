//! `secret`: look at secrets and delete them. The verbs that make and change them stand in `settings` and `rotation`.

use std::{collections::BTreeMap, io::Write, time::SystemTime};

use clap::{Args, Subcommand};
use countersign_client::v1;
use countersign_core::OwnScheme;
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

/// Shows a generated key, the one time that it is shown, and then what it is good for.
pub(crate) async fn reveal(
    key: &str,
    secret: Option<&v1::Secret>,
    connection: &Connection,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if key.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nThe key; store it now. Only the same --request-id shows it again, for 24 hours:\n\n  {key}\n"
    )?;
    // What is asked now may take its time, or fail: the key is out.
    out.flush()?;
    let scheme = match (secret, connection.connect().await) {
        (Some(secret), Ok(client)) => client.get_scheme(&secret.scheme).await.ok(),
        _ => None,
    };
    writeln!(out, "{}\n", use_of_key(scheme.as_ref()))?;
    Ok(())
}

/// Whether a vendor may come to sign with a key that was generated here.
fn use_of_key(scheme: Option<&v1::Scheme>) -> String {
    let own = scheme.and_then(|scheme| OwnScheme::parse_stored(&scheme.definition).ok());
    match own {
        Some(own) if own.scheme.key.issued => format!(
            "WARNING: the vendor issues the keys of {} itself and never signs with this one, which is good for tests\n\
             alone. Import the vendor's: countersign secret rotate NAME --emergency --key-file FILE",
            own.scheme.id
        ),
        _ => "A vendor that issues keys of its own never signs with this one: import such a key with --key-file."
            .to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_that_no_vendor_takes_is_told_by_its_scheme() {
        let said = |id: &str| {
            let scheme = v1::Scheme {
                definition: countersign_core::catalogue::definition(id).unwrap(),
                ..Default::default()
            };
            use_of_key(Some(&scheme))
        };
        let stripe = said("stripe.webhook");
        assert!(
            stripe.contains("issues the keys of stripe.webhook"),
            "{stripe}"
        );
        for id in ["github.webhook", "countersign.token"] {
            assert!(!said(id).contains("WARNING"), "{id}");
        }
        assert!(!use_of_key(None).contains("WARNING"));
    }
}
