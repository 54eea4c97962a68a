//! What a scheme needs of a delivery, by its place and name, and what of that is not there or there twice.

use super::repairs::{self, CONTENT_TYPE};
use crate::{
    template::Variable,
    webhook::{Delivery, ProofRules, SignaturePlace, TextRules, WebhookRules, branded},
};

/// Where the signature stands, in words.
pub(super) fn signature_place(rules: &WebhookRules) -> String {
    match rules.text().map(|text| &text.signature) {
        Some(SignaturePlace::Body { json, form }) => match form {
            Some(form) => format!("`{json}` of a JSON body, `{form}` of a form"),
            None => format!("`{json}` of the JSON body"),
        },
        Some(SignaturePlace::Numbered { .. }) => {
            let names = rules.header_names();
            let first = names.last().map_or("", String::as_str);
            format!("header `{first}`, or that of another number up to 16")
        }
        Some(SignaturePlace::Several { headers }) => {
            let brand = rules.text().and_then(|text| text.header_prefixes.first());
            let brand = brand.map_or("", String::as_str);
            let names: Vec<_> = headers.iter().map(|name| branded(brand, name)).collect();
            format!("header `{}`", names.join("` or `"))
        }
        _ => {
            let names = rules.header_names();
            format!("header `{}`", names.last().map_or("", String::as_str))
        }
    }
}

/// What is missing or empty: headers under the brand that the delivery seems to have, and parameters of the query.
pub(super) fn missing(rules: &WebhookRules, delivery: Delivery<'_>) -> Vec<String> {
    let is_there = |name: &String| {
        let mut values = delivery.headers.0.iter();
        values.any(|it| it.name.eq_ignore_ascii_case(name) && !it.value.is_empty())
    };
    let signatures = signatures(rules, delivery);
    let mut missing = Vec::new();
    if !signatures.is_empty() && !signatures.iter().any(is_there) {
        missing.push(signature_place(rules));
    }
    let others = others(rules, delivery);
    let absent = others.iter().filter(|name| !is_there(name));
    missing.extend(absent.map(|name| format!("header `{name}`")));
    missing.extend(on_the_list(rules, delivery));
    missing.extend(query(rules, delivery));
    missing
}

/// Which headers stand more than once and should not.
pub(super) fn doubled(rules: &WebhookRules, delivery: Delivery<'_>) -> Vec<String> {
    let mut names = signatures(rules, delivery);
    names.extend(others(rules, delivery));
    let is_doubled = |name: &String| delivery.headers.find("", name).is_err();
    let names = names.into_iter().filter(is_doubled);
    names.map(|name| format!("header `{name}`")).collect()
}

/// The names as one text; `else` where there is none.
pub(super) fn listed(names: &[String], otherwise: &str) -> String {
    match names.is_empty() {
        true => otherwise.to_owned(),
        false => names.join(", "),
    }
}

fn brand<'r>(text: &'r TextRules, delivery: Delivery<'_>) -> &'r str {
    repairs::brand(text, &repairs::owned(delivery.headers))
}

fn signatures(rules: &WebhookRules, delivery: Delivery<'_>) -> Vec<String> {
    match &rules.proof {
        ProofRules::Text(text) => repairs::signature_headers(text, brand(text, delivery)),
        ProofRules::Jws(jws) => vec![jws.header.clone()],
    }
}

/// The headers that must be there beside the signature.
fn others(rules: &WebhookRules, delivery: Delivery<'_>) -> Vec<String> {
    let Some(text) = rules.text() else {
        return Vec::new();
    };
    let brand = brand(text, delivery);
    let signs = |variable: &Variable| text.signed_text.iter().all(|it| it.requires(variable));
    let id = repairs::id_header(text).filter(|_| signs(&Variable::Id));
    let own = [
        id,
        repairs::timestamp_header(text),
        text.signed_headers.as_deref(),
    ];
    let variables = text.signed_text.iter().flat_map(|it| it.variables());
    let signed = variables.filter_map(|variable| match variable {
        Variable::Header(name) if signs(variable) => Some(&**name),
        _ => None,
    });
    let named = own.into_iter().flatten().chain(signed);
    let mut names: Vec<_> = text.required_headers.keys().cloned().collect();
    names.extend(named.map(|name| branded(brand, name)));
    if text.reads_forms() && !delivery.body.is_empty() {
        names.push(CONTENT_TYPE.to_owned());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));
    names
}

/// That a header is missing which another one lists as signed. Its name is the sender's, and is not repeated.
fn on_the_list(rules: &WebhookRules, delivery: Delivery<'_>) -> Option<String> {
    let text = rules.text()?;
    let list = text.signed_headers.as_ref()?;
    let brand = brand(text, delivery);
    let value = delivery.headers.find(brand, list).ok()??;
    let names = value.split(',').map(str::trim);
    let mut names = names.filter(|name| !name.is_empty());
    let is_absent = names.any(|name| !delivery.headers.has("", name));
    is_absent.then(|| format!("a header that `{}` lists", branded(brand, list)))
}

/// The parameters of the query that are signed and not there.
fn query(rules: &WebhookRules, delivery: Delivery<'_>) -> Vec<String> {
    let texts = rules.text().map_or(&[][..], |text| &text.signed_text);
    let variables = texts.first().into_iter().flat_map(|it| it.variables());
    let missing = variables.filter_map(|variable| match variable {
        Variable::Query(name) if texts.iter().all(|it| it.requires(variable)) => {
            let is_there = crate::webhook::query(delivery.url, name).is_ok_and(|it| it.is_some());
            (!is_there).then(|| format!("query parameter `{name}`"))
        }
        _ => None,
    });
    missing.collect()
}
