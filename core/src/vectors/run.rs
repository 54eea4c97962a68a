//! Runs one vector: the secret that it describes judges the proof in it.

use std::sync::Arc;

use super::Vector;
use crate::{
    Identity, Purpose, Reason, Scheme, Secret, SecretName, Timestamp,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, Proof},
};

/// What a vector expects of a proof that holds.
pub(crate) const ACCEPT: &str = "ACCEPT";

/// Why a vector does not hold. It repeats nothing of the vector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorFailure {
    /// It is not a vector for its scheme.
    #[error("{0}")]
    Misfit(&'static str),
    /// The scheme judges otherwise.
    #[error("expected {expected}, got {got}")]
    Verdict {
        /// As the vector says.
        expected: &'static str,
        /// As the scheme says.
        got: &'static str,
    },
    /// The proof covers something else.
    #[error("the proof holds, but it covers {0}")]
    Proven(String),
    /// The delivery is another handshake, or none.
    #[error("the handshake or its response is another one")]
    Handshake,
    /// Sign makes something else.
    #[error("the proof holds, but Sign makes another one from the same inputs")]
    Signs,
}

impl Vector {
    /// Judges the vector under its scheme.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn run(&self, scheme: &Arc<Scheme>) -> Result<(), VectorFailure> {
        let expected = self.expected()?;
        let secret = self.secret(scheme)?;
        let got = self.judge(&secret)?;
        if got != expected {
            return Err(VectorFailure::Verdict { expected, got });
        }
        match scheme.purpose() {
            Purpose::Webhook if self.signs => self.check_signed_delivery(&secret),
            Purpose::IdentityHash if self.signs => self.check_signed_hash(&secret),
            _ => Ok(()),
        }
    }

    /// Its name, or its place among `index` others where the name is no plain one.
    #[must_use]
    pub fn label(&self, index: usize) -> String {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        match (1..=80).contains(&self.name.len()) && self.name.bytes().all(plain) {
            true => self.name.clone(),
            false => format!("number {}", index + 1),
        }
    }

    /// `ACCEPT`, or the reason of the refusal, as the scheme has it and whatever the vector says.
    pub(crate) fn judge(&self, secret: &Secret) -> Result<&'static str, VectorFailure> {
        match secret.scheme.purpose() {
            Purpose::Webhook => self.judge_delivery(secret),
            Purpose::ResourceId => self.judge_resource_id(secret),
            Purpose::IdentityHash | Purpose::IdentityToken => self.judge_identity(secret),
        }
    }

    fn expected(&self) -> Result<&'static str, VectorFailure> {
        if self.expect == ACCEPT {
            return Ok(ACCEPT);
        }
        let reason = Reason::from_name(&self.expect).map(Reason::name);
        reason.ok_or(VectorFailure::Misfit(
            "expect is ACCEPT or the name of a reason",
        ))
    }

    pub(crate) fn secret(&self, scheme: &Arc<Scheme>) -> Result<Secret, VectorFailure> {
        let misfit = VectorFailure::Misfit;
        let key = scheme.decode_key(&self.key.clone().into());
        let key = key.map_err(|_| misfit("its key is not in the format of the scheme"))?;
        let given = |name: &String| self.parameters.contains_key(name);
        if !scheme.parameters.keys().all(given) {
            return Err(misfit("it lacks a parameter of the scheme"));
        }
        let identity = matches!(
            scheme.purpose(),
            Purpose::IdentityHash | Purpose::IdentityToken
        );
        Ok(Secret {
            name: SecretName::parse("vectors/one").expect("a name"),
            scheme: Arc::clone(scheme),
            policy: Policy {
                mode: identity.then_some(Mode::Required),
                parameters: self.parameters.clone(),
                ..Policy::default()
            },
            versions: vec![KeyVersion {
                number: 1,
                state: VersionState::Active,
                key,
                key_id: (!self.key_id.is_empty()).then(|| self.key_id.as_str().into()),
            }],
        })
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_unix_secs(self.now)
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            id: self.id.clone(),
            email: self.email.clone(),
            name: self.display_name.clone(),
            ..Identity::default()
        }
    }

    fn judge_identity(&self, secret: &Secret) -> Result<&'static str, VectorFailure> {
        let proof = match (&self.hash, &self.token) {
            (Some(hash), None) => Proof::Hash(hash),
            (None, Some(token)) => Proof::Token(token),
            _ => return Err(VectorFailure::Misfit("it has either a hash or a token")),
        };
        let verdict = secret.verify(self.identity(), Some(proof), self.time());
        let verdict = verdict.map_err(|_| {
            VectorFailure::Misfit("its proof is of another kind than the scheme's, or of no field")
        })?;
        Ok(verdict.reason.map_or(ACCEPT, Reason::name))
    }

    fn judge_resource_id(&self, secret: &Secret) -> Result<&'static str, VectorFailure> {
        let signed = secret.sign_resource_id(&self.id);
        let signed = signed.map_err(|_| VectorFailure::Misfit("it has an id"))?;
        match Some(signed.value) == self.hash {
            true => Ok(ACCEPT),
            false => Ok(Reason::SignatureMismatch.name()),
        }
    }

    fn check_signed_hash(&self, secret: &Secret) -> Result<(), VectorFailure> {
        let signed = secret.sign_identity(&self.identity(), None, self.time());
        match signed.is_ok_and(|signed| Some(signed.value) == self.hash) {
            true => Ok(()),
            false => Err(VectorFailure::Signs),
        }
    }
}
