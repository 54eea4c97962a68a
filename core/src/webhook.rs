//! Webhook deliveries: what a vendor's headers say, and whether the signature holds over the raw bytes.
//!
//! The timestamp text of the delivery is the signed text; a parsed copy serves freshness alone. A delivery costs one
//! digest for each live version and alternative text, however many signatures it lists.

mod fields;
mod freshness;
mod handshake;
mod headers;
mod jws;
mod proven;
mod reader;
mod rules;
mod sign;
mod signatures;
mod steps;
mod trace;

use std::{borrow::Cow, collections::BTreeMap};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use freshness::{Freshness, TimestampForm};
pub(crate) use handshake::Obstacle;
pub use handshake::{Handshake, HandshakeResponse};
pub(crate) use headers::branded;
pub use headers::{Header, Headers};
pub use jws::JwsRules;
pub use proven::{Proven, ProvenPart};
pub use rules::{
    Place, ProofRules, SignaturePlace, TextRules, TimestampPlace, TimestampRule, WebhookRules,
    Window,
};
pub use sign::{DeliveryToSign, SignDeliveryError, SignedDelivery};
pub(crate) use trace::{Ending, Step};

use crate::{
    Key, Reason, Timestamp,
    key::Tag,
    template::{Piece, Template, Text, Variable, is_id_byte},
};
pub(crate) use reader::FORM;
use reader::{Claims, Reader};
pub(crate) use steps::query;

/// The most signatures that one delivery may carry.
pub const MAX_SIGNATURES: usize = 16;

/// The longest delivery id in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// A delivery as it was received.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The headers.
    pub headers: Headers<'a>,
    /// The exact body.
    pub body: &'a [u8],
    /// The HTTP method; empty if the scheme does not sign it.
    pub method: &'a str,
    /// The public URL; empty if the scheme does not sign it.
    pub url: &'a str,
}

/// What a verdict depends on besides the delivery and the keys.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// How old it may be.
    pub freshness: Freshness,
    /// The parameters of the secret.
    pub parameters: &'a BTreeMap<String, String>,
    /// The time of the check.
    pub now: Timestamp,
}

/// A delivery that holds.
#[derive(Debug)]
pub struct WebhookProof {
    /// The version that signed it.
    pub version: u32,
    /// When it was signed, where the unit is known.
    pub signed_time: Option<Timestamp>,
    /// The vendor's delivery id, if there is one.
    pub delivery_id: Option<String>,
    /// What makes this delivery the same as another one.
    pub tag: Tag,
    /// What the signature covers.
    pub proven: Proven,
}

/// What a delivery says of itself beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The timestamp text.
    pub timestamp: Option<String>,
    /// The delivery id.
    pub id: Option<String>,
}

impl WebhookRules {
    /// Checks a delivery against every key: size and structure were the caller's; then grammar, timestamp, and one
    /// digest for each key without early exit.
    ///
    /// # Errors
    /// Why the delivery is refused.
    pub fn verify<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Result<WebhookProof, Reason> {
        match &self.proof {
            ProofRules::Text(rules) => rules.verify(delivery, keys, terms),
            ProofRules::Jws(rules) => rules.verify(delivery, keys, terms),
        }
    }

    /// The response to a delivery that is a handshake: a signed one if `key` verified it, else an unsigned one.
    #[must_use]
    pub fn handshake(
        &self,
        delivery: Delivery<'_>,
        parameters: &BTreeMap<String, String>,
        key: Option<&Key>,
    ) -> Option<HandshakeResponse> {
        let fitting = self.handshakes.iter();
        fitting
            .filter(|handshake| handshake.signed == key.is_some())
            .find_map(|handshake| handshake.answer(delivery, parameters, key))
    }

    /// The unsigned handshake that a delivery nearly is, by its name, and what keeps it from being one.
    pub(crate) fn nearly_handshake(
        &self,
        delivery: Delivery<'_>,
        parameters: &BTreeMap<String, String>,
    ) -> Option<(&str, Obstacle)> {
        let unsigned = self.handshakes.iter().filter(|it| !it.signed);
        let mut near = unsigned.filter_map(|it| Some((it, it.obstacle(delivery, parameters)?)));
        near.next()
            .map(|(it, obstacle)| (it.name.as_str(), obstacle))
    }
}

