//! Where the signature of a delivery stands, to put another one there.

use serde_json::Value;

use crate::{
    vectors::Vector,
    webhook::{ProofRules, SignaturePlace, TextRules, WebhookRules},
};

/// The delivery with its signature text as `bend` makes it.
pub(super) fn with_signature(
    rules: &WebhookRules,
    delivery: &Vector,
    bend: impl Fn(&str) -> Option<String>,
) -> Option<Vector> {
    if let Some(pointer) = pointer(rules) {
        let mut body: Value = serde_json::from_str(&delivery.body).ok()?;
        let place = body.pointer_mut(pointer)?;
        *place = bend(place.as_str()?)?.into();
        return Some(Vector {
            body: body.to_string(),
            ..delivery.clone()
        });
    }
    with_header(rules, delivery, |value| {
        let start = value.len() - signature_of(rules, value)?.len();
        let (before, signature) = value.split_at(start);
        Some(format!("{before}{}", bend(signature)?))
    })
}

/// The delivery with the value of the header that holds its signature as `bend` makes it.
pub(super) fn with_header(
    rules: &WebhookRules,
    delivery: &Vector,
    bend: impl Fn(&str) -> Option<String>,
) -> Option<Vector> {
    let name = header_name(rules)?;
    let mut delivery = delivery.clone();
    let mut headers = delivery.headers.iter_mut();
    let (_, value) = headers.find(|(own, _)| own.eq_ignore_ascii_case(&name))?;
    *value = bend(value)?;
    Some(delivery)
}

/// The delivery without its signature.
pub(super) fn without_signature(rules: &WebhookRules, delivery: &Vector) -> Option<Vector> {
    let mut delivery = delivery.clone();
    if let Some(pointer) = pointer(rules) {
        let mut body: Value = serde_json::from_str(&delivery.body).ok()?;
        let (parent, name) = pointer.rsplit_once('/')?;
        body.pointer_mut(parent)?.as_object_mut()?.remove(name)?;
        delivery.body = body.to_string();
        return Some(delivery);
    }
    let name = header_name(rules)?;
    let kept = |(own, _): &(String, String)| !own.eq_ignore_ascii_case(&name);
    delivery.headers.retain(kept);
    Some(delivery)
}

/// The delivery with the header of its signature twice.
pub(super) fn with_two_headers(rules: &WebhookRules, delivery: &Vector) -> Option<Vector> {
    let name = header_name(rules)?;
    let mut headers = delivery.headers.iter();
    let header = headers.find(|(own, _)| own.eq_ignore_ascii_case(&name))?;
    let mut doubled = delivery.clone();
    doubled.headers.push(header.clone());
    Some(doubled)
}

fn pointer(rules: &WebhookRules) -> Option<&str> {
    match &rules.text()?.signature {
        SignaturePlace::Body { json, .. } => Some(json),
        _ => None,
    }
}

fn header_name(rules: &WebhookRules) -> Option<String> {
    match &rules.proof {
        ProofRules::Jws(rules) => Some(rules.header.clone()),
        ProofRules::Text(rules) => text_header_name(rules).map(|name| rules.branded(&name)),
    }
}

fn text_header_name(rules: &TextRules) -> Option<String> {
    match &rules.signature {
        SignaturePlace::Several { headers } => headers.first().cloned(),
        SignaturePlace::Numbered { header } => Some(format!("{header}1")),
        other => other.header().map(str::to_owned),
    }
}

/// The signature at the end of a value as Sign writes it.
fn signature_of<'v>(rules: &WebhookRules, value: &'v str) -> Option<&'v str> {
    let rules = match &rules.proof {
        ProofRules::Jws(_) => return value.rsplit_once('.').map(|(_, signature)| signature),
        ProofRules::Text(rules) => rules,
    };
    match &rules.signature {
        SignaturePlace::Single { prefix, .. } => value.strip_prefix(prefix.as_str()),
        SignaturePlace::Pairs { key, separator, .. } => {
            let last = value.rsplit(*separator).next()?.trim_start();
            last.strip_prefix(key.as_str())?.strip_prefix('=')
        }
        SignaturePlace::Versions { key, .. } => value.strip_prefix(key.as_str())?.strip_prefix(','),
        _ => Some(value),
    }
}
