//! Deliveries of every built-in scheme, as somebody sends them. One that holds was signed with this key over this body,
//! by whoever knows the key, within its window.
#![no_main]

use countersign_core::{
    Secret, Timestamp,
    secret::ProvenDelivery,
    webhook::{ProvenPart, is_id},
};
use countersign_fuzz::{captured::Captured, choose, secrets};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(captured) = Captured::parse(data) else {
        return Corpus::Reject;
    };
    let Some(secret) = captured.secret() else {
        return Corpus::Keep;
    };
    if let Ok(rules) = secret.webhook_rules()
        && let Some(text) = rules.text()
    {
        let _ = text.claimed(captured.delivery(&captured.headers()));
    }
    if let Some(proven) = held(&secret, &captured, captured.now()) {
        check_held(&secret, &captured, &proven);
    }
    Corpus::Keep
});

fn held(secret: &Secret, captured: &Captured, now: Timestamp) -> Option<ProvenDelivery> {
    let headers = captured.headers();
    let verdict = secret.verify_webhook(captured.delivery(&headers), now);
    verdict.ok()?.outcome.ok()
}

fn check_held(secret: &Secret, captured: &Captured, proven: &ProvenDelivery) {
    let now = captured.now();
    let proof = &proven.proof;
    assert!(proof.delivery_id.as_deref().is_none_or(is_id));
    if let (Some(signed), Some(window)) = (proof.signed_time, secret.delivery_lifetime()) {
        let window = i64::try_from(window.as_millis()).expect("a window is short");
        assert!(now.millis_since(signed).abs() <= window);
        let later = now.plus(secret.delivery_lifetime().unwrap_or_default());
        let later = later.plus(std::time::Duration::from_secs(1));
        assert!(held(secret, captured, later).is_none());
    }
    let other = secrets::with_another_key(secret, 3);
    assert!(held(&other, captured, now).is_none());
    assert!(held(&secrets::without_live_version(secret), captured, now).is_none());
    if proof.proven.has(ProvenPart::Body) && !captured.body.is_empty() {
        check_changed_body(secret, captured);
    }
}

/// Another body is another delivery. Of a packed body only the content counts.
fn check_changed_body(secret: &Secret, captured: &Captured) {
    if captured.body.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let at = choose(&captured.body, captured.body.len());
    let mut changed = captured.clone();
    // This bit makes no white space of white space, which counts for nothing in some schemes.
    changed.body[at] ^= 1;
    assert!(held(secret, &changed, captured.now()).is_none());
}
