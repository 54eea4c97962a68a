//! Which public URL and method a vendor may have signed, where a proxy stands before the verifier.

use std::borrow::Cow;

use super::{CauseCode, Variant};

type Url = Variant<String>;

/// The most URLs that are tried.
const MAX_URLS: usize = 200;

/// A URL taken apart.
#[derive(Clone, Copy)]
struct Parts<'u> {
    scheme: &'u str,
    host: &'u str,
    port: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let (host, port) = host_and_port(authority);
        Some(Self {
            scheme,
            host,
            port,
            path,
            query,
        })
    }

    fn text(self) -> String {
        let Self {
            scheme, host, path, ..
        } = self;
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let query = self
            .query
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        format!("{scheme}://{host}{port}{path}{query}")
    }
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The forms of a URL that the headers of a delivery and a proxy's habits suggest. `header` finds a header.
pub(super) fn variants<'h>(url: &str, header: impl Fn(&str) -> Option<&'h str>) -> Vec<Url> {
    let mut found = Vec::new();
    if let Some(parts) = Parts::of(url) {
        for (what, form) in forms(parts, &header) {
            add(&mut found, url, what, form);
        }
        let path_alone = Parts {
            query: None,
            ..parts
        }
        .path;
        let path = match parts.query {
            Some(query) => format!("{path_alone}?{query}"),
            None => path_alone.to_owned(),
        };
        add(&mut found, url, "its path alone".into(), path);
    }
    if let Some((bare, _)) = url.split_once('#') {
        add(
            &mut found,
            url,
            "without its fragment".into(),
            bare.to_owned(),
        );
    }
    add(
        &mut found,
        url,
        "in lower case".into(),
        url.to_ascii_lowercase(),
    );
    let trimmed = url.trim();
    add(
        &mut found,
        url,
        "without the white space around it".into(),
        trimmed.to_owned(),
    );
    found
}

fn add(found: &mut Vec<Url>, url: &str, what: Cow<'static, str>, form: String) {
    let is_new = form != url && !found.iter().any(|known| known.value == form);
    if is_new && found.len() < MAX_URLS {
        found.push(Variant {
            code: CauseCode::UrlDiffers,
            what,
            value: form,
        });
    }
}

type Form = (Cow<'static, str>, String);

/// One thing changed comes before two.
fn forms<'h>(parts: Parts<'_>, header: &impl Fn(&str) -> Option<&'h str>) -> Vec<Form> {
    let mut singles: Vec<(&'static str, String)> = Vec::new();
    let mut single = |what, parts: Parts<'_>| singles.push((what, parts.text()));
    for (what, scheme) in [("with https", "https"), ("with http", "http")] {
        single(what, Parts { scheme, ..parts });
    }
    for (what, name) in [
        ("with the host of X-Forwarded-Host", "x-forwarded-host"),
        ("with the host of X-Original-Host", "x-original-host"),
        ("with the host of the Host header", "host"),
    ] {
        if let Some((host, port)) = header(name).map(first).map(host_and_port) {
            single(what, Parts { host, ..parts });
            single(
                what,
                Parts {
                    host,
                    port,
                    ..parts
                },
            );
        }
    }
    for (what, port) in ports(header) {
        single(what, Parts { port, ..parts });
    }
    path_forms(parts, header, &mut single);
    query_forms(parts, &mut single);
    let pairs = pairs_of(&singles, header);
    singles
        .into_iter()
        .map(|(what, form)| (what.into(), form))
        .chain(pairs)
        .collect()
}

/// A changed URL changed once more: scheme, host and port tend to differ together.
fn pairs_of<'h>(
    singles: &[(&'static str, String)],
    header: &impl Fn(&str) -> Option<&'h str>,
) -> Vec<Form> {
    let mut pairs = Vec::new();
    for (what, url) in singles {
        let Some(parts) = Parts::of(url) else {
            continue;
        };
        let mut pair = |more: &str, parts: Parts<'_>| {
            pairs.push((Cow::Owned(format!("{what} and {more}")), parts.text()));
        };
        pair(
            "with https",
            Parts {
                scheme: "https",
                ..parts
            },
        );
        pair(
            "with http",
            Parts {
                scheme: "http",
                ..parts
            },
        );
        for (more, port) in ports(header) {
            pair(more, Parts { port, ..parts });
            pair(
                "with https and another port",
                Parts {
                    scheme: "https",
                    port,
                    ..parts
                },
            );
        }
        path_forms(parts, header, &mut pair);
    }
    pairs
}

fn ports<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Vec<(&'static str, Option<&'h str>)> {
    let forwarded = header("x-forwarded-port").map(|port| Some(first(port)));
    let fixed = [
        ("without a port", None),
        ("with port 443", Some("443")),
        ("with port 80", Some("80")),
    ];
    let forwarded = forwarded.map(|port| ("with the port of X-Forwarded-Port", port));
    forwarded.into_iter().chain(fixed).collect()
}

fn path_forms<'h>(
    parts: Parts<'_>,
    header: &impl Fn(&str) -> Option<&'h str>,
    add: &mut impl FnMut(&'static str, Parts<'_>),
) {
    match parts.path.strip_suffix('/') {
        Some(path) => add(
            "without the slash at the end of its path",
            Parts { path, ..parts },
        ),
        None => {
            let path = format!("{}/", parts.path);
            add(
                "with a slash at the end of its path",
                Parts {
                    path: &path,
                    ..parts
                },
            );
        }
    }
    if let Some(prefix) = header("x-forwarded-prefix").map(first) {
        let path = format!("{}{}", prefix.trim_end_matches('/'), parts.path);
        add(
            "with the prefix of X-Forwarded-Prefix",
            Parts {
                path: &path,
                ..parts
            },
        );
    }
    for name in [
        "x-original-url",
        "x-original-uri",
        "x-forwarded-uri",
        "x-rewrite-url",
    ] {
        if let Some(original) = header(name).filter(|text| text.starts_with('/')) {
            let (path, query) = match original.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (original, None),
            };
            add(
                "with the path that a proxy has kept in a header",
                Parts {
                    path,
                    query,
                    ..parts
                },
            );
        }
    }
}

