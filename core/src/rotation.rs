//! The life of the versions of one secret: a pure state machine. Every step takes the versions as they are and
//! answers the versions as they will be; nothing here reads a clock or stores a thing.
//!
//! Invariant: exactly one version is ACTIVE, or none after a forced revoke until the next rotation repairs it.
//! Invariant: the end of a grace is written once; only a revoke or an emergency lowers it, nothing raises it.
//! Invariant: RETIRED and REVOKED are final, and a number is never used again.

use std::time::Duration;

use crate::time::Timestamp;

#[cfg(test)]
mod tests;

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

/// One version of a secret, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From 1, in order of creation.
    pub number: u32,
    /// The stored state.
    pub state: VersionState,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it became ACTIVE; `None` for a version that never did.
    pub activate_time: Option<Timestamp>,
    /// When its grace ends or ended; `None` for a version that never was in grace.
    pub grace_end_time: Option<Timestamp>,
    /// When it was revoked.
    pub revoke_time: Option<Timestamp>,
}

impl Version {
    fn pending(number: u32, now: Timestamp) -> Self {
        Self {
            number,
            state: VersionState::Pending,
            create_time: now,
            activate_time: None,
            grace_end_time: None,
            revoke_time: None,
        }
    }

    fn activate(&mut self, now: Timestamp) {
        self.state = VersionState::Active;
        self.activate_time = Some(now);
    }

    fn begin_grace(&mut self, until: Timestamp) {
        self.state = VersionState::Grace { until };
        self.grace_end_time = Some(until);
    }

    fn revoke(&mut self, now: Timestamp) {
        self.state = VersionState::Revoked;
        self.revoke_time = Some(now);
        self.grace_end_time = self.grace_end_time.map(|_| now);
    }

    fn is_coherent(&self) -> bool {
        match self.state {
            VersionState::Pending => self.activate_time.is_none() && self.grace_end_time.is_none(),
            VersionState::Active => self.activate_time.is_some() && self.grace_end_time.is_none(),
            VersionState::Grace { until } => self.grace_end_time == Some(until),
            VersionState::Retired => self.grace_end_time.is_some(),
            VersionState::Revoked => self.revoke_time.is_some(),
        }
    }
}

/// How a rotation ends the version that is ACTIVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It verifies this much longer; every other version keeps its own end.
    Grace(Duration),
    /// Every older version is revoked.
    Emergency,
    /// It does not end: the new version starts PENDING.
    Staged,
}

/// The bounds of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationLimits {
    /// At most this many versions are PENDING, ACTIVE or in GRACE at once.
    pub max_live: usize,
    /// The longest grace.
    pub max_grace: Duration,
}

