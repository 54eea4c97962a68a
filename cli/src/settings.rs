//! `secret create` and `update`: what may be set on a secret, at its creation and later.

use std::{io::Write, time::Duration};

use clap::{Args, ValueEnum};
use countersign_client::{Client, v1};
use prost_types::FieldMask;
use secrecy::ExposeSecret;

use crate::{
    args::Connection,
    change,
    exit::usage,
    input::{KeyArgs, duration, pair, request_id, wire_duration},
    json,
    secret::{print, reveal, warn},
};

/// The settings that both take.
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

/// Arguments of `secret create`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign secret create acme/chat --scheme chatwoot.identity
      a new key, shown once
  countersign secret create acme/stripe --scheme stripe.webhook --import
      asks for the key that the vendor shows
  vault read -field=key x |
    countersign secret create acme/x --scheme stripe.webhook --key-stdin
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

pub(crate) async fn create(args: CreateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = args.key.read()?;
    let mode = match args.settings.mode {
        Some(mode) => mode.into(),
        None => default_mode(&args.connection.connect().await?, &args.scheme).await?,
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
    let create = |client: Client| {
        let request = request.clone();
        async move { client.create_secret(request).await }
    };
    let answer =
        change::with_request_id(&args.connection, &request.request_id, out, create).await?;
    if args.connection.json {
        let value = json::new_version(answer.secret.as_ref(), answer.version, &answer.revealed_key);
        return json::print(&value, out);
    }
    let name = &request.name;
    writeln!(out, "Created {name} with version {}.", answer.version)?;
    let secret = answer.secret.as_ref();
    reveal(&answer.revealed_key, secret, &args.connection, out).await?;
    warn(answer.secret.as_ref(), answer.version, out)
}

/// The mode of a new secret if none is said: the strictest for identities, none for the rest.
async fn default_mode(client: &Client, scheme: &str) -> anyhow::Result<v1::Mode> {
    let scheme = client.get_scheme(scheme).await?;
    Ok(match scheme.purpose() {
        v1::Purpose::IdentityHash | v1::Purpose::IdentityToken => v1::Mode::Required,
        _ => v1::Mode::Unspecified,
    })
}

/// Arguments of `secret update`.
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

pub(crate) async fn update(args: UpdateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let as_json = args.connection.json;
    let client = args.connection.connect().await?;
    let name = args.name.clone();
    let request = update_request(args)?;
    let secret = client
        .update_secret(request)
        .await
        .map_err(|error| change::without_request_id(error, &name))?;
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
