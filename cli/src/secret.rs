//! `secret`: create, look at, change and delete secrets. Rotation stands in `rotation`.

use std::{collections::BTreeMap, io::Write, time::Duration, time::SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use countersign_client::{Client, v1};
use prost_types::FieldMask;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    args::Connection,
    exit::{Exit, usage},
    input::{KeyArgs, duration, pair, request_id, wire_duration},
    json,
    render::{fields, since, table, versions, word},
    rotation::{self, ActivateArgs, RevokeArgs, RotateArgs},
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
        SecretCommand::Create(args) => create(args, out).await?,
        SecretCommand::Get(args) => get(args, out).await?,
        SecretCommand::List(args) => list(args, out).await?,
        SecretCommand::Update(args) => update(args, out).await?,
        SecretCommand::Rotate(args) => rotation::rotate(args, out).await?,
        SecretCommand::Activate(args) => rotation::activate(args, out).await?,
        SecretCommand::Revoke(args) => rotation::revoke(args, out).await?,
        SecretCommand::Delete(args) => delete(args, out).await?,
    }
    Ok(Exit::Ok)
}

/// What may be set on a secret, at its creation and later.
#[derive(Args)]
struct Settings {
    /// Identity policy; for identity schemes a new secret has `required`
    #[arg(long)]
    mode: Option<Mode>,
    /// Webhooks: the age that a delivery may have. Tokens: leeway on their times
    #[arg(long, value_parser = duration, value_name = "TIME")]
    tolerance: Option<Duration>,
    /// Unit of the timestamp header, where the vendor does not state one
    #[arg(long)]
    timestamp_unit: Option<TimestampUnit>,
    /// What happens to a delivery that was seen before
    #[arg(long)]
    replay: Option<Replay>,
    /// A free label; repeat it for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Verify nothing
    Off,
    /// Verify a proof when there is one; allow the rest as unverified
    Optional,
    /// Allow only what is proven
    Required,
}

impl From<Mode> for v1::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::Optional => Self::Optional,
            Mode::Required => Self::Required,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum TimestampUnit {
    /// Unix seconds
    Seconds,
    /// Unix milliseconds
    Milliseconds,
}

