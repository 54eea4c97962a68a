//! Explain on whatever is asked: bounded work, at most five causes, none for a proof that holds, and no word of it is
//! the key, an expected signature or a value of the request.
#![no_main]

use countersign_core::{
    Purpose, Secret,
    explain::{Explanation, KeyText, Known, MAX_CAUSES, explain_identity, explain_webhook},
    rotation::VersionState,
    webhook::is_id,
};
use countersign_fuzz::{captured::Captured, secrets};
use libfuzzer_sys::{Corpus, fuzz_target};

/// A shorter value may be a word of the explanation by chance.
const TELLING_BYTES: usize = 20;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(captured) = Captured::parse(data) else {
        return Corpus::Reject;
    };
    let Some(secret) = captured.secret() else {
        return Corpus::Reject;
    };
    let other = secrets::with_another_key(&secret, 9);
    let texts = [KeyText {
        number: 1,
        state: VersionState::Active,
        end_time: None,
        text: captured.key.clone().into(),
    }];
    let known = Known {
        texts: &texts,
        others: &[&other],
    };
    let explanation = match secret.scheme.purpose() {
        Purpose::Webhook => of_delivery(&secret, &captured, known),
        _ => of_identity(&secret, &captured, known),
    };
    if let Some(explanation) = explanation {
        check(&secret, &captured, &explanation);
    }
    Corpus::Keep
});

fn of_delivery(secret: &Secret, captured: &Captured, known: Known<'_>) -> Option<Explanation> {
    let headers = captured.headers();
    let delivery = captured.delivery(&headers);
    let now = captured.now();
    let verdict = secret.verify_webhook(delivery, now).ok()?;
    let refusal = verdict.outcome.err();
    let explanation = explain_webhook(secret, delivery, refusal, known, now).ok()?;
    assert_eq!(explanation.causes.is_empty(), refusal.is_none());
    Some(explanation)
}

fn of_identity(secret: &Secret, captured: &Captured, known: Known<'_>) -> Option<Explanation> {
    let (claimed, proof, now) = (&captured.identity, captured.proof(), captured.now());
    let verdict = secret.verify(claimed.clone(), proof, now).ok()?;
    let explanation = explain_identity(secret, claimed, proof, known, now).ok()?;
    assert_eq!(explanation.causes.is_empty(), verdict.reason.is_none());
    Some(explanation)
}

fn check(secret: &Secret, captured: &Captured, explanation: &Explanation) {
    assert!(explanation.causes.len() <= MAX_CAUSES);
    assert!(!explanation.checks.is_empty() && explanation.checks.len() < 64);
    let texts = explanation.checks.iter().map(|check| check.detail.as_str());
    let causes = explanation.causes.iter();
    let causes = causes.flat_map(|cause| [cause.summary.as_str(), cause.fix.as_str()]);
    let said = texts.chain(causes).collect::<Vec<_>>().join("\n");
    assert!(said.len() < 16 << 10);
    for value in values(secret, captured) {
        assert!(!said.contains(&value), "{value:?} in {said}");
    }
}

/// What may not be said: the key, what Sign would have made, and what was sent.
fn values(secret: &Secret, captured: &Captured) -> Vec<String> {
    let mut values = vec![captured.key.clone()];
    if is_id(&captured.delivery_id)
        && let Ok(signed) = secret.sign_webhook(captured.to_sign(&captured.headers()))
    {
        values.extend(signed.value.headers.into_iter().map(|(_, value)| value));
    }
    if let Ok(signed) = secret.sign_identity(&captured.identity, None, captured.now()) {
        values.push(signed.value);
    }
    values.extend(captured.headers.iter().map(|(_, value)| value.clone()));
    values.extend([
        captured.identity.id.clone(),
        captured.identity.email.clone(),
    ]);
    values.extend(
        captured
            .hash
            .clone()
            .into_iter()
            .chain(captured.token.clone()),
    );
    values.extend(String::from_utf8(captured.body.clone()));
    // Words of the explanation itself are no values.
    let is_telling = |value: &String| {
        value.len() >= TELLING_BYTES && value.contains(|c: char| c.is_ascii_digit())
    };
    values.into_iter().filter(is_telling).collect()
}
