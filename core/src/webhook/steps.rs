//! The named steps: what some vendors do to a value before they sign it. A scheme file refers to them; none knows a
//! vendor.

use std::{borrow::Cow, collections::BTreeSet, io::Read};

use flate2::read::MultiGzDecoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Reason, template::Step};

/// The largest body that unpacking may give, in bytes.
const MAX_UNPACKED_BYTES: usize = 4 << 20;

/// How many times its own size a body may unpack to, where that is more than a small body has. Events are text, which
/// packs to a tenth; a bomb packs to a thousandth.
const MAX_RATIO: usize = 32;

/// What any body may unpack to, in bytes.
const SMALL_BYTES: usize = 64 << 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a query part keeps as it is: the unreserved marks of RFC 2396.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What a whole URI keeps as it is: the reserved marks as well.
const WHOLE: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b',')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b'#');

/// A body after its step.
pub(super) fn body(body: &[u8], step: Option<Step>) -> Result<Cow<'_, [u8]>, Reason> {
    match step {
        Some(Step::Gunzip) => gunzip(body),
        Some(Step::JsonCompact) => Ok(json_compact(body)),
        _ => Ok(Cow::Borrowed(body)),
    }
}

/// How many bytes a body may unpack to: unpacking is work for whoever sends it, signed or not.
pub(super) fn max_unpacked(body: &[u8]) -> usize {
    let by_ratio = body.len().saturating_mul(MAX_RATIO);
    by_ratio.clamp(SMALL_BYTES, MAX_UNPACKED_BYTES)
}

/// A body that is gzip, unpacked; any other as it is.
pub(super) fn gunzip(body: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    if !body.starts_with(&GZIP_MAGIC) {
        return Ok(Cow::Borrowed(body));
    }
    let max = max_unpacked(body);
    // The last four bytes say how long it will be (RFC 1952 §2.3.1). Whoever lies there is stopped on the way.
    let stated = body.last_chunk().map(|size| u32::from_le_bytes(*size));
    if stated.is_some_and(|size| usize::try_from(size).unwrap_or(usize::MAX) > max) {
        return Err(Reason::BodyMalformed);
    }
    let mut unpacked = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    MultiGzDecoder::new(body)
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| Reason::BodyMalformed)?;
    if unpacked.len() > max {
        return Err(Reason::BodyMalformed);
    }
    Ok(Cow::Owned(unpacked))
}

/// JSON without the white space between its tokens. Text in quotes stays to the byte, whatever it is, and so does a body
/// that is no object or array: white space means something elsewhere.
pub(super) fn json_compact(body: &[u8]) -> Cow<'_, [u8]> {
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Cow::Borrowed(body);
    }
    let mut compact = Vec::with_capacity(body.len());
    let (mut quoted, mut escaped) = (false, false);
    for &byte in body {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        } else {
            quoted = byte == b'"';
        }
        compact.push(byte);
    }
    if compact.len() == body.len() {
        Cow::Borrowed(body)
    } else {
        Cow::Owned(compact)
    }
}

/// The URL with its scheme's default port where it has none, without it where it has it; another port stays.
pub(super) fn other_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return url.to_owned(),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // The colons of an address in brackets are no port's.
    let has_port = authority.rfind(':') > authority.rfind(']');
    match authority.strip_suffix(port) {
        Some(host) if has_port => format!("{scheme}://{host}{path}"),
        None if !has_port => format!("{scheme}://{authority}{port}{path}"),
        _ => url.to_owned(),
    }
}

/// Path and query of a URL.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| {
        &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..]
    });
    rest.split_once('#').map_or(rest, |(path, _)| path)
}

/// The path with its query percent-encoded as a whole and then the lot once more; a second query is cut off.
pub(super) fn encode(path: &str) -> String {
    let mut halves = path.split('?');
    let own = halves.next().unwrap_or_default();
    let query = halves.next().filter(|query| !query.is_empty());
    let once = match query {
        Some(query) => format!("{own}?{}", utf8_percent_encode(query, COMPONENT)),
        None => own.to_owned(),
    };
    utf8_percent_encode(&once, WHOLE).to_string()
}

/// The one value of a query parameter, decoded.
///
/// # Errors
/// [`Reason::HeaderAmbiguous`] when it stands twice.
pub(crate) fn query<'u>(url: &'u str, name: &str) -> Result<Option<Cow<'u, str>>, Reason> {
    let query = path(url).split_once('?').map_or("", |(_, query)| query);
    one(form_urlencoded::parse(query.as_bytes()), name)
}

