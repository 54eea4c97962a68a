//! The message of an identity hash: fields of an identity, with text between them.
//!
//! Two identities must never have one message, or the hash of the one would prove the other. So no two fields stand
//! side by side, and the text behind a field may not begin within it: `{email}:{name}` takes no email with a colon.

use std::{borrow::Cow, iter};

use crate::Identity;

/// The most fields and texts that a message may have.
pub const MAX_PARTS: usize = 8;

/// A parsed message, such as `{id}` or `{email}:{name}`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Message {
    text: String,
    parts: Vec<Part>,
}

/// A field of an identity that a hash can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Identity::id`].
    Id,
    /// [`Identity::email`].
    Email,
    /// [`Identity::name`].
    Name,
}

/// An identity that has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// The field is empty: the hash of nothing is the same for everybody.
    #[error("the field that the hash covers is empty")]
    Empty(Field),
    /// The field holds the text that separates it from the next: another identity has the same message.
    #[error("the field holds the text that separates the signed fields")]
    Ambiguous(Field),
}

/// The text is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A brace is not closed, or closes nothing.
    #[error("a brace is not balanced")]
    Brace,
    /// The name in braces is not a field.
    #[error(
        "an unknown field; known are {{id}}, {{email}}, {{name}} and {{id|email}}, each also with |lower"
    )]
    Field,
    /// A field stands twice.
    #[error("a field stands once in a message")]
    Repeated,
    /// Two fields with nothing between them.
    #[error(
        "two fields need a text between them: joined as they are, one message has many meanings"
    )]
    Adjacent,
    /// It names no field, or has more than [`MAX_PARTS`] parts.
    #[error("a message has a field, and at most {MAX_PARTS} parts")]
    Length,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Slot(Slot),
}

/// A place for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    field: Field,
    /// The email stands here when the id is not sent.
    else_email: bool,
    lower: bool,
}

impl Message {
    /// As it stands in a scheme file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The fields that may stand in it.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.slots().flat_map(Slot::fields)
    }

    /// The message of an identity. One plain field is borrowed as it is.
    ///
    /// # Errors
    /// The identity has none.
    pub fn of<'i>(&self, identity: &'i Identity) -> Result<Cow<'i, str>, Unsignable> {
        if let [Part::Slot(slot)] = self.parts.as_slice() {
            return slot.filled(identity);
        }
        let mut message = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(text) => message.push_str(text),
                Part::Slot(slot) => {
                    let text = slot.filled(identity)?;
                    if !ends_before(&text, self.separator_behind(index)) {
                        return Err(Unsignable::Ambiguous(slot.field(identity)));
                    }
                    message.push_str(&text);
                }
            }
        }
        Ok(Cow::Owned(message))
    }

    /// What a hash of this identity proves: the fields in its message, as they stand there.
    #[must_use]
    pub fn proven(&self, identity: &Identity) -> Identity {
        let mut proven = Identity::default();
        for slot in self.slots() {
            let field = slot.field(identity).of_mut(&mut proven);
            *field = slot.text(identity).into_owned();
        }
        proven
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(*slot),
            Part::Literal(_) => None,
        })
    }

    /// The text between a part and a later field; empty when no field follows.
    fn separator_behind(&self, index: usize) -> &str {
        match self.parts.get(index + 1..) {
            Some([Part::Literal(text), _, ..]) => text,
            _ => "",
        }
    }
}

impl TryFrom<String> for Message {
    type Error = MessageError;

    fn try_from(text: String) -> Result<Self, MessageError> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, after) = next_part(rest)?;
            if matches!((parts.last(), &part), (Some(Part::Slot(_)), Part::Slot(_))) {
                return Err(MessageError::Adjacent);
            }
            parts.push(part);
            rest = after;
        }
        let message = Self { parts, text };
        if message.slots().next().is_none() || message.parts.len() > MAX_PARTS {
            return Err(MessageError::Length);
        }
        let mut seen = Vec::new();
        for field in message.fields() {
            if seen.contains(&field) {
                return Err(MessageError::Repeated);
            }
            seen.push(field);
        }
        Ok(message)
    }
}

impl Slot {
    fn parse(name: &str) -> Option<Self> {
        let (name, lower) = match name.strip_suffix("|lower") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (field, else_email) = match name {
            "id" => (Field::Id, false),
            "email" => (Field::Email, false),
            "name" => (Field::Name, false),
            "id|email" => (Field::Id, true),
            _ => return None,
        };
        Some(Self {
            field,
            else_email,
            lower,
        })
    }

    fn fields(self) -> impl Iterator<Item = Field> {
        iter::once(self.field).chain(self.else_email.then_some(Field::Email))
    }

    /// The field that stands here for this identity.
    fn field(self, identity: &Identity) -> Field {
        match self.else_email && self.field.of(identity).is_empty() {
            true => Field::Email,
            false => self.field,
        }
    }

    fn text(self, identity: &Identity) -> Cow<'_, str> {
        let text = self.field(identity).of(identity);
        match self.lower {
            true => Cow::Owned(text.to_lowercase()),
            false => Cow::Borrowed(text),
        }
    }

    fn filled(self, identity: &Identity) -> Result<Cow<'_, str>, Unsignable> {
        let text = self.text(identity);
        match text.is_empty() {
            true => Err(Unsignable::Empty(self.field(identity))),
            false => Ok(text),
        }
    }
}

impl Field {
    /// The field's text in an identity.
    #[must_use]
    pub fn of(self, identity: &Identity) -> &str {
        match self {
            Self::Id => &identity.id,
            Self::Email => &identity.email,
            Self::Name => &identity.name,
        }
    }

    /// The field's name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Email => "email",
            Self::Name => "name",
        }
    }

    fn of_mut(self, identity: &mut Identity) -> &mut String {
        match self {
            Self::Id => &mut identity.id,
            Self::Email => &mut identity.email,
            Self::Name => &mut identity.name,
        }
    }
}

/// Whether whoever reads a text and the separator behind it finds the text to end where it does. That a text does not
/// hold the separator is not enough: `a:` before `::` would be read as `a`.
fn ends_before(text: &str, separator: &str) -> bool {
    separator.is_empty() || [text, separator].concat().find(separator) == Some(text.len())
}

fn next_part(text: &str) -> Result<(Part, &str), MessageError> {
    let Some(open) = text.strip_prefix('{') else {
        let end = text.find('{').unwrap_or(text.len());
        let (literal, after) = text.split_at(end);
        if literal.contains('}') {
            return Err(MessageError::Brace);
        }
        return Ok((Part::Literal(literal.into()), after));
    };
    let (name, after) = open.split_once('}').ok_or(MessageError::Brace)?;
    let slot = Slot::parse(name).ok_or(MessageError::Field)?;
    Ok((Part::Slot(slot), after))
}
