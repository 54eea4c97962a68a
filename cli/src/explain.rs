//! `explain`: why a proof does not hold, for the person who has to repair it.

use std::io::Write;

use clap::Args;
use countersign_client::{
    Cause, Check, CheckOutcome, Decision, Explanation, Step,
    v1::{self, verify_webhook_request::Payload},
};

use crate::{
    args::Connection,
    commands,
    exit::{Exit, usage},
    input::{BodyArgs, HeaderArgs, IdentityArgs, METHOD},
    json,
    proof::ProofArgs,
    render::{plain, word},
};

/// How long a line of text may be, in characters.
const WIDTH: usize = 100;

/// Arguments of `explain`.
#[derive(Args)]
#[command(after_help = "Examples:
  countersign explain acme/stripe --headers-file h --body-file b
  countersign explain acme/twilio -H 'X-Twilio-Signature: 00' \\
    --body-file form --url https://example.com/in
  countersign explain acme/chat --id user-42 --hash 5f2c...
  countersign explain acme/jwt --jwt-file token.txt
Give the request exactly as it was captured: with headers, body, method or URL it is a webhook delivery, whose body is \
empty if none is given; else it is an identity.
The checks say where it failed; the causes, the likeliest first, what to change. It changes nothing, is limited in how \
often it may be asked, and stands in the audit.
Exits with 0 if the proof holds, with 1 if not.")]
pub(crate) struct ExplainArgs {
    /// Name of the secret
    secret: String,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    identity: ClaimArgs,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
#[command(next_help_heading = "A webhook delivery", mut_group("BodyArgs", |body| body.required(false)))]
struct DeliveryArgs {
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    body: Option<BodyArgs>,
    /// The HTTP method; unset: POST. Schemes that sign it and questions of vendors need it
    #[arg(long)]
    method: Option<String>,
    /// The URL as registered with the vendor; only schemes that sign it need it
    #[arg(long)]
    url: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "An identity")]
struct ClaimArgs {
    #[command(flatten)]
    claimed: IdentityArgs,
    #[command(flatten)]
    proof: ProofArgs,
}

impl DeliveryArgs {
    fn is_given(&self) -> bool {
        let is_addressed = self.method.is_some() || self.url.is_some();
        is_addressed || self.body.is_some() || self.headers.is_given()
    }

    /// Without a body the delivery has an empty one.
    fn request(self, secret: String) -> anyhow::Result<v1::VerifyWebhookRequest> {
        let body = match &self.body {
            Some(body) => {
                self.headers.check(body)?;
                body.read()?
            }
            None => Vec::new(),
        };
        Ok(v1::VerifyWebhookRequest {
            secret,
            headers: self.headers.read()?,
            payload: Some(Payload::Body(body.into())),
            method: self.method.unwrap_or_else(|| METHOD.to_owned()),
            url: self.url.unwrap_or_default(),
        })
    }
}

impl ExplainArgs {
    fn check(self) -> anyhow::Result<(Connection, Check)> {
        let Self {
            secret,
            delivery,
            identity,
            connection,
        } = self;
        let is_identity = !identity.claimed.is_empty() || identity.proof.is_given();
        let check = match delivery.is_given() {
            true if is_identity => {
                return Err(usage(
                    "a delivery has no --id, --hash or the like: explain one of them",
                ));
            }
            true => Check::Webhook(delivery.request(secret)?),
            false => Check::Identity(v1::VerifyRequest {
                secret,
                claimed: Some(identity.claimed.into_wire()),
                proof: identity.proof.read()?,
            }),
        };
        Ok((connection, check))
    }
}

pub(crate) async fn run(args: ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (connection, check) = args.check()?;
    let explanation = connection.connect().await?.explain(check).await?;
    if connection.json {
        json::print(&json::explanation(&explanation), out)?;
    } else {
        print(&explanation, out)?;
    }
    Ok(if explanation.holds() {
        Exit::Ok
    } else {
        Exit::NotVerified
    })
}

