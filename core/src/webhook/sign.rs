//! Signs a delivery as the vendor would.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Delivery, Header, Headers, Place, ProofRules, SignaturePlace, TextRules, TimestampForm,
    TimestampPlace, WebhookRules,
    reader::{self, Claims, MAX_DEPTH, Reader},
    steps,
};
use crate::{Key, Timestamp, policy::TimestampUnit, template::Variable, token::json};

/// A delivery before it is signed.
#[derive(Clone, Copy)]
pub struct DeliveryToSign<'a> {
    /// The delivery id, for schemes that carry one.
    pub id: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Headers that the scheme signs or reads beside its own.
    pub headers: Headers<'a>,
    /// The HTTP method.
    pub method: &'a str,
    /// The URL it goes to.
    pub url: &'a str,
    /// The time of signing.
    pub time: Timestamp,
}

/// What to send.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SignedDelivery {
    /// The headers to send beside the caller's.
    pub headers: Vec<(String, String)>,
    /// The body, where the scheme writes into it.
    pub body: Option<Vec<u8>>,
    /// The URL, where the scheme writes into its query.
    pub url: Option<String>,
}

/// Why a delivery cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignDeliveryError {
    /// The secret holds the public half of its key alone.
    #[error("the secret holds a public key, which verifies and does not sign")]
    PublicKeyOnly,
    /// The scheme writes into the body, which is no JSON object.
    #[error("a JSON object: the scheme writes into the body")]
    Body,
    /// The caller gives a header that the scheme has for itself: sent beside the one that is written, it would be
    /// ambiguous.
    #[error("no header that Sign writes itself, such as that of the signature")]
    OwnHeader,
    /// The scheme signs a header or field that the delivery lacks.
    #[error("a header or field that the scheme signs or reads is missing, such as Content-Type")]
    Incomplete,
}

/// Where a signature went.
enum Placed {
    /// Into the header of this name, without brand.
    Header(String, String),
    /// Into the body.
    Body(Vec<u8>),
}

impl WebhookRules {
    /// Signs a delivery as the vendor would. Where the vendor states no unit of the timestamp, `unit` does.
    ///
    /// # Errors
    /// See [`SignDeliveryError`].
    pub fn sign(
        &self,
        key: &Key,
        delivery: DeliveryToSign<'_>,
        parameters: &BTreeMap<String, String>,
        unit: Option<TimestampUnit>,
    ) -> Result<SignedDelivery, SignDeliveryError> {
        let mut given = delivery.headers.0.iter();
        if given.any(|header| self.is_own_header(header.name)) {
            return Err(SignDeliveryError::OwnHeader);
        }
        match &self.proof {
            ProofRules::Text(rules) => rules.sign(key, delivery, parameters, unit),
            ProofRules::Jws(rules) => Ok(SignedDelivery {
                headers: rules.sign(key, &delivery)?,
                ..SignedDelivery::default()
            }),
        }
    }
}

impl TextRules {
    fn sign(
        &self,
        key: &Key,
        delivery: DeliveryToSign<'_>,
        parameters: &BTreeMap<String, String>,
        unit: Option<TimestampUnit>,
    ) -> Result<SignedDelivery, SignDeliveryError> {
        // Nobody knows the unit, and the text is signed as it stands: the finer one loses nothing.
        let form = self
            .timestamp_form()
            .or(unit.map(TimestampForm::from))
            .unwrap_or(TimestampForm::Milliseconds);
        let timestamp = form.write(delivery.time);
        let body = self.body_with_its_timestamp(&delivery, form)?;
        let url = self.url_with_the_hash(&delivery);
        let headers = self.own_headers(&delivery, &timestamp);

        let all = all_headers(&headers, delivery.headers);
        let sent = Delivery {
            headers: Headers(&all),
            body: body.as_deref().unwrap_or(delivery.body),
            method: delivery.method,
            url: url.as_deref().unwrap_or(delivery.url),
        };
        let signature = self.signature(key, sent, delivery.id, &timestamp, parameters)?;
        let placed = self.place(sent.body, delivery.id, &timestamp, &signature)?;
        let mut signed = SignedDelivery { headers, body, url };
        match placed {
            Placed::Header(name, value) => signed.headers.push((self.branded(&name), value)),
            Placed::Body(body) => signed.body = Some(body),
        }
        Ok(signed)
    }

