//! Receives the webhooks of Stripe.

use std::error::Error;

use axum::{Extension, Router, routing::post};
use countersign_client::{Client, WebhookLayer, WebhookVerdict};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init(); // shows why there was no verdict
    let countersign = Client::builder("http://127.0.0.1:50051").connect_lazy()?;
    let app = Router::new()
        .route("/stripe", post(receive))
        .layer(WebhookLayer::new(countersign, "demo/stripe-webhook"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// Sees genuine deliveries alone.
async fn receive(Extension(verdict): Extension<WebhookVerdict>, body: String) -> String {
    format!("{} bytes, proven are {:?}\n", body.len(), verdict.proven)
}