impl From<TimestampUnit> for v1::TimestampUnit {
    fn from(unit: TimestampUnit) -> Self {
        match unit {
            TimestampUnit::Seconds => Self::Seconds,
            TimestampUnit::Milliseconds => Self::Milliseconds,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Replay {
    /// Do not record deliveries
    Off,
    /// Allow and report
    Report,
    /// Deny
    Deny,
}

impl From<Replay> for v1::ReplayPolicy {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::Off => Self::Off,
            Replay::Report => Self::Report,
            Replay::Deny => Self::Deny,
        }
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  countersign secret create acme/chat --scheme chatwoot.identity
      a new key, shown once
  countersign secret create acme/stripe --scheme stripe.webhook --import
      asks for the key that the vendor shows
  vault read -field=key x | countersign secret create acme/x --scheme stripe.webhook --key-stdin
      takes it from another program")]
pub(crate) struct CreateArgs {
    /// Name: 1 to 4 segments joined by /, the first one is the namespace
    name: String,
    /// Id of the scheme; see `countersign scheme list`
    #[arg(long)]
    scheme: String,
    #[command(flatten)]
    key: KeyArgs,
    /// The vendor's public id of the key, for schemes that need one
    #[arg(long, default_value = "", hide_default_value = true)]
    key_id: String,
    /// A value that the scheme needs from the vendor's dashboard; repeat it for more
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    #[command(flatten)]
    settings: Settings,
    /// Repeat a request that may have been lost: the same id and arguments give the same result
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

async fn create(args: CreateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = args.key.read()?;
    let client = args.connection.connect().await?;
    let mode = match args.settings.mode {
        Some(mode) => mode.into(),
        None => default_mode(&client, &args.scheme).await?,
    };
    let settings = args.settings;
    let request = v1::CreateSecretRequest {
        request_id: request_id(args.request_id),
        name: args.name,
        scheme: args.scheme,
        mode: mode.into(),
        imported_key: key
            .map(|key| key.expose_secret().to_owned())
            .unwrap_or_default(),
        labels: settings.labels.into_iter().collect(),
        parameters: args.parameters.into_iter().collect(),
        key_id: args.key_id,
        tolerance: settings.tolerance.map(wire_duration).transpose()?,
        timestamp_unit: settings
            .timestamp_unit
            .map_or(0, |unit| v1::TimestampUnit::from(unit).into()),
        replay_policy: settings
            .replay
            .map_or(0, |replay| v1::ReplayPolicy::from(replay).into()),
    };
    let name = request.name.clone();
    let answer = client.create_secret(request).await?;
    if args.connection.json {
        let value = json::new_version(answer.secret.as_ref(), answer.version, &answer.revealed_key);
        return json::print(&value, out);
    }
    writeln!(out, "Created {name} with version {}.", answer.version)?;
    reveal(&answer.revealed_key, out)
}

/// The mode of a new secret if none is said: the strictest for identities, none for the rest.
async fn default_mode(client: &Client, scheme: &str) -> anyhow::Result<v1::Mode> {
    let scheme = client.get_scheme(scheme).await?;
    Ok(match scheme.purpose() {
        v1::Purpose::IdentityHash | v1::Purpose::IdentityToken => v1::Mode::Required,
        _ => v1::Mode::Unspecified,
    })
}

/// Shows a generated key, the one time that it is shown.
pub(crate) fn reveal(key: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    if !key.is_empty() {
        writeln!(
            out,
            "\nThe key; store it now, it is not shown again:\n\n  {key}\n"
        )?;
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
#[command(after_help = "Examples:
  countersign secret update acme/chat --mode optional
  countersign secret update acme/stripe --tolerance 10m --replay deny")]
pub(crate) struct UpdateArgs {
    /// Name of the secret
    name: String,
    /// Go back to the scheme's own tolerance
    #[arg(long, conflicts_with = "tolerance")]
    default_tolerance: bool,
    /// Remove all labels; --label replaces them all
    #[arg(long, conflicts_with = "labels")]
    no_labels: bool,
    #[command(flatten)]
    settings: Settings,
    /// Change it only if nobody has since this etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Check the change and show what would be, but change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
}

async fn update(args: UpdateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let as_json = args.connection.json;
    let client = args.connection.connect().await?;
    let request = update_request(args)?;
    let secret = client.update_secret(request).await?;
    print(&secret, as_json, out)
}

fn update_request(args: UpdateArgs) -> anyhow::Result<v1::UpdateSecretRequest> {
    let settings = args.settings;
    let changes = [
        ("mode", settings.mode.is_some()),
        (
            "tolerance",
            settings.tolerance.is_some() || args.default_tolerance,
        ),
        ("timestamp_unit", settings.timestamp_unit.is_some()),
        ("replay_policy", settings.replay.is_some()),
        ("labels", !settings.labels.is_empty() || args.no_labels),
    ];
    let paths: Vec<_> = changes
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(path, _)| path.to_owned())
        .collect();
    if paths.is_empty() {
        return Err(usage(
            "say what to change: --mode, --tolerance, --timestamp-unit, --replay or --label",
        ));
    }
    let secret = v1::Secret {
        name: args.name,
        mode: settings.mode.map_or(0, |mode| v1::Mode::from(mode).into()),
        tolerance: settings.tolerance.map(wire_duration).transpose()?,
        timestamp_unit: settings
            .timestamp_unit
            .map_or(0, |unit| v1::TimestampUnit::from(unit).into()),
        replay_policy: settings
            .replay
            .map_or(0, |replay| v1::ReplayPolicy::from(replay).into()),
        labels: settings.labels.into_iter().collect(),
        etag: args.etag,
        ..Default::default()
    };
    Ok(v1::UpdateSecretRequest {
        secret: Some(secret),
        update_mask: Some(FieldMask { paths }),
        validate_only: args.dry_run,
    })
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
        .await?;
    if args.connection.json {
        return json::print(&json!({}), out);
    }
    writeln!(out, "Deleted {}; its keys are erased.", args.name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Update {
        #[command(flatten)]
        args: UpdateArgs,
    }

    fn mask(line: &str) -> anyhow::Result<Vec<String>> {
        let args = Update::try_parse_from(line.split(' '))?.args;
        Ok(update_request(args)?
            .update_mask
            .map(|mask| mask.paths)
            .unwrap_or_default())
    }

    #[test]
    fn an_update_names_just_what_was_said() {
        assert_eq!(
            mask("x a/b --mode off --label a=b").unwrap(),
            ["mode", "labels"]
        );
        assert_eq!(mask("x a/b --default-tolerance").unwrap(), ["tolerance"]);
        assert_eq!(mask("x a/b --no-labels").unwrap(), ["labels"]);
        assert!(mask("x a/b").is_err());
    }
}
