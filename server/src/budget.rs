//! How much of the service one caller and one namespace may use in a second. A call over it is refused at once and told
//! when to come again; nothing queues.

use std::{fmt, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{
    config::Limits,
    failure::{ErrorReason, Failure},
};

/// Bodies are counted in pieces of this many bytes.
const PIECE: usize = 1024;

/// The calls and body bytes of a second.
pub(crate) struct Budget {
    calls: DefaultDirectRateLimiter,
    pieces: DefaultDirectRateLimiter,
}

impl Budget {
    /// That of one caller.
    pub(crate) fn of_caller(limits: &Limits) -> Self {
        Self::new(
            limits.caller_calls_per_second,
            limits.caller_body_bytes_per_second,
        )
    }

    /// That of one namespace.
    pub(crate) fn of_namespace(limits: &Limits) -> Self {
        Self::new(
            limits.namespace_calls_per_second,
            limits.namespace_body_bytes_per_second,
        )
    }

    /// A second's worth may be used at once.
    fn new(calls: usize, bytes: usize) -> Self {
        let limiter = |number: usize| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let number = NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_second(number))
        };
        Self {
            calls: limiter(calls),
            pieces: limiter(bytes / PIECE),
        }
    }

    /// Takes one call.
    pub(crate) fn take_call(&self) -> Result<(), Failure> {
        self.take_calls(1)
    }

    /// Takes as many calls as a batch has items.
    pub(crate) fn take_calls(&self, number: usize) -> Result<(), Failure> {
        take(&self.calls, number)
    }

    /// Takes the bytes of a body.
    pub(crate) fn take_body(&self, bytes: usize) -> Result<(), Failure> {
        match bytes / PIECE {
            0 => Ok(()),
            pieces => take(&self.pieces, pieces),
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

fn take(limiter: &DefaultDirectRateLimiter, number: usize) -> Result<(), Failure> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let Some(number) = NonZeroU32::new(number) else {
        return Ok(());
    };
    let wait = match limiter.check_n(number) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(not_until)) => not_until.wait_time_from(DefaultClock::default().now()),
        // More than a second's worth: it would never pass.
        Err(_) => Duration::from_secs(1),
    };
    Err(Failure::new(ErrorReason::RateLimited).retry_after(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(calls: usize, bytes: usize) -> Budget {
        Budget::new(calls, bytes)
    }

    #[test]
    fn a_seconds_worth_passes_at_once_and_the_next_call_does_not() {
        let budget = budget(5, PIECE);
        for _ in 0..5 {
            budget.take_call().unwrap();
        }
        let refused = budget.take_call().unwrap_err();
        assert_eq!(refused.reason(), ErrorReason::RateLimited);
    }

    #[test]
    fn a_batch_takes_as_much_as_its_items() {
        let budget = budget(5, PIECE);
        budget.take_calls(4).unwrap();
        assert!(budget.take_calls(4).is_err());
        budget.take_calls(1).unwrap();
    }

    #[test]
    fn bodies_are_counted_by_their_bytes() {
        let budget = budget(5, 10 * PIECE);
        budget.take_body(PIECE - 1).unwrap();
        budget.take_body(10 * PIECE).unwrap();
        assert!(budget.take_body(PIECE).is_err());
        budget.take_body(PIECE - 1).unwrap();
    }
}
