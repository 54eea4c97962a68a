//! Whatever Sign takes, VerifyWebhook takes back: for every scheme, body, URL, header and time. And what was signed once
//! proves nothing else.
#![no_main]

use countersign_core::{Secret, secret::ProvenDelivery, time::MAX_UNIX_SECS, webhook::is_id};
use countersign_fuzz::captured::Captured;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(mut captured) = Captured::parse(data) else {
        return Corpus::Reject;
    };
    let Some(secret) = captured.secret() else {
        return Corpus::Reject;
    };
    let Ok(rules) = secret.webhook_rules() else {
        return Corpus::Reject;
    };
    // What Sign refuses, and times that no delivery has.
    captured
        .headers
        .retain(|(name, _)| !rules.is_own_header(name));
    if !is_id(&captured.delivery_id) {
        captured.delivery_id = "msg_1".to_owned();
    }
    if captured.method.is_empty() {
        captured.method = "POST".to_owned();
    }
    captured.now = captured.now.clamp(1_000_000_000, MAX_UNIX_SECS / 30);
    check(&secret, captured);
    Corpus::Keep
});

fn check(secret: &Secret, captured: Captured) {
    let signed = secret.sign_webhook(captured.to_sign(&captured.headers()));
    let Ok(signed) = signed else {
        return;
    };
    let sent = captured.sent(signed.value);
    if let Err(reason) = held(secret, &sent) {
        // A body may bring a timestamp of its own, however old.
        let text = sent.print().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let is_own_time = reason.starts_with("TIMESTAMP_") && writes_the_time(secret);
        assert!(is_own_time, "{reason}: {text}");
        return;
    }
    let mut doubled = sent.clone();
    doubled.headers.extend_from_slice(&sent.headers);
    if let Ok(proven) = held(secret, &doubled) {
        let once = held(secret, &sent).expect("it held before");
        assert_eq!(
            proven.proof.tag.expose_bytes(),
            once.proof.tag.expose_bytes()
        );
    }
}

/// Whether the scheme has its timestamp in the body.
fn writes_the_time(secret: &Secret) -> bool {
    let empty = Captured {
        delivery_id: "msg_1".to_owned(),
        now: 1_700_000_000,
        body: b"{}".to_vec(),
        ..Captured::default()
    };
    let signed = secret.sign_webhook(empty.to_sign(&[]));
    signed.is_ok_and(|signed| signed.value.body.is_some())
}

fn held(secret: &Secret, sent: &Captured) -> Result<ProvenDelivery, String> {
    let headers = sent.headers();
    let verdict = secret.verify_webhook(sent.delivery(&headers), sent.now());
    let outcome = verdict.map_err(|misfit| misfit.to_string())?.outcome;
    outcome.map_err(|reason| reason.name().to_owned())
}
