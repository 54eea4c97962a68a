//! When a delivery is a handshake, and when it is nearly one.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::webhook::{reader::Reader, steps};

/// What must hold of a delivery; all that is given. `*` stands for any value that is not empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Condition {
    method: Option<String>,
    header: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    json: BTreeMap<String, String>,
}

/// What keeps a question from being a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The handshake has this method.
    Method(String),
    /// A value is not that of a parameter of the secret.
    Parameter {
        /// Where the value stands.
        place: String,
        /// The parameter.
        name: String,
        /// Whether the secret has it.
        is_set: bool,
        /// Whether the delivery has a value there.
        is_sent: bool,
    },
}

impl Condition {
    /// Whether it asks for the HTTP method or the URL.
    pub(super) fn needs_method_or_url(&self) -> bool {
        self.method.is_some() || !self.query.is_empty()
    }

    pub(super) fn describe(&self) -> String {
        let each = |what: &'static str, fields: &BTreeMap<String, String>| -> Vec<String> {
            let line = |(name, value): (&String, &String)| match value.as_str() {
                "*" => format!("{what} `{name}`"),
                value => format!("{what} `{name}` = `{value}`"),
            };
            fields.iter().map(line).collect()
        };
        let method = self.method.iter().map(|method| format!("method {method}"));
        let conditions: Vec<String> = method
            .chain(each("header", &self.header))
            .chain(each("query", &self.query))
            .chain(each("JSON", &self.json))
            .collect();
        conditions.join(", ")
    }

    pub(super) fn is_anything(&self) -> bool {
        self.method.is_none()
            && self.header.is_empty()
            && self.query.is_empty()
            && self.json.is_empty()
    }

    pub(super) fn holds(&self, reader: &Reader<'_>, parameters: &BTreeMap<String, String>) -> bool {
        self.has_method(reader) && self.fields(reader).all(|field| field.holds(parameters))
    }

    fn has_method(&self, reader: &Reader<'_>) -> bool {
        let method = self.method.as_ref();
        method.is_none_or(|method| method.eq_ignore_ascii_case(reader.delivery.method))
    }

    /// What is asked for, and what the delivery has there.
    fn fields<'s>(&'s self, reader: &'s Reader<'_>) -> impl Iterator<Item = Field<'s>> {
        let delivery = reader.delivery;
        let headers = self.header.iter().map(move |(name, expected)| {
            let value = delivery.headers.find("", name).ok().flatten();
            Field::new("header", name, expected, value.map(Cow::Borrowed))
        });
        let query = self.query.iter().map(move |(name, expected)| {
            let value = steps::query(delivery.url, name).ok().flatten();
            Field::new("query parameter", name, expected, value)
        });
        let json = self.json.iter().map(|(pointer, expected)| {
            let value = reader.json(pointer).ok().flatten();
            Field::new("JSON", pointer, expected, value)
        });
        headers.chain(query).chain(json)
    }

    /// All that does not depend on the secret holds, and it is more than a method, but one thing does not.
    pub(super) fn obstacle(
        &self,
        reader: &Reader<'_>,
        parameters: &BTreeMap<String, String>,
    ) -> Option<Obstacle> {
        let of_the_question = |field: &Field<'_>| field.parameter().is_none();
        let mut question = self.fields(reader).filter(of_the_question).peekable();
        question.peek()?;
        if !question.all(|field| field.holds(parameters)) {
            return None;
        }
        if let Some(method) = self.method.as_ref().filter(|_| !self.has_method(reader)) {
            return Some(Obstacle::Method(method.clone()));
        }
        let mut fields = self.fields(reader);
        let wrong = fields.find(|field| !field.holds(parameters))?;
        let name = wrong.parameter()?;
        Some(Obstacle::Parameter {
            place: format!("{} `{}`", wrong.kind, wrong.name),
            name: name.to_owned(),
            is_set: parameters.contains_key(name),
            is_sent: wrong.value.is_some(),
        })
    }
}

/// One field that a condition asks for.
struct Field<'a> {
    kind: &'static str,
    name: &'a str,
    expected: &'a str,
    value: Option<Cow<'a, str>>,
}

impl<'a> Field<'a> {
    fn new(
        kind: &'static str,
        name: &'a str,
        expected: &'a str,
        value: Option<Cow<'a, str>>,
    ) -> Self {
        Self {
            kind,
            name,
            expected,
            value,
        }
    }

    /// The parameter of the secret that it is compared with.
    fn parameter(&self) -> Option<&'a str> {
        let rest = self.expected.strip_prefix("{parameter:")?;
        rest.strip_suffix('}')
    }

    fn holds(&self, parameters: &BTreeMap<String, String>) -> bool {
        let Some(value) = self.value.as_deref() else {
            return false;
        };
        match (self.expected, self.parameter()) {
            ("*", _) => !value.is_empty(),
            (_, Some(name)) => parameters
                .get(name)
                .is_some_and(|own| bool::from(own.as_bytes().ct_eq(value.as_bytes()))),
            (expected, None) => expected == value,
        }
    }
}
