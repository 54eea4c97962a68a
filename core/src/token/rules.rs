//! What a scheme says about its tokens.

use std::collections::BTreeMap;

/// The rules of one scheme, as its description states them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRules {
    /// The claim that holds the user's id: `sub`, `user_id`, `external_id`.
    pub subject: String,
    /// Claims with a fixed text. `{name}` stands for a parameter of the secret.
    #[serde(default)]
    pub fixed_claims: BTreeMap<String, String>,
    /// Further claims that every token has: `iat`, `email`, `name`, or any other about the user.
    #[serde(default)]
    pub required_claims: Vec<String>,
    /// Claims that no token has, because the vendor takes a token with one for more than a user's.
    #[serde(default)]
    pub refused_claims: Vec<String>,
    /// Whether Sign writes `typ`: `JWT`. Verify takes it or its absence, always.
    #[serde(default = "default_typ")]
    pub typ: bool,
    /// What a `kid` means.
    #[serde(default)]
    pub kid: Kid,
    /// Whether a token must end.
    #[serde(default)]
    pub exp: Exp,
    /// Lifetime of a token that was asked for without one, in seconds.
    #[serde(default = "default_ttl_secs")]
    pub default_ttl_secs: u32,
    /// Longest lifetime, signed or accepted, in seconds. It bounds what a leaked token is worth.
    #[serde(default = "default_max_lifetime_secs")]
    pub max_lifetime_secs: u32,
}

/// What the `kid` of a scheme's tokens means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kid {
    /// The scheme has no key ids: Sign writes none, and a token that names one names no key of ours.
    #[default]
    None,
    /// The number of the version, in decimal.
    Version,
    /// The vendor's id of the key. Sign needs it; a token may come without.
    Vendor,
}

/// Whether a token must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exp {
    /// A token without `exp` is refused.
    #[default]
    Required,
    /// A token without `exp` is good for ever, because the vendor issues such. With one, it is honoured.
    Optional,
}

/// A description whose tokens could not be signed or judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The subject claim is empty or has a meaning of its own.
    #[error("the subject is a claim other than exp, iat, nbf, iss, aud, email and name")]
    Subject,
    /// A fixed claim is empty or has a meaning of its own.
    #[error("a fixed claim has a text and is not exp, iat, nbf, email, name or the subject")]
    FixedClaim,
    /// A required claim is empty or already stated elsewhere.
    #[error("a required claim is not exp, nbf, the subject or a fixed claim")]
    RequiredClaim,
    /// A refused claim is empty or one that tokens have.
    #[error("a refused claim is not the subject, fixed, required, or one that any token may have")]
    RefusedClaim,
    /// The lifetimes do not fit together.
    #[error("the default lifetime is 1 second up to the maximum")]
    Lifetime,
}

impl TokenRules {
    /// Checks a description before it is stored.
    ///
    /// # Errors
    /// Tokens by this description could not be signed or judged.
    pub fn check(&self) -> Result<(), RulesError> {
        let own_meaning = |claim: &str| {
            matches!(claim, "" | "exp" | "iat" | "nbf" | "email" | "name") || claim == self.subject
        };
        if matches!(
            self.subject.as_str(),
            "" | "exp" | "iat" | "nbf" | "iss" | "aud" | "email" | "name"
        ) {
            return Err(RulesError::Subject);
        }
        if (self.fixed_claims.iter()).any(|(claim, text)| own_meaning(claim) || text.is_empty()) {
            return Err(RulesError::FixedClaim);
        }
        let stated =
            |claim: &String| *claim == self.subject || self.fixed_claims.contains_key(claim);
        if (self.required_claims.iter())
            .any(|claim| matches!(claim.as_str(), "" | "exp" | "nbf") || stated(claim))
        {
            return Err(RulesError::RequiredClaim);
        }
        if (self.refused_claims.iter()).any(|claim| {
            own_meaning(claim) || stated(claim) || self.required_claims.contains(claim)
        }) {
            return Err(RulesError::RefusedClaim);
        }
        if self.default_ttl_secs == 0 || self.default_ttl_secs > self.max_lifetime_secs {
            return Err(RulesError::Lifetime);
        }
        Ok(())
    }

    /// The text that a fixed claim must have; `None` when it is empty or a parameter that the secret lacks, and
    /// then nothing may pass.
    pub(super) fn fixed_text<'r>(
        text: &'r str,
        parameters: &'r BTreeMap<String, String>,
    ) -> Option<&'r str> {
        match text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
        {
            Some(name) => parameters.get(name).map(String::as_str),
            None => Some(text),
        }
        .filter(|text| !text.is_empty())
    }
}

fn default_typ() -> bool {
    true
}

fn default_ttl_secs() -> u32 {
    3600
}

fn default_max_lifetime_secs() -> u32 {
    24 * 3600
}
