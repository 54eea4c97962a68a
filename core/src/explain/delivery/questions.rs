//! Vendors' questions whether an endpoint is yours, answered and nearly so.

use crate::explain::{Cause, CauseCode, Check, CheckOutcome, Explanation};
use crate::{
    Secret,
    webhook::{Delivery, Obstacle, WebhookRules},
};

/// Of a delivery that is a handshake.
pub(super) fn answered(secret: &Secret, rules: &WebhookRules, delivery: Delivery<'_>) -> Cause {
    let parameters = &secret.policy.parameters;
    let name = rules
        .handshake(delivery, parameters, None)
        .map(|it| it.name);
    let name = name.unwrap_or_default();
    let summary =
        format!("It is the vendor's handshake `{name}`, which is not signed, and no event.");
    Cause::new(CauseCode::Handshake, summary)
}

/// Of one that asks as a handshake does, and is none by one thing alone.
pub(super) fn nearly(
    secret: &Secret,
    rules: &WebhookRules,
    delivery: Delivery<'_>,
) -> Option<Explanation> {
    let (name, obstacle) = rules.nearly_handshake(delivery, &secret.policy.parameters)?;
    let (what, fix) = words(&obstacle);
    let summary = format!("It asks as the vendor's handshake `{name}` does, but {what}.");
    let check = Check::new(
        "handshake",
        CheckOutcome::Fail,
        format!("not `{name}`, which is not signed: {what}"),
    );
    Some(Explanation {
        checks: vec![check],
        causes: vec![Cause::with_fix(CauseCode::Handshake, summary, fix)],
    })
}

fn words(obstacle: &Obstacle) -> (String, String) {
    match obstacle {
        Obstacle::Method(method) => (
            format!("it comes with another HTTP method than {method}"),
            format!("If the vendor asked with {method}, send that method with the request."),
        ),
        Obstacle::Parameter {
            name,
            is_set: false,
            ..
        } => (
            format!("the secret has no parameter `{name}` to compare with"),
            format!(
                "Parameters are set when a secret is made: create it again with the parameter `{name}` and the value \
                 that you enter at the vendor."
            ),
        ),
        Obstacle::Parameter {
            place,
            name,
            is_sent,
            ..
        } => {
            let what = match is_sent {
                true => format!("{place} has another value than the secret's parameter `{name}`"),
                false => format!(
                    "{place} is not there, which the secret's parameter `{name}` is compared with"
                ),
            };
            let fix = format!(
                "Enter the value of the parameter `{name}` at the vendor, letter by letter; or create the secret again \
                 with the value that stands there. If you did not ask the vendor to verify the endpoint, somebody \
                 else did."
            );
            (what, fix)
        }
    }
}
