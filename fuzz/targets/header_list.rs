//! Header lists: a delivery is signed, then its headers are edited. If it still holds, it still says what was signed.
#![no_main]

use arbitrary::Arbitrary;
use countersign_core::{
    Secret, Timestamp,
    secret::ProvenDelivery,
    webhook::{Delivery, DeliveryToSign, Headers, ProvenPart},
};
use countersign_fuzz::{captured::borrowed, secrets};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);
const MAX_HEADER_BYTES: usize = 8 * 1024;
const URL: &str = "https://example.com/hook?a=1";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    scheme: u8,
    body: Body<'a>,
    edits: Vec<Edit<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Raw(&'a [u8]),
    Object,
    Form,
}

/// What is done to the headers that were signed; numbers are taken modulo what there is.
#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Insert(u8, Name<'a>, &'a str),
    Remove(u8),
    Double(u8),
    Swap(u8, u8),
    OtherCase(u8),
    SetByte(u8, u8, u8),
    Append(u8, &'a str),
    Prepend(u8, &'a str),
    SetValue(u8, &'a str),
    JoinValues(u8, u8, char),
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    /// One that the scheme reads.
    Own(u8),
    Other(&'a str),
}

type Fields = Vec<(String, String)>;

fuzz_target!(|input: Input<'_>| {
    let schemes = &*secrets::WEBHOOKS;
    let secret = secrets::whole(&schemes[usize::from(input.scheme) % schemes.len()], 7);
    let body = match input.body {
        Body::Raw(bytes) => bytes,
        Body::Object => br#"{"a":"b","n":1}"#,
        Body::Form => b"a=1&b=2",
    };
    let is_form = matches!(input.body, Body::Form);
    let Some((mut fields, body, url)) = signed(&secret, body, is_form) else {
        return;
    };
    let delivery = (&body[..], url.as_str());
    let before = held(&secret, &fields, delivery).expect("what is signed verifies");
    let own = secret.webhook_rules().expect("a webhook").header_names();
    for edit in &input.edits {
        apply(edit, &own, &mut fields);
        // The service looks at no more, and a value that is joined with itself again and again has no end.
        let bytes: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > MAX_HEADER_BYTES {
            return;
        }
    }
    if let Some(after) = held(&secret, &fields, delivery) {
        check_same(&before, &after);
    }
});

fn signed(secret: &Secret, body: &[u8], is_form: bool) -> Option<(Fields, Vec<u8>, String)> {
    let kind = match is_form {
        true => "application/x-www-form-urlencoded",
        false => "application/json",
    };
    let given = vec![("Content-Type".to_owned(), kind.to_owned())];
    let delivery = DeliveryToSign {
        id: "msg_1",
        body,
        headers: Headers(&borrowed(&given)),
        method: "POST",
        url: URL,
        time: NOW,
    };
    let signed = secret.sign_webhook(delivery).ok()?.value;
    let fields = signed.headers.into_iter().chain(given).collect();
    let body = signed.body.unwrap_or_else(|| body.to_vec());
    Some((fields, body, signed.url.unwrap_or_else(|| URL.to_owned())))
}

fn held(secret: &Secret, fields: &Fields, (body, url): (&[u8], &str)) -> Option<ProvenDelivery> {
    let headers = borrowed(fields);
    let delivery = Delivery {
        headers: Headers(&headers),
        body,
        method: "POST",
        url,
    };
    secret.verify_webhook(delivery, NOW).ok()?.outcome.ok()
}

fn apply(edit: &Edit<'_>, own: &[String], fields: &mut Fields) {
    let count = fields.len();
    if let Edit::Insert(at, name, value) = edit {
        let name = match name {
            Name::Own(index) if !own.is_empty() => own[usize::from(*index) % own.len()].clone(),
            Name::Own(_) => String::new(),
            Name::Other(name) => (*name).to_owned(),
        };
        return fields.insert(usize::from(*at) % (count + 1), (name, (*value).to_owned()));
    }
    if count == 0 {
        return;
    }
    let index = |at: &u8| usize::from(*at) % count;
    match edit {
        Edit::Insert(..) => {}
        Edit::Remove(at) => drop(fields.remove(index(at))),
        Edit::Double(at) => fields.push(fields[index(at)].clone()),
        Edit::Swap(one, other) => fields.swap(index(one), index(other)),
        Edit::OtherCase(at) => {
            let name = &mut fields[index(at)].0;
            *name = match name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                true => name.to_ascii_uppercase(),
                false => name.to_ascii_lowercase(),
            };
        }
        Edit::SetByte(at, place, byte) => {
            let value = &mut fields[index(at)].1;
            let mut chars: Vec<char> = value.chars().collect();
            let length = chars.len().max(1);
            if let Some(char) = chars.get_mut(usize::from(*place) % length) {
                *char = char::from(*byte);
            }
            *value = chars.into_iter().collect();
        }
        Edit::Append(at, text) => fields[index(at)].1.push_str(text),
        Edit::Prepend(at, text) => fields[index(at)].1.insert_str(0, text),
        Edit::SetValue(at, text) => fields[index(at)].1 = (*text).to_owned(),
        Edit::JoinValues(one, other, joint) => {
            let other = fields[index(other)].1.clone();
            let value = &mut fields[index(one)].1;
            value.push(*joint);
            value.push_str(&other);
        }
    }
}

/// Nothing that counts as proven is another one than before.
fn check_same(before: &ProvenDelivery, after: &ProvenDelivery) {
    let (before, after) = (&before.proof, &after.proof);
    assert_eq!(before.version, after.version);
    assert_eq!(before.proven, after.proven);
    assert_eq!(before.signed_time, after.signed_time);
    if after.proven.has(ProvenPart::Id) {
        assert_eq!(before.delivery_id, after.delivery_id);
    }
    assert_eq!(before.tag.expose_bytes(), after.tag.expose_bytes());
}
