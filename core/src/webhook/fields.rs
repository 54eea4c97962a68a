//! The webhook part of a scheme file as it is written, and what makes sense of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    freshness::TimestampForm,
    handshake::Handshake,
    jws::JwsRules,
    rules::{
        Place, ProofRules, SignaturePlace, TextRules, TimestampPlace, TimestampRule, WebhookRules,
        Window,
    },
};
use crate::{
    encoding::Encoding,
    key::Algorithm,
    template::{Template, TemplateError, Variable},
};

/// Most alternatives of a signed text: each costs one digest for each key.
const MAX_TEXTS: usize = 4;
/// Most brands, required headers, handshakes and headers with signatures.
const MAX_ENTRIES: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookFields {
    signed_text: Option<OneOrMore>,
    #[serde(default)]
    digest: Algorithm,
    encoding: Option<Encoding>,
    #[serde(default)]
    strict: bool,
    header_prefixes: Option<Vec<String>>,
    signature: Option<SignaturePlace>,
    timestamp: Option<TimestampFields>,
    id: Option<PlaceFields>,
    window: Option<Window>,
    #[serde(default)]
    required_headers: BTreeMap<String, String>,
    signed_headers: Option<String>,
    body_hash_query: Option<String>,
    jws: Option<JwsRules>,
    #[serde(default)]
    handshake: Vec<Handshake>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampFields {
    header: Option<String>,
    pair: Option<String>,
    json: Option<String>,
    form: Option<String>,
    unit: Option<TimestampForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceFields {
    header: Option<String>,
    json: Option<String>,
    form: Option<String>,
}

/// What is wrong with a webhook's description.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Rules(&'static str),
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self::Rules(text)
    }
}

impl TryFrom<WebhookFields> for WebhookRules {
    type Error = Fault;

    fn try_from(mut fields: WebhookFields) -> Result<Self, Fault> {
        let handshakes = std::mem::take(&mut fields.handshake);
        if handshakes.len() > MAX_ENTRIES {
            return Err("a webhook has at most 16 handshakes".into());
        }
        if let Some(fault) = handshakes.iter().find_map(Handshake::fault) {
            return Err(fault.into());
        }
        let proof = match fields.jws.take() {
            Some(jws) => {
                fields.has_nothing_but_a_token()?;
                ProofRules::Jws(jws)
            }
            None => ProofRules::Text(Box::new(fields.text()?)),
        };
        let rules = Self { proof, handshakes };
        let mac = rules.algorithm() == Algorithm::HmacSha256;
        if rules
            .handshakes
            .iter()
            .any(|it| it.uses_key() && !(mac && it.signed))
        {
            return Err(Fault::Rules(
                "only a signed handshake of an hmac-sha256 scheme has a hmac in its response",
            ));
        }
        Ok(rules)
    }
}

impl WebhookFields {
    fn has_nothing_but_a_token(&self) -> Result<(), Fault> {
        let nothing = self.signed_text.is_none()
            && self.digest == Algorithm::HmacSha256
            && self.encoding.is_none()
            && self.signature.is_none()
            && self.timestamp.is_none()
            && self.id.is_none()
            && self.window.is_none()
            && self.required_headers.is_empty()
            && self.signed_headers.is_none()
            && self.body_hash_query.is_none();
        let fault =
            "a webhook with jws has no signed text, signature, timestamp, id or window beside it";
        nothing.then_some(()).ok_or(Fault::Rules(fault))
    }

    fn text(self) -> Result<TextRules, Fault> {
        let signed_text = match self.signed_text {
            None => Vec::new(),
            Some(OneOrMore::One(text)) => vec![Template::try_from(text)?],
            Some(OneOrMore::More(texts)) => texts
                .into_iter()
                .map(Template::try_from)
                .collect::<Result<_, _>>()?,
        };
        let is_token = self.digest == Algorithm::Token;
        if is_token != signed_text.is_empty() || signed_text.len() > MAX_TEXTS {
            return Err("a webhook has 1 to 4 signed texts; with digest token it has none".into());
        }
        let encoding = match (self.encoding, is_token) {
            (Some(encoding), false) => encoding,
            (None, true) => Encoding::Text,
            (None, false) => return Err("a webhook has an encoding".into()),
            (Some(_), true) => return Err("with digest token there is no encoding".into()),
        };
        let rules = TextRules {
            signed_text,
            digest: self.digest,
            encoding,
            strict: self.strict,
            header_prefixes: self.header_prefixes.unwrap_or_else(|| vec![String::new()]),
            signature: self.signature.ok_or("a webhook has a signature")?,
            timestamp: self.timestamp.map(TimestampRule::try_from).transpose()?,
            id: self.id.map(Place::try_from).transpose()?,
            window: self.window,
            required_headers: self.required_headers,
            signed_headers: self.signed_headers,
            body_hash_query: self.body_hash_query,
        };
        rules.check()?;
        Ok(rules)
    }
}

impl TryFrom<TimestampFields> for TimestampRule {
    type Error = Fault;

