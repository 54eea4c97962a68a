//! Reads a delivery: where things stand, and what its parts give to the variables of a signed text.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap};

use serde_json::Value;

use super::{
    Delivery, Headers, TextRules,
    rules::{Place, SignaturePlace, TimestampPlace},
    signatures::Signatures,
    steps,
};
use crate::{
    Reason,
    template::{Step, Variable},
    token::json,
};

/// Deepest nesting of a JSON body that values are read from.
pub(super) const MAX_DEPTH: u8 = 64;

/// The type of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A delivery and what was found in it.
pub(super) struct Reader<'a> {
    pub(super) delivery: Delivery<'a>,
    parameters: &'a BTreeMap<String, String>,
    /// The brand of its headers.
    pub(super) brand: &'a str,
    json: OnceCell<Option<Value>>,
    /// What steps make of the body: once, however many texts ask for it.
    unpacked: OnceCell<Result<Cow<'a, [u8]>, Reason>>,
    compact: OnceCell<Cow<'a, [u8]>>,
    sorted_form: OnceCell<String>,
}

/// The parts that a signature may cover beside body and URL, located but not yet proven.
#[derive(Default)]
pub(super) struct Claims<'a> {
    pub(super) timestamp: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        delivery: Delivery<'a>,
        brand: &'a str,
        parameters: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            delivery,
            parameters,
            brand,
            json: OnceCell::new(),
            unpacked: OnceCell::new(),
            compact: OnceCell::new(),
            sorted_form: OnceCell::new(),
        }
    }

    /// Whether the body is a form.
    ///
    /// # Errors
    /// As [`is_form`].
    pub(super) fn is_form(&self) -> Result<bool, Reason> {
        is_form(self.delivery.headers, self.delivery.body)
    }

    /// The one value at a place; `None` where there is none.
    ///
    /// # Errors
    /// The header or field stands twice, or the body cannot be read.
    pub(super) fn at<'s>(&'s self, place: &'s Place) -> Result<Option<Cow<'s, str>>, Reason> {
        match place {
            Place::Header(name) => Ok(self.header(name)?.map(Cow::Borrowed)),
            Place::Body { json, form } => self.in_body(json, form.as_deref()),
        }
    }

    fn header(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        self.delivery.headers.find(self.brand, name)
    }

    fn in_body(&self, pointer: &str, form: Option<&str>) -> Result<Option<Cow<'_, str>>, Reason> {
        if let Some(field) = form
            && self.is_form().unwrap_or(false)
        {
            return steps::form_field(self.delivery.body, field);
        }
        self.json(pointer)
    }

    /// The text of a value in the JSON body; of a number, its decimal form.
    pub(super) fn json(&self, pointer: &str) -> Result<Option<Cow<'_, str>>, Reason> {
        let body = self.delivery.body;
        let value = self.json.get_or_init(|| json::value(body, MAX_DEPTH));
        let value = value.as_ref().ok_or(Reason::BodyMalformed)?;
        match value.pointer(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Value::Number(number)) => Ok(Some(Cow::Owned(number.to_string()))),
            Some(Value::Bool(is)) => Ok(Some(Cow::Owned(is.to_string()))),
            Some(Value::Array(_) | Value::Object(_)) => Err(Reason::BodyMalformed),
        }
    }

    /// The signatures.
    ///
    /// # Errors
    /// A header is missing or ambiguous, or holds no signature.
    pub(super) fn signatures<'s>(&'s self, rules: &TextRules) -> Result<Signatures<'s>, Reason> {
        let mut found = Signatures::none();
        let headers = self.delivery.headers;
        match &rules.signature {
            SignaturePlace::Single { header, .. }
            | SignaturePlace::Pairs { header, .. }
            | SignaturePlace::Versions { header, .. } => {
                found.add(rules, headers.require(self.brand, header)?)?;
            }
            SignaturePlace::Several { headers: names } => {
                for name in names {
                    if let Some(value) = self.header(name)? {
                        found.add(rules, value)?;
                    }
                }
            }
            SignaturePlace::Numbered { header } => {
                for name in numbered(header) {
                    if let Some(value) = self.header(&name)? {
                        found.add(rules, value)?;
                    }
                }
            }
            SignaturePlace::Body { json, form } => {
                let value = self.in_body(json, form.as_deref())?;
                let value = value.ok_or(Reason::SignatureMissing)?;
                found.add_decoded(rules, &value)?;
            }
        }
        found.some()
    }

    /// Timestamp and id, as far as they are known before the signature is checked.
    ///
    /// # Errors
    /// One is missing, ambiguous or malformed.
    pub(super) fn claims<'s>(&'s self, rules: &'s TextRules) -> Result<Claims<'s>, Reason> {
        Ok(Claims {
            timestamp: self.timestamp(rules)?,
            id: self.id(rules)?,
        })
    }

    pub(super) fn timestamp<'s>(
        &'s self,
        rules: &'s TextRules,
    ) -> Result<Option<Cow<'s, str>>, Reason> {
        let Some(rule) = &rules.timestamp else {
            return Ok(None);
        };
        match &rule.place {
            TimestampPlace::Pair(key) => {
                let header = rules.signature.header().ok_or(Reason::HeaderMissing)?;
                let value = self.delivery.headers.require(self.brand, header)?;
                Ok(Some(Cow::Borrowed(rules.signature.pair(value, key)?)))
            }
            TimestampPlace::Own(Place::Header(name)) => {
                let value = self.delivery.headers.require(self.brand, name)?;
                Ok(Some(Cow::Borrowed(value)))
            }
            TimestampPlace::Own(_) if rules.timestamp_is_in_the_body() => Ok(None),
            TimestampPlace::Own(place) => {
                let text = self.at(place)?.ok_or(Reason::TimestampMissing)?;
                Ok(Some(text))
            }
        }
    }

    pub(super) fn id<'s>(&'s self, rules: &'s TextRules) -> Result<Option<Cow<'s, str>>, Reason> {
        let Some(place) = &rules.id else {
            return Ok(None);
        };
        let is_signed = rules.any_variable(|it| *it == Variable::Id);
        if !is_signed && matches!(place, Place::Body { .. }) {
            return Ok(None);
        }
        let is_required = rules
            .signed_text
            .iter()
            .all(|it| it.requires(&Variable::Id));
        match self.at(place)? {
            None if is_signed && is_required => match place {
                Place::Header(_) => Err(Reason::HeaderMissing),
                Place::Body { .. } => Err(Reason::IdMalformed),
            },
            Some(id) if is_signed && !super::is_id(&id) => Err(Reason::IdMalformed),
            id => Ok(id),
        }
    }

    /// What a variable's value is, after its step.
    ///
    /// # Errors
    /// The value cannot be read.
    pub(super) fn value<'s>(
        &'s self,
        rules: &'s TextRules,
        claims: &'s Claims<'s>,
        variable: &'s Variable,
        step: Option<Step>,
    ) -> Result<Option<Cow<'s, [u8]>>, Reason> {
        let text = match variable {
            Variable::Body => return self.body(step).map(|body| Some(Cow::Borrowed(body))),
            Variable::Timestamp => claims.timestamp.as_deref().map(Cow::Borrowed),
            Variable::Id => claims.id.as_deref().map(Cow::Borrowed),
            Variable::Method => Some(Cow::Borrowed(self.delivery.method)),
            Variable::Url => Some(self.url(step)),
            Variable::Path => Some(self.path(step)),
            Variable::Header(name) => self.header(name)?.map(Cow::Borrowed),
            Variable::Query(name) => steps::query(self.delivery.url, name)?,
            Variable::Json(pointer) => self.json(pointer)?,
            Variable::Parameter(name) => {
                let value = self.parameters.get(&**name);
                value.map(|text| Cow::Borrowed(text.as_str()))
            }
            Variable::SortedForm => Some(self.sorted_form()?),
            Variable::SignedHeaders => Some(Cow::Owned(self.signed_headers(rules)?)),
            // The template lays out the key itself.
            Variable::Secret => None,
        };
        let text = match step {
            Some(Step::Lower) => text.map(|text| Cow::Owned(text.to_ascii_lowercase())),
            _ => text,
        };
        Ok(text.map(bytes))
    }

    fn url(&self, step: Option<Step>) -> Cow<'a, str> {
        match step {
            Some(Step::OtherPort) => Cow::Owned(steps::other_port(self.delivery.url)),
            _ => Cow::Borrowed(self.delivery.url),
        }
    }

    fn path(&self, step: Option<Step>) -> Cow<'a, str> {
        let path = steps::path(self.delivery.url);
        match step {
            Some(Step::Encode) => Cow::Owned(steps::encode(path)),
            _ => Cow::Borrowed(path),
        }
    }

    fn body(&self, step: Option<Step>) -> Result<&[u8], Reason> {
        let body = self.delivery.body;
        match step {
            Some(Step::Gunzip) => {
                let unpacked = self.unpacked.get_or_init(|| steps::gunzip(body));
                unpacked.as_deref().map_err(|reason| *reason)
            }
            Some(Step::JsonCompact) => Ok(self.compact.get_or_init(|| steps::json_compact(body))),
            _ => Ok(body),
        }
    }

    fn sorted_form(&self) -> Result<Cow<'_, str>, Reason> {
        let body = self.delivery.body;
        let sorted = || self.sorted_form.get_or_init(|| steps::sorted_form(body));
        Ok(Cow::Borrowed(if self.is_form()? { sorted() } else { "" }))
    }

    /// The listed headers as `name:value` in the order of their names, joined by `;`.
    fn signed_headers(&self, rules: &TextRules) -> Result<String, Reason> {
        let mut names = self.signed_header_names(rules)?;
        // By name alone: with its colon, a name would come after a longer one that begins with it.
        names.sort_unstable();
        let mut lines = Vec::with_capacity(names.len());
        for name in names {
            let value = self.delivery.headers.require("", &name)?;
            lines.push(format!("{name}:{}", value.trim()));
        }
        Ok(lines.join(";"))
    }

    /// The names in the list header, in lower case.
    pub(super) fn signed_header_names(&self, rules: &TextRules) -> Result<Vec<String>, Reason> {
        let Some(header) = &rules.signed_headers else {
            return Ok(Vec::new());
        };
        let list = self.delivery.headers.require(self.brand, header)?;
        let names = list.split(',').map(|name| name.trim().to_ascii_lowercase());
        Ok(names.filter(|name| !name.is_empty()).collect())
    }
}

