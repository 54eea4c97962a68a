//! Test vectors that stand inside the scheme files: published or derived, good and bad. Core's tests run them in
//! process, the end-to-end tests over the wire.

mod delivery;
mod run;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

pub(crate) use self::run::ACCEPT;
pub use self::run::VectorFailure;

/// One vector. Which fields are set depends on the purpose of its scheme.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What the vector shows, in lower case with dashes.
    pub name: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// The key as the vendor shows it.
    pub key: String,
    /// The vendor's id of the key.
    #[serde(default)]
    pub key_id: String,
    /// Parameters of the secret.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The time of the check in Unix seconds.
    pub now: i64,
    /// Claimed id.
    #[serde(default)]
    pub id: String,
    /// Claimed email.
    #[serde(default)]
    pub email: String,
    /// Claimed name.
    #[serde(default)]
    pub display_name: String,
    /// The hash, or the unguessable id.
    pub hash: Option<String>,
    /// The token.
    pub token: Option<String>,
    /// Headers as name and value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as text.
    #[serde(default)]
    pub body: String,
    /// The body in base64, if it is no text.
    pub body_base64: Option<String>,
    /// The HTTP method; empty if the scheme does not sign it.
    #[serde(default)]
    pub method: String,
    /// The public URL; empty if the scheme does not sign it.
    #[serde(default)]
    pub url: String,
    /// `ACCEPT`, or the reason of the refusal.
    pub expect: String,
    /// All that the signature covers, by the names of the wire; not looked at if it is not there.
    pub proven: Option<Vec<String>>,
    /// The handshake that it is.
    pub handshake: Option<String>,
    /// The body of the handshake's response.
    pub response_body: Option<String>,
    /// Whether Sign makes the same bytes.
    #[serde(default)]
    pub signs: bool,
}

impl Vector {
    /// The exact body.
    ///
    /// # Errors
    /// `body_base64` is no base64, or stands beside a body.
    pub fn body_bytes(&self) -> Result<Vec<u8>, BodyError> {
        match &self.body_base64 {
            None => Ok(self.body.as_bytes().to_vec()),
            Some(text) if self.body.is_empty() => STANDARD.decode(text).map_err(|_| BodyError),
            Some(_) => Err(BodyError),
        }
    }
}

/// A vector has no readable body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a vector has either body or body_base64, and the latter in base64")]
pub struct BodyError;
