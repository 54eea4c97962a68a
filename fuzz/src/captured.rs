//! A proof, with the secret that judges it, as text: a line for each field, an empty line, the body.
//!
//! ```text
//! scheme github.webhook
//! now 1700000000
//! key It's a Secret to Everybody
//! header X-Hub-Signature-256 sha256=757107ea…
//!
//! Hello, World!
//! ```

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    Catalogue, Identity, Scheme, Secret, Timestamp,
    secret::Proof,
    vectors::Vector,
    webhook::{Delivery, DeliveryToSign, Header, Headers, SignedDelivery},
};

use crate::secrets;

/// A proof and all that its verdict depends on.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Id of a built-in scheme.
    pub scheme: String,
    /// The time of the check in Unix seconds.
    pub now: i64,
    /// Key text.
    pub key: String,
    /// The vendor's id of the key.
    pub key_id: String,
    /// Parameters of the secret.
    pub parameters: BTreeMap<String, String>,
    /// Claimed fields, or the fields to sign.
    pub identity: Identity,
    /// A hash.
    pub hash: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// The header of a token that is still to be signed; its claims are the body.
    pub jose: Option<String>,
    /// The id of a delivery that is still to be signed.
    pub delivery_id: String,
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers as name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Captured {
    /// Reads the text form. `None` for what is none, or names no built-in scheme.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&data[..end], &data[end + 2..]),
            None => (data, &[][..]),
        };
        let mut captured = Self {
            body: body.to_vec(),
            ..Self::default()
        };
        for line in std::str::from_utf8(head).ok()?.split('\n') {
            let (field, value) = line.split_once(' ').unwrap_or((line, ""));
            captured.set(field, value)?;
        }
        captured.scheme().is_some().then_some(captured)
    }

    fn set(&mut self, field: &str, value: &str) -> Option<()> {
        let pair = || value.split_once(' ').unwrap_or((value, ""));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let text = value.to_owned();
        match field {
            "scheme" => self.scheme = text,
            "now" => self.now = value.parse().ok()?,
            "key" => self.key = text,
            "key-id" => self.key_id = text,
            "parameter" => self.parameters.extend([owned(pair())]),
            "id" => self.identity.id = text,
            "email" => self.identity.email = text,
            "name" => self.identity.name = text,
            "hash" => self.hash = Some(text),
            "token" => self.token = Some(text),
            "jose" => self.jose = Some(text),
            "delivery-id" => self.delivery_id = text,
            "method" => self.method = text,
            "url" => self.url = text,
            "header" => self.headers.push(owned(pair())),
            _ => return None,
        }
        Some(())
    }

    /// Writes the text form. `None` if a value has a line of its own.
    #[must_use]
    pub fn print(&self) -> Option<Vec<u8>> {
        let mut lines = vec![
            format!("scheme {}", self.scheme),
            format!("now {}", self.now),
            format!("key {}", self.key),
        ];
        let mut add = |field: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{field} {value}"));
            }
        };
        add("key-id", &self.key_id);
        for (name, value) in &self.parameters {
            add("parameter", &format!("{name} {value}"));
        }
        add("id", &self.identity.id);
        add("email", &self.identity.email);
        add("name", &self.identity.name);
        add("hash", self.hash.as_deref().unwrap_or_default());
        add("token", self.token.as_deref().unwrap_or_default());
        add("jose", self.jose.as_deref().unwrap_or_default());
        add("delivery-id", &self.delivery_id);
        add("method", &self.method);
        add("url", &self.url);
        for (name, value) in &self.headers {
            add("header", &format!("{name} {value}"));
        }
        if lines.iter().any(|line| line.contains('\n')) {
            return None;
        }
        let mut text = lines.join("\n").into_bytes();
        text.extend_from_slice(b"\n\n");
        text.extend_from_slice(&self.body);
        Some(text)
    }

    /// What a vector of a scheme file describes.
    #[must_use]
    pub fn of_vector(scheme: &str, vector: &Vector) -> Option<Self> {
        Some(Self {
            scheme: scheme.to_owned(),
            now: vector.now,
            // Line feeds in a JWK mean nothing.
            key: vector.key.replace('\n', " "),
            key_id: vector.key_id.clone(),
            parameters: vector.parameters.clone(),
            identity: Identity {
                id: vector.id.clone(),
                email: vector.email.clone(),
                name: vector.display_name.clone(),
                ..Identity::default()
            },
            hash: vector.hash.clone(),
            token: vector.token.clone(),
            method: vector.method.clone(),
            url: vector.url.clone(),
            headers: vector.headers.clone(),
            body: vector.body_bytes().ok()?,
            ..Self::default()
        })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static Arc<Scheme>> {
        Catalogue::builtin().scheme(&self.scheme)
    }

    /// The secret, if the key is one of the scheme.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        let key_id = (!self.key_id.is_empty()).then_some(self.key_id.as_str());
        let key = self.key.clone().into();
        secrets::of_key(self.scheme()?, &key, key_id, &self.parameters)
    }

    /// The time of the check.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_secs(self.now)
    }

    /// The proof of an identity.
    #[must_use]
    pub fn proof(&self) -> Option<Proof<'_>> {
        let hash = self.hash.as_deref().map(Proof::Hash);
        hash.or(self.token.as_deref().map(Proof::Token))
    }

    /// Its headers, to borrow a delivery from.
    #[must_use]
    pub fn headers(&self) -> Vec<Header<'_>> {
        borrowed(&self.headers)
    }

    /// The delivery.
    #[must_use]
    pub fn delivery<'a>(&'a self, headers: &'a [Header<'a>]) -> Delivery<'a> {
        Delivery {
            headers: Headers(headers),
            body: &self.body,
            method: &self.method,
            url: &self.url,
        }
    }

    /// The delivery, to be signed at the time of the check.
    #[must_use]
    pub fn to_sign<'a>(&'a self, headers: &'a [Header<'a>]) -> DeliveryToSign<'a> {
        DeliveryToSign {
            id: &self.delivery_id,
            body: &self.body,
            headers: Headers(headers),
            method: &self.method,
            url: &self.url,
            time: self.now(),
        }
    }

    /// What is sent once it is signed.
    #[must_use]
    pub fn sent(mut self, signed: SignedDelivery) -> Self {
        self.headers.splice(..0, signed.headers);
        self.body = signed.body.unwrap_or(self.body);
        self.url = signed.url.unwrap_or(self.url);
        self
    }
}

/// Headers to borrow a delivery from.
#[must_use]
pub fn borrowed(headers: &[(String, String)]) -> Vec<Header<'_>> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| Header { name, value })
        .collect()
}
