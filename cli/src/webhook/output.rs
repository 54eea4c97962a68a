//! A delivery as text: headers, a shell's line, a request as it goes over the line, JSON.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use serde_json::json;

use super::delivery::Delivery;
use crate::{exit::usage, json};

/// Where a delivery without URL goes.
const DEFAULT_URL: &str = "http://127.0.0.1:8080/";

/// The longest body that is an argument: systems limit one to 128 KiB.
const MAX_ARGUMENT_BYTES: usize = 64 * 1024;

/// How a delivery is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The headers to send beside the body, one a line
    Headers,
    /// A command line of curl for a POSIX shell, with the exact body
    Curl,
    /// One JSON object with method, url, headers, and body (text) or body_base64
    Json,
    /// The bytes of an HTTP/1.1 request
    Raw,
}

pub(super) fn print(
    format: Format,
    delivery: &Delivery,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match format {
        Format::Headers => {
            for (name, value) in &delivery.headers {
                writeln!(out, "{name}: {value}")?;
            }
        }
        Format::Curl => writeln!(out, "{}", curl(delivery))?,
        Format::Json => json::print(&object(delivery), out)?,
        Format::Raw => out.write_all(&raw(delivery)?)?,
    }
    Ok(())
}

fn url(delivery: &Delivery) -> &str {
    match delivery.url.as_str() {
        "" => DEFAULT_URL,
        url => url,
    }
}

fn object(delivery: &Delivery) -> serde_json::Value {
    let headers = delivery.request_headers().into_iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut object = json!({
        "method": delivery.method,
        "url": url(delivery),
        "headers": headers,
    });
    match std::str::from_utf8(&delivery.body) {
        Ok(text) => object["body"] = text.into(),
        Err(_) => object["body_base64"] = STANDARD.encode(&delivery.body).into(),
    }
    object
}

fn raw(delivery: &Delivery) -> anyhow::Result<Vec<u8>> {
    let url: http::Uri = url(delivery)
        .parse()
        .map_err(|_| usage("--url is not a URL that a request can be made of"))?;
    let host = url
        .authority()
        .ok_or_else(|| usage("--url has no host: give the whole URL"))?;
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n", delivery.method);
    for (name, value) in delivery.request_headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = delivery.body.len();
    head.push_str(&format!("Content-Length: {length}\r\n\r\n"));
    Ok([head.as_bytes(), &delivery.body].concat())
}

fn curl(delivery: &Delivery) -> String {
    let mut line = String::new();
    let as_argument = argument(&delivery.body);
    if as_argument.is_none() {
        line.push_str(&format!("printf '{}' | ", octal(&delivery.body)));
    }
    // Brackets and braces of a URL mean something to curl unless it is told.
    line.push_str(&format!("curl --globoff -X {}", quoted(&delivery.method)));
    for (name, value) in delivery.request_headers() {
        let header = match value {
            // With a colon curl would leave the header out.
            "" => format!("{name};"),
            value => format!("{name}: {value}"),
        };
        line.push_str(&format!(" -H {}", quoted(&header)));
    }
    let body = as_argument.map_or_else(|| "@-".to_owned(), quoted);
    line.push_str(&format!(" --data-binary {body} {}", quoted(url(delivery))));
    line
}

/// The body as an argument, if nothing on the way changes it: no control character that a terminal takes for itself,
/// no `@` that curl takes for a file.
fn argument(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let plain = |letter: char| letter == '\n' || !letter.is_control();
    let fits =
        text.len() <= MAX_ARGUMENT_BYTES && !text.starts_with('@') && text.chars().all(plain);
    fits.then_some(text)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Bytes as the format of `printf`.
fn octal(bytes: &[u8]) -> String {
    let written = bytes.iter().map(|byte| match byte {
        b'%' => "%%".to_owned(),
        b'\'' | b'\\' | b'-' => format!("\\{byte:03o}"),
        0x20..0x7f => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_no_argument() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_a_terminal_or_curl_would_take_is_no_argument() {
        for body in [&b"@file"[..], b"a\tb", b"a\rb", b"\0", b"\xff"] {
            assert_eq!(argument(body), None, "{body:?}");
        }
        assert_eq!(argument(b"a\n'b' $c"), Some("a\n'b' $c"));
        assert_eq!(octal(b"100%\0'\\"), r"100%%\000\047\134");
    }
}
