//! Verdicts as Rust types. An answer that is not understood, or that lacks a part, is an error: it must never read as
//! one that allows.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use countersign_proto::v1;
use http::HeaderMap;
use prost_types::Timestamp;

use crate::{
    Decision, Error, Identity, ProvenPart, Reason, Replay, Shield, Trust, VersionState, headers,
};

/// Which version of a secret was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionUse {
    /// The version number, from 1.
    pub number: u32,
    /// Its state when it was used.
    pub state: VersionState,
    /// When it stops verifying; only of a version in [`VersionState::Grace`].
    pub grace_end_time: Option<SystemTime>,
}

/// The verdict on an identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Go on or refuse, under the mode of the secret.
    pub decision: Decision,
    /// How far the identity may be trusted.
    pub trust: Trust,
    /// What to do with an earlier verified flag.
    pub shield: Shield,
    /// Why the proof was not accepted; none when it was, or when nothing was checked.
    pub reason: Option<Reason>,
    /// Just the fields that the proof covers; none unless verified.
    pub verified: Option<Identity>,
    /// What was claimed and not proven.
    pub claimed: Option<Identity>,
    /// The version that verified.
    pub version: Option<VersionUse>,
    /// When the proof itself ends.
    pub proof_expire_time: Option<SystemTime>,
}

impl Verdict {
    /// Whether the identity was proven. An allowed request need not be: see [`Verdict::decision`].
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.decision == Decision::Allow && self.trust == Trust::Verified
    }

    /// Whether the mode of the secret lets the request go on, proven or not.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// The proven identity.
    ///
    /// # Errors
    /// [`Error::NotVerified`] if the identity was not proven, even where the mode allows that.
    pub fn into_verified(self) -> Result<Identity, Error> {
        match self.verified {
            Some(identity) if self.decision == Decision::Allow && self.trust == Trust::Verified => {
                Ok(identity)
            }
            _ => Err(Error::NotVerified {
                reason: self.reason,
            }),
        }
    }
}

impl TryFrom<v1::VerifyResponse> for Verdict {
    type Error = Error;

    fn try_from(wire: v1::VerifyResponse) -> Result<Self, Error> {
        let verdict = Self {
            decision: required(Decision::from_wire(wire.decision)?, "decision")?,
            trust: required(Trust::from_wire(wire.trust)?, "trust")?,
            shield: required(Shield::from_wire(wire.shield)?, "shield")?,
            reason: Reason::from_wire(wire.reason)?,
            verified: wire.verified.map(Identity::from),
            claimed: wire.claimed.map(Identity::from),
            version: wire.version.map(VersionUse::try_from).transpose()?,
            proof_expire_time: wire
                .proof_expire_time
                .map(|time| system_time(time, "proof_expire_time"))
                .transpose()?,
        };
        if verdict.trust == Trust::Verified && verdict.verified.is_none() {
            return Err(Error::IncompleteAnswer { field: "verified" });
        }
        Ok(verdict)
    }
}

/// The verdict on a webhook delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookVerdict {
    /// Process the delivery or refuse it.
    pub decision: Decision,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// When the delivery says that it was signed, if the signature covers it.
    pub signed_time: Option<SystemTime>,
    /// How old the delivery is.
    pub age: Option<Age>,
    /// The vendor's delivery id. See `proven` for whether the signature covers it.
    pub delivery_id: Option<String>,
    /// What the signature really covers. Nothing else of the request is proven.
    pub proven: Vec<ProvenPart>,
    /// Single fields that it covers besides, such as `query:data.id`.
    pub proven_fields: Vec<String>,
    /// Whether this delivery was seen before; none on a refusal before that was looked at.
    pub replay: Option<Replay>,
    /// The version that verified; none on a refusal.
    pub version: Option<VersionUse>,
    /// Set when this is the vendor's question whether the endpoint is yours, and no event: send this response. An
    /// unsigned one is refused and answered all the same.
    pub handshake: Option<Handshake>,
}

/// The HTTP response that a vendor's handshake wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Which of the scheme's handshakes it is.
    pub name: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl TryFrom<v1::Handshake> for Handshake {
    type Error = Error;

    fn try_from(wire: v1::Handshake) -> Result<Self, Error> {
        let status = u16::try_from(wire.status);
        Ok(Self {
            name: wire.name,
            status: status.map_err(|_| Error::IncompleteAnswer { field: "handshake" })?,
            headers: headers::from_wire(wire.headers)?,
            body: wire.body.into(),
        })
    }
}

impl WebhookVerdict {
    /// Whether the delivery is genuine. A handshake may be, and is nothing to process: see [`WebhookVerdict::is_event`].
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// Whether it is a genuine event: verified, and no handshake.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.is_verified() && self.handshake.is_none()
    }

    /// Whether the signature covers this part.
    #[must_use]
    pub fn proves(&self, part: ProvenPart) -> bool {
        self.proven.contains(&part)
    }

    /// The verdict again, if it is a success.
    ///
    /// # Errors
    /// [`Error::NotVerified`] if the delivery was refused.
    pub fn into_verified(self) -> Result<Self, Error> {
        if self.is_verified() {
            Ok(self)
        } else {
            Err(Error::NotVerified {
                reason: self.reason,
            })
        }
    }
}

impl TryFrom<v1::VerifyWebhookResponse> for WebhookVerdict {
    type Error = Error;

