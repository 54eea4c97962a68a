//! JSON as it was written: members in order, duplicates and all.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

pub(crate) enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Leaf(Value),
}

impl Json {
    /// The members of the name.
    pub(crate) fn all<'j>(&'j self, name: &str) -> impl Iterator<Item = &'j Json> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            _ => &[],
        };
        let named = members.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Leaf(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Leaf(value) => value.as_f64(),
            _ => None,
        }
    }

    /// Whether an object in it has two members of one name.
    pub(crate) fn repeats(&self) -> bool {
        match self {
            Self::Object(members) => {
                let again = |(index, (name, _)): (usize, &(String, Json))| {
                    members[..index].iter().any(|(other, _)| other == name)
                };
                members.iter().enumerate().any(again)
                    || members.iter().any(|(_, value)| value.repeats())
            }
            Self::Array(values) => values.iter().any(Self::repeats),
            Self::Leaf(_) => false,
        }
    }

    /// Levels of arrays and objects.
    pub(crate) fn depth(&self) -> usize {
        let inner = match self {
            Self::Object(members) => members.iter().map(|(_, value)| value.depth()).max(),
            Self::Array(values) => values.iter().map(Self::depth).max(),
            Self::Leaf(_) => return 0,
        };
        1 + inner.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsWritten)
    }
}

struct AsWritten;

impl<'de> Visitor<'de> for AsWritten {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Leaf(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Leaf(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Leaf(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Leaf(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Leaf(Value::Null))
    }
}
