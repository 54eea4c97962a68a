//! Claims of visitors under one scheme, with a hash or a token: one that holds, and what becomes of it. Also
//! unguessable ids, which a verifier makes again.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Draft, Kind,
    deliveries::{flipped, truncated},
    sender::Sender,
};
use crate::{Identity, Purpose, Rules, Scheme, encoding::Encoding, vectors::Vector};

/// Every case of an identity or resource-id scheme but its vectors.
pub(super) fn drafts(scheme: &Arc<Scheme>, now: i64) -> Vec<Draft> {
    let sender = |key| Sender::new(scheme, key, now);
    let senders = (sender("first"), sender("second"));
    let (Some(own), Some(other)) = senders else {
        return Vec::new();
    };
    let Some(good) = own.claim(&ada(), 0) else {
        return Vec::new();
    };
    let of = |kind| made(kind, scheme, &good, (&own, &other));
    let made = Kind::ALL
        .into_iter()
        .filter_map(|kind| Some(Draft::of(kind, of(kind)?)));
    made.collect()
}

fn ada() -> Identity {
    Identity {
        id: "user-42".to_owned(),
        email: "ada@example.com".to_owned(),
        name: "Ada Lovelace".to_owned(),
        attributes: Map::new(),
    }
}

fn made(
    kind: Kind,
    scheme: &Scheme,
    good: &Vector,
    (own, other): (&Sender<'_>, &Sender<'_>),
) -> Option<Vector> {
    let with_proof = |bend: &dyn Fn(&str) -> Option<String>| with_proof(good, bend);
    let with_token = |bend: &dyn Fn(&str) -> Option<String>| {
        good.token.is_some().then_some(())?;
        with_proof(bend)
    };
    match kind {
        Kind::Positive => Some(good.clone()),
        Kind::HexCase => with_proof(&|text| in_other_case(scheme, text)),
        Kind::SignatureFlipped => with_proof(&|text| in_signature(text, flipped)),
        Kind::SignatureTruncated => with_proof(&|text| in_signature(text, truncated)),
        Kind::SignatureEmpty => with_token(&|text| in_signature(text, |_| Some(String::new()))),
        Kind::OtherKey => Some(Vector {
            key: own.key().to_owned(),
            ..other.claim(&ada(), 0)?
        }),
        Kind::OtherIdentity => Some(Vector {
            id: "user-43".to_owned(),
            email: "grace@example.com".to_owned(),
            display_name: "Grace Hopper".to_owned(),
            ..good.clone()
        }),
        Kind::AlgNone => with_token(&unsigned),
        Kind::ClaimChanged => with_token(&|token| changed(token, subject(scheme)?)),
        Kind::Expired => own
            .claim(&ada(), -60 - ttl_secs(scheme)?)
            .map(|old| Vector {
                now: good.now,
                ..old
            }),
        Kind::Future => {
            ttl_secs(scheme)?;
            own.claim(&ada(), 600)
        }
        _ => None,
    }
}

/// The claim with its hash or token as `bend` makes it.
fn with_proof(good: &Vector, bend: &dyn Fn(&str) -> Option<String>) -> Option<Vector> {
    let mut vector = good.clone();
    let proof = vector.hash.as_mut().or(vector.token.as_mut())?;
    *proof = bend(proof)?;
    Some(vector)
}

/// A token with another signature, or another hash.
fn in_signature(proof: &str, bend: impl Fn(&str) -> Option<String>) -> Option<String> {
    match proof.rsplit_once('.') {
        Some((input, signature)) => Some(format!("{input}.{}", bend(signature)?)),
        None => bend(proof),
    }
}

fn in_other_case(scheme: &Scheme, text: &str) -> Option<String> {
    // An unguessable id is made again and compared as it stands.
    (scheme.purpose() == Purpose::IdentityHash).then_some(())?;
    match &scheme.rules {
        Rules::IdentityHash(rules) => match rules.encoding {
            Encoding::HexLower => Some(text.to_ascii_uppercase()),
            Encoding::HexUpper => Some(text.to_ascii_lowercase()),
            _ => None,
        },
        _ => None,
    }
}

fn subject(scheme: &Scheme) -> Option<&str> {
    match &scheme.rules {
        Rules::IdentityToken(rules) => Some(&rules.subject),
        _ => None,
    }
}

fn ttl_secs(scheme: &Scheme) -> Option<i64> {
    match &scheme.rules {
        Rules::IdentityToken(rules) => Some(rules.default_ttl_secs.into()),
        _ => None,
    }
}

/// The token with a header that says that it is not signed, and no signature.
pub(super) fn unsigned(token: &str) -> Option<String> {
    let (input, _) = token.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let header = bent(header, |members| {
        members.insert("alg".to_owned(), "none".into());
    })?;
    Some(format!("{header}.{payload}."))
}

/// The token with another claim under its old signature.
pub(super) fn changed(token: &str, claim: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let payload = bent(payload, |claims| {
        let other = match claims.get(claim).and_then(Value::as_i64) {
            Some(number) => Value::from(number - 1),
            None => Value::from("user-43"),
        };
        claims.insert(claim.to_owned(), other);
    })?;
    Some(format!("{header}.{payload}.{signature}"))
}

/// A part of a token with other members.
fn bent(part: &str, bend: impl Fn(&mut Map<String, Value>)) -> Option<String> {
    let mut json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    bend(json.as_object_mut()?);
    Some(URL_SAFE_NO_PAD.encode(json.to_string()))
}