fn query_forms(parts: Parts<'_>, add: &mut impl FnMut(&'static str, Parts<'_>)) {
    let Some(query) = parts.query else { return };
    add(
        "without its query",
        Parts {
            query: None,
            ..parts
        },
    );
    let decoded = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
    add(
        "with its query decoded",
        Parts {
            query: Some(&decoded),
            ..parts
        },
    );
    let spaces = query.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaces).decode_utf8_lossy();
    add(
        "with its query decoded",
        Parts {
            query: Some(&decoded),
            ..parts
        },
    );
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let again = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&pairs)
        .finish();
    add(
        "with its query encoded again",
        Parts {
            query: Some(&again),
            ..parts
        },
    );
    let twenty = again.replace('+', "%20");
    add(
        "with its query encoded again",
        Parts {
            query: Some(&twenty),
            ..parts
        },
    );
    let mut sorted: Vec<_> = query.split('&').collect();
    sorted.sort_unstable();
    let sorted = sorted.join("&");
    add(
        "with its query in order",
        Parts {
            query: Some(&sorted),
            ..parts
        },
    );
}

/// The first of a list that proxies wrote.
fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default().trim()
}

/// The other methods that a delivery may have come with.
pub(super) fn methods(method: &str) -> impl Iterator<Item = Variant<String>> {
    let upper = method.to_ascii_uppercase();
    let own = (upper != method).then_some(upper);
    let method = method.to_owned();
    let others = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"];
    own.into_iter()
        .chain(others.map(str::to_owned))
        .filter(move |other| *other != method)
        .map(|value| Variant {
            code: CauseCode::UrlDiffers,
            what: format!("method {value}").into(),
            value,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(public: &str, seen: &str, headers: &[(&str, &'static str)]) -> bool {
        let header = |name: &str| {
            let found = headers.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| *value)
        };
        variants(seen, header).iter().any(|it| it.value == public)
    }

    #[test]
    fn what_a_proxy_changes_is_changed_back() {
        let host = [("host", "api.example.com")];
        let forwarded = [
            ("x-forwarded-host", "api.example.com, inner"),
            ("x-forwarded-port", "8443"),
        ];
        for (public, seen, headers) in [
            ("https://a.example/x", "http://a.example/x", &[][..]),
            ("https://a.example/x", "https://a.example/x/", &[]),
            ("https://a.example/x/", "https://a.example/x", &[]),
            ("https://a.example/x?y=1", "http://a.example:80/x?y=1", &[]),
            ("https://a.example:443/x", "https://a.example/x", &[]),
            ("https://a.example", "https://a.example/", &[]),
            (
                "https://api.example.com/x",
                "http://127.0.0.1:3000/x",
                &host,
            ),
            (
                "https://api.example.com:8443/x",
                "http://inner/x",
                &forwarded,
            ),
            ("https://a.example/x", "https://a.example/x?y=1", &[]),
            (
                "https://a.example/x?y=a b",
                "https://a.example/x?y=a+b",
                &[],
            ),
            ("https://a.example/x?y=%3A", "https://a.example/x?y=:", &[]),
            (
                "https://a.example/api/x",
                "http://a.example/x",
                &[("x-forwarded-prefix", "/api")],
            ),
            (
                "https://a.example/v1/x?y",
                "http://a.example/z",
                &[("x-original-url", "/v1/x?y")],
            ),
        ] {
            assert!(finds(public, seen, headers), "{public} from {seen}");
        }
    }

    proptest! {
        #[test]
        fn any_url_has_a_bounded_number_of_variants(url in ".{0,80}") {
            let header = |_: &str| Some("::[a]:,/?");
            prop_assert!(variants(&url, header).len() <= MAX_URLS);
        }
    }
}
