//! Deliveries that are proven by a token in a header: a JSON Web Signature (RFC 7515) whose claims may bind the body.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Delivery, Proven, ProvenPart, Terms, WebhookProof, Window, is_sha256_of,
    sign::{DeliveryToSign, SignDeliveryError},
};
use crate::{
    Key, Reason, Timestamp,
    key::{Algorithm, Tag},
    token::{Compact, Header, json},
};

/// How far the sender's clock may be ahead of ours, in seconds.
const SKEW_SECS: i64 = 5;
const SKEW: Duration = Duration::from_secs(SKEW_SECS.unsigned_abs());

/// A token in a header.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwsRules {
    /// The header's name.
    pub header: String,
    /// The text before the token.
    #[serde(default)]
    pub prefix: String,
    /// The one algorithm.
    pub algorithm: JwsAlgorithm,
    /// The claim with the SHA-256 of the body in hexadecimal; without one the body is not proven.
    pub body_hash_claim: Option<String>,
    /// How old a token may be by its `iat`; an `exp` or `nbf` that is there is honoured with it and without it.
    #[serde(rename = "issued_at_window_secs", deserialize_with = "secs", default)]
    pub issued_at_window: Option<Duration>,
}

/// The algorithms (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum JwsAlgorithm {
    /// HMAC with SHA-256.
    #[serde(rename = "HS256")]
    Hs256,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl JwsAlgorithm {
    /// As `alg` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
        }
    }

    fn signature_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Es256 => 64,
        }
    }

    pub(super) fn of_key(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HmacSha256,
            Self::Es256 => Algorithm::Es256,
        }
    }
}

fn secs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let secs = u32::deserialize(deserializer)?;
    Ok(Some(Duration::from_secs(secs.into())))
}

impl JwsRules {
    pub(super) fn window(&self) -> Option<Window> {
        self.issued_at_window
            .map(|past| Window { past, future: SKEW })
    }

    /// When the token of a delivery begins, whoever wrote that; the beginning of time if it does not say.
    pub(super) fn begins(&self, delivery: Delivery<'_>) -> Option<Timestamp> {
        let value = delivery.headers.find("", &self.header).ok()??;
        let compact = Compact::parse(value.strip_prefix(&self.prefix)?).ok()?;
        let start = json::object(&compact.payload)?.get("nbf")?.as_i64()?;
        Some(Timestamp::from_unix_secs(start))
    }

    pub(super) fn proven(&self) -> Proven {
        let mut proven = Proven::default();
        if self.body_hash_claim.is_some() {
            proven.add(ProvenPart::Body);
        }
        if self.issued_at_window.is_some() {
            proven.add(ProvenPart::Timestamp);
        }
        proven
    }

    /// Structure, signature over the bytes as they came, header, then the claims.
    pub(super) fn verify<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Result<WebhookProof, Reason> {
        let value = delivery.headers.require("", &self.header)?;
        let token = value.strip_prefix(&self.prefix).unwrap_or_default();
        if token.is_empty() {
            return Err(Reason::SignatureMissing);
        }
        let compact = Compact::parse(token)?;
        let header = Header::parse(&compact.header, self.algorithm.name())?;
        let signature = compact
            .signature(self.algorithm.signature_bytes())
            .ok_or(Reason::SignatureMalformed)?;
        if keys.clone().next().is_none() {
            return Err(Reason::NoLiveVersion);
        }
        let mut version = None;
        for (number, key) in keys {
            let held = match self.algorithm {
                JwsAlgorithm::Hs256 => compact.is_signed_by(key),
                JwsAlgorithm::Es256 => header
                    .kid()
                    .is_some_and(|kid| key.es256_verify(kid, compact.signing_input(), signature)),
            };
            if held && version.is_none() {
                version = Some(number);
            }
        }
        let version = version.ok_or(Reason::SignatureMismatch)?;
        let claims = json::object(&compact.payload).ok_or(Reason::TokenMalformed)?;
        let signed_time = self.check_time(|name| claims.get(name).cloned(), terms)?;
        if let Some(name) = &self.body_hash_claim {
            let hash = claims.get(name).and_then(Value::as_str);
            if !is_sha256_of(hash.ok_or(Reason::ClaimMissing)?, delivery.body) {
                return Err(Reason::SignatureMismatch);
            }
        }
        Ok(WebhookProof {
            version,
            signed_time,
            delivery_id: None,
            tag: Tag::of_text(&[compact.signing_input()]),
            proven: self.proven(),
        })
    }

    fn check_time(
        &self,
        claim: impl Fn(&str) -> Option<Value>,
        terms: Terms<'_>,
    ) -> Result<Option<Timestamp>, Reason> {
        let seconds = |value: Value| value.as_i64().filter(|secs| *secs > 0);
        if let Some(end) = claim("exp") {
            let end = seconds(end).ok_or(Reason::ClaimInvalid)?;
            if terms.now.unix_secs() >= end {
                return Err(Reason::TokenExpired);
            }
        }
        if let Some(start) = claim("nbf") {
            let start = start.as_i64().ok_or(Reason::ClaimInvalid)?;
            if start > terms.now.unix_secs().saturating_add(SKEW_SECS) {
                return Err(Reason::TokenNotYetValid);
            }
        }
        if self.issued_at_window.is_none() {
            return Ok(None);
        }
        let issued = claim("iat").ok_or(Reason::ClaimMissing)?;
        let issued = seconds(issued).ok_or(Reason::ClaimInvalid)?;
        terms.freshness.check(&issued.to_string(), terms.now)
    }

    /// The header of a signed delivery.
    pub(super) fn sign(
        &self,
        key: &Key,
        delivery: &DeliveryToSign<'_>,
    ) -> Result<Vec<(String, String)>, SignDeliveryError> {
        let mut claims = BTreeMap::from([("iat", json!(delivery.time.unix_secs()))]);
        if let Some(name) = &self.body_hash_claim {
            claims.insert(name, json!(hex::encode(Sha256::digest(delivery.body))));
        }
        let mut header = BTreeMap::from([("alg", self.algorithm.name()), ("typ", "JWT")]);
        if let Some(kid) = key.es256_kid() {
            header.insert("kid", kid);
        }
        let part = |json: String| URL_SAFE_NO_PAD.encode(json);
        let input = format!(
            "{}.{}",
            part(json!(header).to_string()),
            part(json!(claims).to_string())
        );
        let signature = match self.algorithm {
            JwsAlgorithm::Hs256 => key.sign(&[input.as_bytes()]),
            JwsAlgorithm::Es256 => key.es256_sign(input.as_bytes()).map(|(_, bytes)| bytes),
        };
        let signature = signature.ok_or(SignDeliveryError::PublicKeyOnly)?;
        let token = format!(
            "{}{input}.{}",
            self.prefix,
            URL_SAFE_NO_PAD.encode(signature)
        );
        Ok(vec![(self.header.clone(), token)])
    }
}
