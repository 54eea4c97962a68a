//! Signed texts with variables, such as `{timestamp}.{body}`, and their named steps, such as `{body|gunzip}`.

use std::borrow::Cow;

use memchr::memmem;

use crate::{Key, Reason};

/// The most parts a template may have; it lets a check hash them without allocating.
pub const MAX_PARTS: usize = 16;

/// A variable of a webhook's signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The raw body.
    Body,
    /// The timestamp text as it came.
    Timestamp,
    /// The delivery id.
    Id,
    /// The HTTP method.
    Method,
    /// The public URL.
    Url,
    /// Path and query of the URL.
    Path,
    /// The key itself, for digests that are no MAC.
    Secret,
    /// Names and values of the form parameters in the body, in order.
    SortedForm,
    /// The headers that a header of the delivery lists.
    SignedHeaders,
    /// One header.
    Header(Box<str>),
    /// One parameter of the URL's query, decoded.
    Query(Box<str>),
    /// One value of the JSON body, by its pointer (RFC 6901).
    Json(Box<str>),
    /// One parameter of the secret.
    Parameter(Box<str>),
}

/// What happens to a variable's value before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// ASCII letters in lower case.
    Lower,
    /// A body that is gzip is unpacked; any other stays.
    Gunzip,
    /// White space between JSON tokens goes.
    JsonCompact,
    /// The default port is added to a URL without one, or taken from a URL with one.
    OtherPort,
    /// The query is percent-encoded as a whole, then the path once more.
    Encode,
}

/// What stands in one place of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Fixed text.
    Literal(Box<str>),
    /// A variable, and what happens to it.
    Variable(Variable, Option<Step>),
}

/// One place of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What stands there.
    pub piece: Piece,
    /// The optional segment it belongs to: one that is left out when a variable in it is absent.
    pub segment: Option<u8>,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

/// The text is not a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace is not closed, or closes nothing.
    #[error("a brace of a signed text is not balanced")]
    Brace,
    /// The name in braces is not a variable.
    #[error("a signed text names an unknown variable")]
    Variable,
    /// The step is unknown, or not one for its variable.
    #[error("a signed text names a step that its variable does not have")]
    Step,
    /// It has no part, or more than [`MAX_PARTS`].
    #[error("a signed text has 1 to {MAX_PARTS} parts")]
    Length,
}

/// A template with its values: what is signed.
pub struct Text<'a> {
    parts: [Cow<'a, [u8]>; MAX_PARTS],
    count: usize,
    secret: Option<usize>,
}

impl Template {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The variables in it, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match &part.piece {
            Piece::Variable(variable, _) => Some(variable),
            Piece::Literal(_) => None,
        })
    }

    /// Whether the variable stands in it.
    #[must_use]
    pub fn binds(&self, variable: &Variable) -> bool {
        self.variables().any(|own| own == variable)
    }

    /// Whether the variable stands in it outside of any optional segment.
    #[must_use]
    pub fn requires(&self, variable: &Variable) -> bool {
        self.parts.iter().any(|part| {
            part.segment.is_none()
                && matches!(&part.piece, Piece::Variable(own, _) if own == variable)
        })
    }

    /// Whether a text could be a signed text of this template. From a variable on that may be anything, the text is
    /// not looked at.
    #[must_use]
    pub fn may_be(&self, text: &[u8]) -> bool {
        let mut rest = text;
        for part in &self.parts {
            let taken = match &part.piece {
                _ if part.segment.is_some() => return true,
                Piece::Literal(literal) if rest.starts_with(literal.as_bytes()) => literal.len(),
                Piece::Literal(_) => return false,
                Piece::Variable(Variable::Timestamp, _) => run_of(rest, is_time_byte),
                Piece::Variable(Variable::Id, _) => run_of(rest, is_id_byte),
                // It stands in every text of the key, before whatever one chooses.
                Piece::Variable(Variable::Secret, _) => continue,
                Piece::Variable(Variable::Method, _) => run_of(rest, u8::is_ascii_uppercase),
                Piece::Variable(Variable::Url, _) => return rest.starts_with(b"http"),
                Piece::Variable(..) => return true,
            };
            if taken == 0 {
                return false;
            }
            rest = &rest[taken..];
        }
        rest.is_empty()
    }

    /// Lays out the signed text, with `value` giving each variable's bytes, `None` where the delivery has none.
    ///
    /// # Errors
    /// Those of `value`, or a variable outside of optional segments is absent.
    pub fn fill<'a>(
        &'a self,
        value: impl Fn(&'a Variable, Option<Step>) -> Result<Option<Cow<'a, [u8]>>, Reason>,
    ) -> Result<Text<'a>, Reason> {
        let mut text = Text::empty();
        let mut segment_start = (None, 0);
        let mut left_out = None;
        for (index, part) in self.parts.iter().enumerate() {
            if part.segment.is_some() && part.segment == left_out {
                continue;
            }
            if part.segment != segment_start.0 {
                segment_start = (part.segment, text.count);
            }
            match &part.piece {
                Piece::Literal(literal) => text.push(Cow::Borrowed(literal.as_bytes())),
                Piece::Variable(Variable::Secret, _) => text.push_secret(),
                Piece::Variable(variable, step) => match value(variable, *step)? {
                    Some(value) if self.runs_on(index, &value) => {
                        return Err(Reason::SignatureMismatch);
                    }
                    Some(value) => text.push(value),
                    None if part.segment.is_some() => {
                        left_out = part.segment;
                        text.count = segment_start.1;
                    }
                    None => return Err(variable.missing()),
                },
            }
        }
        Ok(text)
    }

    /// Whether the value at a place holds the text that ends its optional segment: it could stand for the segment
    /// after it, which is then left out, and two deliveries would have one signature.
    fn runs_on(&self, index: usize, value: &[u8]) -> bool {
        let segment = self.parts[index].segment;
        let next = self.parts.get(index + 1);
        let next = next.filter(|next| segment.is_some() && next.segment == segment);
        next.is_some_and(|next| match &next.piece {
            Piece::Literal(end) => memmem::find(value, end.as_bytes()).is_some(),
            Piece::Variable(..) => false,
        })
    }
}

