//! How the printers that are in use print JSON.

use crate::explain::json_text::{Escapes, Layout, Rules};

const PLAIN: Rules = Rules {
    slash: false,
    non_ascii: false,
    html: false,
    quotes: false,
    upper: false,
};

/// Layouts by how common they are, each with its name.
pub(super) const LAYOUTS: [(Layout, &str); 10] = [
    (Layout::Compact, "without white space"),
    (Layout::Spaced, "with a space after each comma and colon"),
    (lines("  ", "\n"), "indented by 2 spaces"),
    (lines("    ", "\n"), "indented by 4 spaces"),
    (lines("\t", "\n"), "indented by tabs"),
    (lines(" ", "\n"), "indented by 1 space"),
    (lines("", "\n"), "in lines without indent"),
    (Layout::ColonSpaced, "with a space after each colon"),
    (
        lines("  ", "\r\n"),
        "indented by 2 spaces, lines ending in CRLF",
    ),
    (
        lines("    ", "\r\n"),
        "indented by 4 spaces, lines ending in CRLF",
    ),
];

/// Ways to write characters by how common they are, each with its name.
pub(super) const ESCAPES: [(Escapes, &str); 10] = [
    (Escapes::Written(PLAIN), "with every character as it is"),
    (
        Escapes::Written(Rules {
            non_ascii: true,
            ..PLAIN
        }),
        "with \\u escapes for characters outside of ASCII",
    ),
    (
        Escapes::Written(Rules {
            slash: true,
            non_ascii: true,
            ..PLAIN
        }),
        "with \\u escapes for characters outside of ASCII, and \\/",
    ),
    (
        Escapes::Written(Rules {
            slash: true,
            ..PLAIN
        }),
        "with \\/ for slashes",
    ),
    (
        Escapes::Written(Rules {
            html: true,
            ..PLAIN
        }),
        "with \\u escapes for <, > and &",
    ),
    (
        Escapes::UpperHex,
        "with upper-case digits in its \\u escapes",
    ),
    (
        Escapes::LowerHex,
        "with lower-case digits in its \\u escapes",
    ),
    (
        Escapes::Written(Rules {
            non_ascii: true,
            upper: true,
            ..PLAIN
        }),
        "with upper-case \\u escapes for characters outside of ASCII",
    ),
    (
        Escapes::Written(Rules {
            non_ascii: true,
            html: true,
            ..PLAIN
        }),
        "with \\u escapes for characters outside of ASCII and for <, > and &",
    ),
    (
        Escapes::Written(Rules {
            non_ascii: true,
            html: true,
            quotes: true,
            upper: true,
            slash: false,
        }),
        "with upper-case \\u escapes for quotes, <, >, & and characters outside of ASCII",
    ),
];

const fn lines(indent: &'static str, end: &'static str) -> Layout {
    Layout::Lines { indent, end }
}
