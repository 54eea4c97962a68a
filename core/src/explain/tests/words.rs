//! What is said names what is at fault, and nothing beside it.

use super::{captured::*, catalogue, *};
use crate::vectors::Vector;

fn vector(name: &str) -> (Arc<Scheme>, Vector) {
    let mut vectors = crate::catalogue::vectors();
    let (id, vector) = vectors.find(|(_, vector)| vector.name == name).unwrap();
    (scheme(&id), vector)
}

/// A vector after a change.
#[track_caller]
fn changed(name: &str, change: impl Fn(&mut Vector)) -> Explanation {
    let (scheme, mut vector) = vector(name);
    change(&mut vector);
    let body = vector.body_bytes().unwrap();
    let (_, explanation) = catalogue::explained(&scheme, &vector, &vector.key, &body);
    explanation
}

fn header(vector: &mut Vector, name: &str, values: &[&str]) {
    let is = |own: &str| own.eq_ignore_ascii_case(name);
    vector.headers.retain(|(own, _)| !is(own));
    for value in values {
        vector.headers.push((name.to_owned(), (*value).to_owned()));
    }
}

#[track_caller]
fn failed(explanation: &Explanation) -> String {
    let mut failed = explanation.checks.iter();
    let failed = failed.find(|check| check.outcome == CheckOutcome::Fail);
    failed.map(|check| check.detail.clone()).unwrap()
}

