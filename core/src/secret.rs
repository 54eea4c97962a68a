//! A secret as the hot path needs it: a scheme, the settings that a verdict depends on, and prepared keys. Every
//! decision of Sign, Verify and VerifyWebhook is made here.

use std::{sync::Arc, time::Duration};

use crate::{
    Catalogue, Identity, Key, Reason, SecretName, Timestamp,
    hash::{Field, HashRules},
    policy::{Mode, Policy},
    rotation::VersionState,
    scheme::{Rules, Scheme},
    template::Variable,
    token::{self, SignTokenError, TokenKey, TokenRules},
    verdict::{Finding, IdentityVerdict, VersionUse, decide},
    webhook::{Delivery, Freshness, WebhookProof, WebhookRules},
};

/// One version with its key.
#[derive(Debug)]
pub struct KeyVersion {
    /// From 1.
    pub number: u32,
    /// The stored state.
    pub state: VersionState,
    /// The prepared key.
    pub key: Key,
    /// The vendor's id of the key.
    pub key_id: Option<Box<str>>,
}

/// A secret, ready to sign and verify.
#[derive(Debug)]
pub struct Secret {
    /// Its name.
    pub name: SecretName,
    /// Its scheme.
    pub scheme: Arc<Scheme>,
    /// Its settings.
    pub policy: Policy,
    /// Its versions that were live when this was made, oldest first.
    pub versions: Vec<KeyVersion>,
}

/// An identity proof as it was sent.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A hash.
    Hash(&'a str),
    /// A compact JWS.
    Token(&'a str),
}

/// A request that cannot be judged, because it does not fit the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MisfitError {
    /// The secret has another purpose.
    #[error("the secret's scheme has another purpose")]
    Purpose,
    /// A hash secret got a token, or a token secret a hash.
    #[error("the secret's scheme takes the other kind of proof")]
    ProofKind,
    /// The signed field is empty: the hash of nothing is the same for everybody.
    #[error("the field that the hash covers is empty")]
    Empty(Field),
}

