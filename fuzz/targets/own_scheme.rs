//! Descriptions of somebody's own: TOML from whoever may create schemes. One that is taken can be reviewed, shown and
//! used, and what is said about a refused one repeats no value of it.
#![no_main]

use std::sync::Arc;

use countersign_core::{
    OwnScheme, Purpose, Scheme, Secret, Timestamp,
    lint::{Severity, lint},
    own::MAX_DEFINITION_BYTES,
    page,
    webhook::{DeliveryToSign, Header, Headers},
};
use countersign_fuzz::{captured::Captured, repeats, secrets};
use libfuzzer_sys::{Corpus, fuzz_target};

const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);

fuzz_target!(|text: &str| -> Corpus {
    match OwnScheme::parse(text) {
        Ok(own) => {
            check_taken(&own, text);
            Corpus::Keep
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 4096);
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
            check_quotes(text);
            Corpus::Keep
        }
    }
});

/// No value in quotes of the description stands in the message. Short ones may be names of fields.
fn check_quotes(text: &str) {
    let say = |data: &[u8]| {
        let text = std::str::from_utf8(data).ok()?;
        Some(OwnScheme::parse(text).err()?.to_string())
    };
    let values = text.lines().filter_map(|line| line.split_once("= \""));
    for (_, value) in values {
        let value = value.trim_end_matches('"');
        let is_telling = value.len() >= 24 && value.contains(|c: char| c.is_ascii_digit());
        assert!(
            !is_telling || !repeats(text.as_bytes(), value, say),
            "{value}"
        );
    }
}

fn check_taken(own: &OwnScheme, text: &str) {
    assert!(text.len() <= MAX_DEFINITION_BYTES);
    let stored = OwnScheme::parse_stored(text).expect("what was taken is read again");
    assert_eq!(stored.scheme.id, own.scheme.id);
    for finding in own.review() {
        assert!(!finding.message.is_empty());
    }
    let page = page::of_own_scheme(&own.scheme);
    assert!(page.contains(&own.scheme.id));
    let _ = (
        own.scheme.describe_key(),
        own.scheme.describe_signed_text(),
        own.scheme.describe_signature(),
    );
    let is_sound = lint(&own.scheme)
        .iter()
        .all(|finding| finding.severity == Severity::Warning);
    let secret = secrets::whole(&own.scheme, 7);
    match own.scheme.purpose() {
        Purpose::Webhook => check_webhook(&own.scheme, &secret, is_sound),
        _ => check_identity(&secret),
    }
}

/// What a scheme without errors signs, it verifies.
fn check_webhook(scheme: &Arc<Scheme>, secret: &Secret, is_sound: bool) {
    let kind = Header {
        name: "Content-Type",
        value: "application/json",
    };
    let delivery = DeliveryToSign {
        id: "msg_1",
        body: br#"{"a":"b","n":1}"#,
        headers: Headers(&[kind]),
        method: "POST",
        url: "https://example.com/hook?a=1",
        time: NOW,
    };
    let Ok(signed) = secret.sign_webhook(delivery) else {
        return;
    };
    let captured = Captured {
        url: delivery.url.to_owned(),
        method: delivery.method.to_owned(),
        headers: vec![(kind.name.to_owned(), kind.value.to_owned())],
        body: delivery.body.to_vec(),
        ..Captured::default()
    };
    let sent = captured.sent(signed.value);
    let headers = sent.headers();
    let verdict = secret.verify_webhook(sent.delivery(&headers), NOW);
    let outcome = verdict.expect("method and URL are there").outcome;
    assert!(
        outcome.is_ok() || !is_sound,
        "{}: {outcome:?} {sent:?}",
        scheme.id
    );
}

fn check_identity(secret: &Secret) {
    let identity = countersign_core::Identity {
        id: "user-1".to_owned(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        ..Default::default()
    };
    let Ok(signed) = secret.sign_identity(&identity, None, NOW) else {
        return;
    };
    let proof = match secret.scheme.purpose() {
        Purpose::IdentityToken => countersign_core::secret::Proof::Token(&signed.value),
        _ => countersign_core::secret::Proof::Hash(&signed.value),
    };
    let verdict = secret.verify(identity, Some(proof), NOW).expect("it fits");
    assert_eq!(verdict.reason, None);
}
