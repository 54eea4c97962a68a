//! How often and how many at once: an explanation costs more than a check, and says more to whoever guesses.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_core::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::{ErrorReason, Failure};

const MINUTE_MILLIS: i64 = 60_000;

/// How many secrets are remembered before those that have been quiet for a minute are forgotten.
const TIDY_AT: usize = 1024;

/// The limits on explanations.
pub(crate) struct Explains {
    permits: Arc<Semaphore>,
    pace: Pace,
}

impl Explains {
    /// So many in a minute for each secret, and so many at once over all.
    pub(crate) fn new(per_minute: usize, at_once: usize) -> Self {
        let per_minute = i64::try_from(per_minute.max(1)).unwrap_or(i64::MAX);
        Self {
            permits: Arc::new(Semaphore::new(at_once)),
            pace: Pace {
                interval_millis: (MINUTE_MILLIS / per_minute).max(1),
                next: Mutex::default(),
            },
        }
    }

    /// Lets one in; the permit is kept while it runs.
    ///
    /// # Errors
    /// [`ErrorReason::ExplainLimited`].
    pub(crate) fn admit(
        &self,
        secret_id: i64,
        now: Timestamp,
    ) -> Result<OwnedSemaphorePermit, Failure> {
        let limited = || Failure::new(ErrorReason::ExplainLimited);
        let permit = self.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| limited())?;
        match self.pace.take(secret_id, now.unix_millis()) {
            true => Ok(permit),
            false => Err(limited()),
        }
    }
}

/// A pace for each secret: a minute's worth at once, then one at each interval.
struct Pace {
    interval_millis: i64,
    /// When each secret will have used up what it took.
    next: Mutex<HashMap<i64, i64>>,
}

impl Pace {
    fn take(&self, secret_id: i64, now: i64) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= TIDY_AT {
            next.retain(|_, until| *until > now);
        }
        let until = next.entry(secret_id).or_insert(now);
        // A clock that was set back is no reason to refuse for longer than a minute.
        let used = (*until).clamp(now, now.saturating_add(MINUTE_MILLIS));
        let after = used.saturating_add(self.interval_millis);
        let fits = after.saturating_sub(now) <= MINUTE_MILLIS;
        *until = if fits { after } else { used };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(explains: &Explains, secret: i64, secs: i64, tries: usize) -> usize {
        let now = Timestamp::from_unix_secs(secs);
        let tries = (0..tries).filter(|_| explains.admit(secret, now).is_ok());
        tries.count()
    }

    #[test]
    fn a_minutes_worth_is_let_in_and_then_the_pace() {
        let explains = Explains::new(60, 1);
        assert_eq!(admitted(&explains, 1, 1000, 100), 60);
        assert_eq!(admitted(&explains, 1, 1000, 100), 0);
        assert_eq!(admitted(&explains, 2, 1000, 100), 60);
        assert_eq!(admitted(&explains, 1, 1005, 100), 5);
        assert_eq!(admitted(&explains, 1, 1065, 100), 60);
        // The clock was set back by an hour, and goes on.
        assert_eq!(admitted(&explains, 1, -2600, 100), 0);
        assert_eq!(admitted(&explains, 1, -2540, 100), 60);
    }

    #[test]
    fn only_so_many_run_at_once() {
        let explains = Explains::new(60, 2);
        let now = Timestamp::from_unix_secs(0);
        let running: Vec<_> = (0..3).filter_map(|_| explains.admit(1, now).ok()).collect();
        assert_eq!(running.len(), 2);
        drop(running);
        assert!(explains.admit(1, now).is_ok());
    }

    #[test]
    fn quiet_secrets_are_forgotten() {
        let explains = Explains::new(1, 1);
        for secret in 0..5000 {
            assert_eq!(admitted(&explains, secret, secret * 60, 1), 1);
        }
        assert!(explains.pace.next.lock().unwrap().len() <= TIDY_AT);
    }
}
