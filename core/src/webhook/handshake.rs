//! Handshakes: a vendor's question whether an endpoint is its owner's, and the response that says yes.

mod condition;

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Delivery, reader::Reader, steps};
use crate::{Key, template::Variable};
use condition::Condition;
pub(crate) use condition::Obstacle;

/// Longest value that a response repeats, in bytes.
const MAX_ECHO_BYTES: usize = 1024;

/// One of a vendor's handshakes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The vendor's name for it, or ours.
    pub name: String,
    /// Whether it comes signed like any delivery. One that does not is answered and proves nothing.
    pub signed: bool,
    /// How it is recognised.
    when: Condition,
    /// What it wants.
    respond: Response,
}

/// The HTTP response to a handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// Which handshake it was.
    pub name: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for HandshakeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeResponse")
            .field("name", &self.name)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Echo>,
    text: Option<Echo>,
    #[serde(default)]
    json: BTreeMap<String, Echo>,
}

/// A text of a response: fixed, or a value of the delivery, perhaps signed with the key.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "NumberOrText")]
enum Echo {
    Fixed(String),
    /// A number as JSON has it.
    Number(i64),
    Value {
        variable: Variable,
        hmac: bool,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(i64),
    Text(String),
}

impl TryFrom<NumberOrText> for Echo {
    type Error = &'static str;

    fn try_from(value: NumberOrText) -> Result<Self, Self::Error> {
        let text = match value {
            NumberOrText::Number(number) => return Ok(Self::Number(number)),
            NumberOrText::Text(text) => text,
        };
        let inner = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner else {
            return Ok(Self::Fixed(text));
        };
        let (name, hmac) = match inner.split_once('|') {
            Some((name, "hmac")) => (name, true),
            Some(_) => return Err("the one step of a handshake's response is hmac"),
            None => (inner, false),
        };
        match Variable::parse(name) {
            Ok(variable @ (Variable::Header(_) | Variable::Query(_) | Variable::Json(_))) => {
                Ok(Self::Value { variable, hmac })
            }
            _ => Err("a handshake's response repeats a header, query or json value"),
        }
    }
}

impl Handshake {
    /// Whether its response is made with the key.
    #[must_use]
    pub fn uses_key(&self) -> bool {
        self.respond
            .texts()
            .any(|text| matches!(text, Echo::Value { hmac: true, .. }))
    }

    /// What is wrong with it: its response goes to whoever asks, and what it repeats is the asker's.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let faults = [
            (
                self.when.is_anything(),
                "a handshake says when it is one, or every delivery is",
            ),
            (
                !(200..300).contains(&self.respond.status),
                "a handshake is answered with a status of 200 to 299",
            ),
            (
                !self.respond.has_harmless_headers(),
                "the response to a handshake has headers that neither set cookies nor send elsewhere, and a \
                 Content-Type only where it has no body",
            ),
        ];
        let fault = faults.into_iter().find(|(is_so, _)| *is_so);
        fault.map(|(_, fault)| fault)
    }

    /// Whether it is recognised by the HTTP method or the URL.
    #[must_use]
    pub fn needs_method_or_url(&self) -> bool {
        self.when.needs_method_or_url()
    }

    /// How it is recognised and answered, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let signed = if self.signed { "signed" } else { "not signed" };
        format!(
            "{} ({signed}): {}; answered with {}",
            self.name,
            self.when.describe(),
            self.respond.describe()
        )
    }

    /// What keeps a delivery from being this handshake, if it asks the question and one thing is wrong with it.
    pub(super) fn obstacle(
        &self,
        delivery: Delivery<'_>,
        parameters: &BTreeMap<String, String>,
    ) -> Option<Obstacle> {
        let reader = Reader::new(delivery, "", parameters);
        self.when.obstacle(&reader, parameters)
    }

    /// The response, if the delivery is this handshake. `key` is the one that verified it, if one did.
    pub(super) fn answer(
        &self,
        delivery: Delivery<'_>,
        parameters: &BTreeMap<String, String>,
        key: Option<&Key>,
    ) -> Option<HandshakeResponse> {
        let reader = Reader::new(delivery, "", parameters);
        self.when.holds(&reader, parameters).then_some(())?;
        let respond = &self.respond;
        let mut headers = Vec::new();
        for (name, text) in &respond.headers {
            headers.push((name.clone(), text.of(&reader, key)?));
        }
        let body = match (&respond.text, respond.json.is_empty()) {
            (Some(text), _) => {
                headers.push(("Content-Type".into(), "text/plain; charset=utf-8".into()));
                // The text is the asker's: no browser may take it for a page.
                headers.push(("X-Content-Type-Options".into(), "nosniff".into()));
                text.of(&reader, key)?.into_bytes()
            }
            (None, false) => {
                headers.push(("Content-Type".into(), "application/json".into()));
                let mut members = Map::new();
                for (name, text) in &respond.json {
                    members.insert(name.clone(), text.json(&reader, key)?);
                }
                Value::Object(members).to_string().into_bytes()
            }
            (None, true) => Vec::new(),
        };
        Some(HandshakeResponse {
            name: self.name.clone(),
            status: respond.status,
            headers,
            body,
        })
    }
}