fn print(explanation: &Explanation, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", verdict(explanation))?;
    writeln!(out, "\nChecks")?;
    let names = explanation
        .steps
        .iter()
        .map(|step| step.name.chars().count());
    let column = names.max().unwrap_or_default();
    for step in &explanation.steps {
        print_step(step, column, out)?;
    }
    if !explanation.causes.is_empty() {
        writeln!(out, "\nCauses, the likeliest first")?;
    }
    for (index, cause) in explanation.causes.iter().enumerate() {
        print_cause(index + 1, cause, out)?;
    }
    Ok(())
}

fn verdict(explanation: &Explanation) -> String {
    let reason = explanation
        .reason
        .map(|reason| word(reason.as_str_name(), "REASON_"));
    match (explanation.decision, reason) {
        (Decision::Deny, reason) => format!("Refused: {}", reason.unwrap_or_default()),
        (Decision::Allow, Some(reason)) => {
            format!("Not proven, but allowed by the mode of the secret: {reason}")
        }
        (Decision::Allow, None) if explanation.causes.is_empty() => "It holds.".to_owned(),
        (Decision::Allow, None) => {
            "Not checked, by the mode of the secret; it would not hold.".to_owned()
        }
    }
}

fn print_step(step: &Step, column: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let mark = match step.outcome {
        CheckOutcome::Pass => '✓',
        CheckOutcome::Fail => '✗',
        CheckOutcome::Warn => '!',
        CheckOutcome::Skip => '–',
    };
    let mut lines = wrapped(&step.detail, WIDTH.saturating_sub(column + 6)).into_iter();
    let first = lines.next().unwrap_or_default();
    writeln!(out, "  {mark} {:<column$}  {first}", plain(&step.name))?;
    for line in lines {
        writeln!(out, "    {:column$}  {line}", "")?;
    }
    Ok(())
}

fn print_cause(number: usize, cause: &Cause, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "  {number}. {}",
        word(cause.code.as_str_name(), "CAUSE_CODE_")
    )?;
    for line in wrapped(&cause.summary, WIDTH - 5) {
        writeln!(out, "     {line}")?;
    }
    let fix = format!("What to do: {}", cause.fix);
    for line in wrapped(&fix, WIDTH - 5) {
        writeln!(out, "     {line}")?;
    }
    Ok(())
}

/// The words of a text in lines of at most this many characters, where words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let text = commands::named(&plain(text));
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if length > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use countersign_client::{CauseCode, Reason};

    use super::*;

    fn printed(explanation: &Explanation) -> String {
        let mut out = Vec::new();
        print(explanation, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn refused() -> Explanation {
        let step = |name: &str, outcome, detail: &str| Step {
            name: name.to_owned(),
            outcome,
            detail: detail.to_owned(),
        };
        Explanation {
            decision: Decision::Deny,
            reason: Some(Reason::SignatureMismatch),
            steps: vec![
                step("body", CheckOutcome::Pass, "2 bytes, JSON"),
                step("content length", CheckOutcome::Warn, "it says 3 bytes"),
                step("signature", CheckOutcome::Fail, &"word ".repeat(30)),
                step("freshness", CheckOutcome::Skip, "not reached\u{1b}[31m"),
            ],
            causes: vec![Cause {
                code: CauseCode::BodyReserialised,
                summary: "The signature holds over the body printed otherwise.".to_owned(),
                fix: "Hand over the raw body. ".repeat(9),
            }],
        }
    }

    #[test]
    fn a_refusal_reads_from_verdict_to_remedy() {
        let text = printed(&refused());
        assert!(
            text.starts_with("Refused: signature mismatch\n\nChecks\n  ✓ body            2 bytes")
        );
        for part in [
            "  ! content length  it says",
            "  ✗ signature ",
            "  – freshness ",
            "  1. body reserialised\n     The signature",
            "     What to do: Hand over",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_verdict_says_what_the_mode_makes_of_it() {
        let mut explanation = refused();
        explanation.decision = Decision::Allow;
        assert!(printed(&explanation).starts_with("Not proven, but allowed"));
        explanation.reason = None;
        assert!(printed(&explanation).starts_with("Not checked"));
        explanation.causes.clear();
        let text = printed(&explanation);
        assert!(text.starts_with("It holds.") && !text.contains("Causes"));
    }
}
