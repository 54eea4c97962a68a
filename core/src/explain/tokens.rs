//! Why an identity token does not hold.

use super::{
    Cause, CauseCode, Check, forms,
    identity::{self, Asked},
    keys, no_near_miss, old_version, wrong_secret,
};
use crate::{
    Key, Reason, Timestamp,
    key::{Algorithm, TAG_BYTES},
    token::{self, Compact, TokenRules, json},
};

/// Numbers beyond this are no seconds: the year 5138.
const MAX_SECS: f64 = 1e11;

pub(super) fn explain(
    asked: Asked<'_>,
    rules: &TokenRules,
    token: &str,
) -> (Vec<Check>, Vec<Cause>) {
    let verdict = asked
        .secret
        .judge_token(rules, asked.claimed, token, asked.now);
    let reason = verdict.err();
    let checks = checks(asked, rules, token, reason);
    let causes = match reason {
        None => Vec::new(),
        Some(reason) => causes(asked, rules, token, reason),
    };
    (checks, causes)
}

fn checks(asked: Asked<'_>, rules: &TokenRules, token: &str, reason: Option<Reason>) -> Vec<Check> {
    let steps = [
        (
            "token form",
            format!("a compact JWS, {} characters", token.len()),
        ),
        ("token header", "HS256 and nothing unexpected".to_owned()),
        ("signature form", format!("{TAG_BYTES} bytes in base64url")),
        ("live versions", asked.live_versions()),
        (
            "signature",
            "holds: HMAC-SHA256 over header and claims".to_owned(),
        ),
        (
            "times",
            "begun and not ended, within the longest lifetime".to_owned(),
        ),
        ("claims", "those of the scheme".to_owned()),
        (
            "subject",
            format!("`{}` is the claimed id, or none was claimed", rules.subject),
        ),
    ];
    let failed = reason.map(|reason| match reason {
        Reason::TokenMalformed => (
            0,
            "no compact JWS of two JSON objects: three parts of base64url without padding",
        ),
        Reason::TokenAlgorithm => (1, "`alg` is not exactly HS256"),
        Reason::TokenHeader => (
            1,
            "a member that is not accepted: crit, zip, enc, cty, jwk, an unexpected typ, …",
        ),
        Reason::SignatureMalformed => (2, "not 32 bytes in base64url without padding"),
        Reason::NoLiveVersion => (3, "no version may verify"),
        Reason::TokenExpired => (5, "`exp` is past"),
        Reason::TokenNotYetValid => (5, "`nbf` or `iat` is still to come"),
        Reason::TokenLifetime => (5, "it lives longer than the scheme allows"),
        Reason::ClaimMissing => (6, "a claim that the scheme requires is missing"),
        Reason::ClaimInvalid => (6, "a claim has a type or value that is not accepted"),
        Reason::SubjectMismatch => (7, "it names another user than the claimed id"),
        _ => (4, "no live key made it over what arrived"),
    });
    identity::steps(steps, failed.map(|(at, why)| (at, why.to_owned())))
}

fn causes(asked: Asked<'_>, rules: &TokenRules, token: &str, reason: Reason) -> Vec<Cause> {
    let cause = match reason {
        Reason::TokenMalformed | Reason::SignatureMalformed => form(asked, rules, token),
        Reason::TokenAlgorithm => Cause::new(CauseCode::TokenShape, algorithm(token)),
        Reason::TokenHeader => Cause::new(
            CauseCode::TokenShape,
            "The token's header has a member that changes how it is signed or read, or an unexpected `typ`.",
        ),
        Reason::TokenExpired | Reason::TokenNotYetValid | Reason::TokenLifetime => {
            Cause::new(CauseCode::TokenTime, time(asked, rules, token, reason))
        }
        Reason::ClaimMissing | Reason::ClaimInvalid => claims(rules, token, reason),
        Reason::SubjectMismatch => subject(asked, rules, token),
        _ if identity::is_open(reason) => {
            signer(asked, token).unwrap_or_else(|| no_near_miss(asked.secret, Some(reason)))
        }
        _ => no_near_miss(asked.secret, Some(reason)),
    };
    vec![cause]
}