    fn try_from(wire: v1::VerifyWebhookResponse) -> Result<Self, Error> {
        let proven = wire
            .proven
            .iter()
            .map(|number| required(ProvenPart::from_wire(*number)?, "proven"))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            decision: required(Decision::from_wire(wire.decision)?, "decision")?,
            reason: Reason::from_wire(wire.reason)?,
            signed_time: wire
                .signed_time
                .map(|time| system_time(time, "signed_time"))
                .transpose()?,
            age: wire.age.map(Age::from),
            delivery_id: Some(wire.delivery_id).filter(|id| !id.is_empty()),
            proven,
            proven_fields: wire.proven_fields,
            replay: Replay::from_wire(wire.replay)?,
            version: wire.version.map(VersionUse::try_from).transpose()?,
            handshake: wire.handshake.map(Handshake::try_from).transpose()?,
        })
    }
}

/// How far the time of signing is from the service's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Signed this long ago.
    Past(Duration),
    /// The sender's clock is ahead by this much.
    Future(Duration),
}

impl From<prost_types::Duration> for Age {
    fn from(wire: prost_types::Duration) -> Self {
        let nanos = i128::from(wire.seconds) * 1_000_000_000 + i128::from(wire.nanos);
        let magnitude = u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX);
        let length = Duration::from_nanos(magnitude);
        if nanos < 0 {
            Self::Future(length)
        } else {
            Self::Past(length)
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Past(length) => write!(f, "{} s ago", length.as_secs()),
            Self::Future(length) => write!(f, "{} s in the future", length.as_secs()),
        }
    }
}

impl TryFrom<v1::VersionUse> for VersionUse {
    type Error = Error;

    fn try_from(wire: v1::VersionUse) -> Result<Self, Error> {
        Ok(Self {
            number: wire.number,
            state: required(VersionState::from_wire(wire.state)?, "version.state")?,
            grace_end_time: wire
                .grace_end_time
                .map(|time| system_time(time, "version.grace_end_time"))
                .transpose()?,
        })
    }
}

pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Error> {
    value.ok_or(Error::IncompleteAnswer { field })
}

pub(crate) fn system_time(wire: Timestamp, field: &'static str) -> Result<SystemTime, Error> {
    SystemTime::try_from(wire).map_err(|_| Error::IncompleteAnswer { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified() -> v1::VerifyResponse {
        v1::VerifyResponse {
            decision: v1::Decision::Allow.into(),
            trust: v1::Trust::Verified.into(),
            shield: v1::Shield::Set.into(),
            verified: Some(v1::Identity {
                id: "u1".into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_proven_identity_is_verified() {
        let verdict = Verdict::try_from(verified()).unwrap();
        assert!(verdict.is_verified());
        assert_eq!(verdict.into_verified().unwrap().id, "u1");
    }

    #[test]
    fn an_unknown_number_never_reads_as_a_verdict() {
        let spoiled: [fn(&mut v1::VerifyResponse); 3] =
            [|w| w.decision = 77, |w| w.trust = 77, |w| w.shield = 77];
        for spoil in spoiled {
            let mut wire = verified();
            spoil(&mut wire);
            assert!(matches!(
                Verdict::try_from(wire),
                Err(Error::UnknownValue { number: 77, .. })
            ));
        }
    }

    #[test]
    fn a_refusal_for_an_unknown_reason_is_a_refusal() {
        let reason = Some(Reason::Unrecognized(77));
        let delivery = v1::VerifyWebhookResponse {
            decision: v1::Decision::Deny.into(),
            reason: 77,
            ..Default::default()
        };
        let verdict = WebhookVerdict::try_from(delivery).unwrap();
        assert_eq!((verdict.is_verified(), verdict.reason), (false, reason));
        let identity = v1::VerifyResponse {
            decision: v1::Decision::Deny.into(),
            trust: v1::Trust::Unverified.into(),
            reason: 77,
            verified: None,
            ..verified()
        };
        let verdict = Verdict::try_from(identity).unwrap();
        assert_eq!((verdict.is_allowed(), verdict.reason), (false, reason));
        let text = verdict.into_verified().unwrap_err().to_string();
        assert_eq!(text, "not verified: REASON_UNRECOGNIZED");
    }

    #[test]
    fn an_answer_without_a_decision_or_an_identity_is_an_error() {
        assert!(Verdict::try_from(v1::VerifyResponse::default()).is_err());
        assert!(WebhookVerdict::try_from(v1::VerifyWebhookResponse::default()).is_err());
        let nameless = v1::VerifyResponse {
            verified: None,
            ..verified()
        };
        assert!(Verdict::try_from(nameless).is_err());
    }

    #[test]
    fn an_allowed_but_unverified_identity_is_not_verified() {
        let wire = v1::VerifyResponse {
            trust: v1::Trust::Unverified.into(),
            reason: v1::Reason::ProofMissing.into(),
            verified: None,
            ..verified()
        };
        let verdict = Verdict::try_from(wire).unwrap();
        assert!(verdict.is_allowed() && !verdict.is_verified());
        let error = verdict.into_verified().unwrap_err();
        assert!(matches!(
            error,
            Error::NotVerified {
                reason: Some(Reason::ProofMissing)
            }
        ));
    }

    #[test]
    fn a_webhook_with_an_unknown_proven_part_or_replay_is_an_error() {
        let allow = v1::VerifyWebhookResponse {
            decision: v1::Decision::Allow.into(),
            ..Default::default()
        };
        let proven = v1::VerifyWebhookResponse {
            proven: vec![99],
            ..allow.clone()
        };
        let replay = v1::VerifyWebhookResponse {
            replay: 99,
            ..allow.clone()
        };
        assert!(WebhookVerdict::try_from(allow).unwrap().is_verified());
        assert!(WebhookVerdict::try_from(proven).is_err());
        assert!(WebhookVerdict::try_from(replay).is_err());
    }

    #[test]
    fn an_age_before_zero_lies_in_the_future() {
        let wire = prost_types::Duration {
            seconds: -3,
            nanos: 0,
        };
        assert_eq!(Age::from(wire), Age::Future(Duration::from_secs(3)));
    }
}
