//! Whether the values of a signed text can be told from it.
//!
//! Two deliveries must never have one signed text, or the signature of the one holds for the other. Read from its
//! front, a text gives away each value whose characters end before what follows it begins; read from its end, each
//! value whose characters begin after what stands before it. If both readings together reach all values but one,
//! that one is what is left, and the text has one meaning. Otherwise a border can move.

use crate::template::{Part, Piece, Step, Template, Variable};

/// A border that can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Movable<'t> {
    /// The first value whose end cannot be told.
    pub(super) variable: &'t Variable,
    /// Whether the sender chooses at least two of the values that are left, in any characters.
    pub(super) free: bool,
}

/// The characters that a value can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Characters {
    /// It is the same in every delivery of a secret, or its form says where it ends.
    Known,
    Digits,
    Id,
    Upper,
    /// What a header or a URL can hold.
    Visible,
    Any,
}

/// Whether the timestamps of a scheme are dates, whose form says where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Numbers,
    Dates,
}

/// The first border of a template that can move.
pub(super) fn movable(template: &Template, times: Times) -> Option<Movable<'_>> {
    let parts = template.parts();
    let front = (0..parts.len()).find(|at| !ends_before_the_next(parts, *at, times))?;
    let back = (0..parts.len()).rfind(|at| !begins_after_the_last(parts, *at, times))?;
    let left: Vec<_> = parts[front..=back.max(front)]
        .iter()
        .filter_map(|part| variable(part).map(|(variable, _)| variable))
        .filter(|variable| characters(variable, times) != Characters::Known)
        .collect();
    // One value is left, and it is all that the others are not; unless it can look like an optional segment.
    let optional = parts.iter().any(|part| part.segment.is_some());
    if left.len() < 2 && !optional {
        return None;
    }
    Some(Movable {
        variable: variable(&parts[front])?.0,
        free: left.iter().filter(|variable| is_free(variable)).count() > 1,
    })
}

/// Whether two alternatives of a signed text have the same values in the same order, perhaps in other forms.
pub(super) fn mean_the_same(one: &Template, other: &Template) -> bool {
    let pieces = |template: &Template| -> Vec<_> {
        let parts = template.parts().iter();
        parts
            .map(|part| match &part.piece {
                Piece::Variable(variable, _) => Piece::Variable(variable.clone(), None),
                literal @ Piece::Literal(_) => literal.clone(),
            })
            .collect()
    };
    pieces(one) == pieces(other)
}

/// Whether the end of a part is where what follows begins.
fn ends_before_the_next(parts: &[Part], at: usize, times: Times) -> bool {
    let Some((own, _)) = variable(&parts[at]) else {
        return true;
    };
    let own = characters(own, times);
    if own == Characters::Known {
        return true;
    }
    for part in &parts[at + 1..] {
        let apart = match &part.piece {
            Piece::Literal(text) => !own.has(text.as_bytes()[0]),
            Piece::Variable(next, step) => !own.meets(first(next, *step, times)),
        };
        if !apart {
            return false;
        }
        if !may_be_empty(part) {
            return true;
        }
    }
    true
}

/// Whether the beginning of a part is where what stands before it ends.
fn begins_after_the_last(parts: &[Part], at: usize, times: Times) -> bool {
    let Some((own, _)) = variable(&parts[at]) else {
        return true;
    };
    let own = characters(own, times);
    if own == Characters::Known {
        return true;
    }
    for part in parts[..at].iter().rev() {
        let apart = match &part.piece {
            Piece::Literal(text) => text.as_bytes().last().is_none_or(|last| !own.has(*last)),
            Piece::Variable(before, _) => !own.meets(characters(before, times)),
        };
        if !apart {
            return false;
        }
        if !may_be_empty(part) {
            return true;
        }
    }
    true
}

fn variable(part: &Part) -> Option<(&Variable, Option<Step>)> {
    match &part.piece {
        Piece::Variable(variable, step) => Some((variable, *step)),
        Piece::Literal(_) => None,
    }
}

/// What the sender puts there in any characters. The body is free too, but what it means to its reader is nothing
/// that a border settles: JSON with a byte cut off is no JSON.
fn is_free(variable: &Variable) -> bool {
    matches!(
        variable,
        Variable::Header(_) | Variable::Query(_) | Variable::Json(_)
    )
}

fn may_be_empty(part: &Part) -> bool {
    let empty = |variable: &Variable| {
        matches!(
            variable,
            Variable::Body | Variable::SortedForm | Variable::SignedHeaders
        ) || is_free(variable)
    };
    part.segment.is_some() || variable(part).is_some_and(|(variable, _)| empty(variable))
}