#[track_caller]
fn assert_says(explanation: &Explanation, code: CauseCode, parts: &[&str]) {
    let cause = &explanation.causes[0];
    assert_eq!(cause.code, code, "{explanation:#?}");
    for part in parts {
        let is_said = cause.summary.contains(part) || cause.fix.contains(part);
        assert!(is_said, "{part}: {explanation:#?}");
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_refusal_has_a_cause_whatever_its_content_type_says() {
    for kind in ["application/x-anything", "", ";"] {
        let explanation = changed("twilio-form", |vector| {
            header(vector, "content-type", &[kind]);
            vector.body.push('9');
        });
        assert!(!explanation.causes.is_empty(), "{kind}: {explanation:#?}");
    }
}

#[test]
fn a_content_type_that_is_lost_doubled_or_wrong_is_named() {
    let kind = "content-type";
    for (values, words) in [
        (&[][..], "missing"),
        (&[FORM, "text/plain"][..], "more than once"),
        (&["text/plain"][..], "something else"),
    ] {
        let explanation = changed("twilio-form", |vector| header(vector, kind, values));
        let parts = ["`Content-Type`", words];
        assert_says(&explanation, CauseCode::HeaderMalformed, &parts);
        let said = &explanation.causes[0].summary;
        assert!(!said.contains("X-Twilio-Signature"), "{said}");
    }
    for (values, words) in [
        (&[][..], "not there: header `Content-Type`"),
        (
            &[FORM, FORM][..],
            "stands more than once: header `Content-Type`",
        ),
    ] {
        let explanation = changed("twilio-form", |vector| header(vector, kind, values));
        assert_eq!(failed(&explanation), words);
    }
    // Nobody else asks it.
    let explanation = changed("github-docs", |vector| {
        header(vector, kind, &["a/b", "c/d"]);
        vector.body.push(' ');
    });
    assert!(!explanation.causes[0].summary.contains("more than once"));
}

#[test]
fn the_hash_of_a_body_is_not_asked_of_a_form() {
    let explanation = changed("twilio-form", |_| {});
    let mut checks = explanation.checks.iter();
    let hash = checks.find(|check| check.name == "body hash").unwrap();
    assert!(hash.detail.starts_with("not used for a form"), "{hash:?}");
    let explanation = changed("twilio-json", |_| {});
    let mut checks = explanation.checks.iter();
    let hash = checks.find(|check| check.name == "body hash").unwrap();
    assert!(hash.detail.contains("SHA-256"), "{hash:?}");
}

#[test]
fn a_signature_that_belongs_into_the_body_is_looked_for_there() {
    for body in ["{}", "not json", r#"{"signature":{"timestamp":"1"}}"#] {
        let explanation = changed("mailgun-webhook", |vector| {
            body.clone_into(&mut vector.body)
        });
        let parts = [
            "`/signature/signature` of a JSON body",
            "`signature` of a form",
        ];
        assert_says(&explanation, CauseCode::UnsignedDelivery, &parts);
    }
    for name in ["mailgun-webhook", "mailgun-webhook-with-another-token"] {
        let explanation = changed(name, |vector| {
            vector.body = vector.body.replace("\"token\"", "\"tok\"");
        });
        let words = format!("{explanation:?}");
        assert!(!words.contains("``"), "{words}");
    }
}

#[test]
fn a_question_with_another_verify_token_is_told_as_such() {
    let handshake = CauseCode::Handshake;
    let explanation = changed("meta-subscribe-with-another-token", |_| {});
    assert_says(
        &explanation,
        handshake,
        &["`subscribe`", "another value", "`verify_token`"],
    );
    assert_eq!(explanation.checks[0].name, "handshake");
    let explanation = changed("meta-subscribe-with-another-token", |vector| {
        vector.url = vector.url.replace("&hub.verify_token=guessed", "");
    });
    assert_says(
        &explanation,
        handshake,
        &["`hub.verify_token` is not there"],
    );
    let explanation = changed("meta-subscribe-without-a-token-of-ours", |_| {});
    assert_says(&explanation, handshake, &["no parameter `verify_token`"]);
    let explanation = changed("meta-subscribe", |vector| {
        "POST".clone_into(&mut vector.method)
    });
    assert_says(&explanation, handshake, &["GET"]);
    // A delivery that has a signature is none of the vendor's questions.
    let explanation = changed("meta-webhook-decoded-on-the-way", |_| {});
    assert!(!codes(&explanation).contains(&handshake));
    // Nor is whatever else has none.
    let explanation = changed("meta-subscribe", |vector| {
        "https://hooks.example.com/meta".clone_into(&mut vector.url);
    });
    assert!(
        !codes(&explanation).contains(&handshake),
        "{explanation:#?}"
    );
}

#[test]
fn nothing_near_names_the_namespace_and_the_dashboard_before_two_traps() {
    let stripe = scheme("stripe.webhook");
    assert!(stripe.traps.len() > MAX_TRAPS);
    let forged = Captured::signed(&stripe, &key_of(&stripe, &[77; 32]), BODY.as_bytes(), NOW);
    let unsigned = Captured {
        headers: Vec::new(),
        ..forged.clone()
    };
    let explanation = forged.explained();
    let parts = ["the secrets of namespace acme", "the vendor's dashboard"];
    assert_says(&explanation, CauseCode::NoNearMiss, &parts);
    for explanation in [explanation, unsigned.explained()] {
        let fix = &explanation.causes[0].fix;
        let told = stripe.traps.iter().filter(|trap| fix.contains(*trap));
        assert_eq!(told.count(), MAX_TRAPS, "{fix}");
        assert!(fix.ends_with(&stripe.traps[MAX_TRAPS - 1]));
    }
}

#[test]
fn a_printed_dict_is_recognised() {
    for body in [
        "{'a': 1, 'b': True, 'c': None}",
        "[{'id': 'x'}]",
        " ['a', 'b'] ",
    ] {
        let captured = Captured::good(&scheme("github.webhook")).with_body(body);
        let explanation = captured.explained();
        assert_says(
            &explanation,
            CauseCode::BodyReserialised,
            &["Python", "request.body"],
        );
    }
    for body in ["{'a'", "'a': 1", "a={'x'}"] {
        let captured = Captured::good(&scheme("github.webhook")).with_body(body);
        assert_eq!(
            codes(&captured.explained()),
            [CauseCode::NoNearMiss],
            "{body}"
        );
    }
}

#[test]
fn a_header_is_written_as_its_vendor_writes_it() {
    let explanation = changed("shopify-webhook", |vector| {
        let value = vector.headers[0].1.clone();
        vector.headers = vec![("HTTP_X_SHOPIFY_HMAC_SHA256".to_owned(), value)];
    });
    let words = format!("{explanation:?}");
    assert!(words.contains("`X-Shopify-Hmac-Sha256`"), "{words}");
    assert!(!words.contains("shopify-H"), "{words}");
    let page = crate::page::of_scheme(&scheme("shopify.webhook"));
    assert!(page.contains("`shopify-hmac-sha256: SIGNATURE`"), "{page}");
}
