//! The life of the versions of one secret.

use crate::time::Timestamp;

/// The stored state of a version. What it means at a given time is [`VersionState::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionState {
    /// Verifies, does not sign.
    Pending,
    /// Signs and verifies.
    Active,
    /// Verifies until this time, exclusive.
    Grace {
        /// The first instant at which it verifies no more.
        until: Timestamp,
    },
    /// Its grace is over. Final.
    Retired,
    /// Killed by an emergency or by hand. Final.
    Revoked,
}

impl VersionState {
    /// The state at `now`: a grace that has ended is over at once, whether or not anything wrote that down.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Grace { until } if until <= now => Self::Retired,
            state => state,
        }
    }

    /// Whether a version in this state verifies at `now`.
    #[must_use]
    pub fn verifies(self, now: Timestamp) -> bool {
        matches!(
            self.at(now),
            Self::Pending | Self::Active | Self::Grace { .. }
        )
    }
}
