//! JSON as text: printed again in the ways of the printers that stand between a vendor and a verifier. Names, numbers
//! and the order of members stay as they are unless a style says otherwise.

mod printer;
mod reader;

use printer::{Printer, quoted};
use reader::Reader;

/// The longest text that is printed again, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// The longest text that printing may give, in bytes: deep lists in lines are mostly indent.
const MAX_PRINTED_BYTES: usize = 4 << 20;

/// Deepest nesting that is followed.
const MAX_DEPTH: u8 = 64;

/// A value, its scalars as they stand in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'t> {
    /// A number, `true`, `false` or `null`.
    Scalar(&'t str),
    /// What stands between the quotes.
    Text(&'t str),
    List(Vec<Self>),
    /// Members by what stands between the quotes of their names.
    Object(Vec<(&'t str, Self)>),
}

/// Where white space stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Nowhere.
    Compact,
    /// After commas and colons.
    Spaced,
    /// After colons alone.
    ColonSpaced,
    /// A line each, indented by so many of this character.
    Lines {
        indent: &'static str,
        end: &'static str,
    },
}

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// As they stand.
    Kept,
    /// As they stand, hexadecimal digits in lower case.
    LowerHex,
    /// As they stand, hexadecimal digits in upper case.
    UpperHex,
    /// Escaped in `rule`s' ways and else plain.
    Written(Rules),
}

/// What is escaped that need not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// `/`.
    pub(super) slash: bool,
    /// Everything outside of ASCII.
    pub(super) non_ascii: bool,
    /// `<`, `>`, `&` and the two line separators of Unicode.
    pub(super) html: bool,
    /// Quotes, apostrophes, plus signs and backticks as numbers.
    pub(super) quotes: bool,
    /// Hexadecimal digits in upper case.
    pub(super) upper: bool,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Kept,
    /// Whole ones without a fraction, none with an exponent.
    Short,
    /// Those with a fraction or exponent always with a fraction.
    Float,
}

/// One way of printing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) layout: Layout,
    pub(super) escapes: Escapes,
    pub(super) numbers: Numbers,
    /// Members in the order of their names.
    pub(super) sorted: bool,
}

impl Style {
    /// Another layout and nothing else.
    pub(super) const fn of(layout: Layout) -> Self {
        Self {
            layout,
            escapes: Escapes::Kept,
            numbers: Numbers::Kept,
            sorted: false,
        }
    }
}

/// Reads a text that is one object or list.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut reader = Reader { rest: text };
    let node = reader.value(MAX_DEPTH)?;
    reader.skip_space();
    let is_tree = matches!(node, Node::List(_) | Node::Object(_));
    (reader.rest.is_empty() && is_tree).then_some(node)
}

/// What stands between the quotes, if the text is one JSON string.
pub(super) fn string_literal(text: &str) -> Option<String> {
    let mut reader = Reader {
        rest: text.trim_ascii(),
    };
    let raw = reader.string()?;
    reader.rest.is_empty().then(|| unescaped(raw)).flatten()
}

/// The characters of a string between its quotes; `None` where an escape is none.
pub(super) fn unescaped(raw: &str) -> Option<String> {
    if !raw.contains('\\') {
        return Some(raw.to_owned());
    }
    serde_json::from_str(&format!("\"{raw}\"")).ok()
}

/// Prints a value. One that gets too long is cut, and is no body of anybody's then.
pub(super) fn print(node: &Node<'_>, style: Style) -> String {
    let mut printer = Printer {
        out: String::new(),
        style,
    };
    printer.node(node, 0);
    printer.out
}

/// Whether the names of every object stand in order.
pub(super) fn is_in_order(node: &Node<'_>) -> bool {
    match node {
        Node::Scalar(_) | Node::Text(_) => true,
        Node::List(items) => items.iter().all(is_in_order),
        Node::Object(members) => {
            members.is_sorted_by_key(|(name, _)| *name)
                && members.iter().all(|(_, value)| is_in_order(value))
        }
    }
}

