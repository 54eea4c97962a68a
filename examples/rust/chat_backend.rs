//! The backend of a page with chat widgets: it vouches for its signed-in user to four vendors, and prints what each
//! widget wants to be told.
//!
//! ```text
//! countersign dev                        # in another terminal
//! cargo run --example chat_backend_of_four
//! ```

use std::{env, error::Error};

use countersign_client::{Client, Identity, widget_fields};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to a person")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = env::var("COUNTERSIGN_SERVER").unwrap_or("http://127.0.0.1:50051".into());
    let countersign = Client::builder(server).connect_lazy()?;
    let user = Identity::new("user-42")
        .with_email("ada@example.com")
        .with_name("Ada");

    for scheme in [
        "chatwoot.identity",
        "pylon.identity",
        "kaltalk.token",
        "talkjs.token",
    ] {
        let secret = format!("demo/{}", scheme.replace('.', "-"));
        let signed = countersign
            .sign_identity(secret, user.clone(), None)
            .await?;
        let fields = widget_fields(scheme, &user, &signed.proof)?;
        println!("{scheme} {}", serde_json::Value::from(fields));
    }
    Ok(())
}
