//! Why a proof does not hold, and what to change: the check step by step, and a search for the near miss over the real
//! keys. It is for the person who has to repair an integration, on one captured request.
//!
//! Invariant: nothing here decides. The verdict is that of `verify`; a near miss is a hint and never a proof.
//! Invariant: no text that is answered holds a key, a digest, or a value of the request. Names of headers and secrets,
//! lengths, kinds and ages are all that it takes to say what is wrong.
//! Invariant: the work is bounded by [`Budget`], whatever is asked.

mod bodies;
mod budget;
mod cause;
mod checks;
mod delivery;
mod encodings;
mod envelopes;
mod forms;
mod hashes;
mod identity;
mod json_text;
mod keys;
mod needed;
mod repairs;
#[cfg(test)]
mod tests;
mod texts;
mod times;
mod tokens;
mod urls;

use std::borrow::Cow;

use secrecy::SecretString;

use crate::{Key, Reason, Secret, Timestamp, rotation::VersionState};
use budget::Budget;
pub use cause::{Cause, CauseCode};
pub use delivery::explain_webhook;
pub use identity::explain_identity;

/// The most causes that are named.
pub const MAX_CAUSES: usize = 5;

/// The most of a vendor's traps that stand with one cause: more of them hide it.
const MAX_TRAPS: usize = 2;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The steps of the check in their order.
    pub checks: Vec<Check>,
    /// What may have gone wrong, the likeliest first; empty for a proof that holds.
    pub causes: Vec<Cause>,
}

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was seen and what was expected, in kind and never in value.
    pub detail: String,
}

/// How one step of a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// As it should be.
    Pass,
    /// The check fails here.
    Fail,
    /// Odd, though it decides nothing.
    Warn,
    /// Not reached, because an earlier step failed.
    Skip,
}

/// What the search may try beside the live keys of the secret.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// The versions of the secret with their key texts, ended ones too.
    pub texts: &'a [KeyText],
    /// Other secrets of the namespace.
    pub others: &'a [&'a Secret],
}

/// One version with its key as the vendor shows it.
#[derive(Debug)]
pub struct KeyText {
    /// The number of the version.
    pub number: u32,
    /// Its state.
    pub state: VersionState,
    /// When it ended, if it did.
    pub end_time: Option<Timestamp>,
    /// The key text.
    pub text: SecretString,
}

/// Something that a proof may have been made of instead, and what it would mean.
struct Variant<T> {
    code: CauseCode,
    what: Cow<'static, str>,
    value: T,
}

impl Check {
    fn new(name: &'static str, outcome: CheckOutcome, detail: impl Into<String>) -> Self {
        Self {
            name,
            outcome,
            detail: detail.into(),
        }
    }
}

impl KeyText {
    /// The key, if the version has ended.
    fn ended_key(&self, secret: &Secret, now: Timestamp) -> Option<Key> {
        let has_ended = !self.state.verifies(now);
        has_ended
            .then(|| secret.scheme.decode_key(&self.text).ok())
            .flatten()
    }

    /// How the version stands, and since when.
    fn describe(&self, now: Timestamp) -> String {
        let (state, since) = match self.state.at(now) {
            VersionState::Pending => ("PENDING", None),
            VersionState::Active => ("ACTIVE", None),
            VersionState::Grace { until } => ("GRACE", Some(("until", until))),
            VersionState::Retired => ("RETIRED", self.end_time.map(|time| ("since", time))),
            VersionState::Revoked => ("REVOKED", self.end_time.map(|time| ("since", time))),
        };
        let since = since.map(|(word, time)| format!(" {word} {}", times::date(time)));
        format!(
            "version {}, {state}{}",
            self.number,
            since.unwrap_or_default()
        )
    }
}

/// Of an ended version that signed.
fn old_version(text: &KeyText, now: Timestamp) -> Cause {
    let summary = format!(
        "It was signed with an ended version of this secret: {}.",
        text.describe(now)
    );
    Cause::new(CauseCode::OldVersion, summary)
}

/// Of another secret whose key signed.
fn wrong_secret(other: &Secret, version: u32) -> Cause {
    let Secret { name, scheme, .. } = other;
    let summary = format!(
        "It was signed with the key of another secret: {name}, version {version}, scheme {}.",
        scheme.id
    );
    Cause::new(CauseCode::WrongSecret, summary)
}

/// When nothing was found at all.
fn no_near_miss(secret: &Secret, reason: Option<Reason>) -> Cause {
    let nothing = match reason {
        Some(Reason::NoLiveVersion) => {
            "The secret has no version that may verify, and no ended one signed this.".to_owned()
        }
        _ => format!(
            "Nothing close to it was found: it was signed with a key that is not among the secrets of namespace {}, or \
             is forged, or was changed in a way that nobody thought of.",
            secret.name.namespace()
        ),
    };
    with_traps(Cause::new(CauseCode::NoNearMiss, nothing), secret)
}

/// With what is known of the vendor's users, of which a scheme names the worst first.
fn with_traps(cause: Cause, secret: &Secret) -> Cause {
    let traps = &secret.scheme.traps;
    match traps[..traps.len().min(MAX_TRAPS)].join(" ") {
        traps if traps.is_empty() => cause,
        traps => cause.and(&format!("Where users of this vendor go wrong: {traps}")),
    }
}
