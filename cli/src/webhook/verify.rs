//! `webhook verify`: is a delivery genuine?

use std::io::Write;

use clap::Args;
use countersign_client::{
    Handshake, WebhookVerdict,
    v1::{self, verify_webhook_request::Payload},
};

use crate::{
    args::Connection,
    exit::Exit,
    input::{BodyArgs, HeaderArgs, METHOD},
    json,
    render::{fields, plain, word},
};

#[derive(Args)]
#[command(after_help = "Examples:
  countersign webhook verify acme/stripe --headers-file h --body-file b
  countersign webhook verify acme/github -H 'X-Hub-Signature-256: sha256=00' \\
    --body-file - < body
  countersign webhook sign acme/stripe --body '{}' |
    countersign webhook verify acme/stripe --headers-file - --body '{}'
A handshake, by which a vendor asks whether the endpoint is yours, is shown with the response to send.
Exits with 0 if the delivery is genuine and not a replay that the secret denies, with 1 if not; a handshake that its \
vendor does not sign exits with 1 too.
An identity is checked by `countersign verify`.")]
pub(crate) struct VerifyArgs {
    /// Name of the secret
    secret: String,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    body: BodyArgs,
    /// The HTTP method; schemes that sign it and questions of vendors need it
    #[arg(long, default_value = METHOD)]
    method: String,
    /// The URL as registered with the vendor; only schemes that sign it need it
    #[arg(long, default_value = "", hide_default_value = true)]
    url: String,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(args: VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    args.headers.check(&args.body)?;
    let request = v1::VerifyWebhookRequest {
        secret: args.secret,
        headers: args.headers.read()?,
        payload: Some(Payload::Body(args.body.read()?.into())),
        method: args.method,
        url: args.url,
    };
    let verdict = args
        .connection
        .connect()
        .await?
        .verify_webhook_request(request)
        .await?;
    if args.connection.json {
        json::print(&json::webhook_verdict(&verdict), out)?;
    } else {
        print(&verdict, out)?;
    }
    Ok(if verdict.is_verified() {
        Exit::Ok
    } else {
        Exit::NotVerified
    })
}

fn print(verdict: &WebhookVerdict, out: &mut dyn Write) -> anyhow::Result<()> {
    let proven: Vec<_> = verdict
        .proven
        .iter()
        .map(|part| word(part.as_str_name(), "PROVEN_PART_"))
        .collect();
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
            ("proven", Some(proven.join(", "))),
            ("signed", verdict.age.map(|age| age.to_string())),
            ("delivery id", verdict.delivery_id.clone()),
            (
                "replay",
                verdict
                    .replay
                    .map(|replay| word(replay.as_str_name(), "REPLAY_")),
            ),
            ("version", version),
            (
                "proven fields",
                Some(verdict.proven_fields.join(", ")).filter(|fields| !fields.is_empty()),
            ),
        ],
    )?;
    verdict
        .handshake
        .as_ref()
        .map_or(Ok(()), |handshake| print_handshake(handshake, out))
}

/// The response that a handshake wants, whole: of some vendors a header is all of the answer.
fn print_handshake(handshake: &Handshake, out: &mut dyn Write) -> anyhow::Result<()> {
    let answer = format!("{}: answer {}", handshake.name, handshake.status);
    fields(out, [("handshake", Some(answer))])?;
    for (name, value) in &handshake.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        writeln!(out, "  header {name}: {}", plain(&value))?;
    }
    match String::from_utf8_lossy(&handshake.body) {
        body if body.is_empty() => writeln!(out, "  body (none)")?,
        body => writeln!(out, "  body {}", plain(&body))?,
    }
    let advice = "send exactly this response; there is no event to process";
    fields(out, [("what to do", Some(advice.to_owned()))])
}
