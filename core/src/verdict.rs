//! From the outcome of a check to what the caller should do: the mode table.

use crate::{Identity, Reason, Timestamp, policy::Mode, rotation::VersionState};

/// Go on or refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refuse.
    Deny,
}

/// How far an identity may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The proof holds.
    Verified,
    /// No proof, or one that does not hold.
    Unverified,
    /// Nothing was checked.
    NotChecked,
}

/// What to do with an earlier verified flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shield {
    /// Stamp it.
    Set,
    /// Remove it.
    Clear,
    /// Leave it.
    Keep,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The proof holds.
    Valid,
    /// A proof was sent and does not hold.
    Bad,
    /// No proof was sent.
    Absent,
}

/// The version that a proof was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionUse {
    /// Its number.
    pub number: u32,
    /// Its state at the time of the check.
    pub state: VersionState,
}

/// The verdict on an identity.
#[derive(Debug)]
pub struct IdentityVerdict {
    /// Go on or refuse.
    pub decision: Decision,
    /// How far to trust.
    pub trust: Trust,
    /// What to do with an earlier flag.
    pub shield: Shield,
    /// Why the proof was not accepted.
    pub reason: Option<Reason>,
    /// Just what the proof covers.
    pub verified: Option<Identity>,
    /// What was claimed and not proven.
    pub claimed: Identity,
    /// The version that verified.
    pub version: Option<VersionUse>,
    /// When the proof ends.
    pub proof_expire_time: Option<Timestamp>,
}

/// The mode table, cell by cell.
#[must_use]
pub fn decide(mode: Mode, finding: Finding) -> (Decision, Trust, Shield) {
    match (mode, finding) {
        (Mode::Off, _) => (Decision::Allow, Trust::NotChecked, Shield::Keep),
        (_, Finding::Valid) => (Decision::Allow, Trust::Verified, Shield::Set),
        (Mode::Optional, Finding::Bad) => (Decision::Allow, Trust::Unverified, Shield::Clear),
        (Mode::Optional, Finding::Absent) => (Decision::Allow, Trust::Unverified, Shield::Keep),
        (Mode::Required, Finding::Bad) => (Decision::Deny, Trust::Unverified, Shield::Clear),
        (Mode::Required, Finding::Absent) => (Decision::Deny, Trust::Unverified, Shield::Keep),
    }
}