/// Why nothing was signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The request does not fit the secret.
    #[error(transparent)]
    Misfit(#[from] MisfitError),
    /// No version may sign.
    #[error("the secret has no active version")]
    NoActiveVersion,
    /// A ttl was given for a proof without a time.
    #[error("only tokens have a ttl")]
    TtlUnsupported,
    /// The text would be a proof of another scheme, and the vendor issues one key for both.
    #[error("the text would be a proof of another scheme that has the same key")]
    SigningInput,
    /// The token cannot be made.
    #[error(transparent)]
    Token(#[from] SignTokenError),
}

/// A signature and the version that made it.
#[derive(Debug)]
pub struct Signed<T> {
    /// What was made.
    pub value: T,
    /// With which version.
    pub version: VersionUse,
    /// When it is refused by age.
    pub expire_time: Option<Timestamp>,
}

/// A delivery that holds, and the version that signed it.
#[derive(Debug)]
pub struct ProvenDelivery {
    /// What the headers proved.
    pub proof: WebhookProof,
    /// The version.
    pub version: VersionUse,
}

impl Secret {
    /// Makes an identity hash or token.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign_identity(
        &self,
        identity: &Identity,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> Result<Signed<String>, SignError> {
        let active = self.active()?;
        match &self.scheme.rules {
            Rules::IdentityHash(rules) => {
                if ttl.is_some() {
                    return Err(SignError::TtlUnsupported);
                }
                let field = rules.message.field(identity);
                self.guard(Some(field), field.of(identity).as_bytes())?;
                Ok(active.signed(rules.sign(&active.key, identity), None))
            }
            Rules::IdentityToken(rules) => {
                let key = active.token_key();
                let parameters = &self.policy.parameters;
                let (token, expire) = token::sign(rules, parameters, key, identity, ttl, now)?;
                Ok(active.signed(token, Some(expire)))
            }
            Rules::Webhook(_) | Rules::ResourceId(_) => Err(MisfitError::Purpose.into()),
        }
    }

    /// Makes an unguessable id.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign_resource_id(&self, id: &str) -> Result<Signed<String>, SignError> {
        let Rules::ResourceId(rules) = &self.scheme.rules else {
            return Err(MisfitError::Purpose.into());
        };
        let active = self.active()?;
        self.guard(Some(Field::Id), id.as_bytes())?;
        let text = rules.encoding.encode(&active.key.tag(&[id.as_bytes()]));
        Ok(active.signed(text, None))
    }

    /// Signs a delivery as the vendor would, at `signed`.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign_webhook(
        &self,
        id: &str,
        body: &[u8],
        signed: Timestamp,
    ) -> Result<Signed<Vec<(String, String)>>, SignError> {
        let rules = self.webhook_rules()?;
        let active = self.active()?;
        if rules.signs_bare_body() {
            self.guard(None, body)?;
        }
        let unit = self.policy.timestamp_unit;
        let headers = rules.sign(&active.key, id, unit, signed, body);
        let expire = rules
            .timestamp
            .is_some()
            .then(|| self.freshness(rules).last_moment(signed))
            .flatten();
        Ok(active.signed(headers, expire))
    }

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

    /// Checks a delivery.
    ///
    /// # Errors
    /// The outer one: the secret is no webhook secret. The inner one: why the delivery is refused.
    pub fn verify_webhook(
        &self,
        delivery: Delivery<'_>,
        now: Timestamp,
    ) -> Result<Result<ProvenDelivery, Reason>, MisfitError> {
        let rules = self.webhook_rules()?;
        let keys = self.live(now).map(|version| (version.number, &version.key));
        let verdict = rules.verify(delivery, keys, self.freshness(rules), now);
        Ok(verdict.map(|proof| ProvenDelivery {
            version: self.version_use(proof.version, now),
            proof,
        }))
    }

    /// What a webhook signature of this secret covers.
    ///
    /// # Errors
    /// The secret is no webhook secret.
    pub fn proven_parts(&self) -> Result<impl Iterator<Item = Variable> + '_, MisfitError> {
        let rules = self.webhook_rules()?;
        let all = [Variable::Body, Variable::Timestamp, Variable::Id];
        Ok(all
            .into_iter()
            .filter(|variable| rules.signed_text.binds(*variable)))
    }

    /// How long a delivery can be accepted after it was signed; `None` where no timestamp ends it.
    #[must_use]
    pub fn delivery_lifetime(&self) -> Option<Duration> {
        let rules = self.webhook_rules().ok()?;
        rules.timestamp.as_ref()?;
        self.freshness(rules).span()
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
        let field = rules.message.field(&claimed);
        if field.of(&claimed).is_empty() {
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
        let keys = self.live(now).map(KeyVersion::token_key);
        let leeway = self.policy.tolerance.map_or(0, |leeway| leeway.as_secs());
        let leeway = u32::try_from(leeway).unwrap_or(u32::MAX);
        let outcome = token::verify(rules, &self.policy.parameters, keys, token, leeway, now)
            .and_then(|proof| {
                if claimed.id.is_empty() || claimed.id == proof.identity.id {
                    Ok(proof)
                } else {
                    Err(Reason::SubjectMismatch)
                }
            });
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

    fn live(&self, now: Timestamp) -> impl Iterator<Item = &KeyVersion> + Clone {
        self.versions
            .iter()
            .filter(move |version| version.state.verifies(now))
    }

    fn active(&self) -> Result<&KeyVersion, SignError> {
        self.versions
            .iter()
            .find(|version| version.state == VersionState::Active)
            .ok_or(SignError::NoActiveVersion)
    }

    fn version_use(&self, number: u32, now: Timestamp) -> VersionUse {
        let state = self
            .versions
            .iter()
            .find(|version| version.number == number)
            .map_or(VersionState::Retired, |version| version.state.at(now));
        VersionUse { number, state }
    }

    /// The rules of its webhooks.
    ///
    /// # Errors
    /// The secret is no webhook secret.
    pub fn webhook_rules(&self) -> Result<&WebhookRules, MisfitError> {
        match &self.scheme.rules {
            Rules::Webhook(rules) => Ok(rules),
            _ => Err(MisfitError::Purpose),
        }
    }

    fn freshness(&self, rules: &WebhookRules) -> Freshness {
        Freshness::new(rules, self.policy.tolerance, self.policy.timestamp_unit)
    }

    /// Refuses to sign nothing, and, where the vendor issues one key for several schemes, what would be a proof of
    /// another one: the signing input of a token, or the signed text of a delivery.
    fn guard(&self, field: Option<Field>, text: &[u8]) -> Result<(), SignError> {
        if let Some(field) = field
            && text.is_empty()
        {
            return Err(MisfitError::Empty(field).into());
        }
        let mut siblings = self.scheme.shares_key_with.iter();
        let is_proof = |id: &String| {
            let scheme = Catalogue::builtin().scheme(id);
            scheme.is_some_and(|scheme| match &scheme.rules {
                Rules::IdentityToken(_) => token::looks_like_signing_input(text),
                Rules::Webhook(rules) => rules.signed_text.may_be(text),
                Rules::IdentityHash(_) | Rules::ResourceId(_) => false,
            })
        };
        match siblings.any(is_proof) {
            true => Err(SignError::SigningInput),
            false => Ok(()),
        }
    }
}

impl KeyVersion {
    fn token_key(&self) -> TokenKey<'_> {
        TokenKey {
            version: self.number,
            key_id: self.key_id.as_deref(),
            key: &self.key,
        }
    }

    fn signed<T>(&self, value: T, expire_time: Option<Timestamp>) -> Signed<T> {
        let version = VersionUse {
            number: self.number,
            state: self.state,
        };
        Signed {
            value,
            version,
            expire_time,
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
