//! What a signature covers.

use super::TextRules;
use crate::template::{Template, Variable};

/// A part of a delivery that a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProvenPart {
    /// The body.
    Body,
    /// The timestamp.
    Timestamp,
    /// The delivery id.
    Id,
    /// The URL.
    Url,
    /// The HTTP method.
    Method,
    /// Names and values of the form parameters in the body.
    Form,
}

/// What the signature of one delivery covers; anything else in it is not proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    parts: u8,
    /// Single fields besides, such as `query:data.id`.
    pub fields: Vec<String>,
}

impl ProvenPart {
    const ALL: [Self; 6] = [
        Self::Body,
        Self::Timestamp,
        Self::Id,
        Self::Url,
        Self::Method,
        Self::Form,
    ];

    /// The name on the wire, without its prefix: `BODY`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "BODY",
            Self::Timestamp => "TIMESTAMP",
            Self::Id => "ID",
            Self::Url => "URL",
            Self::Method => "METHOD",
            Self::Form => "FORM",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Proven {
    /// Whether a part is covered.
    #[must_use]
    pub fn has(&self, part: ProvenPart) -> bool {
        self.parts & part.bit() != 0
    }

    /// The covered parts in their order.
    pub fn parts(&self) -> impl Iterator<Item = ProvenPart> {
        ProvenPart::ALL.into_iter().filter(|part| self.has(*part))
    }

    pub(super) fn add(&mut self, part: ProvenPart) {
        self.parts |= part.bit();
    }

    /// What a text with these variables covers.
    pub(super) fn add_variable(&mut self, variable: &Variable) {
        let part = match variable {
            Variable::Body => ProvenPart::Body,
            Variable::Timestamp => ProvenPart::Timestamp,
            Variable::Id => ProvenPart::Id,
            Variable::Url => ProvenPart::Url,
            Variable::Method => ProvenPart::Method,
            Variable::SortedForm => ProvenPart::Form,
            other => return self.fields.extend(other.field_name()),
        };
        self.add(part);
    }

    /// What every delivery by these rules proves, and what only some do not have.
    pub(super) fn by(rules: &TextRules, text: &Template) -> Self {
        let mut proven = Self::default();
        for variable in text.variables() {
            proven.add_variable(variable);
        }
        // The list of signed headers has the timestamp on it, or the delivery is refused.
        if rules.signed_headers.is_some() {
            proven.add(ProvenPart::Timestamp);
        }
        rules.add_what_the_body_holds(&mut proven);
        proven
    }
}
