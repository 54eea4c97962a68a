//! Why a proof did not hold.

use countersign_proto::v1;

use crate::{CauseCode, CheckOutcome, Decision, Error, Reason, verdict::required};

/// The verdict as it would be given now, and what led to it. It is for people: programs go by verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Go on or refuse, under the mode of the secret.
    pub decision: Decision,
    /// Why the proof was not accepted; none when it was, or when nothing was checked.
    pub reason: Option<Reason>,
    /// The steps of the check in their order.
    pub steps: Vec<Step>,
    /// What may have gone wrong, the likeliest first; empty for a proof that holds.
    pub causes: Vec<Cause>,
}

/// One step of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is checked.
    pub name: String,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was seen and what was expected, in kind and never in value.
    pub detail: String,
}

/// Something that may have gone wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What.
    pub code: CauseCode,
    /// What was found, in words.
    pub summary: String,
    /// What to change.
    pub fix: String,
}

impl Explanation {
    /// Whether the proof itself holds, whatever the mode makes of it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.decision == Decision::Allow && self.reason.is_none() && self.causes.is_empty()
    }
}

impl TryFrom<v1::ExplainResponse> for Explanation {
    type Error = Error;

    fn try_from(wire: v1::ExplainResponse) -> Result<Self, Error> {
        Ok(Self {
            decision: required(Decision::from_wire(wire.decision)?, "decision")?,
            reason: Reason::from_wire(wire.reason)?,
            steps: wire
                .checks
                .into_iter()
                .map(step)
                .collect::<Result<_, _>>()?,
            causes: wire
                .causes
                .into_iter()
                .map(cause)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn step(wire: v1::Check) -> Result<Step, Error> {
    Ok(Step {
        outcome: required(CheckOutcome::from_wire(wire.outcome)?, "checks.outcome")?,
        name: wire.name,
        detail: wire.detail,
    })
}

fn cause(wire: v1::Cause) -> Result<Cause, Error> {
    Ok(Cause {
        code: required(CauseCode::from_wire(wire.code)?, "causes.code")?,
        summary: wire.summary,
        fix: wire.fix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_only_without_a_reason_or_a_cause() {
        let good = v1::ExplainResponse {
            decision: v1::Decision::Allow.into(),
            ..Default::default()
        };
        let read = |wire| Explanation::try_from(wire).unwrap();
        assert!(read(good.clone()).holds());
        let mut optional = good.clone();
        optional.reason = v1::Reason::SignatureMismatch.into();
        assert!(!read(optional).holds());
        let mut newer = good;
        newer.causes = vec![v1::Cause {
            code: 99,
            ..Default::default()
        }];
        let newer = read(newer);
        assert_eq!(newer.causes[0].code, CauseCode::Unrecognized(99));
        assert!(!newer.holds());
        assert!(Explanation::try_from(v1::ExplainResponse::default()).is_err());
    }
}
