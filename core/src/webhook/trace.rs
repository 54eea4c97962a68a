//! The steps of a check one by one, for whoever asks where it failed. They are the steps of `verify`, in its order;
//! one that does not need what failed before it is taken all the same.

use std::collections::BTreeMap;

use super::{
    Delivery, JwsRules, ProofRules, SignaturePlace, Terms, TextRules, TimestampPlace, WebhookRules,
    reader::{Claims, Reader},
    signatures::Signatures,
};
use crate::{Key, Reason, template::Variable};

/// One step of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The header or field with the signature is there, once.
    Place,
    /// It holds signatures in the scheme's grammar and encoding.
    Form,
    /// Headers with a fixed value.
    RequiredHeaders,
    /// The timestamp is there.
    Timestamp,
    /// The delivery id is there and in its form.
    Id,
    /// The timestamp can be read and is near enough.
    Freshness,
    /// The list of signed headers.
    SignedHeaders,
    /// The hash of the body in the URL.
    BodyHash,
    /// A version may verify.
    LiveVersions,
    /// The signature is over this delivery.
    Signature,
    /// The timestamp in a body whose signature has held.
    LateTimestamp,
    /// The claims of a token.
    Claims,
}

/// How one step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Passed,
    Failed(Reason),
    Skipped,
}

impl<T> From<&Result<T, Reason>> for Ending {
    fn from(result: &Result<T, Reason>) -> Self {
        match result {
            Ok(_) => Self::Passed,
            Err(reason) => Self::Failed(*reason),
        }
    }
}

type Trace = Vec<(Step, Ending)>;

impl WebhookRules {
    /// The steps of the check and how they ended. The first that failed is why [`WebhookRules::verify`] refuses.
    pub(crate) fn trace<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Trace {
        match &self.proof {
            ProofRules::Text(rules) => rules.trace(delivery, keys, terms),
            ProofRules::Jws(rules) => rules.trace(delivery, keys, terms),
        }
    }
}

impl TextRules {
    /// The timestamp text of a delivery, wherever it stands and whether or not it is proven.
    pub(crate) fn timestamp_text(
        &self,
        delivery: Delivery<'_>,
        parameters: &BTreeMap<String, String>,
    ) -> Option<String> {
        let reader = Reader::new(delivery, self.brand(delivery).ok()?, parameters);
        let text = match &self.timestamp.as_ref()?.place {
            TimestampPlace::Own(place) => reader.at(place).ok()??,
            TimestampPlace::Pair(_) => reader.timestamp(self).ok()??,
        };
        Some(text.into_owned())
    }

    /// Whether the body is a form, if the delivery says what it is.
    pub(crate) fn is_form(&self, delivery: Delivery<'_>) -> Option<bool> {
        Reader::new(delivery, "", &BTreeMap::new()).is_form().ok()
    }

    fn trace<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Trace {
        let brand = match self.brand(delivery) {
            Ok(brand) => brand,
            Err(reason) => return self.unplaced(reason),
        };
        let reader = Reader::new(delivery, brand, terms.parameters);
        let signatures = reader.signatures(self);
        let mut trace = Vec::from(place_and_form(&signatures, &self.signature));
        let claims = self.trace_claims(&reader, terms, &mut trace);
        let any_key = match keys.clone().next() {
            Some(_) => Ending::Passed,
            None => Ending::Failed(Reason::NoLiveVersion),
        };
        let signature = match (&signatures, &claims) {
            (Ok(signatures), Some(claims)) => self.try_keys(&reader, claims, signatures, keys),
            _ => Ending::Skipped,
        };
        trace.push((Step::LiveVersions, any_key));
        trace.push((Step::Signature, signature));
        if self.timestamp_is_in_the_body() {
            let late = match signature {
                Ending::Passed => Ending::from(&self.check_late_timestamp(&reader, terms)),
                _ => Ending::Skipped,
            };
            trace.push((Step::LateTimestamp, late));
        }
        trace
    }

    fn unplaced(&self, reason: Reason) -> Trace {
        vec![
            (Step::Place, Ending::Failed(reason)),
            (Step::Form, Ending::Skipped),
            (Step::Signature, Ending::Skipped),
        ]
    }

    /// The steps between the signatures and the keys; answers what the signed text needs, if it is all there.
    fn trace_claims<'s>(
        &'s self,
        reader: &'s Reader<'_>,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Option<Claims<'s>> {
        let mut step = |applies: bool, step, ending| {
            if applies {
                trace.push((step, ending));
            }
        };
        let required = self.check_required_headers(reader);
        step(
            !self.required_headers.is_empty(),
            Step::RequiredHeaders,
            (&required).into(),
        );
        let (timestamp, id) = (reader.timestamp(self), reader.id(self));
        let has_timestamp = self.timestamp.is_some() && !self.timestamp_is_in_the_body();
        step(has_timestamp, Step::Timestamp, (&timestamp).into());
        let signs_id = self.any_variable(|it| *it == Variable::Id);
        step(signs_id, Step::Id, (&id).into());
        let freshness = match &timestamp {
            Ok(Some(text)) => (&terms.freshness.check(text, terms.now)).into(),
            _ => Ending::Skipped,
        };
        step(has_timestamp, Step::Freshness, freshness);
        let signed_headers = self.check_signed_headers(reader);
        step(
            self.signed_headers.is_some(),
            Step::SignedHeaders,
            (&signed_headers).into(),
        );
        let hash = self.check_body_hash(reader);
        step(
            self.body_hash_query.is_some(),
            Step::BodyHash,
            (&hash).into(),
        );
        Some(Claims {
            timestamp: timestamp.ok()?,
            id: id.ok()?,
        })
    }

    fn try_keys<'k>(
        &self,
        reader: &Reader<'_>,
        claims: &Claims<'_>,
        signatures: &Signatures<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
    ) -> Ending {
        let mut held = false;
        for template in self.templates() {
            let text = match self.text(template, reader, claims) {
                Ok(text) => text,
                Err(reason) => return Ending::Failed(reason),
            };
            for (_, key) in keys.clone() {
                held |= text.with(key, |parts| key.check(parts, signatures.iter()).is_some());
            }
        }
        match (held, keys.clone().next()) {
            (true, _) => Ending::Passed,
            (false, Some(_)) => Ending::Failed(Reason::SignatureMismatch),
            (false, None) => Ending::Skipped,
        }
    }
}

