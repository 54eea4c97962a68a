//! The vendor's side: a key that anybody can compute, and proofs made with it.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    Identity, Purpose, Scheme, Secret, Timestamp,
    vectors::Vector,
    webhook::{DeliveryToSign, Header, Headers, WebhookRules},
};
use secrecy::ExposeSecret;

/// The body of a delivery as most JSON libraries write it.
pub(super) const BODY: &str = r#"{"amount":1250,"id":"evt_1","state":"open"}"#;
/// Another body.
pub(super) const OTHER_BODY: &str = r#"{"amount":9999,"id":"evt_2","state":"open"}"#;
/// A body that nobody writes like that after parsing it.
pub(super) const RAW_BODY: &str =
    "{ \"state\" : \"\\u006fpen\",\t\"amount\":1250.0, \"note\":\"Zoë <\\/b> 世界\" }\n";
/// The delivery id.
pub(super) const ID: &str = "conformance-1";

const URL: &str = "https://hooks.example.com/conformance?data.id=77";
const PARAMETER: &str = "conformance";
const KEY_ID: &str = "conformance_key";

/// What a vendor with one key sends.
pub(super) struct Sender<'s> {
    scheme: &'s Arc<Scheme>,
    blank: Vector,
    secret: Secret,
}

impl<'s> Sender<'s> {
    /// The key of this name under a scheme, at a time in Unix seconds.
    pub(super) fn new(scheme: &'s Arc<Scheme>, key: &str, now: i64) -> Option<Self> {
        let seed = format!("countersign conformance: the {key} key of {}", scheme.id);
        let seed = Zeroizing::new(Sha256::digest(seed).into());
        let text = scheme.generate_key(&seed);
        let names = scheme.parameters.keys().cloned();
        let blank = Vector {
            key: text.expose_secret().to_owned(),
            key_id: match scheme.key_id_required() {
                true => KEY_ID.to_owned(),
                false => String::new(),
            },
            parameters: names.map(|name| (name, PARAMETER.to_owned())).collect(),
            now,
            ..Vector::default()
        };
        let secret = blank.secret(scheme).ok()?;
        Some(Self {
            scheme,
            blank,
            secret,
        })
    }

    pub(super) fn key(&self) -> &str {
        &self.blank.key
    }

    /// A delivery of a body, signed so many milliseconds after now. Its key is the sender's.
    pub(super) fn delivery(&self, body: &str, after_millis: i64) -> Option<Vector> {
        let rules = self.rules()?;
        let url = if rules.needs_url() { URL } else { "" };
        let method = if rules.needs_method() { "POST" } else { "" };
        let kind = Header {
            name: "Content-Type",
            value: "application/json",
        };
        let signed = self.secret.sign_webhook(DeliveryToSign {
            id: ID,
            body: body.as_bytes(),
            headers: Headers(&[kind]),
            method,
            url,
            time: Timestamp::from_unix_millis(self.blank.now * 1000 + after_millis),
        });
        let signed = signed.ok()?.value;
        let own = signed.body.map(String::from_utf8).transpose().ok()?;
        let kind = (kind.name.to_owned(), kind.value.to_owned());
        Some(Vector {
            headers: std::iter::once(kind).chain(signed.headers).collect(),
            body: own.unwrap_or_else(|| body.to_owned()),
            method: method.to_owned(),
            url: signed.url.unwrap_or_else(|| url.to_owned()),
            ..self.blank.clone()
        })
    }

    /// A claim with its proof, made so many seconds after now.
    pub(super) fn claim(&self, identity: &Identity, after_secs: i64) -> Option<Vector> {
        let time = Timestamp::from_unix_secs(self.blank.now + after_secs);
        let proof = match self.scheme.purpose() {
            Purpose::ResourceId => self.secret.sign_resource_id(&identity.id),
            _ => self.secret.sign_identity(identity, None, time),
        };
        let proof = Some(proof.ok()?.value);
        let (hash, token) = match self.scheme.purpose() {
            Purpose::IdentityToken => (None, proof),
            _ => (proof, None),
        };
        Some(Vector {
            id: identity.id.clone(),
            email: identity.email.clone(),
            display_name: identity.name.clone(),
            hash,
            token,
            ..self.blank.clone()
        })
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn rules(&self) -> Option<&WebhookRules> {
        self.secret.webhook_rules().ok()
    }
}