/// The one value of a form field.
///
/// # Errors
/// [`Reason::HeaderAmbiguous`] when it stands twice.
pub(super) fn form_field<'b>(body: &'b [u8], name: &str) -> Result<Option<Cow<'b, str>>, Reason> {
    one(form_urlencoded::parse(body), name)
}

fn one<'u>(fields: form_urlencoded::Parse<'u>, name: &str) -> Result<Option<Cow<'u, str>>, Reason> {
    let mut values = fields
        .filter(|(own, _)| own == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(Reason::HeaderAmbiguous),
        (value, _) => Ok(value),
    }
}

/// Names and values of a form, each pair once, in order, as one text.
pub(super) fn sorted_form(body: &[u8]) -> String {
    let pairs: BTreeSet<_> = form_urlencoded::parse(body).collect();
    let mut text = String::with_capacity(body.len());
    for (name, value) in pairs {
        text.push_str(&name);
        text.push_str(&value);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn gzip_is_unpacked_up_to_a_limit_and_other_bodies_stay() {
        assert_eq!(&*gunzip(&packed(b"{}")).unwrap(), b"{}");
        assert_eq!(&*gunzip(b"{}").unwrap(), b"{}");
        let cut = &packed(b"a longer body")[..20];
        assert_eq!(gunzip(cut), Err(Reason::BodyMalformed));
    }

    #[test]
    fn a_bomb_is_stopped_at_a_multiple_of_its_size() {
        let mut small = packed(&vec![b'a'; SMALL_BYTES]);
        assert!(small.len() < 1000);
        assert_eq!(gunzip(&small).unwrap().len(), SMALL_BYTES);
        let mut bomb = packed(&vec![b'a'; SMALL_BYTES + 1]);
        assert_eq!(gunzip(&bomb), Err(Reason::BodyMalformed));
        // Whatever it says of its own length, and in however many parts it comes.
        let at = bomb.len() - 4;
        bomb[at..].fill(0);
        assert_eq!(gunzip(&bomb), Err(Reason::BodyMalformed));
        small.extend_from_slice(&small.clone());
        assert_eq!(gunzip(&small), Err(Reason::BodyMalformed));
        assert_eq!(max_unpacked(&[0; 4096]), 4096 * MAX_RATIO);
        assert_eq!(max_unpacked(&vec![0; 1 << 20]), MAX_UNPACKED_BYTES);
    }

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_white_space_between_tokens_goes() {
        let pretty = b"{\n  \"a b\" : [1, \"x \\\" y\"],\t\"c\\\\\" : null\r\n}";
        assert_eq!(
            &*json_compact(pretty),
            b"{\"a b\":[1,\"x \\\" y\"],\"c\\\\\":null}"
        );
        assert!(matches!(json_compact(b"{\"a\":1}"), Cow::Borrowed(_)));
        assert_eq!(&*json_compact(b"amount=1 00"), b"amount=1 00");
    }

    #[test]
    fn the_default_port_comes_and_goes() {
        for (one, other) in [
            ("https://a.example/x?y=1", "https://a.example:443/x?y=1"),
            ("http://a.example", "http://a.example:80"),
            ("http://[::1]/", "http://[::1]:80/"),
        ] {
            assert_eq!(other_port(one), other);
            assert_eq!(other_port(other), one);
        }
        for same in [
            "https://a.example:80/",
            "http://a:8080/",
            "ftp://a/",
            "a",
            "",
        ] {
            assert_eq!(other_port(same), same);
        }
    }

    #[test]
    fn paths_and_queries_are_found() {
        assert_eq!(path("https://a.example/x/y?z=1#f"), "/x/y?z=1");
        assert_eq!(path("https://a.example?z=1"), "?z=1");
        assert_eq!(path("/x"), "/x");
        assert_eq!(
            query("https://a/x?data.id=1%202", "data.id")
                .unwrap()
                .unwrap(),
            "1 2"
        );
        assert_eq!(query("https://a/x", "data.id"), Ok(None));
        assert_eq!(
            query("https://a/x?i=1&i=1", "i"),
            Err(Reason::HeaderAmbiguous)
        );
    }

    #[test]
    fn a_path_is_encoded_twice() {
        assert_eq!(encode("/a/b?x=1&y=2"), "/a/b?x%253D1%2526y%253D2");
        assert_eq!(encode("/ä b"), "/%C3%A4%20b");
        assert_eq!(encode("/a?x=1?y"), "/a?x%253D1");
    }

    #[test]
    fn a_form_is_sorted_and_each_pair_counts_once() {
        assert_eq!(sorted_form(b"b=2&a=+x&b=1&b=2&c"), "a xb1b2c");
    }
}
