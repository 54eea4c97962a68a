//! Signing a token.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};

use super::claims::{is_empty, is_reserved, is_subject};
use super::{Kid, MAX_DEPTH, MAX_KID_BYTES, MAX_TOKEN_BYTES, TokenKey, TokenRules, json};
use crate::Identity;
use crate::hash::Field;
use crate::time::{MAX_UNIX_SECS, Timestamp};

/// Why a token was not signed. No message repeats what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignTokenError {
    /// The id cannot be the subject of a token.
    #[error("the id is 1 to 512 bytes without control characters")]
    InvalidId,
    /// An attribute would set a claim that the service writes itself.
    #[error(
        "attributes may not set exp, iat, nbf, iss, aud, sub, jti, email, name or a claim that the scheme fixes or refuses"
    )]
    ReservedClaim,
    /// The scheme's tokens carry this field, and it is empty.
    #[error("tokens of this scheme carry the field, so it may not be empty")]
    FieldRequired(Field),
    /// The scheme's tokens carry a claim that is not among the attributes, or is empty there.
    #[error("tokens of this scheme carry further claims; the scheme names them")]
    AttributeRequired,
    /// The attributes are nested too deeply.
    #[error("attributes are nested at most 15 levels deep")]
    TooDeep,
    /// The token would be too long.
    #[error("the token would be longer than 8 KiB: give fewer or shorter attributes")]
    TooLong,
    /// The lifetime is not one that the scheme allows.
    #[error("the lifetime is in whole seconds, at least 1 and at most the scheme's maximum")]
    Lifetime,
    /// The scheme's tokens name the vendor's key id, and the version has none.
    #[error("the scheme needs the vendor's key id of the version")]
    KeyIdMissing,
    /// A claim is fixed to a parameter that the secret does not have.
    #[error("the secret lacks a parameter that the scheme needs")]
    ParameterMissing,
    /// The time of signing or the end lies before 1970 or after 9999.
    #[error("the time is out of range")]
    TimeOutOfRange,
    /// The library did not sign.
    #[error("the token could not be encoded")]
    Encoding,
}

/// Signs a token for an identity; answers it with the time it ends.
///
/// # Errors
/// The identity, the lifetime or the secret's settings do not make a token that [`super::verify`] would accept.
pub fn sign(
    rules: &TokenRules,
    parameters: &BTreeMap<String, String>,
    key: TokenKey<'_>,
    identity: &Identity,
    ttl: Option<Duration>,
    now: Timestamp,
) -> Result<(String, Timestamp), SignTokenError> {
    check_identity(rules, identity)?;
    let iat = now.unix_secs();
    let exp = iat.saturating_add(lifetime_secs(rules, ttl)?.into());
    if iat < 0 || exp > MAX_UNIX_SECS {
        return Err(SignTokenError::TimeOutOfRange);
    }
    let mut claims = identity_claims(rules, identity);
    for (name, text) in &rules.fixed_claims {
        let text = TokenRules::fixed_text(text, parameters);
        let text = text.ok_or(SignTokenError::ParameterMissing)?;
        claims.insert(name.clone(), text.into());
    }
    claims.insert("iat".to_owned(), iat.into());
    claims.insert("exp".to_owned(), exp.into());
    check_required(rules, &claims)?;
    let signer = EncodingKey::from_secret(key.key.expose_bytes());
    let token = jsonwebtoken::encode(&header(rules, key)?, &claims, &signer)
        .map_err(|_| SignTokenError::Encoding)?;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(SignTokenError::TooLong);
    }
    Ok((token, Timestamp::from_unix_secs(exp)))
}

fn check_identity(rules: &TokenRules, identity: &Identity) -> Result<(), SignTokenError> {
    if !is_subject(&identity.id) {
        return Err(SignTokenError::InvalidId);
    }
    if identity
        .attributes
        .keys()
        .any(|name| is_reserved(rules, name))
    {
        return Err(SignTokenError::ReservedClaim);
    }
    // The payload itself is the first level.
    let is_flat_enough = |value| json::is_within_depth(value, MAX_DEPTH - 1);
    if !identity.attributes.values().all(is_flat_enough) {
        return Err(SignTokenError::TooDeep);
    }
    Ok(())
}

fn lifetime_secs(rules: &TokenRules, ttl: Option<Duration>) -> Result<u32, SignTokenError> {
    let ttl = ttl.unwrap_or(Duration::from_secs(rules.default_ttl_secs.into()));
    u32::try_from(ttl.as_secs())
        .ok()
        .filter(|secs| ttl.subsec_nanos() == 0 && (1..=rules.max_lifetime_secs).contains(secs))
        .ok_or(SignTokenError::Lifetime)
}

fn identity_claims(rules: &TokenRules, identity: &Identity) -> Map<String, Value> {
    let mut claims = identity.attributes.clone();
    for (name, text) in [("email", &identity.email), ("name", &identity.name)] {
        if !text.is_empty() {
            claims.insert(name.to_owned(), text.as_str().into());
        }
    }
    // Last, so that no other field can stand where the id belongs.
    claims.insert(rules.subject.clone(), identity.id.as_str().into());
    claims
}

fn check_required(rules: &TokenRules, claims: &Map<String, Value>) -> Result<(), SignTokenError> {
    let is_given = |name: &String| claims.get(name).is_some_and(|value| !is_empty(value));
    match rules.required_claims.iter().find(|name| !is_given(name)) {
        None => Ok(()),
        Some(name) => Err(match name.as_str() {
            "email" => SignTokenError::FieldRequired(Field::Email),
            "name" => SignTokenError::FieldRequired(Field::Name),
            _ => SignTokenError::AttributeRequired,
        }),
    }
}

fn header(rules: &TokenRules, key: TokenKey<'_>) -> Result<Header, SignTokenError> {
    let mut header = Header::new(Algorithm::HS256);
    if !rules.typ {
        header.typ = None;
    }
    header.kid = match rules.kid {
        Kid::None => None,
        Kid::Version => Some(key.version.to_string()),
        Kid::Vendor => {
            let usable = |id: &&str| (1..=MAX_KID_BYTES).contains(&id.len()) && is_plain(id);
            let key_id = key.key_id.filter(usable);
            Some(key_id.ok_or(SignTokenError::KeyIdMissing)?.to_owned())
        }
    };
    Ok(header)
}

/// Whether a text stands in JSON without an escape: one in the header would be refused.
fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\'))
}
