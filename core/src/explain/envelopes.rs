//! What platforms wrap a body in: base64, a JSON string, an event object, a form field, compression.

use std::{borrow::Cow, io::Read};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{
    CauseCode, Variant,
    json_text::{self, Layout, Node, Style},
};

type Body<'a> = Variant<Cow<'a, [u8]>>;

/// The largest body that unpacking may give, in bytes.
const MAX_UNPACKED_BYTES: u64 = 4 << 20;

/// The most strings of an event object that are tried.
const MAX_STRINGS: usize = 32;

/// How deep an event object is searched: `Records[0].Sns.Message`.
const MAX_LEVELS: u8 = 5;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Base64 in either alphabet, padded or not; `None` if the text is none, or too short to be a body.
pub(super) fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    let engines = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    engines
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(&text).ok())
        .filter(|bytes| !bytes.is_empty())
}

/// The body without its compression, if it has one.
pub(super) fn unpacked(body: &[u8]) -> Vec<Body<'static>> {
    let gzip = is_gzip(body)
        .then(|| read(MultiGzDecoder::new(body)))
        .flatten();
    let looks_zlib = matches!(body, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
    let zlib = looks_zlib.then(|| read(ZlibDecoder::new(body))).flatten();
    let found = [
        (gzip, "unpacked from gzip"),
        (zlib, "unpacked from deflate"),
    ];
    found
        .into_iter()
        .filter_map(|(bytes, what)| {
            Some(Variant {
                code: CauseCode::CompressedBody,
                what: what.into(),
                value: Cow::Owned(bytes?),
            })
        })
        .collect()
}

/// Whether the bytes begin as gzip does.
pub(super) fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

fn read(packed: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = packed
        .take(MAX_UNPACKED_BYTES + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    let fits = u64::try_from(length).is_ok_and(|length| length <= MAX_UNPACKED_BYTES);
    fits.then_some(bytes)
}

/// What the body may hold as a whole or in a part.
pub(super) fn opened<'a>(
    body: &'a [u8],
    text: Option<&'a str>,
    tree: Option<&'a Node<'a>>,
) -> impl Iterator<Item = Body<'a>> {
    let whole = text
        .into_iter()
        .flat_map(move |text| of_text(text, tree.is_some()));
    let parts = tree.into_iter().flat_map(of_event);
    whole
        .chain(parts)
        .filter(move |(_, bytes)| **bytes != *body)
        .map(|(what, value)| Variant {
            code: CauseCode::PlatformEnvelope,
            what: what.into(),
            value,
        })
}

type Found<'a> = (&'static str, Cow<'a, [u8]>);

fn of_text(text: &str, is_json: bool) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    if is_json {
        return found;
    }
    if let Some(inner) = json_text::string_literal(text) {
        found.push(("taken out of the JSON string that it is", owned(&inner)));
        if let Some(bytes) = base64_decoded(&inner) {
            found.push(("decoded from base64 in a JSON string", Cow::Owned(bytes)));
        }
    }
    if let Some(bytes) = base64_decoded(text) {
        for unpacked in unpacked(&bytes) {
            found.push(("decoded from base64 and unpacked", unpacked.value));
        }
        found.push(("decoded from base64", Cow::Owned(bytes)));
    }
    if let Ok(bytes) = hex::decode(text.trim_ascii()) {
        found.push(("decoded from hexadecimal", Cow::Owned(bytes)));
    }
    found.extend(of_form(text));
    found
}

/// A form and its one payload field, either way.
fn of_form(text: &str) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    if text.contains('%') {
        let decoded = percent_encoding::percent_decode_str(text);
        found.push((
            "decoded from percent-encoding",
            Cow::Owned(decoded.collect()),
        ));
    }
    for (name, value) in form_urlencoded::parse(text.as_bytes()).take(MAX_STRINGS) {
        if matches!(&*name, "payload" | "body" | "data") {
            found.push((
                "taken out of the form field that it stands in",
                owned(&value),
            ));
        }
    }
    found
}

/// The strings of an event object, and members that were parsed with it.
fn of_event<'a>(tree: &'a Node<'a>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    if let Some(bytes) = buffer(tree) {
        found.push((
            "put together from the byte list that it was printed as",
            Cow::Owned(bytes),
        ));
    }
    walk(tree, MAX_LEVELS, &mut found);
    let compact = json_text::print(tree, Style::of(Layout::Compact));
    let field: String = form_urlencoded::byte_serialize(compact.as_bytes()).collect();
    found.push((
        "as the form field `payload`",
        owned(&format!("payload={field}")),
    ));
    found
}