/// The token in quotes, after a word, or with its signature in another encoding.
fn form(asked: Asked<'_>, rules: &TokenRules, token: &str) -> Cause {
    let decoded = percent_encoding::percent_decode_str(token).decode_utf8_lossy();
    let bare = decoded.trim().trim_matches(['"', '\'']);
    let word = bare.rsplit([' ', '=']).next().unwrap_or(bare);
    let padded: String = bare.chars().filter(|c| *c != '=').collect();
    let url_safe = padded.replace('+', "-").replace('/', "_");
    let resigned = resigned(bare);
    let candidates = [Some(bare), Some(word), Some(&url_safe), resigned.as_deref()];
    let is_good = |token: &str| {
        let verdict = asked
            .secret
            .judge_token(rules, asked.claimed, token, asked.now);
        !matches!(
            verdict,
            Err(Reason::TokenMalformed
                | Reason::SignatureMalformed
                | Reason::SignatureMismatch
                | Reason::TokenAlgorithm
                | Reason::TokenHeader
                | Reason::NoLiveVersion)
        )
    };
    if candidates.into_iter().flatten().any(is_good) {
        let summary = "The token is right in content, but has something around it or is encoded in another way.";
        let cause = Cause::new(CauseCode::SignatureForm, summary);
        return cause.and("Send the token alone: no `Bearer`, no quotes, base64url without padding in all three parts.");
    }
    let summary = match token.matches('.').count() {
        2 => "The token's parts are not base64url of JSON objects and of a signature of 32 bytes.",
        4 => "The token has five parts: it is encrypted, not signed.",
        _ => "The token does not have three parts; it may be cut, or something else.",
    };
    Cause::new(CauseCode::TokenShape, summary)
}

/// The token with its signature written as it should be.
fn resigned(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let reading = forms::readings(signature, &(TAG_BYTES..=TAG_BYTES))
        .into_iter()
        .next()?;
    let signature = crate::encoding::Encoding::Base64url.encode_bytes(&reading.bytes);
    Some(format!("{input}.{signature}"))
}

fn algorithm(token: &str) -> &'static str {
    let compact = Compact::parse(token).ok();
    let header = compact
        .as_ref()
        .and_then(|compact| json::object(&compact.header));
    let name = header
        .as_ref()
        .and_then(|header| header.get("alg")?.as_str());
    match name {
        Some("none" | "None" | "NONE") => {
            "The token is not signed at all: its algorithm is `none`."
        }
        Some("HS384" | "HS512") => "The token is signed with a longer HMAC than HS256.",
        Some("RS256" | "RS384" | "RS512" | "PS256" | "ES256" | "ES384" | "ES512" | "EdDSA") => {
            "The token is signed with a key pair, and the scheme has a shared key and HS256."
        }
        Some(name) if name.eq_ignore_ascii_case("HS256") => {
            "The token spells its algorithm in another case than HS256."
        }
        Some(_) => "The token names an algorithm that is not HS256.",
        None => "The token names no algorithm.",
    }
}

/// A number of the claims, whoever wrote it.
fn number(token: &str, name: &str) -> Option<f64> {
    let compact = Compact::parse(token).ok()?;
    json::object(&compact.payload)?.get(name)?.as_f64()
}

fn time(asked: Asked<'_>, rules: &TokenRules, token: &str, reason: Reason) -> String {
    let now = asked.now;
    let since = |name: &str| {
        let secs = number(token, name)? as i64;
        Some(now.millis_since(Timestamp::from_unix_secs(secs)) / 1000)
    };
    match reason {
        Reason::TokenExpired => {
            format!(
                "The signature holds, but the token ended {} s ago.",
                since("exp").unwrap_or_default()
            )
        }
        Reason::TokenNotYetValid => {
            let ahead = since("nbf")
                .into_iter()
                .chain(since("iat"))
                .min()
                .unwrap_or_default();
            format!(
                "The signature holds, but the token begins in {} s: the clock of the host that signs is ahead.",
                ahead.saturating_neg()
            )
        }
        _ => format!(
            "The signature holds, but the token lives longer than the {} s that the scheme allows.",
            rules.max_lifetime_secs
        ),
    }
}

