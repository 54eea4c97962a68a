//! What happens to connections, counted, and told without a flood: whoever attacks must not fill the log as well.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The least time between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(10);

/// What happened to connections since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections over a cap.
    pub refused: Alarm,
    /// Errors of `accept` that are not the peer's.
    pub accept_errors: Alarm,
    /// TLS handshakes that failed, took too long or found no place.
    pub handshakes_failed: Alarm,
    /// Connections that were silent or spoke no HTTP/2.
    pub never_opened: Alarm,
    /// Answers that nobody took.
    pub stalled: Alarm,
}

/// [`Counts`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in Counts")]
pub struct ConnectionCounts {
    pub accepted: u64,
    pub refused: u64,
    pub accept_errors: u64,
    pub handshakes_failed: u64,
    pub never_opened: u64,
    pub stalled: u64,
}

impl Counts {
    /// How things stand now.
    pub(crate) fn read(&self) -> ConnectionCounts {
        ConnectionCounts {
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.count(),
            accept_errors: self.accept_errors.count(),
            handshakes_failed: self.handshakes_failed.count(),
            never_opened: self.never_opened.count(),
            stalled: self.stalled.count(),
        }
    }
}

/// Counts one thing, and says it at most once in a while.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    count: AtomicU64,
    told: Mutex<Option<(Instant, u64)>>,
}

impl Alarm {
    /// How often it happened.
    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts it. If enough time has passed since the last line, `tell` gets how often it happened since then.
    pub(super) fn note(&self, tell: impl FnOnce(u64)) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        // Whoever finds the lock taken leaves the line to who has it.
        let mut told = match self.told.try_lock() {
            Ok(told) => told,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return,
        };
        let now = Instant::now();
        let before = match *told {
            Some((then, _)) if now.duration_since(then) < INTERVAL => return,
            Some((_, before)) => before,
            None => 0,
        };
        *told = Some((now, count));
        tell(count - before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t16_what_happens_often_is_counted_always_and_told_once() {
        let alarm = Alarm::default();
        let mut told = Vec::new();
        for _ in 0..1000 {
            alarm.note(|times| told.push(times));
        }
        assert_eq!((alarm.count(), told), (1000, vec![1]));
    }
}
