//! Refused proofs and deliveries. Anybody can cause them, thousands in a second: they are counted for each scheme and
//! reason, and of a single secret the log has one line in a second at most.
//!
//! Counting takes no lock and no memory; the secrets hold the counters of their scheme.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use countersign_core::Timestamp;
use countersign_proto::v1::Reason;

/// More than the contract has reasons; one beyond is counted as unspecified.
const REASONS: usize = 48;
/// A secret's refusals have a line of their own no sooner after another.
const LINE_EVERY_MILLIS: u64 = 1000;

/// The refusals of one scheme, by reason.
#[derive(Debug)]
pub(crate) struct OfScheme([AtomicU64; REASONS]);

impl Default for OfScheme {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; REASONS])
    }
}

impl OfScheme {
    fn count(&self, reason: Reason) {
        let index = usize::try_from(i32::from(reason)).unwrap_or(0);
        let counter = self.0.get(index).unwrap_or(&self.0[0]);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts that are not 0, which are then 0.
    fn take(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.0.iter().zip(0..).filter_map(|(counter, number)| {
            match counter.swap(0, Ordering::Relaxed) {
                0 => None,
                count => Some((Reason::try_from(number).unwrap_or_default(), count)),
            }
        })
    }
}

/// The refusals of all schemes that have a secret.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<String, Arc<OfScheme>>>);

impl Refusals {
    /// The counters of a scheme, for a secret to hold.
    pub(crate) fn of_scheme(&self, scheme: &str) -> Arc<OfScheme> {
        let mut schemes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemes.get(scheme) {
            return known.clone();
        }
        schemes.entry(scheme.to_owned()).or_default().clone()
    }

    /// What was refused since the last call, such as `stripe.webhook SIGNATURE_MISMATCH 12`; `None` if nothing was.
    pub(crate) fn take(&self) -> Option<String> {
        let mut schemes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Vec::new();
        for (scheme, refusals) in schemes.iter() {
            for (reason, count) in refusals.take() {
                let reason = reason.as_str_name();
                let reason = reason.strip_prefix("REASON_").unwrap_or(reason);
                counts.push(format!("{scheme} {reason} {count}"));
            }
        }
        // Those whose last secret is gone.
        schemes.retain(|_, refusals| Arc::strong_count(refusals) > 1);
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

/// The refusals of one secret.
#[derive(Debug)]
pub(crate) struct OfSecret {
    scheme: Arc<OfScheme>,
    /// When the log had the last line, in Unix milliseconds.
    told: AtomicI64,
    /// Those since then.
    untold: AtomicU64,
}

impl OfSecret {
    pub(crate) fn new(scheme: Arc<OfScheme>) -> Self {
        Self {
            scheme,
            told: i64::MIN.into(),
            untold: 0.into(),
        }
    }

    /// Counts a refusal. Where it is time for a line of the log, answers how many that line stands for.
    pub(crate) fn count(&self, reason: Reason, now: Timestamp) -> Option<u64> {
        self.scheme.count(reason);
        self.untold.fetch_add(1, Ordering::Relaxed);
        let told = self.told.load(Ordering::Relaxed);
        let now = now.unix_millis();
        // A clock that was set back does not silence the log.
        let is_time = now.abs_diff(told) >= LINE_EVERY_MILLIS
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_time.then(|| self.untold.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_contract_has_a_counter() {
        let highest = (0..1000)
            .rev()
            .find(|number| Reason::try_from(*number).is_ok());
        let highest = usize::try_from(highest.unwrap()).unwrap();
        assert!((20..REASONS).contains(&highest), "{highest}");
    }

    #[test]
    fn a28_refusals_are_counted_by_scheme_and_reason_and_a_flood_has_a_line_a_second() {
        let refusals = Refusals::default();
        let [one, other] = [(); 2].map(|()| OfSecret::new(refusals.of_scheme("stripe.webhook")));
        let third = OfSecret::new(refusals.of_scheme("chatwoot.identity"));
        let at = |millis: i64| Timestamp::from_unix_millis(1_800_000_000_000 + millis);
        let mut told = Vec::new();
        for millis in 0..2500 {
            told.extend(one.count(Reason::SignatureMismatch, at(millis)));
        }
        assert_eq!(told, [1, 1000, 1000]);
        assert_eq!(other.count(Reason::TimestampTooOld, at(0)), Some(1));
        assert_eq!(third.count(Reason::ProofMissing, at(0)), Some(1));
        assert_eq!(one.count(Reason::SignatureMismatch, at(-5000)), Some(500));
        assert_eq!(
            refusals.take().unwrap(),
            "chatwoot.identity PROOF_MISSING 1, stripe.webhook SIGNATURE_MISMATCH 2501, \
             stripe.webhook TIMESTAMP_TOO_OLD 1"
        );
        assert_eq!(refusals.take(), None);
        drop(third);
        refusals.take();
        assert_eq!(refusals.0.lock().unwrap().len(), 1);
    }
}