/// The signature holds; which claim is it?
fn claims(rules: &TokenRules, token: &str, reason: Reason) -> Cause {
    let in_millis = ["exp", "iat", "nbf"]
        .into_iter()
        .find(|name| number(token, name).is_some_and(|value| value > MAX_SECS));
    if let Some(name) = in_millis {
        let summary = format!(
            "The signature holds, but the claim `{name}` reads as milliseconds, and JWT has seconds."
        );
        return Cause::new(CauseCode::TimestampUnit, summary);
    }
    let compact = Compact::parse(token).ok();
    let payload = compact
        .as_ref()
        .and_then(|compact| json::object(&compact.payload));
    let required = [rules.subject.as_str(), "exp"]
        .into_iter()
        .chain(rules.fixed_claims.keys().map(String::as_str))
        .chain(rules.required_claims.iter().map(String::as_str));
    let missing = payload.as_ref().and_then(|payload| {
        required
            .into_iter()
            .find(|name| payload.get(name).is_none())
            .map(str::to_owned)
    });
    let subject = rules.subject.as_str();
    let about_the_user = format!(
        "Write the user's id into the claim `{subject}` where the token is made: text of 1 to 512 bytes, no number."
    );
    if reason == Reason::ClaimMissing && missing.as_deref() == Some(subject) {
        let summary = format!(
            "The signature holds, but the token names no user: its claim `{subject}` is missing."
        );
        return Cause::with_fix(CauseCode::TokenShape, summary, about_the_user);
    }
    let names_a_user = payload
        .as_ref()
        .and_then(|payload| payload.get(subject)?.as_str())
        .is_some_and(token::is_subject);
    if reason == Reason::ClaimInvalid && missing.is_none() && !names_a_user {
        let summary = format!(
            "The signature holds, but the claim `{subject}`, which names the user, is empty, too long or no text."
        );
        return Cause::with_fix(CauseCode::TokenShape, summary, about_the_user);
    }
    let summary = match (reason, missing) {
        (Reason::ClaimMissing, Some(name)) => {
            format!("The signature holds, but the claim `{name}` is missing.")
        }
        _ => "The signature holds, but a claim has a type or value that the scheme does not have."
            .to_owned(),
    };
    Cause::new(CauseCode::TokenShape, summary)
}

fn subject(asked: Asked<'_>, rules: &TokenRules, token: &str) -> Cause {
    let proven = token::claims_unverified(rules, token).unwrap_or_default();
    let claimed = &asked.claimed.id;
    let folded = |text: &str| text.trim().to_lowercase();
    let how = match &proven {
        it if folded(&it.id) == folded(claimed) => ": they differ in case or white space",
        it if !it.email.is_empty() && it.email == *claimed => {
            ": the claimed id is the token's email"
        }
        it if !it.id.is_empty() && it.id == asked.claimed.email => {
            ": the token's id is the claimed email"
        }
        _ => ", and not by case or white space alone",
    };
    let subject = &rules.subject;
    let summary = format!(
        "The token holds, but its claim `{subject}` is another id than the claimed one{how}."
    );
    let fix = format!(
        "Claim the id that stands in `{subject}`, or claim none and take it from the answer; or have the token made \
         for the user who is claimed."
    );
    Cause::with_fix(CauseCode::IdentifierDiffers, summary, fix)
}

/// Which key made it, if any that is here.
fn signer(asked: Asked<'_>, token: &str) -> Option<Cause> {
    let Asked {
        secret, known, now, ..
    } = asked;
    let compact = Compact::parse(token).ok()?;
    let signed_by = |key: &Key| compact.is_signed_by(key);
    if secret.live(now).any(|version| signed_by(&version.key)) {
        let summary = "A live key of this secret made the signature, but the token's `kid` names another key.";
        return Some(Cause::new(CauseCode::TokenShape, summary));
    }
    let ended = known.texts.iter();
    let mut ended = ended.filter_map(|text| Some((text, text.ended_key(secret, now)?)));
    if let Some((text, _)) = ended.find(|(_, key)| signed_by(key)) {
        return Some(old_version(text, now));
    }
    for other in known
        .others
        .iter()
        .filter(|it| it.scheme.algorithm() == Algorithm::HmacSha256)
    {
        if let Some(version) = other.live(now).find(|version| signed_by(&version.key)) {
            return Some(wrong_secret(other, version.number));
        }
    }
    let live = known.texts.iter().filter(|text| text.state.verifies(now));
    live.into_iter().find_map(|text| {
        let variants = keys::variants(&secret.scheme, &text.text);
        let variant = variants
            .into_iter()
            .find(|variant| signed_by(&variant.value))?;
        Some(keys::cause(&secret.scheme, text.number, &variant))
    })
}
