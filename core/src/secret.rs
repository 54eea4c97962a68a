//! A secret as the hot path needs it: a scheme, the settings that a verdict depends on, and prepared keys. Every
//! decision of Sign, Verify and VerifyWebhook is made here.

mod sign;
mod verify;

use std::{sync::Arc, time::Duration};

pub use self::{
    sign::{SignError, Signed},
    verify::{Proof, ProvenDelivery, WebhookVerdict},
};
use crate::{
    Key, SecretName, Timestamp,
    hash::{Field, Unsignable},
    policy::Policy,
    rotation::VersionState,
    scheme::{Rules, Scheme},
    token::TokenKey,
    verdict::VersionUse,
    webhook::{Delivery, Freshness, WebhookRules},
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

/// A request that cannot be judged, because it does not fit the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MisfitError {
    /// The secret has another purpose.
    #[error("the secret's scheme has another purpose")]
    Purpose,
    /// A hash secret got a token, or a token secret a hash.
    #[error("the secret's scheme takes the other kind of proof")]
    ProofKind,
    /// The scheme signs the URL, and neither the request nor the secret has it.
    #[error("the scheme signs the URL")]
    NoUrl,
    /// The scheme signs the HTTP method, and the request has none.
    #[error("the scheme signs the HTTP method")]
    NoMethod,
    /// The signed field is empty: the hash of nothing is the same for everybody.
    #[error("the field that the hash covers is empty")]
    Empty(Field),
    /// A signed field holds the text that separates it from the next, so that another identity has the same hash.
    #[error("the field holds the text that separates the signed fields")]
    Ambiguous(Field),
}

impl From<Unsignable> for MisfitError {
    fn from(unsignable: Unsignable) -> Self {
        match unsignable {
            Unsignable::Empty(field) => Self::Empty(field),
            Unsignable::Ambiguous(field) => Self::Ambiguous(field),
        }
    }
}

impl Secret {
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

    /// How long a delivery can be accepted after it was signed; `None` where no timestamp ends it.
    #[must_use]
    pub fn delivery_lifetime(&self) -> Option<Duration> {
        let rules = self.webhook_rules().ok()?;
        rules.has_timestamp().then_some(())?;
        self.freshness(rules).span()
    }

    pub(crate) fn live(&self, now: Timestamp) -> impl Iterator<Item = &KeyVersion> + Clone {
        self.versions
            .iter()
            .filter(move |version| version.state.verifies(now))
    }

    fn version_use(&self, number: u32, now: Timestamp) -> VersionUse {
        let state = self
            .versions
            .iter()
            .find(|version| version.number == number)
            .map_or(VersionState::Retired, |version| version.state.at(now));
        VersionUse { number, state }
    }

    pub(crate) fn freshness(&self, rules: &WebhookRules) -> Freshness {
        rules.freshness(self.policy.tolerance, self.policy.timestamp_unit)
    }

    /// The URL as given, else as the secret's parameter `url` has it.
    pub(crate) fn url<'u>(&'u self, given: &'u str) -> &'u str {
        match self.policy.parameters.get("url") {
            Some(registered) if given.is_empty() => registered,
            _ => given,
        }
    }
}

impl WebhookRules {
    /// What the scheme signs and the request does not have.
    fn lacks(&self, delivery: &Delivery<'_>) -> Option<MisfitError> {
        if self.needs_url() && delivery.url.is_empty() {
            Some(MisfitError::NoUrl)
        } else if self.needs_method() && delivery.method.is_empty() {
            Some(MisfitError::NoMethod)
        } else {
            None
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
}
