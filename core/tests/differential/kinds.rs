//! The kinds of difference that are allowed, each by the row of the attack list that it comes from. They are found in
//! the token as it stands, whatever it was made from.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::Timestamp;

use super::json::Json;

/// A row of the attack list, or a few words where none speaks of it.
pub(crate) type Kind = &'static str;

/// Members of a header that the other library wants to be text, although nobody here reads them.
const UNREAD: Kind = "a header member that is not read is of any type";

/// The claims that make the identity are text; the other library knows of no identity.
const IDENTITY: Kind = "claims of the identity are text";

/// Every kind there is. J59 is none: what starts after its end starts in the future (J57), or has ended.
pub(crate) const ALL: [Kind; 25] = [
    UNREAD, IDENTITY, "J08", "J10", "J11", "J12", "J13", "J14", "J15", "J16", "J17", "J18", "J19",
    "J20", "J25", "J39", "J41", "J47", "J51", "J52", "J57", "J58", "J60", "J63", "J65",
];

/// What we take and it refuses. J50 would stand here: a fraction of `exp` counts down for us and to the nearest second
/// for it, which shows within a second of the end alone.
pub(crate) fn only_we_accept(token: &str) -> Vec<Kind> {
    let (_, header, _) = parts(token);
    let typed = ["x5t", "x5t#S256", "url", "nonce"];
    let is_untyped = |name: &&str| header.all(name).any(|value| value.text().is_none());
    Vec::from_iter(typed.iter().any(is_untyped).then_some(UNREAD))
}

/// What it takes and we refuse.
pub(crate) fn only_it_accepts(token: &str, now: Timestamp) -> Vec<Kind> {
    let (header_bytes, header, payload) = parts(token);
    let mut kinds = Vec::new();
    let mut add = |applies: bool, kind: Kind| {
        if applies && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    };
    add(header_bytes.contains(&b'\\'), "J08");
    header_kinds(&header, &mut add);
    add(matches!(payload, Json::Array(_)), "J41");
    if matches!(payload, Json::Object(_)) {
        payload_kinds(&payload, now, &mut add);
    }
    kinds
}

fn parts(token: &str) -> (Vec<u8>, Json, Json) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part);
        bytes.expect("one of the two has accepted it")
    });
    let mut json = || {
        let bytes = parts.next().unwrap();
        let json = serde_json::from_slice(&bytes);
        (bytes, json.expect("one of the two has accepted it"))
    };
    let (header_bytes, header) = json();
    let (_, payload) = json();
    (header_bytes, header, payload)
}

fn header_kinds(header: &Json, add: &mut impl FnMut(bool, Kind)) {
    add(header.repeats(), "J10");
    for crit in header.all("crit") {
        let names_present = match crit {
            Json::Array(names) if !names.is_empty() => {
                let present = |name: &Json| name.text().is_some_and(|name| header.has(name));
                names.iter().all(present)
            }
            _ => false,
        };
        add(true, if names_present { "J11" } else { "J12" });
    }
    add(header.has("b64"), "J13");
    add(header.has("zip"), "J14");
    add(header.has("enc"), "J15");
    add(header.has("cty"), "J16");
    for typ in header.all("typ") {
        match typ.text() {
            Some("JWT") => {}
            Some(_) => add(true, "J17"),
            None => add(true, "J18"),
        }
    }
    for name in ["jwk", "jku", "x5u", "x5c"] {
        add(header.has(name), "J19");
    }
    for kid in header.all("kid") {
        let is_name = kid.text().is_some_and(|kid| !kid.is_empty());
        add(true, if is_name { "J20" } else { "J25" });
    }
    add(header.depth() > 16, "J39");
}

fn payload_kinds(payload: &Json, now: Timestamp, add: &mut impl FnMut(bool, Kind)) {
    const YEAR_9999: f64 = 253_402_300_799.0;
    add(payload.repeats(), "J47");
    add(payload.depth() > 16, "J39");
    let number = |name: &str| payload.all(name).next().and_then(Json::number);
    if let Some(exp) = number("exp") {
        add(exp > 1e16, "J51");
        add((YEAR_9999..=1e16).contains(&exp), "J52");
        let starts = number("iat").unwrap_or(now.unix_secs() as f64);
        add(exp <= YEAR_9999 && exp - starts > 4.2e9, "J58");
    }
    for iat in payload.all("iat") {
        let is_past = iat
            .number()
            .is_some_and(|iat| iat >= 0.0 && iat <= now.unix_secs() as f64);
        add(!is_past, "J57");
    }
    let is_subject =
        |sub: &str| (1..=512).contains(&sub.len()) && !sub.chars().any(char::is_control);
    let sub = payload.all("sub").next().and_then(Json::text);
    add(!sub.is_some_and(is_subject), "J60");
    add(payload.has("aud"), "J63");
    let not_text = |name: &str| payload.all(name).any(|value| value.text().is_none());
    add(not_text("iss"), "J65");
    add(not_text("email") || not_text("name"), IDENTITY);
}