impl TextRules {
    /// What a delivery says of its timestamp and its id, whoever wrote it.
    ///
    /// # Errors
    /// A header or field that the scheme needs is missing, ambiguous or malformed.
    pub fn claimed(&self, delivery: Delivery<'_>) -> Result<Claimed, Reason> {
        let nothing = BTreeMap::new();
        let reader = Reader::new(delivery, self.brand(delivery)?, &nothing);
        let claims = reader.claims(self)?;
        Ok(Claimed {
            timestamp: claims.timestamp.map(Cow::into_owned),
            id: claims.id.map(Cow::into_owned),
        })
    }

    fn verify<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Result<WebhookProof, Reason> {
        let reader = Reader::new(delivery, self.brand(delivery)?, terms.parameters);
        let signatures = reader.signatures(self)?;
        self.check_required_headers(&reader)?;
        let claims = reader.claims(self)?;
        let mut signed_time = match &claims.timestamp {
            Some(text) => terms.freshness.check(text, terms.now)?,
            None => None,
        };
        self.check_signed_headers(&reader)?;
        let body_hash = self.check_body_hash(&reader)?;

        let mut held = None;
        let mut any_key = false;
        for template in self.templates() {
            let text = self.text(template, &reader, &claims)?;
            for (version, key) in keys.clone() {
                any_key = true;
                let tag = text.with(key, |parts| key.check(parts, signatures.iter()));
                if held.is_none() {
                    held = tag.map(|tag| (version, tag, template));
                }
            }
        }
        let Some((version, tag, template)) = held else {
            return Err(match any_key {
                true => Reason::SignatureMismatch,
                false => Reason::NoLiveVersion,
            });
        };
        // What stands in the body is believed now that the signature over it has held.
        if self.timestamp_is_in_the_body() {
            signed_time = self.check_late_timestamp(&reader, terms)?;
        }
        let proven = self.proven(template, &reader, &claims, body_hash)?;
        Ok(WebhookProof {
            version,
            signed_time: signed_time.filter(|_| proven.has(ProvenPart::Timestamp)),
            delivery_id: self.delivery_id(&reader, &claims, &proven),
            tag,
            proven,
        })
    }

    /// The first brand whose signature the delivery carries.
    fn brand(&self, delivery: Delivery<'_>) -> Result<&str, Reason> {
        if matches!(self.signature, SignaturePlace::Body { .. }) {
            return Ok("");
        }
        let carries = |brand: &&String| match &self.signature {
            SignaturePlace::Several { headers } => {
                headers.iter().any(|name| delivery.headers.has(brand, name))
            }
            SignaturePlace::Numbered { header } => {
                reader::numbered(header).any(|name| delivery.headers.has(brand, &name))
            }
            other => (other.header()).is_some_and(|name| delivery.headers.has(brand, name)),
        };
        let brand = self.header_prefixes.iter().find(carries);
        brand.map(String::as_str).ok_or(Reason::HeaderMissing)
    }

    /// One empty text where the key itself is sent.
    fn templates(&self) -> impl Iterator<Item = Option<&Template>> {
        let none = self.signed_text.is_empty().then_some(None);
        self.signed_text.iter().map(Some).chain(none)
    }

