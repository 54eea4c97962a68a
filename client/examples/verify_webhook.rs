//! What a service behind a webhook does: hand headers and raw body to Countersign and act on the verdict.
//!
//! Start `countersign dev`, then `cargo run -p countersign-client --example verify_webhook`. `COUNTERSIGN_SERVER`
//! and `COUNTERSIGN_TOKEN` choose another server.

use std::{env, error::Error};

use countersign_client::{Client, ProvenPart};

const SECRET: &str = "demo/talkjs-webhook";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = connect().await?;

    // The vendor's side. In a real service headers and body come off the socket.
    let body = br#"{"event":"message.sent","data":{"text":"Hello"}}"#;
    let headers = client.sign_webhook(SECRET, body).await?.proof;

    let verdict = client.verify_webhook(SECRET, &headers, body).await?;
    assert!(
        verdict.is_verified(),
        "a delivery that was just signed is genuine"
    );
    say(&format!(
        "genuine: proven are {:?}, replay {:?}",
        verdict.proven, verdict.replay
    ));
    if !verdict.proves(ProvenPart::Id) {
        say("the delivery id is not signed: do not use it to tell repeated deliveries apart");
    }

    let forged = client.verify_webhook(SECRET, &headers, b"{}").await?;
    assert!(!forged.is_verified(), "another body is another delivery");
    say(&format!("forged: {:?}", forged.reason));
    Ok(())
}

async fn connect() -> Result<Client, countersign_client::Error> {
    let server =
        env::var("COUNTERSIGN_SERVER").unwrap_or_else(|_| "http://127.0.0.1:50051".to_owned());
    let builder = Client::builder(server);
    match env::var("COUNTERSIGN_TOKEN") {
        Ok(token) => builder.token(token.into()).connect().await,
        Err(_) => builder.connect().await,
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to a person")]
fn say(line: &str) {
    println!("{line}");
}