fn characters(variable: &Variable, times: Times) -> Characters {
    match variable {
        Variable::Secret | Variable::Parameter(_) => Characters::Known,
        Variable::Timestamp if times == Times::Dates => Characters::Known,
        Variable::Timestamp => Characters::Digits,
        Variable::Id => Characters::Id,
        Variable::Method => Characters::Upper,
        Variable::Url | Variable::Path | Variable::Header(_) => Characters::Visible,
        Variable::SignedHeaders
        | Variable::Body
        | Variable::SortedForm
        | Variable::Query(_)
        | Variable::Json(_) => Characters::Any,
    }
}

/// What the first character of a value can be.
fn first(variable: &Variable, step: Option<Step>, times: Times) -> First {
    match variable {
        Variable::Url => First::One(b'h'),
        Variable::Path if step.is_none() => First::One(b'/'),
        // A value that is known may begin with anything.
        other => match characters(other, times) {
            Characters::Known => First::Of(Characters::Any),
            own => First::Of(own),
        },
    }
}

#[derive(Clone, Copy)]
enum First {
    One(u8),
    Of(Characters),
}

impl From<Characters> for First {
    fn from(characters: Characters) -> Self {
        Self::Of(match characters {
            Characters::Known => Characters::Any,
            own => own,
        })
    }
}

impl Characters {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Known => false,
            Self::Digits => byte.is_ascii_digit(),
            Self::Id => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Upper => byte.is_ascii_uppercase(),
            Self::Visible => byte >= 0x20 && byte != 0x7f,
            Self::Any => true,
        }
    }

    fn meets(self, first: impl Into<First>) -> bool {
        match first.into() {
            First::One(byte) => self.has(byte),
            First::Of(other) => (0..=u8::MAX).any(|byte| self.has(byte) && other.has(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Option<(Variable, bool)> {
        let template = Template::try_from(text.to_owned()).unwrap();
        movable(&template, Times::Numbers).map(|found| (found.variable.clone(), found.free))
    }

    #[test]
    fn texts_with_one_meaning() {
        for text in [
            "{body}",
            "{timestamp}.{body}",
            "v0:{timestamp}:{body}",
            "{id}.{timestamp}.{body}",
            "{body}.{timestamp}",
            "{secret}{body}",
            "{parameter:app}.{body}",
            "{method}{url}",
            "{method}\n{path}\n{timestamp}\n{body}",
            "{header:X-A}\n{header:X-B}\n{body}",
            "{timestamp}.{query:a}",
            "{id}-{timestamp}",
        ] {
            assert_eq!(joined(text), None, "{text}");
        }
    }

    #[test]
    fn texts_with_a_border_that_moves() {
        for (text, variable, free) in [
            ("{timestamp}{body}", Variable::Timestamp, false),
            ("{timestamp}{id}", Variable::Timestamp, false),
            ("{id}{timestamp}{body}", Variable::Id, false),
            ("{json:/a}-{id}", Variable::Json("/a".into()), false),
            ("{url}{body}", Variable::Url, false),
            ("{method}{url}{body}{timestamp}", Variable::Url, false),
            ("{json:/a}{json:/b}", Variable::Json("/a".into()), true),
            ("{query:a}.{query:b}", Variable::Query("a".into()), true),
            (
                "{header:a}.{timestamp}.{body}",
                Variable::Header("a".into()),
                false,
            ),
            (
                "{?id:{query:id};?}{?rq:{id};?}ts:{timestamp};",
                Variable::Query("id".into()),
                false,
            ),
        ] {
            assert_eq!(joined(text), Some((variable, free)), "{text}");
        }
    }

    #[test]
    fn a_date_says_where_it_ends() {
        let template = Template::try_from("{timestamp}{body}".to_owned()).unwrap();
        assert_eq!(movable(&template, Times::Dates), None);
    }

    #[test]
    fn alternatives_mean_the_same_if_only_their_steps_differ() {
        let template = |text: &str| Template::try_from(text.to_owned()).unwrap();
        let plain = template("{url}{sorted_form}");
        assert!(mean_the_same(
            &plain,
            &template("{url|other_port}{sorted_form}")
        ));
        assert!(!mean_the_same(&plain, &template("{sorted_form}{url}")));
        assert!(!mean_the_same(
            &template("{body}"),
            &template("{timestamp}.{body}")
        ));
    }
}
