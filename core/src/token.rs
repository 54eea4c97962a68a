//! Identity tokens: JSON Web Tokens (RFC 7519) signed with HS256, and nothing else that JOSE can do.
//!
//! A verifier that reads a token before it has checked the MAC, or that lets the token say how it is to be checked,
//! is how tokens get forged. So the order is fixed: structure, then HMAC over the bytes as they came for every key,
//! then a strict parse, then the claims. What is ambiguous is refused: duplicate members, escapes in the header,
//! base64 that is not canonical, payloads that are no object.
//!
//! A header never chooses a key or an algorithm, and nothing is ever fetched. A `kid` can only narrow which of the
//! secret's own versions may have signed.

mod claims;
pub(crate) mod json;
mod jws;
mod rules;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{Identity, Key, Reason, Timestamp, key::TAG_BYTES};
pub(crate) use claims::is_subject;
pub(crate) use jws::{Compact, Header};
pub use rules::{Exp, Kid, RulesError, TokenRules};
pub use sign::{SignTokenError, sign};

/// Longest token in bytes. Everything done with a token is linear in its length.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest header in bytes, decoded. No vendor's is longer than 100.
pub const MAX_HEADER_BYTES: usize = 1024;
/// Longest `kid` in bytes.
pub const MAX_KID_BYTES: usize = 128;
/// Longest user id in bytes.
pub const MAX_SUBJECT_BYTES: usize = 512;
/// Most entries of an `aud` array.
pub const MAX_AUDIENCES: usize = 16;
/// Deepest nesting of a header or payload, the object itself included.
pub const MAX_DEPTH: u8 = 16;
/// Longest leeway that a secret may be given, in seconds.
pub const MAX_LEEWAY_SECS: u32 = 600;
/// How far `iat` and `nbf` may lie in the future although no leeway is set, in seconds. The clocks of two hosts are
/// never equal, and a token signed this very second by the faster one must pass. It never prolongs a token: `exp`
/// gets the leeway alone.
pub const CLOCK_SKEW_SECS: u32 = 5;

/// One key that may have signed a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenKey<'a> {
    /// The number of the version.
    pub version: u32,
    /// The vendor's name for the key, for schemes whose tokens carry it.
    pub key_id: Option<&'a str>,
    /// The key.
    pub key: &'a Key,
}

/// What a good token proves.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenProof {
    /// The version whose key signed it.
    pub version: u32,
    /// The identity that its claims name.
    pub identity: Identity,
    /// When it ends; absent only where the rules make `exp` optional.
    pub expire_time: Option<Timestamp>,
}

/// Judges a token against every key, in order and without early exit. Whether it proves the id that somebody claims
/// is the caller's question.
///
/// # Errors
/// Why the token proves nothing. Faults of the header are named before the signature is judged: they help whoever
/// builds tokens, and tell an attacker only what he wrote himself.
pub fn verify<'a>(
    rules: &TokenRules,
    parameters: &BTreeMap<String, String>,
    keys: impl Iterator<Item = TokenKey<'a>>,
    token: &str,
    leeway_secs: u32,
    now: Timestamp,
) -> Result<TokenProof, Reason> {
    let compact = Compact::parse(token)?;
    let signer = signer(rules.kid, keys, &compact)?;
    let claims = json::object(&compact.payload).ok_or(Reason::TokenMalformed)?;
    let expire_time = claims::check_times(rules, &claims, leeway_secs, now)?;
    claims::check_fixed(rules, parameters, &claims)?;
    claims::check_listed(rules, &claims)?;
    Ok(TokenProof {
        version: signer.version,
        identity: claims::identity(rules, claims)?,
        expire_time,
    })
}

/// Whose key signed a JWS, whatever its payload is. Every key is tried before the header is read.
fn signer<'a>(
    kid: Kid,
    keys: impl Iterator<Item = TokenKey<'a>>,
    compact: &Compact<'_>,
) -> Result<TokenKey<'a>, Reason> {
    let mut keyless = true;
    let signers: Vec<TokenKey<'a>> = keys
        .inspect(|_| keyless = false)
        .filter(|candidate| compact.is_signed_by(candidate.key))
        .collect();
    let header = Header::parse(&compact.header, "HS256")?;
    if compact.signature(TAG_BYTES).is_none() {
        return Err(Reason::SignatureMalformed);
    }
    if keyless {
        return Err(Reason::NoLiveVersion);
    }
    let mut named = signers.iter().filter(|signer| header.names(kid, signer));
    named.next().copied().ok_or(Reason::SignatureMismatch)
}

/// What a token says, whoever wrote it: for a claimed identity and never for a proven one. Needs the same structure
/// and the same strict JSON as [`verify`]; fields that are not usable text are left out. `None` when nothing is left.
#[must_use]
pub fn claims_unverified(rules: &TokenRules, token: &str) -> Option<Identity> {
    let compact = Compact::parse(token).ok()?;
    let claims = json::object(&compact.payload)?;
    Some(claims::self_claimed(rules, claims)).filter(|identity| !identity.is_empty())
}

/// Whether an HMAC-SHA256 of this text would be a valid HS256 signature of a token, as `b64u(header).b64u(claims)`.
/// Whoever signs texts with a key that also signs tokens must refuse such a text. Takes every spelling that some
/// verifier might take: either base64 alphabet, any padding.
#[must_use]
pub fn looks_like_signing_input(text: &[u8]) -> bool {
    jws::looks_like_signing_input(text)
}
