//! `webhook sign`: a delivery as its vendor would make it, or with one fault that a receiver has to notice.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use countersign_client::{
    Client,
    v1::{self, Header, sign_request::Input},
};
use prost_types::Timestamp;

use super::{
    delivery::Delivery,
    fault::{Fault, Signing},
    output::{self, Format},
    send::{self, Target},
};
use crate::{
    args::Connection,
    exit::{Exit, usage},
    input::{self, BodyArgs},
    json,
};

#[derive(Args)]
#[command(after_help = "Examples:
  countersign webhook sign demo/talkjs-webhook --body-file body.json \\
    > headers.txt
  countersign webhook verify demo/talkjs-webhook --headers-file headers.txt \\
    --body-file body.json

Try your own receiver, first with a good delivery, then with faulty ones that it has to refuse:
  countersign webhook sign demo/stripe-webhook --body '{\"id\":1}' \\
    --send http://127.0.0.1:8080/hook
  countersign webhook sign demo/stripe-webhook --body '{\"id\":1}' \\
    --fault stale --send http://127.0.0.1:8080/hook
  countersign webhook sign demo/github-webhook --body '{}' \\
    --fault flip-signature --format curl

Where the vendor signs method and URL, give both as it knows them:
  countersign secret create acme/hubspot --scheme hubspot.webhook
  countersign webhook sign acme/hubspot --body '{}' --method POST \\
    --url https://example.com/hook

--format json prints the whole delivery, as it goes over the line; --json prints what the server answered, which is \
what to add to the delivery and the version that signed.

Exits with 0 if the delivery was made. With --send: 0 if the receiver did right, which is 2xx to a good delivery and \
4xx to a faulty one (a replay may get either); 1 if it did not; 69 if it did not answer.")]
pub(crate) struct SignArgs {
    /// Name of the secret
    secret: String,
    #[command(flatten)]
    body: BodyArgs,
    /// The delivery id, for schemes that carry one; unset: one is made
    #[arg(long)]
    id: Option<String>,
    /// The time of signing, such as 2026-01-31T12:00:00Z; unset: now
    #[arg(long, value_name = "TIME")]
    timestamp: Option<Timestamp>,
    /// The HTTP method
    #[arg(long, default_value = input::METHOD, value_parser = method)]
    method: String,
    /// The URL as the vendor knows it, where the scheme signs it; unset: the secret's parameter url
    #[arg(long, default_value = "", hide_default_value = true)]
    url: String,
    /// A further header of the delivery, such as Content-Type; repeat it for more
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = input::header)]
    headers: Vec<Header>,
    /// Make the delivery wrong in one way
    #[arg(long, value_enum, conflicts_with = "json")]
    fault: Option<Fault>,
    /// What to print; with --send nothing of it
    #[arg(
        long,
        value_enum,
        default_value = "headers",
        conflicts_with_all = ["json", "send"]
    )]
    format: Format,
    /// Write the body to send to a file
    #[arg(long, value_name = "FILE")]
    body_out: Option<PathBuf>,
    /// Send the delivery to this http URL on this machine and print the answer
    #[arg(long, value_name = "URL", value_parser = Target::parse, conflicts_with = "json")]
    send: Option<Target>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(args: SignArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.connection.connect().await?;
    let mut to_sign = v1::WebhookToSign {
        headers: args.headers.clone(),
        method: args.method.clone(),
        url: args.url.clone(),
        id: args.id.clone().unwrap_or_default(),
        timestamp: args.timestamp,
        body: args.body.read()?.into(),
    };
    let signing = match args.fault {
        Some(fault) => {
            let signing = Signing::of(&client, &args.secret).await?;
            signing.prepare(fault, &mut to_sign)?;
            Some((fault, signing))
        }
        None => None,
    };
    let answer = match &signing {
        Some((Fault::WrongSecret, signing)) => signing.with_another_key(&to_sign)?,
        _ => sign(&client, &args.secret, &to_sign).await?,
    };
    let mut delivery = Delivery::new(&to_sign, &answer)?;
    if let Some((fault, signing)) = &signing {
        signing.spoil(*fault, &mut delivery)?;
    }
    if let Some(path) = &args.body_out {
        fs::write(path, &delivery.body)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(target) = &args.send {
        return send::send(target, &delivery, args.fault, out).await;
    }
    if args.connection.json {
        json::print(&json::signed(&answer), out)?;
        return Ok(Exit::Ok);
    }
    if args.format == Format::Headers {
        note_what_changed(&args, &to_sign, &delivery);
    }
    for _ in 0..args.fault.map_or(1, Fault::times) {
        output::print(args.format, &delivery, out)?;
    }
    Ok(Exit::Ok)
}

async fn sign(
    client: &Client,
    secret: &str,
    delivery: &v1::WebhookToSign,
) -> anyhow::Result<v1::SignResponse> {
    let request = v1::SignRequest {
        secret: secret.to_owned(),
        input: Some(Input::Webhook(delivery.clone())),
        ttl: None,
    };
    Ok(client.sign(request).await?)
}

/// Headers alone do not show that the body or the URL is another one now.
fn note_what_changed(args: &SignArgs, given: &v1::WebhookToSign, delivery: &Delivery) {
    if given.body != delivery.body && args.body_out.is_none() {
        note("the body to send is not the one given: --body-out FILE writes it, --format shows it");
    }
    if given.url != delivery.url {
        note(&format!("the URL to send to is {}", delivery.url));
    }
    if args.fault == Some(Fault::Replay) {
        note("the headers stand here twice, one delivery after the other");
    }
}

/// Says something beside the output.
pub(super) fn note(text: &str) {
    // Nothing is left to tell if standard error is gone.
    drop(writeln!(io::stderr(), "note: {text}"));
}

fn method(text: &str) -> Result<String, String> {
    http::Method::from_bytes(text.as_bytes())
        .map(|method| method.to_string())
        .map_err(|_| "an HTTP method, such as POST".to_owned())
}

/// A sentence of why a fault cannot be made.
pub(super) fn inapplicable(fault: Fault, why: &str) -> anyhow::Error {
    usage(format!("--fault {}: {why}", fault.name()))
}
