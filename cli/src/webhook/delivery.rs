//! A signed delivery, and where in it the signature and the timestamp stand.

use countersign_client::v1;
use countersign_core::webhook::{Place, ProofRules, SignaturePlace, TextRules};
use serde_json::Value;

use crate::exit::usage;

/// What goes over the line.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) method: String,
    /// Empty if nobody said one.
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Delivery {
    pub(super) fn new(
        given: &v1::WebhookToSign,
        answer: &v1::SignResponse,
    ) -> anyhow::Result<Self> {
        let url = match answer.url.as_str() {
            "" => given.url.clone(),
            url => url.to_owned(),
        };
        let headers = given.headers.iter().chain(&answer.headers);
        let delivery = Self {
            method: given.method.clone(),
            url,
            headers: headers
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
            body: answer.body.as_ref().unwrap_or(&given.body).to_vec(),
        };
        let sendable = |(name, value): &(String, String)| {
            http::HeaderName::from_bytes(name.as_bytes()).is_ok()
                && http::HeaderValue::from_str(value).is_ok()
        };
        match delivery.headers.iter().find(|header| !sendable(header)) {
            Some((name, _)) => Err(usage(format!("HTTP cannot carry the header {name:?}"))),
            None => Ok(delivery),
        }
    }

    /// The headers that a request has, without those that its length and target decide.
    pub(super) fn request_headers(&self) -> Vec<(&str, &str)> {
        const OF_THE_LINE: [&str; 4] =
            ["host", "content-length", "transfer-encoding", "connection"];
        let own = self.headers.iter();
        let mut headers: Vec<(&str, &str)> = own
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !OF_THE_LINE.iter().any(|it| name.eq_ignore_ascii_case(it)))
            .collect();
        let is_typed = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !is_typed {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok();
            let kind = match is_json {
                true => "application/json",
                false => "application/octet-stream",
            };
            headers.push(("Content-Type", kind));
        }
        headers
    }

    /// Writes every signature anew, from the text before it and its own text. Answers how many there were.
    pub(super) fn edit_signatures(
        &mut self,
        proof: &ProofRules,
        edit: &dyn Fn(&str, &str) -> String,
    ) -> usize {
        if let ProofRules::Text(rules) = proof
            && let SignaturePlace::Body { json, form } = &rules.signature
        {
            return self.edit_in_body(json, form.as_deref(), edit);
        }
        let mut count = 0;
        for (name, value) in &mut self.headers {
            if is_signature_header(proof, name) {
                *value = edit_value(proof, value, &mut |prefix, text| {
                    count += 1;
                    edit(prefix, text)
                });
            }
        }
        count
    }

    /// A signature in the body is put in place of the old one, byte for byte: nothing else of the body moves.
    fn edit_in_body(
        &mut self,
        json: &str,
        form: Option<&str>,
        edit: &dyn Fn(&str, &str) -> String,
    ) -> usize {
        let Some(text) = self.in_body(json, form) else {
            return 0;
        };
        let Some(at) = find(&self.body, text.as_bytes()) else {
            return 0;
        };
        let new = edit("", &text);
        self.body.splice(at..at + text.len(), new.into_bytes());
        1
    }

    fn in_body(&self, json: &str, form: Option<&str>) -> Option<String> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => Some(body.pointer(json)?.as_str()?.to_owned()),
            Err(_) => {
                let text = std::str::from_utf8(&self.body).ok()?;
                let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
                let found = pairs.find(|(name, _)| Some(*name) == form);
                found.map(|(_, value)| value.to_owned())
            }
        }
    }

    /// Takes the headers away that are chosen. Answers how many there were.
    pub(super) fn remove_headers(&mut self, is: impl Fn(&str) -> bool) -> usize {
        let before = self.headers.len();
        self.headers.retain(|(name, _)| !is(name));
        before - self.headers.len()
    }

    /// Takes a pair out of the signature header. Answers whether it was there.
    pub(super) fn remove_pair(&mut self, proof: &ProofRules, key: &str) -> bool {
        let ProofRules::Text(rules) = proof else {
            return false;
        };
        let SignaturePlace::Pairs { separator, .. } = rules.signature else {
            return false;
        };
        let mut found = false;
        for (name, value) in &mut self.headers {
            if is_signature_header(proof, name) {
                let kept: Vec<_> = value
                    .split(separator)
                    .filter(|entry| entry.trim_start().split('=').next() != Some(key))
                    .collect();
                let kept = kept.join(&separator.to_string());
                found |= kept != *value;
                *value = kept;
            }
        }
        found
    }

    /// Takes a field out of the body, which nothing signs as a whole. Answers whether it was there.
    pub(super) fn remove_field(&mut self, json: &str, form: Option<&str>) -> bool {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) {
            let parent = json.rsplit_once('/').and_then(|(parent, name)| {
                let members = body.pointer_mut(parent)?.as_object_mut()?;
                members.remove(name)
            });
            self.body = body.to_string().into_bytes();
            return parent.is_some();
        }
        let Ok(text) = std::str::from_utf8(&self.body) else {
            return false;
        };
        let kept: Vec<_> = text
            .split('&')
            .filter(|pair| pair.split('=').next() != form)
            .collect();
        let kept = kept.join("&").into_bytes();
        let found = kept != self.body;
        self.body = kept;
        found
    }
}