/// Which of the first two steps a missing signature belongs to.
fn place_and_form(
    signatures: &Result<Signatures<'_>, Reason>,
    place: &SignaturePlace,
) -> [(Step, Ending); 2] {
    let in_body = matches!(place, SignaturePlace::Body { .. });
    match signatures {
        Err(reason @ (Reason::HeaderMissing | Reason::HeaderAmbiguous | Reason::BodyMalformed)) => {
            [
                (Step::Place, Ending::Failed(*reason)),
                (Step::Form, Ending::Skipped),
            ]
        }
        Err(Reason::SignatureMissing) if in_body => [
            (Step::Place, Ending::Failed(Reason::SignatureMissing)),
            (Step::Form, Ending::Skipped),
        ],
        other => [(Step::Place, Ending::Passed), (Step::Form, other.into())],
    }
}

impl JwsRules {
    /// A token is judged as a whole, so the step is told from the reason.
    fn trace<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)> + Clone,
        terms: Terms<'_>,
    ) -> Trace {
        let verdict = self.verify(delivery, keys.clone(), terms).map(drop);
        let failed = verdict.err().map(|reason| {
            let bodiless = Self {
                body_hash_claim: None,
                ..self.clone()
            };
            let only_the_body = reason == Reason::SignatureMismatch
                && bodiless.verify(delivery, keys, terms).is_ok();
            match only_the_body {
                true => (Step::BodyHash, reason),
                false => (step_of(reason), reason),
            }
        });
        let mut steps = vec![
            Step::Place,
            Step::Form,
            Step::LiveVersions,
            Step::Signature,
            Step::Claims,
            Step::Freshness,
        ];
        if self.body_hash_claim.is_some() {
            steps.push(Step::BodyHash);
        }
        let at = failed.and_then(|(step, _)| steps.iter().position(|own| *own == step));
        let ending = |index: usize| match (failed, at) {
            (Some((_, reason)), Some(at)) if index == at => Ending::Failed(reason),
            (Some(_), Some(at)) if index > at => Ending::Skipped,
            _ => Ending::Passed,
        };
        let steps = steps.into_iter().enumerate();
        steps.map(|(index, step)| (step, ending(index))).collect()
    }
}

fn step_of(reason: Reason) -> Step {
    match reason {
        Reason::HeaderMissing | Reason::HeaderAmbiguous => Step::Place,
        Reason::NoLiveVersion => Step::LiveVersions,
        Reason::SignatureMismatch => Step::Signature,
        Reason::ClaimMissing | Reason::ClaimInvalid => Step::Claims,
        Reason::TokenExpired
        | Reason::TokenNotYetValid
        | Reason::TimestampTooOld
        | Reason::TimestampInFuture => Step::Freshness,
        _ => Step::Form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Catalogue, Rules, Timestamp, catalogue,
        policy::Policy,
        webhook::{Header, Headers},
    };

    /// Over all vectors and the reasons that they show.
    #[test]
    fn the_first_step_that_fails_is_the_reason_of_the_refusal() {
        let mut reasons = BTreeMap::<_, usize>::new();
        for (id, vector) in catalogue::vectors() {
            let scheme = Catalogue::builtin().scheme(&id).unwrap();
            let Rules::Webhook(rules) = &scheme.rules else {
                continue;
            };
            let key = scheme.decode_key(&vector.key.clone().into()).unwrap();
            let header = |(name, value): &'_ (String, String)| (name.clone(), value.clone());
            let headers: Vec<_> = vector.headers.iter().map(header).collect();
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| Header { name, value })
                .collect();
            let body = vector.body_bytes().unwrap();
            let policy = Policy {
                parameters: vector.parameters.clone(),
                ..Policy::default()
            };
            let delivery = Delivery {
                headers: Headers(&headers),
                body: &body,
                method: &vector.method,
                url: &vector.url,
            };
            for offset in [0, 100_000, -100_000] {
                let terms = Terms {
                    freshness: rules.freshness(None, None),
                    parameters: &policy.parameters,
                    now: Timestamp::from_unix_secs(vector.now + offset),
                };
                let keys = [(1, &key)].into_iter();
                let verdict = rules.verify(delivery, keys.clone(), terms);
                let trace = rules.trace(delivery, keys, terms);
                let failed = trace.iter().find_map(|(_, ending)| match ending {
                    Ending::Failed(reason) => Some(*reason),
                    _ => None,
                });
                assert_eq!(failed, verdict.err(), "{} {offset}: {trace:?}", vector.name);
                *reasons.entry(failed.map(Reason::name)).or_default() += 1;
            }
        }
        assert!(reasons.len() >= 8, "{reasons:?}");
    }
}
