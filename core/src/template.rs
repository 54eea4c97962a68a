//! Signed texts with variables, such as `{timestamp}.{body}`.

/// The most parts a template may have; it lets a check hash them without allocating.
pub const MAX_PARTS: usize = 8;

/// A variable of a webhook's signed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The raw body.
    Body,
    /// The timestamp text as it came.
    Timestamp,
    /// The delivery id.
    Id,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Variable(Variable),
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
    #[error("a brace is not balanced")]
    Brace,
    /// The name in braces is not a variable.
    #[error("an unknown variable; known are {{body}}, {{timestamp}} and {{id}}")]
    Variable,
    /// It has no part, or more than [`MAX_PARTS`].
    #[error("a signed text has 1 to {MAX_PARTS} parts")]
    Length,
}

impl Template {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the variable stands in it.
    #[must_use]
    pub fn binds(&self, variable: Variable) -> bool {
        self.parts.contains(&Part::Variable(variable))
    }

    /// Whether a text could be a signed text of this template. A body may be anything, so what follows one is not
    /// looked at.
    #[must_use]
    pub fn may_be(&self, text: &[u8]) -> bool {
        let mut rest = text;
        for part in &self.parts {
            let taken = match part {
                Part::Literal(literal) if rest.starts_with(literal.as_bytes()) => literal.len(),
                Part::Literal(_) => return false,
                Part::Variable(Variable::Body) => return true,
                Part::Variable(Variable::Timestamp) => run_of(rest, |byte| byte.is_ascii_digit()),
                Part::Variable(Variable::Id) => run_of(rest, is_id_byte),
            };
            if taken == 0 {
                return false;
            }
            rest = &rest[taken..];
        }
        rest.is_empty()
    }

    /// Lays the parts of the signed text into `buffer`, with `value` giving each variable's bytes.
    pub fn fill<'b, 'a: 'b>(
        &'a self,
        buffer: &'b mut [&'a [u8]; MAX_PARTS],
        value: impl Fn(Variable) -> &'a [u8],
    ) -> &'b [&'a [u8]] {
        for (slot, part) in buffer.iter_mut().zip(&self.parts) {
            *slot = match part {
                Part::Literal(text) => text.as_bytes(),
                Part::Variable(variable) => value(*variable),
            };
        }
        &buffer[..self.parts.len()]
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, after) = next_part(rest)?;
            parts.push(part);
            rest = after;
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

fn run_of(text: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| belongs(byte)).count()
}

fn next_part(text: &str) -> Result<(Part, &str), TemplateError> {
    let Some(open) = text.strip_prefix('{') else {
        let end = text.find('{').unwrap_or(text.len());
        let (literal, after) = text.split_at(end);
        if literal.contains('}') {
            return Err(TemplateError::Brace);
        }
        return Ok((Part::Literal(literal.into()), after));
    };
    let (name, after) = open.split_once('}').ok_or(TemplateError::Brace)?;
    let variable = match name {
        "body" => Variable::Body,
        "timestamp" => Variable::Timestamp,
        "id" => Variable::Id,
        _ => return Err(TemplateError::Variable),
    };
    Ok((Part::Variable(variable), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_order() {
        let template = Template::try_from("v0:{timestamp}:{body}".to_owned()).unwrap();
        let mut buffer = [&[][..]; MAX_PARTS];
        let parts = template.fill(&mut buffer, |variable| match variable {
            Variable::Timestamp => b"12",
            _ => b"{}",
        });
        assert_eq!(parts.concat(), b"v0:12:{}");
    }

    #[test]
    fn a_text_may_be_a_signed_text_or_not() {
        let template = Template::try_from("{id}.{timestamp}.{body}".to_owned()).unwrap();
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
            ("a}b", TemplateError::Brace),
            ("{Body}", TemplateError::Variable),
            (
                "{id}{id}{id}{id}{id}{id}{id}{id}{id}",
                TemplateError::Length,
            ),
        ] {
            assert_eq!(Template::try_from(text.to_owned()), Err(error), "{text}");
        }
    }
}
