//! Why an identity proof does not hold. The mode of the secret changes the verdict and nothing here: whoever asks under
//! a mode that checks nothing wants to know what would be.

use super::{
    Cause, CauseCode, Check, CheckOutcome, Explanation, Known, MAX_CAUSES, hashes, tokens,
};
use crate::{
    Identity, Reason, Rules, Secret, Timestamp,
    policy::Mode,
    secret::{MisfitError, Proof},
};

/// What is explained, and what may be tried.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) secret: &'a Secret,
    pub(super) claimed: &'a Identity,
    pub(super) known: Known<'a>,
    pub(super) now: Timestamp,
}

/// Explains an identity proof.
///
/// # Errors
/// The proof or the secret is of another kind.
pub fn explain_identity(
    secret: &Secret,
    claimed: &Identity,
    proof: Option<Proof<'_>>,
    known: Known<'_>,
    now: Timestamp,
) -> Result<Explanation, MisfitError> {
    let asked = Asked {
        secret,
        claimed,
        known,
        now,
    };
    let (checks, mut causes) = match (&secret.scheme.rules, proof) {
        (Rules::Webhook(_) | Rules::ResourceId(_), _) => return Err(MisfitError::Purpose),
        (Rules::IdentityHash(_), Some(Proof::Token(_)))
        | (Rules::IdentityToken(_), Some(Proof::Hash(_))) => return Err(MisfitError::ProofKind),
        (rules, None) => unproven(rules),
        (Rules::IdentityHash(rules), Some(Proof::Hash(hash))) => {
            hashes::explain(asked, rules, hash)
        }
        (Rules::IdentityToken(rules), Some(Proof::Token(token))) => {
            tokens::explain(asked, rules, token)
        }
    };
    causes.truncate(MAX_CAUSES);
    let mode = mode(secret.policy.mode.unwrap_or(Mode::Required));
    let checks = [mode].into_iter().chain(checks).collect();
    Ok(Explanation { checks, causes })
}

fn unproven(rules: &Rules) -> (Vec<Check>, Vec<Cause>) {
    let proof = match rules {
        Rules::IdentityToken(_) => "token",
        _ => "hash",
    };
    let detail = format!("none was sent; the scheme takes a {proof}");
    let check = Check::new("proof", CheckOutcome::Fail, detail);
    let summary = format!(
        "No proof was sent, so nothing about this identity is proven: there is no {proof}."
    );
    let fix = format!(
        "Have the host's backend make a {proof} for each session, and send it with the identity. To explain one that \
         was refused, give it here too."
    );
    let cause = Cause::with_fix(CauseCode::UnsignedDelivery, summary, fix);
    (vec![check], vec![cause])
}

fn mode(mode: Mode) -> Check {
    let (outcome, detail) = match mode {
        Mode::Off => (
            CheckOutcome::Warn,
            "off: nothing is checked; the steps below say what would be",
        ),
        Mode::Optional => (
            CheckOutcome::Pass,
            "optional: an identity without a good proof is allowed as unverified",
        ),
        Mode::Required => (
            CheckOutcome::Pass,
            "required: an identity without a good proof is denied",
        ),
    };
    Check::new("mode", outcome, detail)
}

/// The steps of a check whose verdict is known: those before the one that failed passed, those behind it were not
/// reached.
pub(super) fn steps<const N: usize>(
    steps: [(&'static str, String); N],
    failed: Option<(usize, String)>,
) -> Vec<Check> {
    let check = |(index, (name, detail)): (usize, (&'static str, String))| match &failed {
        Some((at, why)) if index == *at => Check::new(name, CheckOutcome::Fail, why.clone()),
        Some((at, _)) if index > *at => Check::new(name, CheckOutcome::Skip, "not reached"),
        _ => Check::new(name, CheckOutcome::Pass, detail),
    };
    steps.into_iter().enumerate().map(check).collect()
}

impl Asked<'_> {
    /// The live versions in words.
    pub(super) fn live_versions(&self) -> String {
        let live = self.secret.live(self.now);
        let numbers: Vec<_> = live.map(|version| version.number.to_string()).collect();
        format!("version {} may verify", numbers.join(", "))
    }
}

/// Whether a refusal says nothing about where the fault lies.
pub(super) fn is_open(reason: Reason) -> bool {
    matches!(reason, Reason::SignatureMismatch | Reason::NoLiveVersion)
}