impl Variable {
    /// Why a delivery without a value for it is refused.
    fn missing(&self) -> Reason {
        match self {
            Self::Timestamp => Reason::TimestampMissing,
            Self::Id => Reason::IdMalformed,
            Self::Json(_) | Self::Body | Self::SortedForm => Reason::BodyMalformed,
            _ => Reason::HeaderMissing,
        }
    }

    /// As `proven_fields` names it; none for what is a part of its own, or proves nothing.
    #[must_use]
    pub fn field_name(&self) -> Option<String> {
        match self {
            Self::Header(name) => Some(format!("header:{}", name.to_ascii_lowercase())),
            Self::Query(name) => Some(format!("query:{name}")),
            Self::Json(pointer) => Some(format!("json:{pointer}")),
            Self::Path => Some("path".to_owned()),
            _ => None,
        }
    }

    fn takes(&self, step: Step) -> bool {
        match step {
            Step::Gunzip | Step::JsonCompact => *self == Self::Body,
            Step::OtherPort => *self == Self::Url,
            Step::Encode => *self == Self::Path,
            Step::Lower => !matches!(self, Self::Body | Self::Secret),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(match text.split_once(':') {
            Some((_, "")) => return Err(TemplateError::Variable),
            Some(("header", name)) => Self::Header(name.into()),
            Some(("query", name)) => Self::Query(name.into()),
            Some(("json", pointer)) if pointer.starts_with('/') => Self::Json(pointer.into()),
            Some(("parameter", name)) => Self::Parameter(name.into()),
            Some(_) => return Err(TemplateError::Variable),
            None => match text {
                "body" => Self::Body,
                "timestamp" => Self::Timestamp,
                "id" => Self::Id,
                "method" => Self::Method,
                "url" => Self::Url,
                "path" => Self::Path,
                "secret" => Self::Secret,
                "sorted_form" => Self::SortedForm,
                "signed_headers" => Self::SignedHeaders,
                _ => return Err(TemplateError::Variable),
            },
        })
    }
}

impl Step {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(match text {
            "lower" => Self::Lower,
            "gunzip" => Self::Gunzip,
            "json_compact" => Self::JsonCompact,
            "other_port" => Self::OtherPort,
            "encode" => Self::Encode,
            _ => return Err(TemplateError::Step),
        })
    }
}

impl<'a> Text<'a> {
    /// The text of a scheme that signs nothing.
    pub(crate) fn empty() -> Self {
        Self {
            parts: [const { Cow::Borrowed(&[]) }; MAX_PARTS],
            count: 0,
            secret: None,
        }
    }

    fn push(&mut self, part: Cow<'a, [u8]>) {
        self.parts[self.count] = part;
        self.count += 1;
    }

    fn push_secret(&mut self) {
        self.secret = Some(self.count);
        self.push(Cow::Borrowed(&[]));
    }

    /// Calls `then` with the parts as this key's versions are signed.
    pub(crate) fn with<T>(&self, key: &Key, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        let mut parts = [&[][..]; MAX_PARTS];
        for (slot, part) in parts.iter_mut().zip(&self.parts[..self.count]) {
            *slot = part;
        }
        if let Some(secret) = self.secret {
            parts[secret] = key.expose_bytes();
        }
        then(&parts[..self.count])
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        let mut segments = 0;
        while !rest.is_empty() {
            if let Some(segment) = rest.strip_prefix("{?") {
                let (inner, after) = segment.split_once("?}").ok_or(TemplateError::Brace)?;
                if inner.is_empty() {
                    return Err(TemplateError::Length);
                }
                parse_run(inner, Some(segments), &mut parts)?;
                segments += 1;
                rest = after;
            } else {
                let end = rest.find("{?").unwrap_or(rest.len());
                parse_run(&rest[..end], None, &mut parts)?;
                rest = &rest[end..];
            }
        }
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return Err(TemplateError::Length);
        }
        Ok(Self { parts, text })
    }
}

