//! What a body may have been before something between the vendor and the verifier changed it.

mod styles;

use std::{borrow::Cow, iter};

use super::{
    CauseCode, Variant, encodings, envelopes,
    json_text::{self, Escapes, Node, Numbers, Style},
};
use styles::{ESCAPES, LAYOUTS};

type Body<'a> = Variant<Cow<'a, [u8]>>;

/// The most names whose orders are all tried: so many have 120.
const MAX_REORDERED: usize = 5;

/// The short forms of characters that printers escape by habit, for the combinations with a layout.
const HABITS: usize = 5;

/// A received body, and what it reads as.
pub(super) struct Bodies<'a> {
    body: &'a [u8],
    text: Option<&'a str>,
    tree: Option<Node<'a>>,
}

impl<'a> Bodies<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        let text = std::str::from_utf8(body).ok();
        Self {
            body,
            text,
            tree: text.and_then(json_text::parse),
        }
    }

    /// Whether the body is a JSON object or list.
    pub(super) fn is_json(&self) -> bool {
        self.tree.is_some()
    }

    /// The variants, the cheapest and commonest first. They are made one at a time, as they are asked for.
    pub(super) fn variants(&self) -> impl Iterator<Item = Body<'_>> {
        let small = line_ends(self.body);
        let unpacked = envelopes::unpacked(self.body).into_iter();
        let envelopes = envelopes::opened(self.body, self.text, self.tree.as_ref());
        let encodings = encodings::recoded(self.body, self.text);
        small
            .chain(self.layouts())
            .chain(unpacked)
            .chain(envelopes)
            .chain(self.rewritten())
            .chain(encodings)
            .chain(self.reprinted())
            .chain(self.reordered())
    }

    /// Whether all names stand in order, as printers put them that know no other.
    pub(super) fn is_in_order(&self) -> bool {
        self.tree.as_ref().is_some_and(json_text::is_in_order)
    }

    /// With the few names of its outer object in every other order, where it may have lost its own.
    fn reordered(&self) -> impl Iterator<Item = Body<'_>> {
        let members = match &self.tree {
            Some(Node::Object(members)) if self.is_in_order() => members.as_slice(),
            _ => &[],
        };
        let orders = if members.len() <= MAX_REORDERED {
            factorial(members.len())
        } else {
            1
        };
        (1..orders).flat_map(move |order| {
            let tree = Node::Object(permuted(members, order));
            LAYOUTS
                .into_iter()
                .take(5)
                .map(move |(layout, name)| Variant {
                    code: CauseCode::BodyReserialised,
                    what: format!("printed {name}, names in another order").into(),
                    value: Cow::Owned(json_text::print(&tree, Style::of(layout)).into_bytes()),
                })
        })
    }

    /// Printed in another layout and nothing else.
    fn layouts(&self) -> impl Iterator<Item = Body<'_>> {
        self.tree.iter().flat_map(|tree| {
            LAYOUTS.into_iter().flat_map(|(layout, name)| {
                let text = json_text::print(tree, Style::of(layout));
                let what = format!("printed {name}");
                with_final_newline(CauseCode::BodyReserialised, what, text)
            })
        })
    }

    /// With its strings written in another way, white space staying as it is.
    fn rewritten(&self) -> impl Iterator<Item = Body<'_>> {
        let text = self.text.filter(|_| self.is_json());
        text.into_iter().flat_map(|text| {
            ESCAPES.into_iter().flat_map(move |(escapes, name)| {
                let text = json_text::rewrite(text, escapes);
                with_final_newline(CauseCode::JsonEscapes, name.to_owned(), text)
            })
        })
    }

    /// With layout and characters changed, then with members in order, then with other numbers.
    fn reprinted(&self) -> impl Iterator<Item = Body<'_>> {
        let escaped = LAYOUTS.into_iter().flat_map(|(layout, name)| {
            ESCAPES.into_iter().map(move |(escapes, how)| {
                let style = Style {
                    escapes,
                    ..Style::of(layout)
                };
                (style, format!("printed {name}, {how}"))
            })
        });
        let sorted = LAYOUTS.into_iter().flat_map(|(layout, name)| {
            let kept = (Escapes::Kept, "");
            let habits = ESCAPES.into_iter().take(HABITS);
            iter::once(kept).chain(habits).map(move |(escapes, how)| {
                let style = Style {
                    escapes,
                    sorted: true,
                    ..Style::of(layout)
                };
                let comma = if how.is_empty() { "" } else { ", " };
                (style, format!("printed {name}, names in order{comma}{how}"))
            })
        });
        let numbers = LAYOUTS.into_iter().take(4).flat_map(|(layout, name)| {
            [Numbers::Short, Numbers::Float]
                .into_iter()
                .map(move |numbers| {
                    let style = Style {
                        numbers,
                        ..Style::of(layout)
                    };
                    (style, format!("printed {name}, numbers printed again"))
                })
        });
        self.tree.iter().flat_map(move |tree| {
            let styles = escaped.clone().chain(sorted.clone()).chain(numbers.clone());
            styles.map(move |(style, what)| Variant {
                code: CauseCode::BodyReserialised,
                what: what.into(),
                value: Cow::Owned(json_text::print(tree, style).into_bytes()),
            })
        })
    }
}

