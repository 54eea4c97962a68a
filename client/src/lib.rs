//! The Rust SDK of Countersign, the service that signs and verifies chat identities and webhooks and keeps their
//! secrets.
//!
//! One constructor, one call:
//!
//! ```no_run
//! # async fn webhook(headers: http::HeaderMap, body: Vec<u8>) -> Result<(), countersign_client::Error> {
//! use countersign_client::Client;
//!
//! let client = Client::connect("http://127.0.0.1:50051").await?;
//! let verdict = client.verify_webhook("acme/stripe", &headers, &body).await?;
//! if !verdict.is_verified() {
//!     // Answer 401. `verdict.reason` says why, for your log.
//! }
//! # Ok(()) }
//! ```
//!
//! Pass the body as it came off the socket: a body that went through a JSON parser is another body.
//!
//! # Who is this visitor?
//!
//! ```no_run
//! # async fn chat(client: countersign_client::Client) -> Result<(), countersign_client::Error> {
//! use countersign_client::{Identity, Shield};
//!
//! let claimed = Identity::new("user-42").with_email("ada@example.com");
//! let verdict = client.verify_hash("acme/chat", claimed, "5f2c…").await?;
//! match verdict.shield {
//!     Shield::Set => { /* stamp the verified flag of the contact */ }
//!     Shield::Clear => { /* remove it: a proof was sent and did not hold */ }
//!     Shield::Keep => {}
//! }
//! // Or, where only a proven identity will do:
//! let proven: Identity = verdict.into_verified()?;
//! # Ok(()) }
//! ```
//!
//! [`Verdict::decision`] says whether to go on under the mode of the secret, [`Verdict::trust`] whether the identity
//! was proven. They differ on purpose: a secret in mode optional allows visitors without a proof.
//! [`Verdict::verified`] holds just the fields that the proof covers; never read an identity from anywhere else.
//!
//! # For real use
//!
//! ```no_run
//! # async fn real(token: String) -> Result<(), countersign_client::Error> {
//! use std::time::Duration;
//! use countersign_client::Client;
//!
//! let client = Client::builder("https://countersign.internal:50051")
//!     .token(token.into())
//!     .deadline(Duration::from_secs(2))
//!     .connect_lazy()?;
//! # let _ = client; Ok(()) }
//! ```
//!
//! # Features
//!
//! - `tower`: `WebhookLayer`, which lets only genuine deliveries through to an axum handler.
//! - `widget`: `widget_fields`, what a chat vendor's widget wants to know of a signed-in user.
//!
//! # What it guarantees
//!
//! - It fails closed. A decision or trust that this version has no name for, or an answer without one, is an
//!   [`Error`], never a verdict. So is every outage: decide there as you would without a proof.
//! - A refused proof is a verdict, not an error, until you ask for [`Verdict::into_verified`].
//! - Every call has a deadline, 5 seconds unless set, and tells it to the server.
//! - Signing and verifying are tried up to three times while the server is unavailable, within that deadline.
//!   Calls that change something are made once.
//! - A bearer token goes over TLS or to a loopback address, nowhere else, and shows in no debug text.

mod audit;
mod backup;
mod builder;
mod call;
mod client;
mod control;
mod error;
mod explanation;
mod headers;
mod identity;
#[cfg(feature = "tower")]
mod layer;
mod signed;
mod value;
mod verdict;
#[cfg(feature = "widget")]
mod widget;

pub use backup::Backup;
pub use builder::{Builder, DEFAULT_DEADLINE};
pub use client::{Check, CheckVerdict, Client};
/// The messages of the wire, for requests with every field under the caller's control and for the control plane.
pub use countersign_proto::v1;
pub use error::{CallError, Error, FieldViolation};
pub use explanation::{Cause, Explanation, Step};
pub use headers::to_wire as wire_headers;
pub use identity::Identity;
#[cfg(feature = "tower")]
pub use layer::{WebhookLayer, WebhookService};
/// The text of a token or key, which cannot be printed.
pub use secrecy::SecretString;
pub use signed::{IdentityProof, Signed};
/// The canonical gRPC codes.
pub use tonic::Code;
pub use value::{
    CauseCode, CheckOutcome, Decision, ProvenPart, Reason, Replay, Shield, Trust, VersionState,
};
pub use verdict::{Age, Handshake, Verdict, VersionUse, WebhookVerdict};
#[cfg(feature = "widget")]
pub use widget::widget_fields;
