//! The headers of a delivery, from and to `http`.

use countersign_proto::v1;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Error;

/// The most headers that the service takes by default.
const MAX_HEADERS: usize = 64;
/// The most bytes of names and values together that the service takes by default.
const MAX_BYTES: usize = 8 * 1024;
/// What would give the service somebody's session or password.
const CREDENTIALS: [HeaderName; 3] = [
    header::COOKIE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
];
/// What the names of headers that vendors sign with have in common.
const WEBHOOK_NAMES: [&str; 11] = [
    "signature",
    "timestamp",
    "hook",
    "svix",
    "hmac",
    "delivery",
    "event",
    "-id",
    "token",
    "verification",
    "content-type",
];

/// The headers of a received request, as the service takes them.
///
/// A repeated header stays repeated, in order: a scheme may refuse it for that. `cookie`, `authorization` and
/// `proxy-authorization` are left out, because they are somebody's credentials. One vendor, monday.com, sends its proof in
/// `authorization`: add that header to a `VerifyWebhookRequest` of your own. A value that
/// is not UTF-8 text is left out too, with all others of its name, for the wire cannot carry it; no scheme puts one into a
/// header that it reads.
///
/// A delivery that came through many proxies may have more than the 64 headers or 8 KiB that the service takes. Then
/// every header that looks like one of a webhook by its name is sent (`signature`, `timestamp`, `hook`, `svix`, `hmac`,
/// `delivery`, `event`, `-id`, `token`, `verification` or `content-type` in it), and of the others those that still fit. If not even the former fit, the service
/// answers INVALID_ARGUMENT with its limits. All headers of one name are sent or none, so that leaving some out never
/// hides a header that was given twice.
#[must_use]
pub fn to_wire(headers: &HeaderMap) -> Vec<v1::Header> {
    let groups = headers
        .keys()
        .filter(|name| !CREDENTIALS.contains(name))
        .map(|name| of_name(name, headers));
    let (mut sent, others): (Vec<_>, Vec<_>) = groups.partition(|group| looks_like_webhook(group));
    let (mut count, mut bytes) = sent.iter().fold((0, 0), |sum, group| add(sum, group));
    for group in others {
        let sum = add((count, bytes), &group);
        if sum.0 <= MAX_HEADERS && sum.1 <= MAX_BYTES {
            (count, bytes) = sum;
            sent.push(group);
        }
    }
    sent.into_iter().flatten().collect()
}

/// All headers of one name.
pub(crate) fn of_name(name: &HeaderName, headers: &HeaderMap) -> Vec<v1::Header> {
    let values = headers.get_all(name).iter();
    let texts: Result<Vec<_>, _> = values
        .map(|value| std::str::from_utf8(value.as_bytes()))
        .collect();
    let header = |value: &str| v1::Header {
        name: name.as_str().to_owned(),
        value: value.to_owned(),
    };
    texts.unwrap_or_default().into_iter().map(header).collect()
}

fn looks_like_webhook(group: &[v1::Header]) -> bool {
    let known = |header: &v1::Header| WEBHOOK_NAMES.iter().any(|part| header.name.contains(part));
    group.first().is_some_and(known)
}

fn add((count, bytes): (usize, usize), group: &[v1::Header]) -> (usize, usize) {
    let more = group
        .iter()
        .map(|header| header.name.len() + header.value.len());
    (count + group.len(), bytes + more.sum::<usize>())
}

/// The headers to send beside a body that was signed.
///
/// # Errors
/// [`Error::IncompleteAnswer`] if the server answered something that is no header.
pub(crate) fn from_wire(headers: Vec<v1::Header>) -> Result<HeaderMap, Error> {
    let unusable = Error::IncompleteAnswer { field: "headers" };
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_str(&header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(unusable);
        };
        map.append(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_headers_stay_repeated_and_in_order() {
        let mut map = HeaderMap::new();
        map.append("x-signature", HeaderValue::from_static("one"));
        map.append("x-signature", HeaderValue::from_static("two"));
        let wire = to_wire(&map);
        assert_eq!(
            wire.iter().map(|h| h.value.as_str()).collect::<Vec<_>>(),
            ["one", "two"]
        );
    }

    #[test]
    fn credentials_and_values_that_are_not_text_stay_behind() {
        let mut map = HeaderMap::new();
        for name in ["cookie", "authorization", "proxy-authorization"] {
            map.insert(name, HeaderValue::from_static("session=1"));
        }
        map.insert("x-binary", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        map.append(
            "x-binary",
            HeaderValue::from_static("the one that would be left"),
        );
        map.insert(
            "x-text",
            HeaderValue::from_bytes("grün".as_bytes()).unwrap(),
        );
        let wire = to_wire(&map);
        assert_eq!(wire.len(), 1);
        assert_eq!(
            (wire[0].name.as_str(), wire[0].value.as_str()),
            ("x-text", "grün")
        );
    }

    #[test]
    fn over_the_limits_the_headers_of_the_webhook_are_sent_and_no_part_of_a_name() {
        for (others, length) in [(100, 1), (20, 1000)] {
            let mut map = HeaderMap::new();
            for number in 0..others {
                let name: HeaderName = format!("x-hop-{number}").parse().unwrap();
                let value: HeaderValue = "v".repeat(length).parse().unwrap();
                map.append(&name, value.clone());
                map.append(name, value);
            }
            map.append("stripe-signature", HeaderValue::from_static("one"));
            map.append("stripe-signature", HeaderValue::from_static("two"));
            let wire = to_wire(&map);
            let (count, bytes) = add((0, 0), &wire);
            assert!(
                count <= MAX_HEADERS && bytes <= MAX_BYTES,
                "{count}, {bytes}"
            );
            for header in &wire {
                let same = wire.iter().filter(|other| other.name == header.name);
                assert_eq!(same.count(), 2, "{}", header.name);
            }
            assert!(wire.iter().any(|header| header.name == "stripe-signature"));
            assert!(count > 2, "what fits of the rest is sent too");
        }
    }

    #[test]
    fn a_header_of_the_webhook_is_never_left_out() {
        let mut map = HeaderMap::new();
        for _ in 0..=MAX_HEADERS {
            map.append("stripe-signature", HeaderValue::from_static("v1=0"));
        }
        assert_eq!(to_wire(&map).len(), MAX_HEADERS + 1);
    }

    #[test]
    fn values_are_not_trimmed() {
        let wire = vec![v1::Header {
            name: "X-A".into(),
            value: "a b".into(),
        }];
        assert_eq!(from_wire(wire).unwrap()["x-a"], "a b");
    }
}
