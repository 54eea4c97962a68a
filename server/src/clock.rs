//! The one place where the service reads the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_core::{Timestamp, time::millis};

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The wall clock of the machine.
    #[default]
    System,
    /// A clock that stands still until it is set; milliseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.unix_millis())))
    }

    /// Moves a manual clock; the system's is left alone.
    pub fn set(&self, now: Timestamp) {
        if let Self::Manual(millis) = self {
            millis.store(now.unix_millis(), Ordering::Relaxed);
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, millis),
            Self::Manual(millis) => millis.load(Ordering::Relaxed),
        })
    }
}
