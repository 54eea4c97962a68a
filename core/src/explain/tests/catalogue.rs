//! Every webhook scheme of the catalogue, by its own vectors.

use super::*;
use crate::{
    catalogue,
    key::Algorithm,
    vectors::Vector,
    webhook::{ProvenPart, WebhookRules},
};

pub(super) fn explained(
    scheme: &Arc<Scheme>,
    vector: &Vector,
    key: &str,
    body: &[u8],
) -> (Option<Reason>, Explanation) {
    let headers = vector.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| Header { name, value })
        .collect();
    let delivery = Delivery {
        headers: Headers(&headers),
        body,
        method: &vector.method,
        url: &vector.url,
    };
    let asked = Secret {
        name: SecretName::parse("acme/asked").unwrap(),
        scheme: Arc::clone(scheme),
        policy: Policy {
            parameters: vector.parameters.clone(),
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: scheme.decode_key(&key.to_owned().into()).unwrap(),
            key_id: None,
        }],
    };
    let text = KeyText {
        number: 1,
        state: VersionState::Active,
        end_time: None,
        text: key.to_owned().into(),
    };
    let texts = [text];
    let known = Known {
        texts: &texts,
        others: &[],
    };
    let now = Timestamp::from_unix_secs(vector.now);
    let verdict = asked.verify_webhook(delivery, now).unwrap();
    let refusal = verdict.outcome.err();
    (
        refusal,
        explain_webhook(&asked, delivery, refusal, known, now).unwrap(),
    )
}

/// The schemes with a vector that is accepted, and is no handshake.
fn accepted() -> Vec<(Arc<Scheme>, &'static WebhookRules, Vector)> {
    let vectors = catalogue::vectors()
        .filter(|(_, vector)| vector.expect == "ACCEPT" && vector.handshake.is_none());
    let with_rules = vectors.filter_map(|(id, vector)| {
        let scheme = Catalogue::builtin().scheme(&id)?;
        match &scheme.rules {
            Rules::Webhook(rules) => Some((Arc::clone(scheme), rules, vector)),
            _ => None,
        }
    });
    with_rules.collect()
}

#[test]
fn what_is_accepted_has_no_cause() {
    let all = accepted();
    assert!(all.len() >= 40, "{}", all.len());
    for (scheme, _, vector) in all {
        let body = vector.body_bytes().unwrap();
        let (refusal, explanation) = explained(&scheme, &vector, &vector.key, &body);
        assert_eq!(
            (refusal, codes(&explanation)),
            (None, vec![]),
            "{}",
            vector.name
        );
        let failed = explanation
            .checks
            .iter()
            .find(|check| check.outcome == CheckOutcome::Fail);
        assert_eq!(failed, None, "{}", vector.name);
    }
}

#[test]
fn what_is_refused_has_a_cause_and_a_failed_check() {
    for (id, vector) in catalogue::vectors().filter(|(_, vector)| vector.expect != "ACCEPT") {
        let scheme = Catalogue::builtin().scheme(&id).unwrap();
        if !matches!(&scheme.rules, Rules::Webhook(_)) || vector.expect == "HANDSHAKE" {
            continue;
        }
        let body = vector.body_bytes().unwrap();
        let (refusal, explanation) = explained(scheme, &vector, &vector.key, &body);
        assert!(
            refusal.is_some() && !explanation.causes.is_empty(),
            "{}",
            vector.name
        );
        let is_failed = |check: &Check| check.outcome == CheckOutcome::Fail;
        assert!(
            explanation.checks.iter().any(is_failed),
            "{}: {explanation:#?}",
            vector.name
        );
    }
}

#[test]
fn what_another_key_signed_has_nothing_near_it() {
    for (scheme, _, vector) in accepted() {
        let other = scheme.generate_key(&Zeroizing::new([0x5a; 32]));
        let body = vector.body_bytes().unwrap();
        let other = secrecy::ExposeSecret::expose_secret(&other).to_owned();
        let (_, explanation) = explained(&scheme, &vector, &other, &body);
        let mut codes = codes(&explanation);
        // A delivery without a body may have lost it.
        codes.retain(|code| !(body.is_empty() && *code == CauseCode::BodyEmpty));
        // One vendor's own example has a body that Python printed.
        codes.retain(|code| !(body.starts_with(b"{'") && *code == CauseCode::BodyReserialised));
        assert_eq!(codes, [CauseCode::NoNearMiss], "{}", vector.name);
    }
}

#[test]
fn a_line_end_behind_any_signed_body_is_found() {
    let mut found = 0;
    for (scheme, rules, vector) in accepted() {
        let signed = rules.proven().has(ProvenPart::Body);
        if !signed || rules.algorithm() == Algorithm::Token || vector.body.is_empty() {
            continue;
        }
        let body = [vector.body.as_bytes(), b"\r\n"].concat();
        let (refusal, explanation) = explained(&scheme, &vector, &vector.key, &body);
        // Some schemes sign JSON without its white space.
        if refusal.is_none() {
            continue;
        }
        assert_eq!(
            codes(&explanation)[0],
            CauseCode::TrailingNewline,
            "{}: {explanation:#?}",
            vector.name
        );
        found += 1;
    }
    assert!(found >= 30, "{found}");
}