fn walk<'a>(node: &'a Node<'a>, levels: u8, found: &mut Vec<Found<'a>>) {
    if levels == 0 || found.len() >= MAX_STRINGS {
        return;
    }
    match node {
        Node::List(items) => {
            let first = items.iter().take(2);
            first.for_each(|item| walk(item, levels - 1, found));
        }
        Node::Object(members) => {
            for (name, value) in members {
                member(name, value, found);
                walk(value, levels - 1, found);
            }
        }
        Node::Scalar(_) | Node::Text(_) => {}
    }
}

fn member<'a>(name: &str, value: &'a Node<'a>, found: &mut Vec<Found<'a>>) {
    const HOLDS_A_BODY: [&str; 10] = [
        "body", "Message", "message", "data", "payload", "rawBody", "raw_body", "event", "detail",
        "content",
    ];
    if !HOLDS_A_BODY.contains(&name) || found.len() >= MAX_STRINGS {
        return;
    }
    match value {
        Node::Text(raw) => {
            let Some(text) = json_text::unescaped(raw) else {
                return;
            };
            if let Some(bytes) = base64_decoded(&text) {
                found.push((
                    "decoded from base64 in the event object around it",
                    Cow::Owned(bytes),
                ));
            }
            found.push((
                "taken out of the event object around it",
                Cow::Owned(text.into_bytes()),
            ));
        }
        Node::Object(_) | Node::List(_) => {
            if let Some(bytes) = buffer(value) {
                let what = "put together from the byte list in the event object around it";
                found.push((what, Cow::Owned(bytes)));
            }
            for layout in [Layout::Compact, Layout::Spaced] {
                let text = json_text::print(value, Style::of(layout));
                found.push((
                    "taken out of the event object around it",
                    Cow::Owned(text.into_bytes()),
                ));
            }
        }
        Node::Scalar(_) => {}
    }
}

/// The bytes of `{"type":"Buffer","data":[…]}`.
fn buffer(node: &Node<'_>) -> Option<Vec<u8>> {
    let Node::Object(members) = node else {
        return None;
    };
    let [("type", Node::Text("Buffer")), ("data", Node::List(items))] = members.as_slice() else {
        return None;
    };
    let byte = |item: &Node<'_>| match item {
        Node::Scalar(text) => text.parse().ok(),
        _ => None,
    };
    items.iter().map(byte).collect()
}

fn owned(text: &str) -> Cow<'static, [u8]> {
    Cow::Owned(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use flate2::{Compression, write::GzEncoder};

    use super::{super::bodies::Bodies, *};

    const ORIGINAL: &str = r#"{"a": "é/?", "n": [1, 2]}"#;

    fn cause(received: &[u8]) -> Option<CauseCode> {
        let bodies = Bodies::of(received);
        let found = bodies
            .variants()
            .find(|it| *it.value == *ORIGINAL.as_bytes());
        found.map(|variant| variant.code)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn envelopes_are_opened() {
        let base64 = STANDARD.encode(ORIGINAL);
        let literal = serde_json::to_string(ORIGINAL).unwrap();
        let bytes = serde_json::to_string(ORIGINAL.as_bytes()).unwrap();
        let form: String = form_urlencoded::byte_serialize(ORIGINAL.as_bytes()).collect();
        for received in [
            base64.clone(),
            URL_SAFE_NO_PAD.encode(ORIGINAL),
            format!("{base64}\n"),
            hex::encode(ORIGINAL),
            literal.clone(),
            format!("\"{base64}\""),
            format!(r#"{{"headers":{{}},"body":{literal},"isBase64Encoded":false}}"#),
            format!(r#"{{"body":"{base64}","isBase64Encoded":true}}"#),
            format!(r#"{{"version":"2.0","body":{ORIGINAL}}}"#),
            format!(r#"{{"Type":"Notification","Message":{literal}}}"#),
            format!(r#"{{"Records":[{{"Sns":{{"Message":{literal}}}}}]}}"#),
            format!(r#"{{"Records":[{{"body":{literal}}}]}}"#),
            format!(r#"{{"message":{{"data":"{base64}"}},"subscription":"x"}}"#),
            format!(r#"{{"type":"Buffer","data":{bytes}}}"#),
            format!("payload={form}"),
            STANDARD.encode(gzip(ORIGINAL.as_bytes())),
        ] {
            assert_eq!(
                cause(received.as_bytes()),
                Some(CauseCode::PlatformEnvelope),
                "{received}"
            );
        }
    }

    #[test]
    fn compressed_bodies_are_unpacked_up_to_a_limit() {
        assert_eq!(
            cause(&gzip(ORIGINAL.as_bytes())),
            Some(CauseCode::CompressedBody)
        );
        let bomb = gzip(&vec![0; 5 << 20]);
        assert!(unpacked(&bomb).is_empty());
        assert!(unpacked(&bomb[..100]).is_empty());
    }
}
