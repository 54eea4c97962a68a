//! Between the wire and core, in both directions. Past this file no raw text carries meaning.

use std::time::Duration;

use countersign_core::{
    Identity, Purpose, Reason, SecretName, Timestamp,
    name::NameError,
    policy::{Mode, ReplayPolicy, TimestampUnit},
    rotation::VersionState,
    verdict::{Decision, IdentityVerdict, Shield, Trust, VersionUse},
    webhook::{HandshakeResponse, ProvenPart},
};
use countersign_proto::v1;

use crate::failure::Failure;

mod explain;
mod json;

pub(crate) use explain::{cause_to_wire, check_to_wire};
pub(crate) use json::struct_to_map;

/// A name of a secret.
pub(crate) fn name(field: &'static str, text: &str) -> Result<SecretName, Failure> {
    SecretName::parse(text).map_err(|error| Failure::field(field, error.to_string()))
}

/// A name to look up. What is found by it needs no copy of it.
pub(crate) fn check_name(field: &'static str, text: &str) -> Result<(), Failure> {
    if SecretName::is_valid(text) {
        Ok(())
    } else {
        Err(Failure::field(field, NameError.to_string()))
    }
}

/// Text of a caller that is signed or shown: bounded, without control characters.
pub(crate) fn plain_text(field: &'static str, text: &str, max_bytes: usize) -> Result<(), Failure> {
    if text.len() > max_bytes {
        return Err(Failure::field(field, format!("at most {max_bytes} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::field(field, "no control characters"));
    }
    Ok(())
}

/// Identity fields of a caller.
pub(crate) fn identity(
    field: &'static str,
    wire: Option<v1::Identity>,
    max_bytes: usize,
) -> Result<Identity, Failure> {
    let Some(wire) = wire else {
        return Ok(Identity::default());
    };
    for (name, text) in [
        ("id", &wire.id),
        ("email", &wire.email),
        ("name", &wire.name),
    ] {
        plain_text(field, text, max_bytes)
            .map_err(|failure| failure.at(format!("{field}.{name}")))?;
    }
    let attributes = match wire.attributes {
        Some(attributes) => struct_to_map(attributes)
            .map_err(|expected| Failure::field(format!("{field}.attributes"), expected))?,
        None => serde_json::Map::new(),
    };
    Ok(Identity {
        id: wire.id,
        email: wire.email,
        name: wire.name,
        attributes,
    })
}

/// Identity fields for a caller; `None` when there are none.
pub(crate) fn identity_to_wire(identity: Identity) -> Option<v1::Identity> {
    (!identity.is_empty()).then(|| v1::Identity {
        attributes: (!identity.attributes.is_empty())
            .then(|| json::map_to_struct(identity.attributes)),
        id: identity.id,
        email: identity.email,
        name: identity.name,
    })
}

/// The longest span that `google.protobuf.Duration` allows, about 10 000 years.
const MAX_DURATION_SECS: i64 = 315_576_000_000;

/// A span of time of a caller: not negative, not absurd. The conversion of prost-types is not used: it overflows at
/// the smallest numbers.
pub(crate) fn duration(
    field: &'static str,
    wire: prost_types::Duration,
) -> Result<Duration, Failure> {
    let refused = || Failure::field(field, "a duration that is not negative");
    if wire.seconds > MAX_DURATION_SECS || wire.nanos >= 1_000_000_000 {
        return Err(refused());
    }
    let seconds = u64::try_from(wire.seconds).map_err(|_| refused())?;
    let nanos = u32::try_from(wire.nanos).map_err(|_| refused())?;
    Ok(Duration::new(seconds, nanos))
}

/// A point in time of a caller.
pub(crate) fn timestamp(
    field: &'static str,
    wire: prost_types::Timestamp,
) -> Result<Timestamp, Failure> {
    let in_range = (0..=countersign_core::time::MAX_UNIX_SECS).contains(&wire.seconds)
        && (0..1_000_000_000).contains(&wire.nanos);
    if !in_range {
        return Err(Failure::field(field, "a time between 1970 and 9999"));
    }
    let millis = i64::from(wire.nanos / 1_000_000);
    Ok(Timestamp::from_unix_millis(wire.seconds * 1000 + millis))
}

/// A point in time for a caller.
pub(crate) fn timestamp_to_wire(time: Timestamp) -> prost_types::Timestamp {
    let millis = time.unix_millis().rem_euclid(1000);
    prost_types::Timestamp {
        seconds: time.unix_secs(),
        nanos: i32::try_from(millis * 1_000_000).unwrap_or(0),
    }
}

/// A span in milliseconds for a caller, possibly negative.
pub(crate) fn millis_to_wire(millis: i64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: millis / 1000,
        nanos: i32::try_from((millis % 1000) * 1_000_000).unwrap_or(0),
    }
}

/// A span for a caller.
pub(crate) fn duration_to_wire(duration: Duration) -> prost_types::Duration {
    millis_to_wire(countersign_core::time::millis(duration))
}

/// Reads an enum of the wire: unspecified is `None`, an unknown number is an error.
macro_rules! wire_enum {
    ($read:ident, $write:ident, $wire:ident, $core:ident, $($variant:ident),*) => {
        /// From the wire; unspecified is `None`.
        pub(crate) fn $read(field: &'static str, number: i32) -> Result<Option<$core>, Failure> {
            match v1::$wire::try_from(number) {
                Ok(v1::$wire::Unspecified) => Ok(None),
                $(Ok(v1::$wire::$variant) => Ok(Some($core::$variant)),)*
                Err(_) => Err(Failure::field(field, "a known enum value")),
            }
        }

        /// To the wire; `None` is unspecified.
        pub(crate) fn $write(value: Option<$core>) -> i32 {
            match value {
                None => v1::$wire::Unspecified,
                $(Some($core::$variant) => v1::$wire::$variant,)*
            }
            .into()
        }
    };
}

wire_enum!(mode, mode_to_wire, Mode, Mode, Off, Optional, Required);
wire_enum!(
    replay_policy,
    replay_policy_to_wire,
    ReplayPolicy,
    ReplayPolicy,
    Off,
    Report,
    Deny
);
wire_enum!(
    timestamp_unit,
    timestamp_unit_to_wire,
    TimestampUnit,
    TimestampUnit,
    Seconds,
    Milliseconds
);

/// The purpose of a scheme.
pub(crate) fn purpose_to_wire(purpose: Purpose) -> v1::Purpose {
    match purpose {
        Purpose::IdentityHash => v1::Purpose::IdentityHash,
        Purpose::IdentityToken => v1::Purpose::IdentityToken,
        Purpose::Webhook => v1::Purpose::Webhook,
        Purpose::ResourceId => v1::Purpose::ResourceId,
    }
}

/// A decision.
pub(crate) fn decision_to_wire(decision: Decision) -> v1::Decision {
    match decision {
        Decision::Allow => v1::Decision::Allow,
        Decision::Deny => v1::Decision::Deny,
    }
}

/// A trust state.
pub(crate) fn trust_to_wire(trust: Trust) -> v1::Trust {
    match trust {
        Trust::Verified => v1::Trust::Verified,
        Trust::Unverified => v1::Trust::Unverified,
        Trust::NotChecked => v1::Trust::NotChecked,
    }
}

/// A shield action.
pub(crate) fn shield_to_wire(shield: Shield) -> v1::Shield {
    match shield {
        Shield::Set => v1::Shield::Set,
        Shield::Clear => v1::Shield::Clear,
        Shield::Keep => v1::Shield::Keep,
    }
}

/// The state of a version.
pub(crate) fn state_to_wire(state: VersionState) -> v1::VersionState {
    match state {
        VersionState::Pending => v1::VersionState::Pending,
        VersionState::Active => v1::VersionState::Active,
        VersionState::Grace { .. } => v1::VersionState::Grace,
        VersionState::Retired => v1::VersionState::Retired,
        VersionState::Revoked => v1::VersionState::Revoked,
    }
}

/// Which version was used.
pub(crate) fn version_to_wire(version: VersionUse) -> v1::VersionUse {
    let grace_end_time = match version.state {
        VersionState::Grace { until } => Some(timestamp_to_wire(until)),
        _ => None,
    };
    v1::VersionUse {
        number: version.number,
        state: state_to_wire(version.state).into(),
        grace_end_time,
    }
}

/// A reason.
pub(crate) fn reason_to_wire(reason: Reason) -> v1::Reason {
    match reason {
        Reason::SignatureMismatch => v1::Reason::SignatureMismatch,
        Reason::SignatureMissing => v1::Reason::SignatureMissing,
        Reason::SignatureMalformed => v1::Reason::SignatureMalformed,
        Reason::TimestampMissing => v1::Reason::TimestampMissing,
        Reason::TimestampMalformed => v1::Reason::TimestampMalformed,
        Reason::TimestampTooOld => v1::Reason::TimestampTooOld,
        Reason::TimestampInFuture => v1::Reason::TimestampInFuture,
        Reason::HeaderMissing => v1::Reason::HeaderMissing,
        Reason::HeaderAmbiguous => v1::Reason::HeaderAmbiguous,
        Reason::IdMalformed => v1::Reason::IdMalformed,
        Reason::ProofMissing => v1::Reason::ProofMissing,
        Reason::TokenMalformed => v1::Reason::TokenMalformed,
        Reason::TokenAlgorithm => v1::Reason::TokenAlgorithm,
        Reason::TokenHeader => v1::Reason::TokenHeader,
        Reason::TokenExpired => v1::Reason::TokenExpired,
        Reason::TokenNotYetValid => v1::Reason::TokenNotYetValid,
        Reason::TokenLifetime => v1::Reason::TokenLifetime,
        Reason::ClaimMissing => v1::Reason::ClaimMissing,
        Reason::ClaimInvalid => v1::Reason::ClaimInvalid,
        Reason::SubjectMismatch => v1::Reason::SubjectMismatch,
        Reason::Replayed => v1::Reason::Replayed,
        Reason::NoLiveVersion => v1::Reason::NoLiveVersion,
        Reason::HeaderInvalid => v1::Reason::HeaderInvalid,
        Reason::BodyMalformed => v1::Reason::BodyMalformed,
        Reason::BodyUnsigned => v1::Reason::BodyUnsigned,
        Reason::Handshake => v1::Reason::Handshake,
    }
}

/// The verdict on an identity.
pub(crate) fn verdict_to_wire(verdict: IdentityVerdict) -> v1::VerifyResponse {
    v1::VerifyResponse {
        decision: decision_to_wire(verdict.decision).into(),
        trust: trust_to_wire(verdict.trust).into(),
        shield: shield_to_wire(verdict.shield).into(),
        reason: verdict
            .reason
            .map_or(v1::Reason::Unspecified, reason_to_wire)
            .into(),
        verified: verdict.verified.and_then(identity_to_wire),
        claimed: identity_to_wire(verdict.claimed),
        version: verdict.version.map(version_to_wire),
        proof_expire_time: verdict.proof_expire_time.map(timestamp_to_wire),
    }
}

/// What a signature covers.
pub(crate) fn part_to_wire(part: ProvenPart) -> i32 {
    match part {
        ProvenPart::Body => v1::ProvenPart::Body,
        ProvenPart::Timestamp => v1::ProvenPart::Timestamp,
        ProvenPart::Id => v1::ProvenPart::Id,
        ProvenPart::Url => v1::ProvenPart::Url,
        ProvenPart::Method => v1::ProvenPart::Method,
        ProvenPart::Form => v1::ProvenPart::Form,
    }
    .into()
}

/// The response to a handshake.
pub(crate) fn handshake_to_wire(response: HandshakeResponse) -> v1::Handshake {
    v1::Handshake {
        name: response.name,
        status: response.status.into(),
        headers: response
            .headers
            .into_iter()
            .map(|(name, value)| v1::Header { name, value })
            .collect(),
        body: response.body.into(),
    }
}
