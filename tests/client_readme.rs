//! The lines of client/README.md work as they stand there.

use std::error::Error;

use axum::http::HeaderMap;
use countersign_client::{Client, Identity, v1, widget_fields};
use support::{Service, new_secret};

mod support;

const README: &str = include_str!("../client/README.md");

/// The first line connects to another server.
#[rustfmt::skip]
async fn calls(client: Client, headers: HeaderMap, body: Vec<u8>) -> Result<(), Box<dyn Error>> {
let verdict = client.verify_webhook("acme/stripe", &headers, &body).await?; // is_event(), .proven, .replay, .handshake
assert!(!verdict.is_event());
let user = Identity::new("user-42").with_email("ada@example.com");
let signed = client.sign_identity("acme/chatwoot", user.clone(), None).await?; // .proof, .version, .expire_time
let fields = widget_fields("chatwoot.identity", &user, &signed.proof)?; // with the feature `widget`
assert_eq!(fields["identifier"], "user-42");
let verdict = client.verify_hash("acme/chatwoot", user, signed.proof.as_str()).await?; // is_verified(), .verified, .reason
assert!(verdict.is_verified());
let request_id = "chatwoot-2026-11".into(); // 8 characters or more; the same once more rotates nothing
let made = client.rotate_secret(v1::RotateSecretRequest { name: "acme/chatwoot".into(), request_id, ..Default::default() }).await?;
assert_eq!(made.version, 2);
    Ok(())
}

fn block(place: usize) -> &'static str {
    let after = README.split("```rust\n").nth(place).unwrap();
    after.split("```").next().unwrap()
}

#[tokio::test]
async fn the_calls_are_answered() {
    let here = include_str!("client_readme.rs");
    for line in block(2).lines().skip(1).filter(|line| !line.is_empty()) {
        assert!(here.contains(&format!("\n{line}\n")), "{line}");
    }
    let service = Service::start().await;
    for (name, scheme) in [
        ("acme/stripe", "stripe.webhook"),
        ("acme/chatwoot", "chatwoot.identity"),
    ] {
        service.create(new_secret(name, scheme)).await;
    }
    let client = Client::connect(format!("http://{}", service.address)).await;
    calls(client.unwrap(), HeaderMap::new(), Vec::new())
        .await
        .unwrap();
}

#[test]
fn the_receiver_is_the_example() {
    assert_eq!(block(1), include_str!("../client/examples/receiver.rs"));
}