fn factorial(n: usize) -> usize {
    (1..=n).product()
}

/// One of the orders of some items, by its number.
fn permuted<T: Clone>(items: &[T], mut order: usize) -> Vec<T> {
    let mut rest = items.to_vec();
    let mut picked = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        picked.push(rest.remove(order % rest.len()));
        order /= rest.len() + 1;
    }
    picked
}

fn with_final_newline<'a>(
    code: CauseCode,
    what: String,
    text: String,
) -> impl Iterator<Item = Body<'a>> {
    let ended = format!("{text}\n").into_bytes();
    let more = format!("{what}, with a newline at its end");
    let both = [(what, text.into_bytes()), (more, ended)];
    both.into_iter().map(move |(what, bytes)| Variant {
        code,
        what: what.into(),
        value: Cow::Owned(bytes),
    })
}

/// With other line ends, within and at the end.
fn line_ends(body: &[u8]) -> impl Iterator<Item = Body<'_>> {
    let added = ["\n", "\r\n", "\r"].into_iter().map(move |end| {
        let what = "with a line end behind it";
        (what, Cow::Owned([body, end.as_bytes()].concat()))
    });
    let trimmed = trimmed(body).map(|text| (text.0, Cow::Borrowed(text.1)));
    let unix = without_cr(body);
    let within = [
        ("with lines that end in CRLF", with_cr(&unix)),
        ("with lines that end in LF", unix),
    ]
    .into_iter()
    .filter(move |(_, text)| text != body)
    .flat_map(|(what, text)| {
        let shorter = text.trim_ascii_end().to_vec();
        [(what, Cow::Owned(text)), (what, Cow::Owned(shorter))]
    });
    let all = added.chain(trimmed).chain(within);
    all.map(|(what, value)| Variant {
        code: CauseCode::TrailingNewline,
        what: what.into(),
        value,
    })
}

fn trimmed(body: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    let one = body.strip_suffix(b"\n");
    let pair = body.strip_suffix(b"\r\n").or(body.strip_suffix(b"\r"));
    let line_end = "without the line end behind it";
    let around = body.trim_ascii();
    let space = (around.len() < body.len()).then_some(around);
    let ends = [one, pair].into_iter().flatten();
    ends.map(move |text| (line_end, text))
        .chain(space.map(|text| ("without the white space around it", text)))
}

fn without_cr(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.iter().peekable();
    while let Some(&byte) = rest.next() {
        if byte != b'\r' || rest.peek() != Some(&&b'\n') {
            out.push(byte);
        }
    }
    out
}

