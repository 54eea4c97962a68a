//! Explain on whatever is asked: bounded work, at most five causes, none for a proof that holds, and no word of it is
//! the key, an expected signature or a value of the request.
#![no_main]

use countersign_core::{
    Purpose, Secret,
    explain::{Explanation, KeyText, Known, MAX_CAUSES, explain_identity, explain_webhook},
    rotation::VersionState,
    webhook::is_id,
};
use countersign_fuzz::{captured::Captured, repeats, secrets};
use libfuzzer_sys::{Corpus, fuzz_target};

const TELLING_BYTES: usize = 20;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((secret, captured, explanation)) = explained(data) else {
        return Corpus::Reject;
    };
    if let Some(explanation) = explanation {
        check(&secret, &captured, &explanation, data);
    }
    Corpus::Keep
});

/// What is said of an input that is a proof; nothing of one that cannot be judged.
fn explained(data: &[u8]) -> Option<(Secret, Captured, Option<Explanation>)> {
    let captured = Captured::parse(data)?;
    let secret = captured.secret()?;
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
    Some((secret, captured, explanation))
}

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

fn check(secret: &Secret, captured: &Captured, explanation: &Explanation, data: &[u8]) {
    assert!(explanation.causes.len() <= MAX_CAUSES);
    assert!(!explanation.checks.is_empty() && explanation.checks.len() < 64);
    let said = said(explanation);
    assert!(said.len() < 16 << 10);
    for value in made(secret, captured) {
        assert!(!said.contains(&value), "{value:?} in {said}");
    }
    let say = |data: &[u8]| Some(self::said(&explained(data)?.2?));
    for value in given(captured) {
        let is_repeated = said.contains(&value) && repeats(data, &value, say);
        assert!(!is_repeated, "{value:?} in {said}");
    }
}

fn said(explanation: &Explanation) -> String {
    let texts = explanation.checks.iter().map(|check| check.detail.as_str());
    let causes = explanation.causes.iter();
    let causes = causes.flat_map(|cause| [cause.summary.as_str(), cause.fix.as_str()]);
    texts.chain(causes).collect::<Vec<_>>().join("\n")
}

/// What Sign would have made.
fn made(secret: &Secret, captured: &Captured) -> Vec<String> {
    let mut values = Vec::new();
    if is_id(&captured.delivery_id)
        && let Ok(signed) = secret.sign_webhook(captured.to_sign(&captured.headers()))
    {
        values.extend(signed.value.headers.into_iter().map(|(_, value)| value));
    }
    if let Ok(signed) = secret.sign_identity(&captured.identity, None, captured.now()) {
        values.push(signed.value);
    }
    values.retain(is_telling);
    values
}

/// The key, and what was sent.
fn given(captured: &Captured) -> Vec<String> {
    let headers = captured.headers.iter().map(|(_, value)| value.clone());
    let mut values: Vec<_> = headers.collect();
    values.extend([
        captured.key.clone(),
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
    values.retain(is_telling);
    values
}

/// A short one, or one of words alone, may be a part of the explanation by chance.
fn is_telling(value: &String) -> bool {
    value.len() >= TELLING_BYTES && value.contains(|c: char| c.is_ascii_digit())
}
