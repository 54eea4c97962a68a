//! The headers of a delivery, from and to `http`.

use countersign_proto::v1;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Error;

/// The headers of a received request, as the service takes them.
///
/// A repeated header stays repeated, in order: a scheme may refuse it for that. `cookie` is left out, because no
/// scheme signs it and it is somebody's session. A value that is not UTF-8 text is left out too, for the wire cannot
/// carry it; no scheme puts one into a header that it reads.
#[must_use]
pub fn to_wire(headers: &HeaderMap) -> Vec<v1::Header> {
    headers
        .iter()
        .filter(|(name, _)| **name != header::COOKIE)
        .filter_map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).ok()?;
            Some(v1::Header {
                name: name.as_str().to_owned(),
                value: value.to_owned(),
            })
        })
        .collect()
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
    fn cookies_and_values_that_are_not_text_stay_behind() {
        let mut map = HeaderMap::new();
        map.insert("cookie", HeaderValue::from_static("session=1"));
        map.insert("x-binary", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
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
    fn values_are_not_trimmed() {
        let wire = vec![v1::Header {
            name: "X-A".into(),
            value: "a b".into(),
        }];
        assert_eq!(from_wire(wire).unwrap()["x-a"], "a b");
    }
}
