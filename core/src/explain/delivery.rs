//! The search for what a delivery that does not hold may have been.

mod families;
mod questions;
mod shown;

use std::collections::BTreeMap;

use super::{
    Budget, Cause, CauseCode, Check, CheckOutcome, Explanation, Known, MAX_CAUSES, checks,
    repairs::{self, Fields},
    times,
};
use crate::{
    Key, Reason, Secret, Timestamp,
    key::Algorithm,
    secret::MisfitError,
    webhook::{Delivery, Freshness, Headers, ProofRules, Terms, TextRules, WebhookRules},
};

/// Explains a delivery. `refusal` is why it is refused now, if it is; the caller may know of more than core does, such
/// as a replay.
///
/// # Errors
/// The secret is no webhook secret.
pub fn explain_webhook(
    secret: &Secret,
    delivery: Delivery<'_>,
    refusal: Option<Reason>,
    known: Known<'_>,
    now: Timestamp,
) -> Result<Explanation, MisfitError> {
    let rules = secret.webhook_rules()?;
    let delivery = Delivery {
        url: secret.url(delivery.url),
        ..delivery
    };
    let is_unsigned = matches!(
        refusal,
        Some(Reason::HeaderMissing | Reason::SignatureMissing)
    );
    if is_unsigned && let Some(explanation) = questions::nearly(secret, rules, delivery) {
        return Ok(explanation);
    }
    let mut checks = checks::of_delivery(secret, rules, delivery, refusal, known, now);
    let causes = match refusal {
        None => Vec::new(),
        Some(Reason::Handshake) => vec![questions::answered(secret, rules, delivery)],
        Some(Reason::Replayed) => vec![Cause::new(
            CauseCode::Replay,
            "The signature holds, but the delivery was seen before, or is from before the record of deliveries begins, \
             and this secret denies replays.",
        )],
        Some(reason) => {
            let (causes, is_exhausted) = search(secret, rules, delivery, reason, known, now);
            if is_exhausted {
                checks.push(Check::new(
                    "near-miss search",
                    CheckOutcome::Warn,
                    "ended before every candidate was tried: the body is large, or there are many secrets",
                ));
            }
            causes
        }
    };
    Ok(Explanation { checks, causes })
}

/// The causes, and whether the search ended early.
fn search(
    secret: &Secret,
    rules: &WebhookRules,
    delivery: Delivery<'_>,
    reason: Reason,
    known: Known<'_>,
    now: Timestamp,
) -> (Vec<Cause>, bool) {
    let own = repairs::owned(delivery.headers);
    let mut search = Search::new(secret, rules, delivery, known, now);
    if search.holds_as_it_is() {
        return (search.when_it_holds(reason), false);
    }
    let mut found = search.repaired(&own);
    search.budget.next_family();
    let base = search.best_repair(&own);
    let headers = repairs::borrowed(base.as_ref().unwrap_or(&own));
    search.delivery.headers = Headers(&headers);
    if found.is_none() {
        found = search.families();
    }
    let is_exhausted = search.budget.is_exhausted || search.keys_budget.is_exhausted;
    let mut causes: Vec<Cause> = found.into_iter().collect();
    if !causes.is_empty() {
        causes.extend(search.time_cause(false));
    } else {
        causes = search.without_a_hit(reason, &own);
    }
    causes.dedup_by(|a, b| a.code == b.code);
    causes.truncate(MAX_CAUSES);
    (causes, is_exhausted)
}

struct Search<'a, 'h> {
    secret: &'a Secret,
    rules: &'a WebhookRules,
    delivery: Delivery<'h>,
    known: Known<'a>,
    now: Timestamp,
    live: Vec<(u32, &'a Key)>,
    budget: Budget,
    keys_budget: Budget,
    /// How many bytes the body is to a scheme that unpacks it.
    unpacked_bytes: usize,
}

impl<'a, 'h> Search<'a, 'h> {
    fn new(
        secret: &'a Secret,
        rules: &'a WebhookRules,
        delivery: Delivery<'h>,
        known: Known<'a>,
        now: Timestamp,
    ) -> Self {
        let live = secret.live(now);
        Self {
            secret,
            rules,
            delivery,
            known,
            now,
            live: live.map(|version| (version.number, &version.key)).collect(),
            budget: Budget::new(Budget::DELIVERY_BYTES),
            keys_budget: Budget::new(Budget::KEY_BYTES),
            unpacked_bytes: WebhookRules::unpacked_bytes(delivery.body),
        }
    }