/// Whether a body is a form, by its Content-Type.
///
/// # Errors
/// [`Reason::HeaderMissing`] for a body that does not say what it is.
pub(super) fn is_form(headers: Headers<'_>, body: &[u8]) -> Result<bool, Reason> {
    match headers.find("", "content-type")? {
        Some(kind) => {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            Ok(kind.eq_ignore_ascii_case(FORM))
        }
        None if body.is_empty() => Ok(false),
        None => Err(Reason::HeaderMissing),
    }
}

/// The names of numbered headers.
pub(super) fn numbered(header: &str) -> impl Iterator<Item = String> {
    (1..=super::MAX_SIGNATURES).map(move |number| format!("{header}{number}"))
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::webhook::{Header, Headers};

    #[test]
    fn what_is_made_of_a_body_is_made_once() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"{ }").unwrap();
        let packed = packed.finish().unwrap();
        let form = Header {
            name: "content-type",
            value: FORM,
        };
        let headers = [form];
        let parameters = BTreeMap::new();
        let reader = |body| {
            let delivery = Delivery {
                headers: Headers(&headers),
                body,
                method: "",
                url: "",
            };
            Reader::new(delivery, "", &parameters)
        };
        let unpacked = reader(packed.as_slice());
        let spaced = reader(b"{ }");
        let sorted = reader(b"b=2&a=1");
        let made = || {
            [
                unpacked.body(Some(Step::Gunzip)).unwrap().as_ptr(),
                spaced.body(Some(Step::JsonCompact)).unwrap().as_ptr(),
                sorted.sorted_form().unwrap().as_ptr(),
            ]
        };
        assert_eq!(made(), made());
        assert_eq!(&*sorted.sorted_form().unwrap(), "a1b2");
    }
}
