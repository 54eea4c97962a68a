//! Rotates a secret without downtime: what was signed with the old key goes on verifying until its grace ends.
//!
//! Start `countersign dev`, then `cargo run -p countersign-client --example rotate`. `COUNTERSIGN_SERVER` and
//! `COUNTERSIGN_TOKEN` choose another server. It works on a secret of its own and deletes it in the end.

use std::{
    env,
    error::Error,
    time::{Duration, SystemTime},
};

use countersign_client::{
    Client, Identity,
    v1::{self, rotate_secret_request::Ending},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = connect().await?;
    let nonce = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
    let secret = format!("demo/rotate-example-{nonce}");
    create(&client, &secret, nonce).await?;

    let user = Identity::new("user-42");
    let old = client.sign_identity(&secret, user.clone(), None).await?;
    say(&format!("version {} signs", old.version.number));

    rotate(&client, &secret, nonce, old.version.number).await?;
    let new = client.sign_identity(&secret, user.clone(), None).await?;
    say(&format!("version {} signs", new.version.number));
    assert_ne!(old.proof, new.proof, "another key makes another hash");

    for (proof, what) in [(&old.proof, "old"), (&new.proof, "new")] {
        let verdict = client
            .verify_hash(&secret, user.clone(), proof.as_str())
            .await?;
        assert!(verdict.is_verified(), "both keys verify during the grace");
        if let Some(version) = verdict.version {
            say(&format!(
                "the {what} hash verifies with version {}, {}",
                version.number, version.state
            ));
        }
    }
    client.delete_secret(&secret, true).await?;
    Ok(())
}

async fn create(
    client: &Client,
    secret: &str,
    nonce: u128,
) -> Result<(), countersign_client::Error> {
    let request = v1::CreateSecretRequest {
        request_id: format!("create-{nonce}"),
        name: secret.to_owned(),
        scheme: "chatwoot.identity".to_owned(),
        mode: v1::Mode::Required.into(),
        ..Default::default()
    };
    // `revealed_key` of the answer is what the vendor's dashboard would show; nothing here needs it.
    client.create_secret(request).await.map(|_| ())
}

async fn rotate(
    client: &Client,
    secret: &str,
    nonce: u128,
    seen: u32,
) -> Result<(), Box<dyn Error>> {
    let grace = prost_types::Duration::try_from(Duration::from_secs(60 * 60))?;
    let request = v1::RotateSecretRequest {
        // The same id again would answer the same rotation, never a second one.
        request_id: format!("rotate-{nonce}"),
        name: secret.to_owned(),
        ending: Some(Ending::GracePeriod(grace)),
        // Refused if somebody else rotated in between.
        expected_version: seen,
        ..Default::default()
    };
    client.rotate_secret(request).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks to a person")]
fn say(line: &str) {
    println!("{line}");
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