    fn text(&self) -> Option<&'a TextRules> {
        self.rules.text()
    }

    fn parameters(&self) -> &'a BTreeMap<String, String> {
        &self.secret.policy.parameters
    }

    fn holds_as_it_is(&mut self) -> bool {
        let keys = self.live.clone();
        let candidate = Candidate::of(self);
        candidate.holds(&keys, &mut self.budget).is_some()
    }

    /// Whether a changed delivery holds with a live key.
    fn holds(&mut self, delivery: Delivery<'_>) -> bool {
        let candidate = Candidate {
            delivery,
            ..Candidate::of(self)
        };
        candidate.holds(&self.live, &mut self.budget).is_some()
    }

    /// The signature holds over the delivery as it is, so something else was refused.
    fn when_it_holds(&self, reason: Reason) -> Vec<Cause> {
        let cause = self.time_cause(true).or_else(|| match reason {
            Reason::TokenExpired => Some(Cause::new(
                CauseCode::TokenTime,
                "The signature holds, but the token has ended.",
            )),
            Reason::TokenNotYetValid => Some(Cause::new(
                CauseCode::TokenTime,
                "The signature holds, but the token does not begin yet: its `nbf` is still to come.",
            )),
            Reason::TimestampTooOld | Reason::TimestampInFuture => Some(Cause::new(
                CauseCode::ClockOrDelay,
                "The signature holds, but the time in it is too far from now.",
            )),
            _ => None,
        });
        let cause = cause.unwrap_or_else(|| {
            Cause::new(
                CauseCode::HeaderMalformed,
                "The signature holds, but a part of the delivery is not in the scheme's form; see the checks.",
            )
        });
        vec![cause]
    }

    fn time_cause(&self, holds: bool) -> Option<Cause> {
        let text = self
            .text()?
            .timestamp_text(self.delivery, self.parameters())?;
        let freshness = self.secret.freshness(self.rules);
        times::cause(&text, freshness, self.now, holds)
    }

    /// Headers that were renamed, doubled, quoted, or hold the signature in another form.
    fn repaired(&mut self, own: &Fields) -> Option<Cause> {
        let text = self.text()?;
        for repaired in repairs::repairs(text, own) {
            let headers = repairs::borrowed(&repaired.fields);
            let delivery = Delivery {
                headers: Headers(&headers),
                ..self.delivery
            };
            let holds = match repaired.digest {
                None => self.holds(delivery),
                Some(digest) => self.holds_as(digest, delivery),
            };
            if holds {
                let summary = format!("The signature {}.", repaired.what);
                return Some(Cause::new(repaired.code, summary));
            }
        }
        None
    }

    /// Whether it holds as another MAC with the same keys.
    fn holds_as(&mut self, digest: Algorithm, delivery: Delivery<'_>) -> bool {
        let Some(text) = self.text() else {
            return false;
        };
        let rules = with_text(TextRules {
            digest,
            ..text.clone()
        });
        let bytes = |key: &Key| key.expose_bytes().to_vec().into();
        let keys = self.live.iter();
        let keys: Vec<_> = keys
            .filter_map(|(number, key)| Some((*number, Key::of(digest, bytes(key)).ok()?)))
            .collect();
        let keys: Vec<_> = keys.iter().map(|(number, key)| (*number, key)).collect();
        let candidate = Candidate {
            delivery,
            rules: &rules,
            ..Candidate::of(self)
        };
        candidate.holds(&keys, &mut self.budget).is_some()
    }

    /// The first repair after which the signature can at least be looked at, if the delivery needs one.
    fn best_repair(&mut self, own: &Fields) -> Option<Fields> {
        let text = self.text()?;
        if self.is_readable(own) {
            return None;
        }
        let repairs = repairs::repairs(text, own).into_iter();
        repairs
            .filter(|repaired| repaired.digest.is_none())
            .map(|repaired| repaired.fields)
            .find(|fields| self.is_readable(fields))
    }

    /// Whether nothing but a signature that holds is missing. No key is tried, so nothing is hashed; what the scheme
    /// unpacks or sorts of the body is done all the same, and counts.
    fn is_readable(&mut self, fields: &Fields) -> bool {
        let headers = repairs::borrowed(fields);
        let candidate = Candidate {
            delivery: Delivery {
                headers: Headers(&headers),
                ..self.delivery
            },
            ..Candidate::of(self)
        };
        let bytes = match self.rules.reads_the_body() {
            true => candidate.bytes(),
            false => 0,
        };
        self.budget.spend(bytes, 1, false) && candidate.verdict(&[]) == Err(Reason::NoLiveVersion)
    }
}

