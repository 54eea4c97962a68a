//! The conformance kit: what a verifier in any language is asked, and what it has to answer. The cases are made from
//! the scheme files alone: the vectors that stand in them, and for every scheme a proof that holds, with the ways to
//! spoil it. What is expected is what the scheme itself decides; a test holds that against what each way to spoil a
//! proof must lead to.
//!
//! Nothing here is secret: the keys grow from the ids of their schemes, and anybody can compute them.

mod claims;
mod deliveries;
mod kind;
mod place;
mod sender;

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

pub use self::kind::Kind;
use crate::{
    Catalogue, Purpose, Scheme, catalogue,
    vectors::{ACCEPT, Vector},
};

/// The time at which every case of [`cases`] but the vectors is checked, in Unix seconds.
pub const NOW: i64 = 1_700_000_000;

/// One question to a verifier, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Names the case; the answer repeats it.
    pub id: String,
    /// The vendor.
    pub vendor: String,
    /// The scheme: `vendor.kind`.
    pub scheme: String,
    /// `webhook`, `identity_hash`, `identity_token` or `resource_id`.
    pub purpose: String,
    /// What was done to the proof.
    pub kind: Kind,
    /// The key as the vendor shows it; of a key with halves the public one.
    pub key: String,
    /// The vendor's id of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// What else is set up with the key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The time of the check in Unix seconds.
    pub now: i64,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The public URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers as name and value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<(String, String)>>,
    /// The body, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body in base64, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Whom the visitor claims to be, or which id was made unguessable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// The hash, or the unguessable id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What a verifier has to answer.
    pub expect: Expect,
}

/// Whom a visitor claims to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// The stable id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The email address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What a verifier has to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Whether the proof holds.
    pub accept: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A case before it is judged: the vector whose proof it is, under what was done to it.
struct Draft {
    kind: Kind,
    name: String,
    vector: Vector,
}

impl Draft {
    fn of(kind: Kind, vector: Vector) -> Self {
        let name = kind.name().to_owned();
        Self { kind, name, vector }
    }
}

/// All cases of a catalogue, by scheme; the same ones every time.
pub fn cases(catalogue: &Catalogue) -> impl Iterator<Item = Case> {
    let mut vectors: BTreeMap<String, Vec<Vector>> = BTreeMap::new();
    for (scheme, vector) in catalogue::vectors() {
        vectors.entry(scheme).or_default().push(vector);
    }
    catalogue.iter().flat_map(move |scheme| {
        let published = vectors.remove(&scheme.id).unwrap_or_default();
        let published = published.into_iter().enumerate();
        let published = published.map(|(index, vector)| Draft {
            kind: Kind::Vector,
            name: format!("vector/{}", vector.label(index).replace(' ', "-")),
            vector,
        });
        let drafts = published.chain(made(scheme, NOW));
        let judged = drafts.filter_map(|draft| Case::of(scheme, draft));
        judged.collect::<Vec<_>>()
    })
}

/// The same for verifiers that read the clock themselves: without the vectors, whose times are fixed, and each scheme's
/// made at the time in Unix seconds when they are asked for.
pub fn live_cases(catalogue: &Catalogue, now: impl Fn() -> i64) -> impl Iterator<Item = Case> {
    catalogue.iter().flat_map(move |scheme| {
        let drafts = made(scheme, now()).into_iter();
        let judged = drafts.filter_map(|draft| Case::of(scheme, draft));
        judged.collect::<Vec<_>>()
    })
}

/// A proof of the scheme's own, and what becomes of it.
fn made(scheme: &Arc<Scheme>, now: i64) -> Vec<Draft> {
    match scheme.purpose() {
        Purpose::Webhook => deliveries::drafts(scheme, now),
        _ => claims::drafts(scheme, now),
    }
}

impl Case {
    /// A draft with the scheme's verdict on it; `None` if the scheme cannot judge it at all.
    fn of(scheme: &Arc<Scheme>, draft: Draft) -> Option<Self> {
        let Draft { kind, name, vector } = draft;
        let secret = vector.secret(scheme).ok()?;
        let verdict = vector.judge(&secret).ok()?;
        let key = secret.versions.first().map(|version| &version.key)?;
        let (vendor, _) = scheme.id.split_once('.')?;
        let purpose = scheme.purpose();
        let delivery = purpose == Purpose::Webhook;
        let body = delivery.then(|| vector.body_bytes()).transpose().ok()?;
        let (body, body_base64) = match body.map(String::from_utf8) {
            None => (None, None),
            Some(Ok(text)) => (Some(text), None),
            Some(Err(error)) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Self {
            id: format!("{}/{name}", scheme.id),
            vendor: vendor.to_owned(),
            scheme: scheme.id.clone(),
            purpose: purpose_name(purpose).to_owned(),
            kind,
            key: scheme
                .key
                .public_text(key)
                .unwrap_or_else(|| vector.key.clone()),
            key_id: given(&vector.key_id),
            parameters: vector.parameters.clone(),
            now: vector.now,
            method: given(&vector.method),
            url: given(&vector.url),
            headers: delivery.then(|| vector.headers.clone()),
            body,
            body_base64,
            claimed: (!delivery).then(|| Claimed {
                id: vector.id.clone(),
                email: vector.email.clone(),
                name: vector.display_name.clone(),
            }),
            hash: vector.hash.clone(),
            token: vector.token.clone(),
            expect: Expect::of(verdict),
        })
    }
}

impl Expect {
    fn of(verdict: &str) -> Self {
        let accept = verdict == ACCEPT;
        let reason = (!accept).then(|| verdict.to_owned());
        Self { accept, reason }
    }
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::IdentityHash => "identity_hash",
        Purpose::IdentityToken => "identity_token",
        Purpose::Webhook => "webhook",
        Purpose::ResourceId => "resource_id",
    }
}

#[cfg(test)]
mod tests;