impl Response {
    fn describe(&self) -> String {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, text)| format!("header `{name}` = {}", text.describe()));
        let members = self.json.iter();
        let members = members.map(|(name, text)| format!("JSON `{name}` = {}", text.describe()));
        std::iter::once(format!("status {}", self.status))
            .chain(headers)
            .chain(self.text.iter().map(Echo::describe))
            .chain(members)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn has_harmless_headers(&self) -> bool {
        const HARMFUL: [&str; 5] = [
            "set-cookie",
            "location",
            "refresh",
            "content-length",
            "transfer-encoding",
        ];
        let has_body = self.text.is_some() || !self.json.is_empty();
        self.headers.iter().all(|(name, text)| {
            let lower = name.to_ascii_lowercase();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let is_kind = lower == "content-type";
            !name.is_empty()
                && name.bytes().all(is_plain)
                && !HARMFUL.contains(&lower.as_str())
                && !(is_kind && (has_body || matches!(text, Echo::Value { .. })))
        })
    }

    fn texts(&self) -> impl Iterator<Item = &Echo> {
        self.headers
            .values()
            .chain(&self.text)
            .chain(self.json.values())
    }
}

impl Echo {
    fn describe(&self) -> String {
        match self {
            Self::Fixed(text) => format!("`{text}`"),
            Self::Number(number) => number.to_string(),
            Self::Value { variable, hmac } => {
                let name = variable.field_name().unwrap_or_default();
                match hmac {
                    true => format!("the hexadecimal HMAC of `{name}` with the key"),
                    false => format!("the value of `{name}`"),
                }
            }
        }
    }

    fn of(&self, reader: &Reader<'_>, key: Option<&Key>) -> Option<String> {
        let (variable, hmac) = match self {
            Self::Fixed(text) => return Some(text.clone()),
            Self::Number(number) => return Some(number.to_string()),
            Self::Value { variable, hmac } => (variable, *hmac),
        };
        let value = match variable {
            Variable::Header(name) => {
                let value = reader.delivery.headers.find("", name).ok()??;
                value.to_owned()
            }
            Variable::Query(name) => steps::query(reader.delivery.url, name).ok()??.into_owned(),
            Variable::Json(pointer) => reader.json(pointer).ok()??.into_owned(),
            _ => return None,
        };
        // What came in a header goes back in one, which not every server can write beyond ASCII.
        let unfit = |char: char| match variable {
            Variable::Header(_) => !(char.is_ascii_graphic() || char == ' '),
            _ => char.is_control(),
        };
        if value.len() > MAX_ECHO_BYTES || value.chars().any(unfit) {
            return None;
        }
        match hmac {
            true => Some(hex::encode(key?.tag(&[value.as_bytes()]).expose_bytes())),
            false => Some(value),
        }
    }

    fn json(&self, reader: &Reader<'_>, key: Option<&Key>) -> Option<Value> {
        match self {
            Self::Number(number) => Some((*number).into()),
            text => text.of(reader, key).map(Value::String),
        }
    }
}