impl Default for RotationLimits {
    /// 5 live versions, 30 days.
    fn default() -> Self {
        Self {
            max_live: 5,
            max_grace: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// Why a step was refused. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// Another version is ACTIVE than the caller expected, or none is.
    #[error("another version is active than expected_version")]
    ExpectedVersion,
    /// The step would make one live version too many.
    #[error("too many versions are live")]
    TooManyLive {
        /// When the next grace ends by itself; `None` if none will.
        next_end: Option<Timestamp>,
    },
    /// The grace is zero or longer than the limit.
    #[error("the grace period is out of range")]
    GraceOutOfRange,
    /// There is no version of this number.
    #[error("the secret has no such version")]
    UnknownVersion,
    /// Only a PENDING version can be activated, and this one is in its grace.
    #[error("the version is not pending")]
    NotPending,
    /// The ACTIVE version is revoked only with force.
    #[error("the version is active: revoking it needs force")]
    ActiveNeedsForce,
    /// The version is RETIRED or REVOKED and never comes back.
    #[error("the version has ended")]
    Ended,
    /// All 2^32 − 1 numbers are used.
    #[error("the secret has used all version numbers")]
    NumbersExhausted,
}

/// The versions are not ones that this state machine makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the versions break an invariant of rotation")]
pub struct InvalidVersions;

/// All versions of one secret, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions(Vec<Version>);

impl Versions {
    /// Takes stored versions, oldest first.
    ///
    /// # Errors
    /// There is none, numbers do not ascend, a state contradicts its times, two are ACTIVE, or none is although
    /// nothing was revoked.
    pub fn new(versions: Vec<Version>) -> Result<Self, InvalidVersions> {
        let ascending = versions.is_sorted_by(|a, b| a.number < b.number);
        let active = |version: &&Version| version.state == VersionState::Active;
        let repairable = versions
            .iter()
            .any(|v| v.state == VersionState::Revoked && v.activate_time.is_some());
        let sound = match versions.iter().filter(active).count() {
            0 => repairable,
            count => count == 1,
        };
        if sound && ascending && versions.iter().all(Version::is_coherent) {
            Ok(Self(versions))
        } else {
            Err(InvalidVersions)
        }
    }

    /// The one ACTIVE version of a new secret.
    #[must_use]
    pub fn first(now: Timestamp) -> Self {
        let mut version = Version::pending(1, now);
        version.activate(now);
        Self(vec![version])
    }

    /// Adds a version and ends the older ones as `ending` says. `expected_version` is the number of the version
    /// that the caller believes to be ACTIVE.
    ///
    /// # Errors
    /// [`ExpectedVersion`](RotationError::ExpectedVersion), [`GraceOutOfRange`](RotationError::GraceOutOfRange) or
    /// [`TooManyLive`](RotationError::TooManyLive), which an emergency never meets.
    pub fn rotate(
        &self,
        ending: Ending,
        expected_version: Option<u32>,
        limits: &RotationLimits,
        now: Timestamp,
    ) -> Result<Self, RotationError> {
        let active = self.active().map(|version| version.number);
        if expected_version.is_some() && expected_version != active {
            return Err(RotationError::ExpectedVersion);
        }
        let mut next = self.swept(now);
        let mut new = Version::pending(self.next_number()?, now);
        match ending {
            Ending::Grace(grace) => {
                next.end_active(grace, limits, now)?;
                new.activate(now);
            }
            Ending::Emergency => {
                next.revoke_live(now);
                new.activate(now);
            }
            Ending::Staged => {}
        }
        next.0.push(new);
        if ending != Ending::Emergency && next.live(now) > limits.max_live {
            let next_end = self.next_grace_end(now);
            return Err(RotationError::TooManyLive { next_end });
        }
        Ok(next)
    }

    /// Makes a PENDING version ACTIVE and puts the one before into grace. The ACTIVE version: nothing changes.
    ///
    /// # Errors
    /// [`UnknownVersion`](RotationError::UnknownVersion), [`GraceOutOfRange`](RotationError::GraceOutOfRange),
    /// [`NotPending`](RotationError::NotPending) for a version in grace, [`Ended`](RotationError::Ended).
    pub fn activate(
        &self,
        number: u32,
        grace: Duration,
        limits: &RotationLimits,
        now: Timestamp,
    ) -> Result<Self, RotationError> {
        match self.find(number)?.state.at(now) {
            VersionState::Active => Ok(self.clone()),
            VersionState::Grace { .. } => Err(RotationError::NotPending),
            VersionState::Retired | VersionState::Revoked => Err(RotationError::Ended),
            VersionState::Pending => {
                let mut next = self.swept(now);
                next.end_active(grace, limits, now)?;
                next.change(number, |version| version.activate(now));
                Ok(next)
            }
        }
    }

    /// Ends a version at once. A version that is REVOKED or RETIRED stays as it is: what the caller wants is so
    /// already, and a revoke that races the end of a grace does not fail.
    ///
    /// # Errors
    /// [`UnknownVersion`](RotationError::UnknownVersion); [`ActiveNeedsForce`](RotationError::ActiveNeedsForce).
    pub fn revoke(&self, number: u32, force: bool, now: Timestamp) -> Result<Self, RotationError> {
        match self.find(number)?.state.at(now) {
            VersionState::Retired | VersionState::Revoked => Ok(self.clone()),
            VersionState::Active if !force => Err(RotationError::ActiveNeedsForce),
            VersionState::Pending | VersionState::Active | VersionState::Grace { .. } => {
                let mut next = self.swept(now);
                next.change(number, |version| version.revoke(now));
                Ok(next)
            }
        }
    }

    /// The same versions with each ended grace written down as RETIRED.
    #[must_use]
    pub fn swept(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        for version in &mut next.0 {
            version.state = version.state.at(now);
        }
        next
    }

    /// The version that signs; `None` only after a forced revoke.
    #[must_use]
    pub fn active(&self) -> Option<&Version> {
        self.iter()
            .find(|version| version.state == VersionState::Active)
    }

    /// When the next grace ends by itself.
    #[must_use]
    pub fn next_grace_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.iter()
            .filter_map(|version| match version.state.at(now) {
                VersionState::Grace { until } => Some(until),
                _ => None,
            })
            .min()
    }

    /// Whether any version verifies at `now`.
    #[must_use]
    pub fn any_live(&self, now: Timestamp) -> bool {
        self.live(now) > 0
    }

    /// All versions, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Version> {
        self.0.iter()
    }

    fn live(&self, now: Timestamp) -> usize {
        self.iter().filter(|v| v.state.verifies(now)).count()
    }

    fn next_number(&self) -> Result<u32, RotationError> {
        let last = self.0.last().map_or(0, |version| version.number);
        last.checked_add(1).ok_or(RotationError::NumbersExhausted)
    }

    fn find(&self, number: u32) -> Result<&Version, RotationError> {
        self.iter()
            .find(|version| version.number == number)
            .ok_or(RotationError::UnknownVersion)
    }

    fn change(&mut self, number: u32, step: impl FnOnce(&mut Version)) {
        if let Some(version) = self.0.iter_mut().find(|v| v.number == number) {
            step(version);
        }
    }

    fn end_active(
        &mut self,
        grace: Duration,
        limits: &RotationLimits,
        now: Timestamp,
    ) -> Result<(), RotationError> {
        let until = now.plus(grace);
        if until <= now || grace > limits.max_grace {
            return Err(RotationError::GraceOutOfRange);
        }
        if let Some(number) = self.active().map(|version| version.number) {
            self.change(number, |version| version.begin_grace(until));
        }
        Ok(())
    }

    fn revoke_live(&mut self, now: Timestamp) {
        for version in &mut self.0 {
            if version.state.verifies(now) {
                version.revoke(now);
            }
        }
    }
}

impl<'a> IntoIterator for &'a Versions {
    type Item = &'a Version;
    type IntoIter = std::slice::Iter<'a, Version>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