/// Whether a byte may stand in a delivery id.
pub(crate) fn is_id_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_time_byte(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'T' | b'Z' | b':' | b'+' | b'-')
}

fn run_of(text: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| belongs(byte)).count()
}

fn parse_run(text: &str, segment: Option<u8>, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = next_piece(rest)?;
        if parts.len() == MAX_PARTS {
            return Err(TemplateError::Length);
        }
        parts.push(Part { piece, segment });
        rest = after;
    }
    Ok(())
}

fn next_piece(text: &str) -> Result<(Piece, &str), TemplateError> {
    let Some(open) = text.strip_prefix('{') else {
        let end = text.find('{').unwrap_or(text.len());
        let (literal, after) = text.split_at(end);
        if literal.contains('}') {
            return Err(TemplateError::Brace);
        }
        return Ok((Piece::Literal(literal.into()), after));
    };
    let (inner, after) = open.split_once('}').ok_or(TemplateError::Brace)?;
    let (name, step) = match inner.split_once('|') {
        Some((name, step)) => (name, Some(Step::parse(step)?)),
        None => (inner, None),
    };
    let variable = Variable::parse(name)?;
    if step.is_some_and(|step| !variable.takes(step)) {
        return Err(TemplateError::Step);
    }
    Ok((Piece::Variable(variable, step), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    fn filled<'a>(template: &'a Template, known: &'a [(&'a str, &'a str)]) -> String {
        let text = template
            .fill(|variable, _| {
                let own =
                    |(name, _): &&(&str, &str)| Variable::parse(name).as_ref() == Ok(variable);
                let value = known.iter().find(own);
                Ok(value.map(|(_, value)| Cow::Borrowed(value.as_bytes())))
            })
            .unwrap();
        let key = Key::new(zeroize::Zeroizing::new(b"the key".to_vec()));
        String::from_utf8(text.with(&key, |parts| parts.concat())).unwrap()
    }

    #[test]
    fn parts_stand_in_order() {
        let template = template("v0:{timestamp}:{body}");
        let text = filled(&template, &[("timestamp", "12"), ("body", "{}")]);
        assert_eq!(text, "v0:12:{}");
    }

    #[test]
    fn the_secret_stands_where_the_text_has_it() {
        let template = template("{secret}{method}{body}");
        let text = filled(&template, &[("method", "POST"), ("body", "{}")]);
        assert_eq!(text, "the keyPOST{}");
    }

    #[test]
    fn a_segment_without_its_value_is_left_out() {
        let template = template("{?id:{query:data.id};?}{?request-id:{id};?}ts:{timestamp};");
        let all = [("query:data.id", "1"), ("id", "r"), ("timestamp", "2")];
        assert_eq!(filled(&template, &all), "id:1;request-id:r;ts:2;");
        assert_eq!(filled(&template, &all[1..]), "request-id:r;ts:2;");
        assert_eq!(filled(&template, &all[2..]), "ts:2;");
        assert!(template.binds(&Variable::Id) && !template.requires(&Variable::Id));
        assert!(template.requires(&Variable::Timestamp));
    }

    #[test]
    fn a_value_does_not_stand_for_a_segment_that_is_left_out() {
        let template = template("{?id:{query:data.id};?}{?request-id:{id};?}ts:{timestamp};");
        let filled = template.fill(|variable, _| {
            Ok(match variable {
                Variable::Query(_) => Some(Cow::Borrowed(&b"1;request-id:r"[..])),
                Variable::Timestamp => Some(Cow::Borrowed(&b"2"[..])),
                _ => None,
            })
        });
        assert_eq!(filled.err(), Some(Reason::SignatureMismatch));
    }

    #[test]
    fn a_text_may_be_a_signed_text_or_not() {
        let template = template("{id}.{timestamp}.{body}");
        for (text, may) in [
            ("msg_1.12.{}", true),
            ("msg_1.12.", true),
            ("msg_1.12", false),
            ("msg 1.12.x", false),
            (".12.x", false),
            ("msg_1.a.x", false),
            ("", false),
        ] {
            assert_eq!(template.may_be(text.as_bytes()), may, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for (text, error) in [
            ("", TemplateError::Length),
            ("{body", TemplateError::Brace),
            ("{?{id}", TemplateError::Brace),
            ("{??}", TemplateError::Length),
            ("a}b", TemplateError::Brace),
            ("{Body}", TemplateError::Variable),
            ("{header:}", TemplateError::Variable),
            ("{json:id}", TemplateError::Variable),
            ("{cookie:x}", TemplateError::Variable),
            ("{body|lower}", TemplateError::Step),
            ("{url|gunzip}", TemplateError::Step),
            ("{url|sort}", TemplateError::Step),
        ] {
            assert_eq!(Template::try_from(text.to_owned()), Err(error), "{text}");
        }
        let long = "{id}".repeat(MAX_PARTS + 1);
        assert_eq!(Template::try_from(long), Err(TemplateError::Length));
    }
}
