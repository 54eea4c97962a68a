//! A receiver of Stripe's webhooks, with axum.
//!
//! ```text
//! countersign dev                        # in another terminal
//! cargo run --example stripe_receiver
//! countersign webhook sign demo/stripe-webhook --body '{"id":"evt_1","type":"charge.succeeded"}' \
//!   --send http://127.0.0.1:8080/stripe
//! ```

use std::{env, error::Error};

use axum::{Extension, Router, routing::post};
use countersign_client::{Client, WebhookLayer, WebhookVerdict};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = env::var("COUNTERSIGN_SERVER").unwrap_or("http://127.0.0.1:50051".into());
    let countersign = Client::builder(server).connect_lazy()?;
    let app = Router::new()
        .route("/stripe", post(receive))
        .layer(WebhookLayer::new(countersign, "demo/stripe-webhook"));

    let address = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Sees genuine deliveries alone.
async fn receive(Extension(verdict): Extension<WebhookVerdict>, body: String) -> String {
    // Stripe sends an event again where it saw no answer, and signs it anew: the verdict's `replay` does not tell that.
    // To handle an event once, keep the ids of those that are done in your own store.
    let age = verdict
        .age
        .map(|age| format!("{age:?}"))
        .unwrap_or_default();
    format!("{} bytes from Stripe, {age}\n", body.len())
}