    fn try_from(fields: TimestampFields) -> Result<Self, Fault> {
        let place = match (fields.pair, fields.header, fields.json, fields.form) {
            (Some(pair), None, None, None) => TimestampPlace::Pair(pair),
            (None, header, json, form) => {
                TimestampPlace::Own(Place::try_from(PlaceFields { header, json, form })?)
            }
            _ => return Err("a timestamp stands in a header, in a pair or in the body".into()),
        };
        Ok(Self {
            place,
            form: fields.unit,
        })
    }
}

impl TryFrom<PlaceFields> for Place {
    type Error = Fault;

    fn try_from(fields: PlaceFields) -> Result<Self, Fault> {
        match (fields.header, fields.json, fields.form) {
            (Some(header), None, None) => Ok(Self::Header(header)),
            (None, Some(json), form) if json.starts_with('/') => Ok(Self::Body { json, form }),
            _ => Err(
                "a value stands in a header, or in the body at a JSON pointer such as /id".into(),
            ),
        }
    }
}

impl TextRules {
    /// Whether the parts of the description fit together.
    fn check(&self) -> Result<(), Fault> {
        let binds = |variable| self.any_variable(|own| *own == variable);
        let requires = |variable| self.signed_text.iter().all(|text| text.requires(&variable));
        let is_pair =
            matches!(&self.timestamp, Some(rule) if matches!(rule.place, TimestampPlace::Pair(_)));
        let faults = [
            (
                binds(Variable::Timestamp) && self.timestamp.is_none(),
                "the signed text has a timestamp: say where it stands",
            ),
            (
                binds(Variable::Id) && self.id.is_none(),
                "the signed text has an id: say where it stands",
            ),
            (
                is_pair && !matches!(self.signature, SignaturePlace::Pairs { .. }),
                "a timestamp in a pair needs a signature header of pairs",
            ),
            (
                self.window.is_some() && self.timestamp_form().is_none(),
                "a window needs a timestamp with a unit",
            ),
            (
                self.timestamp_is_in_the_body() && !requires(Variable::Body),
                "a timestamp in the body needs a signature over the body",
            ),
            (
                match self.digest {
                    Algorithm::Sha256 => !self.signed_text.iter().all(has_the_secret_once),
                    _ => binds(Variable::Secret),
                },
                "with digest sha256, and only then, the secret stands once in every signed text, in no optional segment",
            ),
            (
                match self.signed_headers {
                    Some(_) => !requires(Variable::SignedHeaders),
                    None => binds(Variable::SignedHeaders),
                },
                "signed_headers names the header that lists what {signed_headers} covers, which stands in every signed \
                 text and in no optional segment",
            ),
            (
                !self.binds_the_body_hash(),
                "body_hash_query needs the URL in every signed text, or anybody could write the hash",
            ),
            (
                !self.pointers().all(is_near),
                "what stands in the body stands at most 16 levels deep",
            ),
            (
                !(1..=MAX_ENTRIES).contains(&self.header_prefixes.len())
                    || self.required_headers.len() > MAX_ENTRIES,
                "a webhook has 1 to 16 header prefixes and at most 16 required headers",
            ),
            (
                self.digest == Algorithm::Token
                    && !matches!(self.signature, SignaturePlace::Single { .. }),
                "with digest token the key stands alone in a header",
            ),
            (
                self.digest == Algorithm::Es256,
                "es256 is the algorithm of a jws",
            ),
            (
                matches!(&self.signature, SignaturePlace::Several { headers }
                         if !(1..=MAX_ENTRIES).contains(&headers.len())),
                "signatures stand in 1 to 16 headers",
            ),
        ];
        match faults.iter().find(|(is_so, _)| *is_so) {
            Some((_, fault)) => Err(Fault::Rules(fault)),
            None => Ok(()),
        }
    }

    fn binds_the_body_hash(&self) -> bool {
        let Some(name) = &self.body_hash_query else {
            return true;
        };
        let places = [
            Variable::Url,
            Variable::Path,
            Variable::Query(name.as_str().into()),
        ];
        let mut texts = self.signed_text.iter();
        texts.all(|text| places.iter().any(|place| text.requires(place)))
    }

    /// Where the body holds signature, timestamp and id: Sign makes the objects on the way.
    fn pointers(&self) -> impl Iterator<Item = &str> {
        let signature = match &self.signature {
            SignaturePlace::Body { json, .. } => Some(json),
            _ => None,
        };
        let timestamp = self.timestamp.as_ref().and_then(|rule| match &rule.place {
            TimestampPlace::Own(Place::Body { json, .. }) => Some(json),
            _ => None,
        });
        let id = match &self.id {
            Some(Place::Body { json, .. }) => Some(json),
            _ => None,
        };
        [signature, timestamp, id]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

fn has_the_secret_once(text: &Template) -> bool {
    let secrets = text.variables().filter(|it| **it == Variable::Secret);
    secrets.count() == 1 && text.requires(&Variable::Secret)
}

fn is_near(pointer: &str) -> bool {
    pointer.matches('/').count() <= MAX_ENTRIES
}