    fn signature(
        &self,
        key: &Key,
        sent: Delivery<'_>,
        id: &str,
        timestamp: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<String, SignDeliveryError> {
        // The list of signed headers stands under its full name already.
        let reader = Reader::new(sent, self.first_brand(), parameters);
        let claims = Claims {
            timestamp: Some(timestamp.into()),
            id: self.id.as_ref().map(|_| id.into()),
        };
        let text = self
            .check_body_hash(&reader)
            .and_then(|_| self.text(self.signed_text.first(), &reader, &claims))
            .map_err(|_| SignDeliveryError::Incomplete)?;
        let signature = text.with(key, |parts| key.sign(parts));
        let signature = signature.ok_or(SignDeliveryError::PublicKeyOnly)?;
        Ok(self.encoding.encode_bytes(&signature))
    }

    fn first_brand(&self) -> &str {
        self.header_prefixes.first().map_or("", String::as_str)
    }

    /// The headers that are sent besides the signature: some of them are signed.
    fn own_headers(&self, delivery: &DeliveryToSign<'_>, timestamp: &str) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self.required_headers.clone().into_iter().collect();
        if let Some(Place::Header(name)) = &self.id {
            headers.push((self.branded(name), delivery.id.to_owned()));
        }
        if let Some(name) = self.timestamp_header() {
            headers.push((self.branded(name), timestamp.to_owned()));
        }
        if let Some(list) = &self.signed_headers {
            let given = delivery
                .headers
                .0
                .iter()
                .map(|header| header.name.to_owned());
            let names = given.chain(self.listed_always());
            let mut names: Vec<_> = names.map(|name| name.to_ascii_lowercase()).collect();
            names.sort_unstable();
            names.dedup();
            headers.push((self.branded(list), names.join(",")));
        }
        headers
    }

    fn timestamp_header(&self) -> Option<&str> {
        match &self.timestamp.as_ref()?.place {
            TimestampPlace::Own(Place::Header(name)) => Some(name),
            _ => None,
        }
    }

    /// The headers that a list of signed headers always names: itself and the timestamp.
    pub(super) fn listed_always(&self) -> Vec<String> {
        match &self.signed_headers {
            None => Vec::new(),
            Some(list) => self
                .timestamp_header()
                .into_iter()
                .chain([list.as_str()])
                .map(|name| self.branded(name))
                .collect(),
        }
    }

    /// The body with the timestamp that the vendor puts there, where the caller has not.
    fn body_with_its_timestamp(
        &self,
        delivery: &DeliveryToSign<'_>,
        form: TimestampForm,
    ) -> Result<Option<Vec<u8>>, SignDeliveryError> {
        if !self.timestamp_is_in_the_body() {
            return Ok(None);
        }
        let Some(TimestampPlace::Own(Place::Body { json, .. })) =
            self.timestamp.as_ref().map(|rule| &rule.place)
        else {
            return Ok(None);
        };
        let mut body = object(delivery.body)?;
        match body.pointer(json) {
            None | Some(Value::Null) => {}
            Some(Value::Array(_) | Value::Object(_)) => return Err(SignDeliveryError::Body),
            Some(_) => return Ok(None),
        }
        let time = match form {
            TimestampForm::Seconds => delivery.time.unix_secs().into(),
            TimestampForm::Milliseconds => delivery.time.unix_millis().into(),
            TimestampForm::Rfc3339 => Value::String(form.write(delivery.time)),
        };
        put(&mut body, json, time)?;
        Ok(Some(body.to_string().into_bytes()))
    }

    /// The URL with the hash of a body that is no form.
    fn url_with_the_hash(&self, delivery: &DeliveryToSign<'_>) -> Option<String> {
        let name = self.body_hash_query.as_ref()?;
        // As Verify will read it; a delivery that does not say what it is, nobody can sign.
        let is_form = reader::is_form(delivery.headers, delivery.body).unwrap_or(true);
        let is_there = steps::query(delivery.url, name).ok().flatten().is_some();
        if is_form || is_there || delivery.body.is_empty() {
            return None;
        }
        let (url, fragment) = match delivery.url.find('#') {
            Some(start) => delivery.url.split_at(start),
            None => (delivery.url, ""),
        };
        let joint = if url.contains('?') { '&' } else { '?' };
        let hash = hex::encode(Sha256::digest(delivery.body));
        Some(format!("{url}{joint}{name}={hash}{fragment}"))
    }

    /// Puts the signature where the scheme has it.
    fn place(
        &self,
        body: &[u8],
        id: &str,
        timestamp: &str,
        signature: &str,
    ) -> Result<Placed, SignDeliveryError> {
        let (name, value) = match &self.signature {
            SignaturePlace::Single { header, prefix } => {
                (header.clone(), format!("{prefix}{signature}"))
            }
            SignaturePlace::Pairs {
                header,
                key,
                separator,
                spaces,
            } => {
                let time = self.timestamp_pair(timestamp);
                let space = if *spaces { " " } else { "" };
                let time = time.map(|pair| format!("{pair}{separator}{space}"));
                let value = format!("{}{key}={signature}", time.unwrap_or_default());
                (header.clone(), value)
            }
            SignaturePlace::Versions { header, key } => {
                (header.clone(), format!("{key},{signature}"))
            }
            SignaturePlace::Several { headers } => {
                let first = headers.first().cloned().unwrap_or_default();
                (first, signature.to_owned())
            }
            SignaturePlace::Numbered { header } => (format!("{header}1"), signature.to_owned()),
            SignaturePlace::Body { json, .. } => {
                let mut signed = object(body)?;
                self.put_claims(&mut signed, id, timestamp)?;
                put(&mut signed, json, signature.into())?;
                return Ok(Placed::Body(signed.to_string().into_bytes()));
            }
        };
        Ok(Placed::Header(name, value))
    }

    fn timestamp_pair(&self, timestamp: &str) -> Option<String> {
        match &self.timestamp.as_ref()?.place {
            TimestampPlace::Pair(key) => Some(format!("{key}={timestamp}")),
            TimestampPlace::Own(_) => None,
        }
    }

    /// Writes timestamp and id into the body, where the scheme has them beside the signature.
    fn put_claims(
        &self,
        body: &mut Value,
        id: &str,
        timestamp: &str,
    ) -> Result<(), SignDeliveryError> {
        let rule = self.timestamp.as_ref().map(|rule| &rule.place);
        if let Some(TimestampPlace::Own(Place::Body { json, .. })) = rule {
            put(body, json, timestamp.into())?;
        }
        if let Some(Place::Body { json, .. }) = &self.id {
            put(body, json, id.into())?;
        }
        Ok(())
    }

    /// Whether the id of a delivery to sign goes into what is signed.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        self.any_variable(|it| *it == Variable::Id)
    }
}

fn all_headers<'h>(own: &'h [(String, String)], given: Headers<'h>) -> Vec<Header<'h>> {
    let own = own.iter().map(|(name, value)| Header { name, value });
    own.chain(given.0.iter().copied()).collect()
}

/// The object that a body is, as strictly as it will be read: what has two readings is not signed.
fn object(body: &[u8]) -> Result<Value, SignDeliveryError> {
    match json::value(body, MAX_DEPTH) {
        _ if body.is_empty() => Ok(Value::Object(Map::new())),
        Some(Value::Object(members)) => Ok(Value::Object(members)),
        _ => Err(SignDeliveryError::Body),
    }
}

/// Puts a value at a pointer, making the objects on the way.
fn put(body: &mut Value, pointer: &str, value: Value) -> Result<(), SignDeliveryError> {
    let mut place = body;
    for name in pointer.split('/').skip(1) {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let members = place.as_object_mut().ok_or(SignDeliveryError::Body)?;
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}
