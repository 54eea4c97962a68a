//! What a secret makes of a proof.

use super::{KeyVersion, MisfitError, Secret};
use crate::{
    Identity, Reason, Rules, Timestamp,
    hash::{HashRules, Unsignable},
    policy::Mode,
    token::{self, TokenProof, TokenRules},
    verdict::{Finding, IdentityVerdict, VersionUse, decide},
    webhook::{Delivery, HandshakeResponse, Terms, WebhookProof},
};

/// An identity proof as it was sent.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A hash.
    Hash(&'a str),
    /// A compact JWS.
    Token(&'a str),
}

/// A delivery that holds, and the version that signed it.
#[derive(Debug)]
pub struct ProvenDelivery {
    /// What the headers proved.
    pub proof: WebhookProof,
    /// The version.
    pub version: VersionUse,
}

/// What a secret makes of a delivery.
#[derive(Debug)]
pub struct WebhookVerdict {
    /// What holds, or why it is refused.
    pub outcome: Result<ProvenDelivery, Reason>,
    /// The response that it asks for, if it is no event but a handshake. One that is not signed is refused with
    /// [`Reason::Handshake`].
    pub handshake: Option<HandshakeResponse>,
}

impl WebhookVerdict {
    fn of_question(handshake: HandshakeResponse) -> Self {
        Self {
            outcome: Err(Reason::Handshake),
            handshake: Some(handshake),
        }
    }
}

impl Secret {
    /// Checks an identity proof under the mode of the secret.
    ///
    /// # Errors
    /// The request does not fit the secret.
    pub fn verify(
        &self,
        claimed: Identity,
        proof: Option<Proof<'_>>,
        now: Timestamp,
    ) -> Result<IdentityVerdict, MisfitError> {
        let mode = self.policy.mode.unwrap_or(Mode::Required);
        match (&self.scheme.rules, proof) {
            (Rules::Webhook(_) | Rules::ResourceId(_), _) => Err(MisfitError::Purpose),
            (Rules::IdentityHash(_), Some(Proof::Token(_)))
            | (Rules::IdentityToken(_), Some(Proof::Hash(_))) => Err(MisfitError::ProofKind),
            (_, None) => Ok(refused(
                mode,
                Finding::Absent,
                Reason::ProofMissing,
                claimed,
            )),
            (Rules::IdentityHash(rules), Some(Proof::Hash(hash))) => {
                self.verify_hash(rules, mode, claimed, hash, now)
            }
            (Rules::IdentityToken(rules), Some(Proof::Token(token))) => {
                Ok(self.verify_token(rules, mode, claimed, token, now))
            }
        }
    }

    /// Checks a delivery, and tells whether it is a handshake.
    ///
    /// # Errors
    /// The request does not fit the secret.
    pub fn verify_webhook(
        &self,
        delivery: Delivery<'_>,
        now: Timestamp,
    ) -> Result<WebhookVerdict, MisfitError> {
        let rules = self.webhook_rules()?;
        let delivery = Delivery {
            url: self.url(delivery.url),
            ..delivery
        };
        let parameters = &self.policy.parameters;
        let question = || rules.handshake(delivery, parameters, None);
        if let Some(misfit) = rules.lacks(&delivery) {
            let handshake = question().ok_or(misfit)?;
            return Ok(WebhookVerdict::of_question(handshake));
        }
        let keys = self.live(now).map(|version| (version.number, &version.key));
        let terms = Terms {
            freshness: self.freshness(rules),
            parameters,
            now,
        };
        Ok(match rules.verify(delivery, keys, terms) {
            Ok(proof) => {
                let number = proof.version;
                let signer = self.versions.iter().find(|it| it.number == number);
                WebhookVerdict {
                    handshake: rules.handshake(delivery, parameters, signer.map(|it| &it.key)),
                    outcome: Ok(ProvenDelivery {
                        version: self.version_use(number, now),
                        proof,
                    }),
                }
            }
            Err(reason) => match question() {
                Some(handshake) => WebhookVerdict::of_question(handshake),
                None => WebhookVerdict {
                    outcome: Err(reason),
                    handshake: None,
                },
            },
        })
    }

    fn verify_hash(
        &self,
        rules: &HashRules,
        mode: Mode,
        claimed: Identity,
        hash: &str,
        now: Timestamp,
    ) -> Result<IdentityVerdict, MisfitError> {
        if mode == Mode::Off {
            return Ok(unchecked(claimed));
        }
        if let Err(Unsignable::Empty(field)) = rules.message.of(&claimed) {
            return Err(MisfitError::Empty(field));
        }
        let keys = self.live(now).map(|version| (version.number, &version.key));
        Ok(match rules.verify(&claimed, hash, keys) {
            Ok(proof) => self.accepted(mode, proof.identity, claimed, proof.version, None, now),
            Err(reason) => refused(mode, Finding::Bad, reason, claimed),
        })
    }

    fn verify_token(
        &self,
        rules: &TokenRules,
        mode: Mode,
        claimed: Identity,
        token: &str,
        now: Timestamp,
    ) -> IdentityVerdict {
        if mode == Mode::Off {
            return unchecked(with_readable_claims(rules, claimed, token));
        }
        let outcome = self.judge_token(rules, &claimed, token, now);
        match outcome {
            Ok(proof) => self.accepted(
                mode,
                proof.identity,
                claimed,
                proof.version,
                proof.expire_time,
                now,
            ),
            // The token is somebody else's; whoever claims this id has proven nothing.
            Err(Reason::SubjectMismatch) => {
                refused(mode, Finding::Bad, Reason::SubjectMismatch, claimed)
            }
            Err(reason) => {
                let claimed = with_readable_claims(rules, claimed, token);
                refused(mode, Finding::Bad, reason, claimed)
            }
        }
    }

    /// Whether a token holds, whatever the mode, and is the claimed person's.
    pub(crate) fn judge_token(
        &self,
        rules: &TokenRules,
        claimed: &Identity,
        token: &str,
        now: Timestamp,
    ) -> Result<TokenProof, Reason> {
        let keys = self.live(now).map(KeyVersion::token_key);
        let leeway = self.policy.tolerance.map_or(0, |leeway| leeway.as_secs());
        let leeway = u32::try_from(leeway).unwrap_or(u32::MAX);
        let proof = token::verify(rules, &self.policy.parameters, keys, token, leeway, now)?;
        if claimed.id.is_empty() || claimed.id == proof.identity.id {
            Ok(proof)
        } else {
            Err(Reason::SubjectMismatch)
        }
    }

    fn accepted(
        &self,
        mode: Mode,
        verified: Identity,
        claimed: Identity,
        version: u32,
        proof_expire_time: Option<Timestamp>,
        now: Timestamp,
    ) -> IdentityVerdict {
        let (decision, trust, shield) = decide(mode, Finding::Valid);
        IdentityVerdict {
            decision,
            trust,
            shield,
            reason: None,
            claimed: without(claimed, &verified),
            verified: Some(verified),
            version: Some(self.version_use(version, now)),
            proof_expire_time,
        }
    }
}

fn unchecked(claimed: Identity) -> IdentityVerdict {
    verdict(Mode::Off, Finding::Absent, None, claimed)
}

fn refused(mode: Mode, finding: Finding, reason: Reason, claimed: Identity) -> IdentityVerdict {
    let reason = (mode != Mode::Off).then_some(reason);
    verdict(mode, finding, reason, claimed)
}

fn verdict(
    mode: Mode,
    finding: Finding,
    reason: Option<Reason>,
    claimed: Identity,
) -> IdentityVerdict {
    let (decision, trust, shield) = decide(mode, finding);
    IdentityVerdict {
        decision,
        trust,
        shield,
        reason,
        verified: None,
        claimed,
        version: None,
        proof_expire_time: None,
    }
}

/// What is claimed beside or by a token that proves nothing: the token's fields before the plain ones, as with the
/// vendors' widgets. Two different ids are two people, and one person is not made of both: the token's stands.
fn with_readable_claims(rules: &TokenRules, mut claimed: Identity, token: &str) -> Identity {
    let Some(claims) = token::claims_unverified(rules, token) else {
        return claimed;
    };
    if !claims.id.is_empty() && !claimed.id.is_empty() && claims.id != claimed.id {
        return claims;
    }
    for (field, claim) in [
        (&mut claimed.id, claims.id),
        (&mut claimed.email, claims.email),
        (&mut claimed.name, claims.name),
    ] {
        if !claim.is_empty() {
            *field = claim;
        }
    }
    claimed.attributes.extend(claims.attributes);
    claimed
}

/// What of the claim the proof does not cover.
fn without(mut claimed: Identity, verified: &Identity) -> Identity {
    for (field, proven) in [
        (&mut claimed.id, &verified.id),
        (&mut claimed.email, &verified.email),
        (&mut claimed.name, &verified.name),
    ] {
        if !proven.is_empty() {
            field.clear();
        }
    }
    claimed
        .attributes
        .retain(|name, _| !verified.attributes.contains_key(name));
    claimed
}
