//! What a body may have been before somebody read its bytes as text in the wrong encoding.

use std::borrow::Cow;

use super::{CauseCode, Variant};

type Body<'a> = Variant<Cow<'a, [u8]>>;

/// What Windows-1252 has where Latin-1 has control characters, from 0x80 on; `\0` for nothing.
const WINDOWS: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The body as other encodings would have it.
pub(super) fn recoded<'a>(body: &'a [u8], text: Option<&'a str>) -> impl Iterator<Item = Body<'a>> {
    let mut found: Vec<(&'static str, Cow<'a, [u8]>)> = Vec::new();
    match body.strip_prefix(BOM) {
        Some(bare) => found.push(("without the byte order mark", Cow::Borrowed(bare))),
        None => found.push(("with a byte order mark", Cow::Owned([BOM, body].concat()))),
    }
    match text {
        Some(text) if text.is_ascii() => found.extend(printed_bytes(text)),
        Some(text) => {
            let narrow = [latin1(text), windows(text)].into_iter().flatten();
            found.extend(narrow.map(|bytes| ("in Latin-1", Cow::Owned(bytes))));
        }
        None => {
            let wide: String = body.iter().map(|byte| char::from(*byte)).collect();
            found.push(("in UTF-8, read from Latin-1", Cow::Owned(wide.into_bytes())));
            let wide: String = body.iter().copied().map(from_windows).collect();
            found.push((
                "in UTF-8, read from Windows-1252",
                Cow::Owned(wide.into_bytes()),
            ));
        }
    }
    found.extend(utf16(body, text));
    found.into_iter().map(|(what, value)| Variant {
        code: CauseCode::TextEncoding,
        what: what.into(),
        value,
    })
}

/// Whether the text holds the mark that decoders leave where bytes were lost.
pub(super) fn has_lost_bytes(text: &str) -> bool {
    text.contains('\u{fffd}')
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

fn windows(text: &str) -> Option<Vec<u8>> {
    let byte = |c: char| match WINDOWS.iter().position(|known| *known == c && c != '\0') {
        Some(place) => u8::try_from(0x80 + place).ok(),
        None => u8::try_from(c).ok(),
    };
    text.chars().map(byte).collect()
}

fn from_windows(byte: u8) -> char {
    match WINDOWS.get(usize::from(byte.wrapping_sub(0x80))) {
        Some('\0') | None => char::from(byte),
        Some(c) => *c,
    }
}

/// The bytes of a body that was printed as a literal: `b'…'`.
fn printed_bytes(text: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    let text = text.trim_ascii().strip_prefix('b')?;
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (escaped, after) = escape(rest)?;
        bytes.push(escaped);
        rest = after;
    }
    Some((
        "read from the byte literal that it was printed as",
        Cow::Owned(bytes),
    ))
}

fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    match rest {
        [b'x', high, low, after @ ..] => {
            let byte = hex::decode([*high, *low]).ok()?;
            Some((*byte.first()?, after))
        }
        [b'n', after @ ..] => Some((b'\n', after)),
        [b'r', after @ ..] => Some((b'\r', after)),
        [b't', after @ ..] => Some((b'\t', after)),
        [other @ (b'\\' | b'\'' | b'"'), after @ ..] => Some((*other, after)),
        _ => None,
    }
}

/// From UTF-16 if the body is some, else to it.
fn utf16<'a>(
    body: &'a [u8],
    text: Option<&'a str>,
) -> impl Iterator<Item = (&'static str, Cow<'a, [u8]>)> {
    let has_zeros = body.len().is_multiple_of(2) && body.contains(&0);
    let units = |read: fn([u8; 2]) -> u16| {
        let units = body.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok()
    };
    let narrow = [u16::from_le_bytes as fn(_) -> _, u16::from_be_bytes]
        .map(|read| has_zeros.then(|| units(read)).flatten())
        .into_iter()
        .flatten()
        .map(|text| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            (
                "in UTF-8, read from UTF-16",
                Cow::Owned(text.as_bytes().to_vec()),
            )
        });
    let wide = text.filter(|_| !has_zeros).map(|text| {
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        ("in UTF-16", Cow::Owned(bytes))
    });
    narrow.chain(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(original: &[u8], received: &[u8]) -> bool {
        let text = std::str::from_utf8(received).ok();
        recoded(received, text).any(|variant| *variant.value == *original)
    }

    #[test]
    fn misread_bodies_lead_back_to_the_original() {
        let utf8 = "{\"a\":\"é “x” €\"}";
        let latin = "{\"a\":\"é\"}";
        let windows_bytes = windows(utf8).unwrap();
        let misread: String = utf8.bytes().map(from_windows).collect();
        let bytes: Vec<u8> = utf8.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (original, received) in [
            (utf8.as_bytes(), windows_bytes.as_slice()),
            (windows_bytes.as_slice(), utf8.as_bytes()),
            (utf8.as_bytes(), misread.as_bytes()),
            (latin.as_bytes(), "{\"a\":\"Ã©\"}".as_bytes()),
            (latin.as_bytes(), b"{\"a\":\"\xe9\"}"),
            (b"{\"a\":\"\xe9\"}", latin.as_bytes()),
            (utf8.as_bytes(), &bytes),
            (b"{}", b"\xef\xbb\xbf{}"),
            (b"\xef\xbb\xbf{}", b"{}"),
            (b"{\"a\":\"\xc3\xa9'\"}\n", br#"b'{"a":"\xc3\xa9\'"}\n'"#),
        ] {
            assert!(finds(original, received), "{received:?}");
        }
    }
}
