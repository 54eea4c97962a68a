//! One record of the audit for every call of the control plane. A change writes its own in its transaction; all else,
//! reads, refusals and failures, is recorded here once the call has ended.
//!
//! Invariant: a call has at most one record. The store's writer takes what a call queued in order, so a record of a
//! failure that comes after the change of the same call is not written, and a change that comes after such a record is
//! not made.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_core::SecretName;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    failure::{ErrorReason, Failure},
    gate::RequestId,
    store::{Caller, ChangeError, NOTHING_CHANGED, Noted, Recorded, Revoked, Store},
};

/// What the audit calls a caller that showed no credential that is valid.
pub(crate) const UNAUTHENTICATED: &str = "unauthenticated";
/// Who and what a record is of that stands for several calls.
pub(crate) const VARIOUS: &str = "various";
/// How often a full queue is tried again, and after what time.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// Why a call may be refused before its handler: as often as callers like, at next to no cost to them.
const REFUSED_EARLY: [ErrorReason; 3] = [
    ErrorReason::Unauthenticated,
    ErrorReason::RateLimited,
    ErrorReason::Overloaded,
];
/// That many of each have a record of their own in a second, and as many at once; the others are counted.
const RECORDED_IN_A_SECOND: NonZeroU32 = NonZeroU32::new(3).expect("3 is not 0");
/// More calls than there can be.
const ALL_CALLS: usize = 1 << 24;

/// What the record of a call will say, filled in on its way.
#[derive(Debug, Default)]
pub(crate) struct Call {
    principal: OnceLock<Arc<str>>,
    subject: OnceLock<String>,
    pub recorded: Recorded,
}

impl Call {
    /// Notes who calls.
    pub(crate) fn is_by(&self, principal: &Arc<str>) {
        let _ = self.principal.set(principal.clone());
    }

    /// Notes what is called for; the first name counts. What is no name is the caller's text and goes nowhere.
    pub(crate) fn is_about(&self, name: &str) {
        if SecretName::is_valid(name) {
            self.subject.get_or_init(|| name.to_owned());
        }
    }

    fn caller(&self, id: &RequestId) -> Caller {
        let principal = self.principal.get().map_or(UNAUTHENTICATED, |name| &**name);
        Caller {
            principal: principal.to_owned(),
            rpc_id: id.to_string(),
            recorded: self.recorded.clone(),
            // What became of a call is on record whoever its caller is by now.
            revoked: Revoked::default(),
        }
    }
}

/// Writes the records.
pub(crate) struct Recorder {
    store: Store,
    early: [Early; REFUSED_EARLY.len()],
    /// One permit for each call that has no record yet.
    open: Arc<Semaphore>,
}

/// Calls that were refused early for one reason.
struct Early {
    reason: ErrorReason,
    limiter: DefaultDirectRateLimiter,
    /// Those without a record.
    left_out: AtomicU64,
}

impl Recorder {
    pub(crate) fn new(store: Store) -> Self {
        let early = |reason| Early {
            reason,
            limiter: RateLimiter::direct(Quota::per_second(RECORDED_IN_A_SECOND)),
            left_out: AtomicU64::new(0),
        };
        Self {
            store,
            early: REFUSED_EARLY.map(early),
            open: Arc::new(Semaphore::new(ALL_CALLS)),
        }
    }

    /// Counts a call among those that [`Recorder::idle`] waits for, until the permit is dropped.
    pub(crate) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        self.open.clone().try_acquire_owned().ok()
    }

    /// Waits until every call that began has its record. Those that begin afterwards have none.
    pub(crate) async fn idle(&self) {
        let all = u32::try_from(ALL_CALLS).unwrap_or(u32::MAX);
        if let Ok(all) = self.open.acquire_many(all).await {
            all.forget();
        }
    }

    /// Records how a call ended, unless its change did.
    ///
    /// # Errors
    /// There is no record, which the log knows by then.
    pub(crate) async fn record(
        &self,
        call: &Call,
        id: &RequestId,
        method: &str,
        outcome: String,
    ) -> Result<(), Failure> {
        // A change wrote its own, and need not wait for its turn to hear so.
        if call.recorded.is_set() {
            return Ok(());
        }
        let mut detail = String::new();
        if let Some(early) = self
            .early
            .iter()
            .find(|early| early.reason.as_str() == outcome)
        {
            if early.limiter.check().is_err() {
                early.left_out.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            detail = early.take_left_out().unwrap_or_default();
        } else if outcome == OK && changes(method) {
            detail = NOTHING_CHANGED.to_owned();
        }
        let noted = Noted {
            method: method.to_owned(),
            subject: call.subject.get().cloned().unwrap_or_default(),
            detail,
            outcome,
        };
        self.note(call.caller(id), noted).await
    }

    /// Writes down how many calls were refused that have no record of their own.
    pub(crate) async fn record_left_out(&self) {
        for early in &self.early {
            let Some(detail) = early.take_left_out() else {
                continue;
            };
            let principal = match early.reason {
                ErrorReason::Unauthenticated => UNAUTHENTICATED,
                _ => VARIOUS,
            };
            let caller = Caller {
                principal: principal.to_owned(),
                rpc_id: "-".to_owned(),
                recorded: Recorded::default(),
                revoked: Revoked::default(),
            };
            let noted = Noted {
                method: VARIOUS.to_owned(),
                subject: String::new(),
                detail,
                outcome: early.reason.as_str().to_owned(),
            };
            // What could not be written is in the log.
            let _ = self.note(caller, noted).await;
        }
    }

    async fn note(&self, caller: Caller, noted: Noted) -> Result<(), Failure> {
        let method = noted.method.clone();
        for _ in 1..ATTEMPTS {
            match self.store.note(caller.clone(), noted.clone()).await {
                Err(ChangeError::Busy) => tokio::time::sleep(PAUSE).await,
                result => return told(result, &caller, &method),
            }
        }
        told(
            self.store.note(caller.clone(), noted).await,
            &caller,
            &method,
        )
    }
}

impl Early {
    fn take_left_out(&self) -> Option<String> {
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => None,
            1 => Some("1 more before it".to_owned()),
            number => Some(format!("{number} more before it")),
        }
    }
}

fn told(result: Result<(), ChangeError>, caller: &Caller, method: &str) -> Result<(), Failure> {
    result.map_err(|error| {
        let Caller {
            principal, rpc_id, ..
        } = caller;
        tracing::error!(%error, request_id = rpc_id, principal, method, "a call has no record in the audit");
        Failure::new(match error {
            ChangeError::DiskFull => ErrorReason::StorageFull,
            _ => ErrorReason::StoreUnavailable,
        })
    })
}

/// The outcome of a call that was answered without an error.
pub(crate) const OK: &str = "OK";

/// Whether the method makes changes, so that a good answer without one is worth a word.
fn changes(method: &str) -> bool {
    !["Get", "List", "Verify", "Explain", "CreateBackup"]
        .iter()
        .any(|reads| method.starts_with(reads))
}

/// Whether an answer must not go out without a record. Of a read that only looks at what is no secret it may: a full
/// disk must not blind who has to make room.
pub(crate) fn needs_record(method: &str) -> bool {
    matches!(method, "Explain" | "CreateBackup")
}

#[cfg(test)]
mod tests;
