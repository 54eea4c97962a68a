//! Both sides of a chat: the host's backend vouches for its user, and the chat service asks whether the visitor is
//! who they claim to be.
//!
//! Start `countersign dev`, then `cargo run -p countersign-client --example chat_backend`. `COUNTERSIGN_SERVER` and
//! `COUNTERSIGN_TOKEN` choose another server.

use std::{env, error::Error};

use countersign_client::{Client, Identity, Shield, Verdict, v1};

const SECRET: &str = "demo/chatwoot-identity";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = connect().await?;
    let ada = Identity::new("user-42")
        .with_email("ada@example.com")
        .with_name("Ada");

    // The host's backend, where the user is logged in. The hash goes to the page, beside the plain fields.
    let hash = client.sign_identity(SECRET, ada.clone(), None).await?.proof;

    // The chat service, with what the page sent.
    let honest = client
        .verify_hash(SECRET, ada.clone(), hash.as_str())
        .await?;
    assert!(
        honest.is_verified(),
        "a hash that was just made proves its user"
    );
    say("Ada with her hash", &honest);

    let mallory = Identity::new("user-1").with_email("boss@example.com");
    let stolen = client.verify_hash(SECRET, mallory, hash.as_str()).await?;
    assert!(!stolen.is_verified(), "a hash proves nobody else");
    say("somebody else with Ada's hash", &stolen);

    let bare = v1::VerifyRequest {
        secret: SECRET.into(),
        claimed: Some(ada.into()),
        proof: None,
    };
    let unproven = client.verify(bare).await?;
    assert!(!unproven.is_verified(), "a claim alone proves nothing");
    say("Ada without a hash", &unproven);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks to a person")]
fn say(who: &str, verdict: &Verdict) {
    let flag = match verdict.shield {
        Shield::Set => "stamp the verified flag",
        Shield::Clear => "remove the verified flag",
        Shield::Keep => "leave the verified flag",
    };
    println!("{who}: {}, {}, {flag}", verdict.decision, verdict.trust);
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
