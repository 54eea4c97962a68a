//! The claims of a token whose signature is good, and the identity that they make.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::json::Members;
use super::{CLOCK_SKEW_SECS, Exp, MAX_AUDIENCES, MAX_SUBJECT_BYTES, TokenRules};
use crate::time::{MAX_UNIX_SECS, Timestamp};
use crate::{Identity, Reason};

/// Whether a claim is about the token itself and describes no user.
fn is_of_token(claim: &str) -> bool {
    matches!(claim, "exp" | "iat" | "nbf" | "iss" | "aud" | "jti")
}

/// When the token ends, if it is good at `now`. Fractions are taken to the strict side: `exp` rounds down, `nbf` up.
pub(super) fn check_times(
    rules: &TokenRules,
    claims: &Members<'_>,
    leeway_secs: u32,
    now: Timestamp,
) -> Result<Option<Timestamp>, Reason> {
    let exp = numeric_date(claims, "exp")?.map(|secs| secs.floor() as i64);
    let nbf = numeric_date(claims, "nbf")?.map(|secs| secs.ceil() as i64);
    let iat = numeric_date(claims, "iat")?.map(|secs| secs.floor() as i64);
    let starts = nbf.max(iat);
    if exp.is_none() && rules.exp == Exp::Required {
        return Err(Reason::ClaimMissing);
    }
    if exp.is_some_and(|exp| starts.is_some_and(|start| exp < start)) {
        return Err(Reason::ClaimInvalid);
    }
    let now = now.unix_secs();
    let latest_end = now.saturating_sub(leeway_secs.into());
    if exp.is_some_and(|exp| exp <= latest_end) {
        return Err(Reason::TokenExpired);
    }
    let latest_start = now.saturating_add(leeway_secs.max(CLOCK_SKEW_SECS).into());
    if starts.is_some_and(|start| start > latest_start) {
        return Err(Reason::TokenNotYetValid);
    }
    let lifetime = exp.map(|exp| exp.saturating_sub(iat.unwrap_or(now)));
    if lifetime.is_some_and(|secs| secs > rules.max_lifetime_secs.into()) {
        return Err(Reason::TokenLifetime);
    }
    Ok(exp.map(Timestamp::from_unix_secs))
}

/// A NumericDate (RFC 7519 §2): a number, no text, from 1970 to 9999. Milliseconds fall outside.
fn numeric_date(claims: &Members<'_>, name: &str) -> Result<Option<f64>, Reason> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let secs = value.as_f64().ok_or(Reason::ClaimInvalid)?;
    if (0.0..=MAX_UNIX_SECS as f64).contains(&secs) {
        Ok(Some(secs))
    } else {
        Err(Reason::ClaimInvalid)
    }
}

/// The claims that the scheme fixes, and those that mean "not for you" where it does not.
pub(super) fn check_fixed(
    rules: &TokenRules,
    parameters: &BTreeMap<String, String>,
    claims: &Members<'_>,
) -> Result<(), Reason> {
    for (name, text) in &rules.fixed_claims {
        let value = claims.get(name).ok_or(Reason::ClaimMissing)?;
        let text = TokenRules::fixed_text(text, parameters).ok_or(Reason::ClaimInvalid)?;
        if value != text && !(name == "aud" && is_among_audiences(value, text)) {
            return Err(Reason::ClaimInvalid);
        }
    }
    let is_foreign =
        |name: &str| !rules.fixed_claims.contains_key(name) && claims.get(name).is_some();
    let issuer_is_text = claims.get("iss").is_none_or(Value::is_string);
    if is_foreign("aud") || !issuer_is_text {
        return Err(Reason::ClaimInvalid);
    }
    Ok(())
}

/// The claims that every token of the scheme has, and those that none has.
pub(super) fn check_listed(rules: &TokenRules, claims: &Members<'_>) -> Result<(), Reason> {
    for name in &rules.required_claims {
        let value = claims.get(name).ok_or(Reason::ClaimMissing)?;
        if is_empty(value) {
            return Err(Reason::ClaimInvalid);
        }
    }
    let refused = |name: &String| claims.get(name).is_some();
    match rules.refused_claims.iter().any(refused) {
        true => Err(Reason::ClaimInvalid),
        false => Ok(()),
    }
}

/// Whether a claim is there and says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

fn is_among_audiences(value: &Value, text: &str) -> bool {
    value.as_array().is_some_and(|audiences| {
        audiences.len() <= MAX_AUDIENCES
            && audiences.iter().all(Value::is_string)
            && audiences.iter().any(|audience| audience == text)
    })
}

/// The identity that good claims prove.
pub(super) fn identity(rules: &TokenRules, mut claims: Members<'_>) -> Result<Identity, Reason> {
    let id = take_text(&mut claims, &rules.subject)?.ok_or(Reason::ClaimMissing)?;
    if !is_subject(&id) {
        return Err(Reason::ClaimInvalid);
    }
    Ok(Identity {
        id,
        email: take_text(&mut claims, "email")?.unwrap_or_default(),
        name: take_text(&mut claims, "name")?.unwrap_or_default(),
        attributes: attributes(rules, claims),
    })
}

/// The identity that claims of any origin pretend, without what is not usable text.
pub(super) fn self_claimed(rules: &TokenRules, mut claims: Members<'_>) -> Identity {
    let mut text = |name: &str| take_text(&mut claims, name).ok().flatten();
    let id = text(&rules.subject).filter(|id| is_subject(id));
    let email = text("email").unwrap_or_default();
    let name = text("name").unwrap_or_default();
    Identity {
        id: id.unwrap_or_default(),
        email,
        name,
        attributes: attributes(rules, claims),
    }
}

/// Whether a text can be the id of a user. It is compared byte for byte and never normalised.
pub(crate) fn is_subject(id: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&id.len()) && !id.chars().any(char::is_control)
}

/// Whether only the service itself writes this claim.
pub(super) fn is_reserved(rules: &TokenRules, name: &str) -> bool {
    is_of_token(name)
        || matches!(name, "sub" | "email" | "name")
        || name == rules.subject
        || rules.fixed_claims.contains_key(name)
        || rules.refused_claims.iter().any(|refused| refused == name)
}

fn take_text(claims: &mut Members<'_>, name: &str) -> Result<Option<String>, Reason> {
    match claims.take(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::ClaimInvalid),
    }
}

fn attributes(rules: &TokenRules, claims: Members<'_>) -> Map<String, Value> {
    let is_attribute = |name: &str| !is_of_token(name) && !rules.fixed_claims.contains_key(name);
    claims
        .rest()
        .filter(|(name, _)| is_attribute(name))
        .map(|(name, value)| (name.into_owned(), value))
        .collect()
}
