//! What a secret signs.

use std::time::Duration;

use super::{KeyVersion, MisfitError, Secret};
use crate::{
    Catalogue, Identity, Rules, Timestamp,
    hash::Field,
    rotation::VersionState,
    token::{self, SignTokenError},
    verdict::VersionUse,
    webhook::{DeliveryToSign, SignDeliveryError, SignedDelivery},
};

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
    /// The delivery cannot be signed.
    #[error(transparent)]
    Delivery(#[from] SignDeliveryError),
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
                let message = rules.message.of(identity).map_err(MisfitError::from)?;
                self.guard(message.as_bytes())?;
                let hash = rules.sign(&active.key, identity);
                Ok(active.signed(hash.map_err(MisfitError::from)?, None))
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
        if id.is_empty() {
            return Err(MisfitError::Empty(Field::Id).into());
        }
        self.guard(id.as_bytes())?;
        let text = rules.encoding.encode(&active.key.tag(&[id.as_bytes()]));
        Ok(active.signed(text, None))
    }

    /// Signs a delivery as the vendor would.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign_webhook(
        &self,
        delivery: DeliveryToSign<'_>,
    ) -> Result<Signed<SignedDelivery>, SignError> {
        let rules = self.webhook_rules()?;
        let active = self.active()?;
        let delivery = DeliveryToSign {
            url: self.url(delivery.url),
            ..delivery
        };
        if rules.needs_url() && delivery.url.is_empty() {
            return Err(MisfitError::NoUrl.into());
        }
        let bare = rules.bare_text(delivery.body);
        if let Some(text) = bare.map_err(|_| SignDeliveryError::Incomplete)? {
            self.guard(&text)?;
        }
        let policy = &self.policy;
        let signed = rules.sign(
            &active.key,
            delivery,
            &policy.parameters,
            policy.timestamp_unit,
        )?;
        let expire = self.freshness(rules).last_moment(delivery.time);
        Ok(active.signed(signed, expire))
    }

    fn active(&self) -> Result<&KeyVersion, SignError> {
        self.versions
            .iter()
            .find(|version| version.state == VersionState::Active)
            .ok_or(SignError::NoActiveVersion)
    }

    /// Where the vendor issues one key for several schemes, refuses what would be a proof of another one: the signing
    /// input of a token, or the signed text of a delivery. What is signed with another digest is no proof of it.
    fn guard(&self, text: &[u8]) -> Result<(), SignError> {
        let mut siblings = self.scheme.shares_key_with.iter();
        let is_proof = |id: &String| {
            let scheme = Catalogue::builtin().scheme(id);
            let alike = scheme.filter(|it| it.algorithm() == self.scheme.algorithm());
            alike.is_some_and(|scheme| match &scheme.rules {
                Rules::IdentityToken(_) => token::looks_like_signing_input(text),
                Rules::Webhook(rules) => rules.may_sign(text),
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