    fn text<'s>(
        &'s self,
        template: Option<&'s Template>,
        reader: &'s Reader<'_>,
        claims: &'s Claims<'s>,
    ) -> Result<Text<'s>, Reason> {
        match template {
            Some(template) => {
                template.fill(move |variable, step| reader.value(self, claims, variable, step))
            }
            None => Ok(Text::empty()),
        }
    }

    fn check_required_headers(&self, reader: &Reader<'_>) -> Result<(), Reason> {
        for (name, value) in &self.required_headers {
            if reader.delivery.headers.require("", name)? != value {
                return Err(Reason::HeaderInvalid);
            }
        }
        Ok(())
    }

    /// A list of signed headers has itself and the timestamp in it, or neither would be proven.
    fn check_signed_headers(&self, reader: &Reader<'_>) -> Result<(), Reason> {
        let names = reader.signed_header_names(self)?;
        let must_be_listed = self.listed_always();
        let listed = |must: &String| names.iter().any(|name| name.eq_ignore_ascii_case(must));
        match must_be_listed.iter().all(listed) {
            true => Ok(()),
            false => Err(Reason::HeaderInvalid),
        }
    }

    /// Whether the body is bound by its hash in the URL.
    ///
    /// # Errors
    /// It would have to be and is not, or it has another hash.
    fn check_body_hash(&self, reader: &Reader<'_>) -> Result<bool, Reason> {
        let Some(name) = &self.body_hash_query else {
            return Ok(false);
        };
        let body = reader.delivery.body;
        if reader.is_form()? {
            return Ok(false);
        }
        let Some(hash) = steps::query(reader.delivery.url, name)? else {
            return match body.is_empty() {
                true => Ok(false),
                false => Err(Reason::BodyUnsigned),
            };
        };
        match is_sha256_of(&hash, body) {
            true => Ok(true),
            false => Err(Reason::SignatureMismatch),
        }
    }

    fn check_late_timestamp(
        &self,
        reader: &Reader<'_>,
        terms: Terms<'_>,
    ) -> Result<Option<Timestamp>, Reason> {
        let Some(TimestampRule {
            place: TimestampPlace::Own(place),
            ..
        }) = &self.timestamp
        else {
            return Ok(None);
        };
        let text = reader.at(place)?.ok_or(Reason::TimestampMissing)?;
        terms.freshness.check(&text, terms.now)
    }

    fn delivery_id(
        &self,
        reader: &Reader<'_>,
        claims: &Claims<'_>,
        proven: &Proven,
    ) -> Option<String> {
        let id = match (&claims.id, &self.id) {
            (Some(id), _) => Some(id.clone().into_owned()),
            (None, Some(place @ Place::Body { .. })) if proven.has(ProvenPart::Body) => {
                let found = reader.at(place).ok().flatten();
                found.map(Cow::into_owned)
            }
            _ => None,
        };
        id.filter(|id| is_id(id))
    }

    /// What the signature of this delivery covers.
    fn proven(
        &self,
        template: Option<&Template>,
        reader: &Reader<'_>,
        claims: &Claims<'_>,
        body_hash: bool,
    ) -> Result<Proven, Reason> {
        let mut proven = Proven::default();
        let parts = template.map_or(&[][..], Template::parts);
        let mut left_out = Vec::new();
        for part in parts.iter().filter(|part| part.segment.is_some()) {
            if let Piece::Variable(variable, _) = &part.piece
                && reader.value(self, claims, variable, None)?.is_none()
            {
                left_out.push(part.segment);
            }
        }
        for part in parts.iter().filter(|it| !left_out.contains(&it.segment)) {
            match &part.piece {
                Piece::Variable(Variable::SortedForm, _) if !reader.is_form()? => {}
                Piece::Variable(Variable::Header(name), _) => {
                    // The header that was read, with its brand: one without it may be anybody's.
                    let name = format!("{}{name}", reader.brand);
                    proven.add_variable(&Variable::Header(name.into()));
                }
                Piece::Variable(variable, _) => proven.add_variable(variable),
                Piece::Literal(_) => {}
            }
        }
        if body_hash {
            proven.add(ProvenPart::Body);
        }
        if self.signed_headers.is_some() {
            proven.add(ProvenPart::Timestamp);
            let names = reader.signed_header_names(self)?;
            let fields = names.into_iter().map(|name| format!("header:{name}"));
            proven.fields.extend(fields);
        }
        self.add_what_the_body_holds(&mut proven);
        Ok(proven)
    }
}

/// Whether a text is the SHA-256 of some bytes in hexadecimal.
fn is_sha256_of(text: &str, bytes: &[u8]) -> bool {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).is_ok() && bool::from(hash.ct_eq(&Sha256::digest(bytes)))
}

/// Whether the text is a delivery id: 1 to 128 characters of `A-Z a-z 0-9 _ -`. A dot would let an id reach into the
/// timestamp of a signed text.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.as_bytes().iter().all(is_id_byte)
}

#[cfg(test)]
mod tests;