/// Whether a header of this name carries a signature.
pub(super) fn is_signature_header(proof: &ProofRules, name: &str) -> bool {
    let rules = match proof {
        ProofRules::Text(rules) => rules,
        ProofRules::Jws(rules) => return rules.header.eq_ignore_ascii_case(name),
    };
    let is = |own: &str| is_branded(rules, own, name);
    match &rules.signature {
        SignaturePlace::Several { headers } => headers.iter().any(|own| is(own)),
        SignaturePlace::Numbered { header } => {
            let number = name.trim_end_matches(|it: char| it.is_ascii_digit());
            number.len() < name.len() && is_branded(rules, header, number)
        }
        other => other.header().is_some_and(is),
    }
}

/// Whether a name is this one of the scheme, under any brand.
pub(super) fn is_branded(rules: &TextRules, own: &str, name: &str) -> bool {
    let mut brands = rules.header_prefixes.iter();
    brands.any(|brand| format!("{brand}{own}").eq_ignore_ascii_case(name))
}

/// The header of a place, if it is one.
pub(super) fn header_of(place: &Place) -> Option<&str> {
    match place {
        Place::Header(name) => Some(name),
        Place::Body { .. } => None,
    }
}

fn edit_value(
    proof: &ProofRules,
    value: &str,
    edit: &mut dyn FnMut(&str, &str) -> String,
) -> String {
    let (separator, start) = match proof {
        // Of a token the signature is what stands after the last dot.
        ProofRules::Jws(_) => {
            let at = value.rfind('.').map_or(0, |dot| dot + 1);
            return format!("{}{}", &value[..at], edit("", &value[at..]));
        }
        ProofRules::Text(rules) => match &rules.signature {
            SignaturePlace::Single { prefix, .. } => {
                let text = value.strip_prefix(prefix.as_str()).unwrap_or(value);
                return edit(prefix, text);
            }
            SignaturePlace::Pairs { key, separator, .. } => (*separator, format!("{key}=")),
            SignaturePlace::Versions { key, .. } => (' ', format!("{key},")),
            _ => return edit("", value),
        },
    };
    let entries = value.split(separator).map(|entry| {
        let spaces = entry.len() - entry.trim_start().len();
        match entry[spaces..].strip_prefix(&start) {
            Some(text) => format!("{}{}", &entry[..spaces], edit(&start, text)),
            None => entry.to_owned(),
        }
    });
    entries.collect::<Vec<_>>().join(&separator.to_string())
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    bytes.windows(part.len()).position(|it| it == part)
}
