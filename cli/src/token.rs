//! `token`: who may call, and what each may do.

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};
use countersign_client::v1;
use countersign_core::access::Grant;
use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::{
    args::Connection,
    exit::Exit,
    input, json,
    render::{fields, since, table},
};

/// Arguments of `token`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign token create acme/chat --grant verify:acme/* \\
    --expires-in 90d --out chat.token
  countersign token create acme/host --grant sign,verify:acme/chat \\
    --grant secrets.read:acme/*
  countersign token create acme/edge --grant verify:* \\
    --certificate-san dns:edge.acme.internal
  countersign token list
  countersign token revoke acme/chat

A grant is PERMISSIONS:NAMES. Permissions: sign, verify, explain, secrets.read, secrets.write,
secrets.rotate, schemes.write, tokens.write, audit.read; * for all. Names: one name (acme/chat),
all below a prefix (acme/*), or *. What no grant allows is denied, and nobody grants more than they
have.")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token; its text is shown once
    Create(CreateArgs),
    /// List tokens, never their texts
    List(ListArgs),
    /// End a token at once
    Revoke(RevokeArgs),
}

pub(crate) async fn run(args: TokenArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match args.command {
        TokenCommand::Create(args) => create(args, out).await?,
        TokenCommand::List(args) => list(args, out).await?,
        TokenCommand::Revoke(args) => revoke(args, out).await?,
    }
    Ok(Exit::Ok)
}

#[derive(Args)]
struct CreateArgs {
    /// Name of the token, in the form of a secret's name; the audit shows it
    name: String,
    /// What its bearer may do, such as verify:acme/*; may be repeated
    #[arg(long = "grant", required = true, value_name = "GRANT")]
    grants: Vec<Grant>,
    /// How long it is valid; unset: until it is revoked
    #[arg(long, value_parser = input::duration, value_name = "TIME")]
    expires_in: Option<Duration>,
    /// For a caller with a client certificate: its subject alternative name, dns:NAME or uri:URI
    #[arg(long, value_name = "SAN", conflicts_with = "out")]
    certificate_san: Option<String>,
    /// Write the token to a new file that only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

async fn create(args: CreateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let client = args.connection.connect().await?;
    let file = args
        .out
        .as_deref()
        .map(input::PrivateFile::create)
        .transpose()?;
    let request = v1::CreateTokenRequest {
        name: args.name,
        grants: args.grants.iter().map(grant_to_wire).collect(),
        expire_time: args
            .expires_in
            .map(|life| (SystemTime::now() + life).into()),
        certificate_san: args.certificate_san.unwrap_or_default(),
    };
    let created = client.create_token(request).await?;
    let token = created.token.unwrap_or_default();
    let mut shown = created.bearer_token.as_str();
    if let Some(mut file) = file {
        writeln!(file, "{shown}")?;
        file.keep()?;
        shown = "";
    }
    if args.connection.json {
        let mut value = token_to_json(&token);
        value["bearer_token"] = (!shown.is_empty()).then_some(shown).into();
        return json::print(&value, out);
    }
    print(&token, out)?;
    match (shown, args.out) {
        ("", Some(path)) => writeln!(out, "\nIts text is in {}.", path.display())?,
        ("", None) => {}
        (text, _) => writeln!(out, "\nStore it now, nothing shows it again:\n\n  {text}\n")?,
    }
    Ok(())
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    connection: Connection,
}

async fn list(args: ListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let tokens = args.connection.connect().await?.list_tokens().await?;
    if args.connection.json {
        let tokens: Vec<_> = tokens.iter().map(token_to_json).collect();
        return json::print(&json!({ "tokens": tokens }), out);
    }
    let now = SystemTime::now();
    let rows = tokens.iter().map(|token| {
        [
            token.name.clone(),
            token.id.clone(),
            state(token, now),
            grants(token),
            token.certificate_san.clone(),
            token.creator.clone(),
            since(token.create_time.as_ref(), now),
        ]
    });
    let header = [
        "token",
        "id",
        "state",
        "grants",
        "certificate",
        "made by",
        "made",
    ];
    writeln!(out, "{}", table(header, rows))?;
    Ok(())
}

#[derive(Args)]
struct RevokeArgs {
    /// Name of the token, or its id
    name: String,
    #[command(flatten)]
    connection: Connection,
}

async fn revoke(args: RevokeArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let client = args.connection.connect().await?;
    let token = client.revoke_token(args.name).await?;
    match args.connection.json {
        true => json::print(&token_to_json(&token), out),
        false => print(&token, out),
    }
}

fn print(token: &v1::Token, out: &mut dyn Write) -> anyhow::Result<()> {
    let now = SystemTime::now();
    fields(
        out,
        [
            ("token", Some(token.name.clone())),
            ("id", Some(token.id.clone())),
            ("state", Some(state(token, now))),
            ("grants", Some(grants(token))),
            ("certificate", Some(token.certificate_san.clone())),
            ("ends", token.expire_time.as_ref().map(ToString::to_string)),
        ],
    )
}

fn state(token: &v1::Token, now: SystemTime) -> String {
    let ended = |time: &Timestamp| SystemTime::try_from(*time).is_ok_and(|time| time <= now);
    match (&token.revoke_time, &token.expire_time) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if ended(end) => "expired",
        _ => "valid",
    }
    .to_owned()
}

/// As `--grant` takes them.
fn grants(token: &v1::Token) -> String {
    let grants = token.grants.iter().map(|grant| {
        let names = grant.permissions().map(|each| {
            let name = each.as_str_name().trim_start_matches("PERMISSION_");
            name.to_lowercase().replace('_', ".")
        });
        let names: Vec<_> = names.collect();
        // The grammar knows a shorter form of all permissions.
        let written = format!("{}:{}", names.join(","), grant.pattern);
        written
            .parse()
            .map_or(written, |grant: Grant| grant.to_string())
    });
    grants.collect::<Vec<_>>().join(" ")
}

fn grant_to_wire(grant: &Grant) -> v1::Grant {
    let permissions = grant.permissions.iter().map(|permission| {
        let name = permission.name().replace('.', "_").to_uppercase();
        let known = v1::Permission::from_str_name(&format!("PERMISSION_{name}"));
        known.unwrap_or_default().into()
    });
    v1::Grant {
        permissions: permissions.collect(),
        pattern: grant.pattern.to_string(),
    }
}

fn token_to_json(token: &v1::Token) -> Value {
    let grants = token.grants.iter().map(|grant| {
        let permissions = grant.permissions().map(|each| each.as_str_name());
        json!({ "permissions": permissions.collect::<Vec<_>>(), "pattern": grant.pattern })
    });
    json!({
        "name": token.name,
        "id": token.id,
        "grants": grants.collect::<Vec<_>>(),
        "certificate_san": json::text(&token.certificate_san),
        "creator": token.creator,
        "create_time": json::time(token.create_time.as_ref()),
        "expire_time": json::time(token.expire_time.as_ref()),
        "revoke_time": json::time(token.revoke_time.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use countersign_core::access::Permission;

    use super::*;

    #[test]
    fn every_permission_is_on_the_wire_and_comes_back() {
        for permission in Permission::ALL {
            let grant: Grant = format!("{}:acme/*", permission.name()).parse().unwrap();
            let wire = grant_to_wire(&grant);
            assert_ne!(wire.permissions, [0], "{permission:?}");
            let token = v1::Token {
                grants: vec![wire],
                ..Default::default()
            };
            assert_eq!(grants(&token), grant.to_string());
        }
    }
}
