//! In which other forms a signature may stand in a delivery: another encoding, quotes, a prefix too many or too few, a
//! header whose name is almost right.

use std::{borrow::Cow, ops::RangeInclusive};

use super::envelopes::base64_decoded;

/// The most pieces of one value that are read.
const MAX_PIECES: usize = 48;

/// A value's bytes as one reading gives them, and which reading it was.
pub(super) struct Reading {
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The signatures of these lengths that a value may stand for.
pub(super) fn readings(value: &str, lengths: &RangeInclusive<usize>) -> Vec<Reading> {
    let mut found: Vec<Reading> = Vec::new();
    for piece in pieces(value) {
        for reading in decodings(&piece) {
            let is_new = !found.iter().any(|known| known.bytes == reading.bytes);
            if lengths.contains(&reading.bytes.len()) && is_new {
                found.push(reading);
            }
        }
    }
    found
}

/// The value and what stands in it between the usual separators, without quotes and spaces.
fn pieces(value: &str) -> Vec<Cow<'_, str>> {
    let mut pieces: Vec<Cow<'_, str>> = Vec::new();
    let mut add = |piece: Cow<'_, str>| {
        let bare = piece.trim_matches([' ', '\t', '"', '\'', '[', ']']);
        if !bare.is_empty() && pieces.len() < MAX_PIECES && !pieces.iter().any(|it| *it == bare) {
            pieces.push(Cow::Owned(bare.to_owned()));
        }
    };
    add(Cow::Borrowed(value));
    if value.contains('%') {
        add(percent_encoding::percent_decode_str(value).decode_utf8_lossy());
    }
    for part in value.split([',', ';', ' ', '&']) {
        add(Cow::Borrowed(part));
        for mark in ['=', ':', '.'] {
            if let Some((_, after)) = part.split_once(mark) {
                add(Cow::Borrowed(after));
            }
        }
        if let Some(after) = part.strip_prefix("0x") {
            add(Cow::Borrowed(after));
        }
    }
    pieces
}

fn decodings(text: &str) -> Vec<Reading> {
    let mut found = Vec::new();
    let mut add = |what, bytes: Option<Vec<u8>>| {
        if let Some(bytes) = bytes {
            found.push(Reading { what, bytes });
        }
    };
    add("in hexadecimal", hex::decode(text).ok());
    let base64 = base64_decoded(text);
    add(
        "as base64 of its hexadecimal form",
        base64.as_ref().and_then(|it| hex::decode(it).ok()),
    );
    add("in base64", base64);
    let dashed = text.replace(['-', ':', ' '], "");
    add(
        "in hexadecimal with marks between the bytes",
        hex::decode(dashed).ok(),
    );
    let hex_of_text = hex::decode(text)
        .ok()
        .and_then(|it| String::from_utf8(it).ok());
    add(
        "as hexadecimal of its base64 form",
        hex_of_text.as_deref().and_then(base64_decoded),
    );
    found
}

/// Whether a header's name is almost the expected one: as a CGI variable, without `X-`, with a slip of the pen.
pub(super) fn resembles(name: &str, expected: &str) -> bool {
    if name.eq_ignore_ascii_case(expected) {
        return false;
    }
    let (plain, wanted) = (plain(name), plain(expected));
    plain == wanted || (wanted.len() >= 8 && is_near(plain.as_bytes(), wanted.as_bytes()))
}

fn plain(name: &str) -> String {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = name.chars().filter(is_part).collect();
    let name = name.to_ascii_lowercase().replace('_', "-");
    let name = name.strip_prefix("redirect-").unwrap_or(&name);
    let name = name.strip_prefix("http-").unwrap_or(name);
    name.strip_prefix("x-").unwrap_or(name).to_owned()
}

/// Whether one letter more, less or another makes the one text of the other.
fn is_near(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    if short.len() == long.len() {
        // A digit makes another name: -1 and -2, sha1 and sha256.
        let is_digit = |text: &[u8]| text.get(same).is_some_and(u8::is_ascii_digit);
        short.get(same + 1..) == long.get(same + 1..) && !(is_digit(short) || is_digit(long))
    } else {
        short.get(same..) == long.get(same + 1..)
    }
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    use proptest::prelude::*;

    use super::*;

    fn finds(value: &str) -> bool {
        readings(value, &(32..=32))
            .iter()
            .any(|reading| reading.bytes == tag())
    }

    fn tag() -> Vec<u8> {
        (200..232).collect()
    }

    #[test]
    fn a_signature_is_read_in_any_form() {
        let hex = hex::encode(tag());
        let base64 = STANDARD.encode(tag());
        let dashed: Vec<_> = tag().iter().map(|byte| format!("{byte:02X}")).collect();
        for value in [
            hex.clone(),
            hex.to_uppercase(),
            format!("sha256={hex}"),
            format!("\"{hex}\""),
            format!(" {hex} "),
            format!("0x{hex}"),
            format!("t=1700000000,v1={hex}"),
            format!("v1,{base64}"),
            base64.clone(),
            format!("sha256={base64}"),
            URL_SAFE_NO_PAD.encode(tag()),
            base64
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D"),
            STANDARD.encode(&hex),
            hex::encode(&base64),
            dashed.join("-"),
            format!("{hex}, {hex}"),
            format!("ts=1;h1={hex}"),
            format!("Signature {hex}"),
        ] {
            assert!(finds(&value), "{value}");
        }
        assert!(!finds(&hex[..62]));
        assert!(!finds(""));
    }

    #[test]
    fn names_resemble_each_other_or_not() {
        let name = "X-Hub-Signature-256";
        for near in [
            "HTTP_X_HUB_SIGNATURE_256",
            "Hub-Signature-256",
            "X-Hub-Signatur-256",
            "X_Hub_Signature_256",
            "X-Hub-Signature-256:",
        ] {
            assert!(resembles(near, name), "{near}");
        }
        for far in [
            name,
            "x-hub-signature-256",
            "X-Hub-Signature",
            "X-Hub-Signature-257",
            "Content-Type",
        ] {
            assert!(!resembles(far, name), "{far}");
        }
        assert!(!resembles("BOX-SIGNATURE-1", "BOX-SIGNATURE-2"));
    }

    proptest! {
        #[test]
        fn any_value_can_be_read(value in ".{0,80}") {
            prop_assert!(readings(&value, &(1..=512)).len() <= 5 * MAX_PIECES);
            resembles(&value, "X-Hub-Signature-256");
        }
    }
}