/// One delivery under one set of rules.
#[derive(Clone, Copy)]
struct Candidate<'c> {
    rules: &'c WebhookRules,
    parameters: &'c BTreeMap<String, String>,
    delivery: Delivery<'c>,
    unpacked_bytes: usize,
}

impl<'c> Candidate<'c> {
    fn of<'a: 'c, 'h: 'c>(search: &Search<'a, 'h>) -> Self {
        Self {
            rules: search.rules,
            parameters: search.parameters(),
            delivery: search.delivery,
            unpacked_bytes: search.unpacked_bytes,
        }
    }

    /// The version whose key made the signature, whatever the time; `None` also when the budget is spent.
    fn holds(&self, keys: &[(u32, &Key)], budget: &mut Budget) -> Option<u32> {
        let texts = self.rules.text().map_or(1, |text| text.signed_text.len());
        let is_public_key = self.rules.algorithm().is_public_key();
        let digests = texts.max(1) * keys.len();
        if keys.is_empty() || !budget.spend(self.bytes(), digests, is_public_key) {
            return None;
        }
        self.verdict(keys).ok()
    }

    /// How long a signed text is, about.
    fn bytes(&self) -> usize {
        match self.rules.unpacks() {
            true => self.delivery.body.len().max(self.unpacked_bytes),
            false => self.delivery.body.len(),
        }
    }

    fn verdict(&self, keys: &[(u32, &Key)]) -> Result<u32, Reason> {
        let terms = Terms {
            freshness: Freshness::unchecked(),
            parameters: self.parameters,
            now: self.rules.begins(self.delivery),
        };
        let verdict = self
            .rules
            .verify(self.delivery, keys.iter().copied(), terms);
        verdict.map(|proof| proof.version)
    }
}

fn with_text(text: TextRules) -> WebhookRules {
    WebhookRules {
        proof: ProofRules::Text(Box::new(text)),
        handshakes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Catalogue, SecretName, policy::Policy, webhook::Header};

    #[test]
    fn looking_for_a_readable_delivery_counts_towards_the_bound() {
        let catalogue = Catalogue::builtin();
        let asked = Secret {
            name: SecretName::parse("acme/asked").unwrap(),
            scheme: Arc::clone(catalogue.scheme("stream.webhook").unwrap()),
            policy: Policy::default(),
            versions: Vec::new(),
        };
        let value = vec!["ab".repeat(32); 40].join(";");
        let headers = [Header {
            name: "X-Digest",
            value: &value,
        }];
        let delivery = Delivery {
            headers: Headers(&headers),
            body: b"{}",
            method: "",
            url: "",
        };
        let rules = asked.webhook_rules().unwrap();
        let now = Timestamp::from_unix_secs(0);
        let mut search = Search::new(&asked, rules, delivery, Known::default(), now);
        let own = repairs::owned(delivery.headers);
        assert!(search.best_repair(&own).is_some());
        assert!(search.budget.candidates > 1, "{}", search.budget.candidates);
        search.budget = Budget::new(0);
        assert!(search.best_repair(&own).is_none() && search.budget.is_exhausted);
    }
}