fn with_cr(unix: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unix.len());
    for &byte in unix {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The code of the first variant of `received` that is `original`.
    fn cause(original: &[u8], received: &[u8]) -> Option<CauseCode> {
        let bodies = Bodies::of(received);
        let found = bodies.variants().find(|it| *it.value == *original);
        found.map(|variant| variant.code)
    }

    #[test]
    fn a_printed_body_leads_back_to_the_original() {
        let compact = r#"{"b":1,"a":["x",{"y":null}],"e":{}}"#;
        let python = r#"{"b": 1, "a": ["x", {"y": null}], "e": {}}"#;
        let pretty = "{\n  \"b\": 1,\n  \"a\": [\n    \"x\",\n    {\n      \"y\": null\n    }\n  ],\n  \"e\": {}\n}";
        let forms = [
            compact,
            python,
            pretty,
            &format!("{pretty}\n"),
            &pretty.replace("  ", "\t"),
        ];
        for original in forms {
            for received in forms {
                if original.trim() != received.trim() {
                    let found = cause(original.as_bytes(), received.as_bytes());
                    assert_eq!(
                        found,
                        Some(CauseCode::BodyReserialised),
                        "{original} from {received}"
                    );
                }
            }
        }
        let shuffled = br#"{"c": 1, "a": 2, "d": [], "b": 3}"#;
        let in_order = br#"{"a":2,"b":3,"c":1,"d":[]}"#;
        assert_eq!(cause(shuffled, in_order), Some(CauseCode::BodyReserialised));
        let sorted = br#"{"a":["x",{"y":null}],"b":1,"e":{}}"#;
        assert_eq!(
            cause(sorted, python.as_bytes()),
            Some(CauseCode::BodyReserialised)
        );
        assert_eq!(
            cause(br#"{"a":1}"#, br#"{"a":1.0}"#),
            Some(CauseCode::BodyReserialised)
        );
        assert_eq!(
            cause(br#"{"a":100}"#, br#"{"a":1e+2}"#),
            Some(CauseCode::BodyReserialised)
        );
    }

    #[test]
    fn escapes_lead_back_to_the_original() {
        let forms = [
            "{\"a\":\"é < / 😀\"}",
            r#"{"a":"\u00e9 < / \ud83d\ude00"}"#,
            r#"{"a":"\u00E9 < / \uD83D\uDE00"}"#,
            r#"{"a":"\u00e9 < \/ \ud83d\ude00"}"#,
            "{\"a\":\"é \\u003c / 😀\"}",
            "{\"a\":\"é < \\/ 😀\"}",
        ];
        for original in forms {
            for received in forms.into_iter().filter(|it| *it != original) {
                let found = cause(original.as_bytes(), received.as_bytes());
                assert_eq!(
                    found,
                    Some(CauseCode::JsonEscapes),
                    "{original} from {received}"
                );
            }
        }
        let both = cause(r#"{"a": "\u00e9"}"#.as_bytes(), "{\"a\":\"é\"}".as_bytes());
        assert_eq!(both, Some(CauseCode::BodyReserialised));
    }

    #[test]
    fn line_ends_come_and_go() {
        for (original, received) in [
            ("{}\n", "{}"),
            ("{}", "{}\n"),
            ("{}\r\n", "{}"),
            ("{}", "{}\r\n"),
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\nb", "a\r\nb\r\n"),
            ("a", "  a "),
        ] {
            let found = cause(original.as_bytes(), received.as_bytes());
            assert_eq!(
                found,
                Some(CauseCode::TrailingNewline),
                "{original:?} from {received:?}"
            );
        }
    }

    #[test]
    fn every_order_has_a_number() {
        let all: std::collections::BTreeSet<_> = (0..factorial(5))
            .map(|order| permuted(&[1, 2, 3, 4, 5], order))
            .collect();
        assert_eq!(all.len(), 120);
        assert_eq!(permuted(&[1, 2, 3], 0), [1, 2, 3]);
    }

    #[test]
    fn the_number_of_variants_is_bounded() {
        let body = r#"{"a":"é","b":[1.0,2],"body":"{\"x\":1}","c":{"d":"e"}}"#;
        let count = Bodies::of(body.as_bytes()).variants().count();
        assert!((200..600).contains(&count), "{count}");
    }

    proptest! {
        #[test]
        fn any_bytes_have_variants(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Bodies::of(&body).variants().count() > 0);
        }

        #[test]
        fn any_json_like_text_has_variants(text in r#"[\[\]{},:"\\u0-9a-f eE.+-]{0,60}"#) {
            prop_assert!(Bodies::of(text.as_bytes()).variants().count() > 0);
        }
    }
}