/// Writes the strings of a text in another way; what stands between them stays.
pub(super) fn rewrite(text: &str, escapes: Escapes) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        out.push_str(&rest[..start]);
        let mut reader = Reader {
            rest: &rest[start..],
        };
        let Some(raw) = reader.string() else {
            out.push_str(&rest[start..]);
            return out;
        };
        quoted(&mut out, raw, escapes);
        rest = reader.rest;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"b":[1,2.50,1e3],"a":{"é/<":"\u00E9 \/ \n"},"n":[],"o":{}}"#;

    fn printed(style: Style) -> String {
        print(&parse(TEXT).unwrap(), style)
    }

    #[test]
    fn layouts_are_those_of_the_printers() {
        assert_eq!(printed(Style::of(Layout::Compact)), TEXT);
        assert_eq!(
            printed(Style::of(Layout::Spaced)),
            r#"{"b": [1, 2.50, 1e3], "a": {"é/<": "\u00E9 \/ \n"}, "n": [], "o": {}}"#
        );
        let lines = Layout::Lines {
            indent: "  ",
            end: "\n",
        };
        let value: serde_json::Value =
            serde_json::from_str(r#"{"a":[1,{"b":null}],"c":[],"d":"x"}"#).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(print(&parse(&pretty).unwrap(), Style::of(lines)), pretty);
    }

    #[test]
    fn characters_are_written_as_printers_write_them() {
        let rules = |rules| Style {
            escapes: Escapes::Written(rules),
            ..Style::of(Layout::Compact)
        };
        assert!(printed(rules(Rules::default())).contains(r#"{"é/<":"é / \n"}"#));
        let php = Rules {
            slash: true,
            non_ascii: true,
            ..Rules::default()
        };
        assert!(printed(rules(php)).contains(r#"{"\u00e9\/<":"\u00e9 \/ \n"}"#));
        let html = Rules {
            html: true,
            ..Rules::default()
        };
        assert!(printed(rules(html)).contains(r#"{"é/\u003c":"é / \n"}"#));
        let dotnet = Rules {
            non_ascii: true,
            html: true,
            quotes: true,
            upper: true,
            ..Rules::default()
        };
        assert!(printed(rules(dotnet)).contains(r#"{"\u00E9/\u003C":"\u00E9 / \n"}"#));
        assert_eq!(
            rewrite(TEXT, Escapes::LowerHex),
            TEXT.replace("00E9", "00e9")
        );
        assert_eq!(rewrite("\"\u{1f600}", Escapes::UpperHex), "\"\u{1f600}");
        let face = rewrite("[\"\u{1f600}\"]", Escapes::Written(php));
        assert_eq!(face, r#"["\ud83d\ude00"]"#);
    }

    #[test]
    fn numbers_and_order_change_only_when_asked() {
        let sorted = Style {
            sorted: true,
            numbers: Numbers::Short,
            ..Style::of(Layout::Compact)
        };
        assert!(printed(sorted).starts_with(r#"{"a":"#));
        assert!(printed(sorted).contains("[1,2.5,1000]"));
        let float = Style {
            numbers: Numbers::Float,
            ..Style::of(Layout::Compact)
        };
        assert!(printed(float).contains("[1,2.5,1000.0]"));
    }

    #[test]
    fn a_small_text_does_not_become_a_large_one() {
        let deep = format!("{}{}{}", "[".repeat(60), "1e-300,".repeat(100_000), "1");
        let deep = deep + &"]".repeat(60);
        let style = Style {
            numbers: Numbers::Short,
            ..Style::of(Layout::Lines {
                indent: "    ",
                end: "\r\n",
            })
        };
        let printed = print(&parse(&deep).unwrap(), style);
        assert!(printed.len() < MAX_PRINTED_BYTES + (64 << 10));
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        for text in [
            "", "1", "\"a\"", "{", "{\"a\"}", "[1,]", "[a]", "{} {}", "[\"", "nan", "[inf]",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
        assert_eq!(string_literal(r#" "a\n\u00e9" "#).unwrap(), "a\né");
        assert_eq!(string_literal("\"a\"b"), None);
    }
}
