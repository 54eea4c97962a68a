//! `sign` and `verify`: identity hashes, identity tokens and unguessable ids.

use std::{io::Write, path::PathBuf, time::Duration};

use clap::Args;
use countersign_client::{
    SecretString, Verdict,
    v1::{self, sign_request::Input, verify_request::Proof},
};
use secrecy::ExposeSecret;

use crate::{
    args::{Connection, secret_text},
    exit::{Exit, usage},
    input::{IdentityArgs, duration, read_text, wire_duration, without_newline},
    json,
    render::{fields, identity, word},
};

/// Arguments of `sign`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign sign acme/chat --id user-42 --email ada@example.com
      a user hash or a token, by the scheme
  countersign sign acme/jwt --id user-42 --attribute plan=pro --ttl 1h
  countersign sign acme/talkjs-id --resource-id order_1234
      an unguessable id
The proof alone goes to standard output, so that it can be piped.
A delivery is signed by `countersign webhook sign`.")]
pub(crate) struct SignArgs {
    /// Name of the secret
    secret: String,
    #[command(flatten)]
    identity: IdentityArgs,
    /// The id to make unguessable
    #[arg(long, value_name = "ID", conflicts_with_all = ["id", "email", "name", "attributes"])]
    resource_id: Option<String>,
    /// How long a token is valid; unset: the scheme's default
    #[arg(long, value_parser = duration, value_name = "TIME")]
    ttl: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn sign(args: SignArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let input = match args.resource_id {
        Some(id) => Input::ResourceId(id),
        None if args.identity.is_empty() => {
            return Err(usage("say what to sign: --id, --email or --resource-id"));
        }
        None => Input::Identity(args.identity.into_wire()),
    };
    let ttl = args.ttl.map(wire_duration).transpose()?;
    let request = v1::SignRequest {
        secret: args.secret,
        input: Some(input),
        ttl,
    };
    let answer = args.connection.connect().await?.sign(request).await?;
    if args.connection.json {
        json::print(&json::signed(&answer), out)?;
    } else {
        let proof = [&answer.hash, &answer.token, &answer.resource_id]
            .into_iter()
            .find(|text| !text.is_empty());
        writeln!(out, "{}", proof.map_or("", String::as_str))?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `verify`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign verify acme/chat --id user-42 --hash 5f2c...
  countersign verify acme/jwt --jwt-file token.txt
  countersign verify acme/chat --id user-42
      what the mode says about no proof at all
Exits with 0 only if the identity is proven. A secret in mode optional allows unproven identities too; that is \
decision ALLOW with trust UNVERIFIED, and exit code 1.
A delivery is checked by `countersign webhook verify`.")]
pub(crate) struct VerifyArgs {
    /// Name of the secret
    secret: String,
    #[command(flatten)]
    claimed: IdentityArgs,
    #[command(flatten)]
    proof: ProofArgs,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct ProofArgs {
    /// The user hash
    #[arg(long, value_parser = secret_text)]
    hash: Option<SecretString>,
    /// The identity token; others can see it in the process list, so better use --jwt-file
    #[arg(long, value_name = "TOKEN", value_parser = secret_text)]
    jwt: Option<SecretString>,
    /// The identity token in a file; - reads standard input, one newline at its end is left out
    #[arg(long, value_name = "FILE")]
    jwt_file: Option<PathBuf>,
}

impl ProofArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.hash.is_some() || self.jwt.is_some() || self.jwt_file.is_some()
    }

    pub(crate) fn read(&self) -> anyhow::Result<Option<Proof>> {
        if let Some(path) = &self.jwt_file {
            return Ok(Some(Proof::Token(without_newline(read_text(path)?))));
        }
        let token = self
            .jwt
            .as_ref()
            .map(|token| Proof::Token(token.expose_secret().to_owned()));
        Ok(token.or_else(|| {
            self.hash
                .as_ref()
                .map(|hash| Proof::Hash(hash.expose_secret().to_owned()))
        }))
    }
}

pub(crate) async fn verify(args: VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let proof = args.proof.read()?;
    let claimed = Some(args.claimed.into_wire());
    let request = v1::VerifyRequest {
        secret: args.secret,
        claimed,
        proof,
    };
    let verdict = args.connection.connect().await?.verify(request).await?;
    if args.connection.json {
        json::print(&json::verdict(&verdict), out)?;
    } else {
        print(&verdict, out)?;
    }
    Ok(if verdict.is_verified() {
        Exit::Ok
    } else {
        Exit::NotVerified
    })
}

fn print(verdict: &Verdict, out: &mut dyn Write) -> anyhow::Result<()> {
    let version = verdict.version.as_ref().map(|version| {
        format!(
            "{} ({})",
            version.number,
            word(version.state.as_str_name(), "VERSION_STATE_")
        )
    });
    fields(
        out,
        [
            ("trust", Some(word(verdict.trust.as_str_name(), "TRUST_"))),
            (
                "decision",
                Some(word(verdict.decision.as_str_name(), "DECISION_")),
            ),
            (
                "reason",
                verdict
                    .reason
                    .map(|reason| word(reason.as_str_name(), "REASON_")),
            ),
            (
                "shield",
                Some(word(verdict.shield.as_str_name(), "SHIELD_")),
            ),
            ("verified", verdict.verified.as_ref().map(identity)),
            ("claimed", verdict.claimed.as_ref().map(identity)),
            ("version", version),
            (
                "valid until",
                verdict
                    .proof_expire_time
                    .map(|time| prost_types::Timestamp::from(time).to_string()),
            ),
        ],
    )
}
