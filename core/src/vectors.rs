//! Test vectors that stand inside the scheme files: published or derived, good and bad. Core's tests run them in
//! process, the end-to-end tests over the wire.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One vector. Which fields are set depends on the purpose of its scheme.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What the vector shows, in lower case with dashes.
    pub name: String,
    /// Where it comes from.
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
    /// `ACCEPT`, or the reason of the refusal.
    pub expect: String,
    /// Whether Sign makes the same bytes.
    #[serde(default)]
    pub signs: bool,
}
