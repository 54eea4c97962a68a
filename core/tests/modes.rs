//! The mode table, cell by cell, and what of an identity is verified and what stays claimed.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Catalogue, Identity, Reason, Secret, SecretName, Timestamp,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, MisfitError, Proof},
    verdict::{Decision, IdentityVerdict, Shield, Trust, VersionUse},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

const NOW_SECS: i64 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_unix_secs(NOW_SECS);
const KEY: &str = "a key of thirty-two bytes or so, for tests";
const OTHER_KEY: &str = "another key of thirty-two bytes, for tests";
const MODES: [Mode; 3] = [Mode::Off, Mode::Optional, Mode::Required];

const NOT_CHECKED: Cell = (Decision::Allow, Trust::NotChecked, Shield::Keep);
const VERIFIED: Cell = (Decision::Allow, Trust::Verified, Shield::Set);

type Cell = (Decision, Trust, Shield);

fn on_a_valid_proof(mode: Mode) -> Cell {
    match mode {
        Mode::Off => NOT_CHECKED,
        Mode::Optional | Mode::Required => VERIFIED,
    }
}

fn on_a_bad_proof(mode: Mode) -> Cell {
    match mode {
        Mode::Off => NOT_CHECKED,
        Mode::Optional => (Decision::Allow, Trust::Unverified, Shield::Clear),
        Mode::Required => (Decision::Deny, Trust::Unverified, Shield::Clear),
    }
}

fn on_no_proof(mode: Mode) -> Cell {
    match mode {
        Mode::Off => NOT_CHECKED,
        Mode::Optional => (Decision::Allow, Trust::Unverified, Shield::Keep),
        Mode::Required => (Decision::Deny, Trust::Unverified, Shield::Keep),
    }
}

fn cell(verdict: &IdentityVerdict) -> Cell {
    (verdict.decision, verdict.trust, verdict.shield)
}

fn secret(scheme: &str, mode: impl Into<Option<Mode>>) -> Secret {
    let scheme = Catalogue::builtin().scheme(scheme).expect("a scheme");
    Secret {
        name: SecretName::parse("acme/chat").expect("a name"),
        policy: Policy {
            mode: mode.into(),
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: scheme.decode_key(&KEY.to_owned().into()).expect("a key"),
            key_id: None,
        }],
        scheme: Arc::clone(scheme),
    }
}

fn hash_secret(mode: impl Into<Option<Mode>>) -> Secret {
    secret("chatwoot.identity", mode)
}

fn token_secret(mode: impl Into<Option<Mode>>) -> Secret {
    secret("kaltalk.token", mode)
}

fn jane() -> Identity {
    Identity {
        id: "user_1".to_owned(),
        email: "jane@example.com".to_owned(),
        name: "Jane".to_owned(),
        attributes: [("plan".to_owned(), json!("free"))].into_iter().collect(),
    }
}

fn hash_of_jane() -> String {
    hex::encode(mac(KEY, b"user_1"))
}

fn mac(key: &str, text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn token(key: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!(
        "{}.{}",
        part(&json!({"alg": "HS256", "typ": "JWT"})),
        part(claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(mac(key, input.as_bytes()));
    format!("{input}.{signature}")
}

/// Claims that differ from [`jane`] in everything but the id.
fn claims() -> Value {
    json!({
        "sub": "user_1",
        "email": "jane@token.example",
        "name": "Jane of the token",
        "plan": "pro",
        "iat": NOW_SECS,
        "exp": NOW_SECS + 3600,
    })
}

fn with(claim: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[claim] = value.into();
    claims
}

/// Issued an hour before, so that the end alone decides.
fn ending(exp: i64) -> Value {
    let mut claims = with("exp", exp);
    claims["iat"] = (exp - 3600).into();
    claims
}

#[test]
fn a_valid_hash_is_verified_unless_the_mode_is_off() {
    for mode in MODES {
        let verdict = hash_secret(mode)
            .verify(jane(), Some(Proof::Hash(&hash_of_jane())), NOW)
            .unwrap();
        assert_eq!(cell(&verdict), on_a_valid_proof(mode), "{mode:?}");
        assert_eq!(verdict.reason, None);
        assert_eq!(verdict.verified.is_some(), mode != Mode::Off, "{mode:?}");
        assert_eq!(verdict.version.is_some(), mode != Mode::Off, "{mode:?}");
    }
}

#[test]
fn a_bad_hash_is_allowed_or_denied_by_the_mode() {
    let of_somebody_else = hex::encode(mac(KEY, b"user_2"));
    let of_another_key = hex::encode(mac(OTHER_KEY, b"user_1"));
    for (hash, reason) in [
        (of_somebody_else.as_str(), Reason::SignatureMismatch),
        (of_another_key.as_str(), Reason::SignatureMismatch),
        ("not a hash", Reason::SignatureMalformed),
        ("", Reason::SignatureMalformed),
    ] {
        for mode in MODES {
            let verdict = hash_secret(mode)
                .verify(jane(), Some(Proof::Hash(hash)), NOW)
                .unwrap();
            assert_eq!(cell(&verdict), on_a_bad_proof(mode), "{mode:?}");
            assert_eq!(verdict.reason, (mode != Mode::Off).then_some(reason));
            assert_nothing_proven(&verdict);
            assert_eq!(verdict.claimed, jane());
        }
    }
}

#[test]
fn no_proof_keeps_the_shield_in_every_mode() {
    for secret in [hash_secret, token_secret] as [fn(Mode) -> Secret; 2] {
        for mode in MODES {
            for claimed in [jane(), Identity::default()] {
                let verdict = secret(mode).verify(claimed.clone(), None, NOW).unwrap();
                assert_eq!(cell(&verdict), on_no_proof(mode), "{mode:?}");
                let missing = (mode != Mode::Off).then_some(Reason::ProofMissing);
                assert_eq!(verdict.reason, missing);
                assert_nothing_proven(&verdict);
                assert_eq!(verdict.claimed, claimed);
            }
        }
    }
}

#[test]
fn a_secret_without_a_mode_requires_a_proof() {
    let verdict = hash_secret(None).verify(jane(), None, NOW).unwrap();
    assert_eq!(cell(&verdict), on_no_proof(Mode::Required));
}

#[test]
fn a_secret_without_a_live_version_refuses_as_on_a_bad_proof() {
    for mode in MODES {
        let mut dead = hash_secret(mode);
        dead.versions.clear();
        let verdict = dead
            .verify(jane(), Some(Proof::Hash(&hash_of_jane())), NOW)
            .unwrap();
        assert_eq!(cell(&verdict), on_a_bad_proof(mode), "{mode:?}");
        assert_nothing_proven(&verdict);
    }
}

#[test]
fn the_other_kind_of_proof_fits_in_no_mode() {
    for mode in MODES {
        let on_hash = hash_secret(mode).verify(jane(), Some(Proof::Token("a.b.c")), NOW);
        assert_eq!(on_hash.err(), Some(MisfitError::ProofKind));
        let on_token = token_secret(mode).verify(jane(), Some(Proof::Hash(&hash_of_jane())), NOW);
        assert_eq!(on_token.err(), Some(MisfitError::ProofKind));
    }
}

#[test]
fn a_secret_of_another_purpose_verifies_no_identity() {
    for scheme in ["slack.webhook", "talkjs.conversation-id"] {
        for mode in MODES {
            for proof in [None, Some(Proof::Hash("")), Some(Proof::Token(""))] {
                let outcome = secret(scheme, mode).verify(jane(), proof, NOW);
                assert_eq!(outcome.err(), Some(MisfitError::Purpose));
            }
        }
    }
}

#[test]
fn token_a_valid_token_is_verified_unless_the_mode_is_off() {
    let token = token(KEY, &claims());
    for mode in MODES {
        let verdict = token_secret(mode)
            .verify(jane(), Some(Proof::Token(&token)), NOW)
            .unwrap();
        assert_eq!(cell(&verdict), on_a_valid_proof(mode), "{mode:?}");
        assert_eq!(verdict.reason, None);
        assert_eq!(verdict.verified.is_some(), mode != Mode::Off, "{mode:?}");
    }
}

#[test]
fn token_a_valid_token_proves_its_claims_with_version_and_end() {
    let token = token(KEY, &claims());
    let verdict = token_secret(Mode::Required)
        .verify(jane(), Some(Proof::Token(&token)), NOW)
        .unwrap();
    let verified = verdict.verified.unwrap();
    assert_eq!(verified.id, "user_1");
    assert_eq!(verified.email, "jane@token.example");
    assert_eq!(verified.name, "Jane of the token");
    assert_eq!(verified.attributes["plan"], "pro");
    let (number, state) = (1, VersionState::Active);
    assert_eq!(verdict.version, Some(VersionUse { number, state }));
    let end = Timestamp::from_unix_secs(NOW_SECS + 3600);
    assert_eq!(verdict.proof_expire_time, Some(end));
}

#[test]
fn token_what_a_token_proves_is_no_longer_claimed() {
    let mut claimed = jane();
    claimed.attributes.insert("seen".to_owned(), json!(1));
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("name");
    let verdict = token_secret(Mode::Optional)
        .verify(claimed, Some(Proof::Token(&token(KEY, &claims))), NOW)
        .unwrap();
    let left = Identity {
        name: "Jane".to_owned(),
        attributes: [("seen".to_owned(), json!(1))].into_iter().collect(),
        ..Identity::default()
    };
    assert_eq!(verdict.claimed, left);
    assert_eq!(verdict.verified.unwrap().name, "");
}

#[test]
fn token_a_bad_token_is_allowed_or_denied_by_the_mode() {
    for (token, reason) in [
        (token(OTHER_KEY, &claims()), Reason::SignatureMismatch),
        (token(KEY, &ending(NOW_SECS - 1)), Reason::TokenExpired),
        (
            token(KEY, &with("nbf", NOW_SECS + 600)),
            Reason::TokenNotYetValid,
        ),
        (token(KEY, &with("sub", "")), Reason::ClaimInvalid),
    ] {
        for mode in MODES {
            let verdict = token_secret(mode)
                .verify(Identity::default(), Some(Proof::Token(&token)), NOW)
                .unwrap();
            assert_eq!(cell(&verdict), on_a_bad_proof(mode), "{mode:?}");
            assert_eq!(verdict.reason, (mode != Mode::Off).then_some(reason));
            assert_nothing_proven(&verdict);
        }
    }
}

#[test]
fn token_readable_claims_of_a_bad_token_are_claimed_and_never_verified() {
    let forged = token(OTHER_KEY, &claims());
    for mode in MODES {
        let verdict = token_secret(mode)
            .verify(jane(), Some(Proof::Token(&forged)), NOW)
            .unwrap();
        assert_nothing_proven(&verdict);
        assert_claims_of_the_token(&verdict.claimed);
    }
}

#[test]
fn token_j72_off_decodes_claims_and_verifies_nothing_even_of_a_valid_token() {
    let verdict = token_secret(Mode::Off)
        .verify(jane(), Some(Proof::Token(&token(KEY, &claims()))), NOW)
        .unwrap();
    assert_eq!(cell(&verdict), NOT_CHECKED);
    assert_eq!(verdict.reason, None);
    assert_nothing_proven(&verdict);
    assert_claims_of_the_token(&verdict.claimed);
}

#[test]
fn token_an_unreadable_token_leaves_the_claim_as_it_was_sent() {
    for garbage in ["", "not a token", "a.b.c", "e30.W10.AAAA", "....."] {
        for mode in MODES {
            let verdict = token_secret(mode)
                .verify(jane(), Some(Proof::Token(garbage)), NOW)
                .unwrap();
            assert_eq!(cell(&verdict), on_a_bad_proof(mode), "{garbage:?} {mode:?}");
            assert_nothing_proven(&verdict);
            assert_eq!(verdict.claimed, jane(), "{garbage:?}");
        }
    }
}

#[test]
fn token_j61_a_token_of_somebody_else_is_refused() {
    let of_user_2 = token(KEY, &with("sub", "user_2"));
    for mode in MODES {
        let verdict = token_secret(mode)
            .verify(jane(), Some(Proof::Token(&of_user_2)), NOW)
            .unwrap();
        assert_eq!(cell(&verdict), on_a_bad_proof(mode), "{mode:?}");
        let mismatch = (mode != Mode::Off).then_some(Reason::SubjectMismatch);
        assert_eq!(verdict.reason, mismatch);
        assert_nothing_proven(&verdict);
    }
}

#[test]
fn token_j62_subjects_are_compared_byte_for_byte() {
    let token = token(KEY, &with("sub", "caf\u{e9}"));
    for id in ["cafe\u{301}", "Caf\u{e9}", "caf\u{e9} "] {
        let mut claimed = jane();
        claimed.id = id.to_owned();
        let verdict = token_secret(Mode::Required).verify(claimed, Some(Proof::Token(&token)), NOW);
        assert_eq!(verdict.unwrap().reason, Some(Reason::SubjectMismatch));
    }
}

#[test]
fn token_a_token_needs_no_claimed_id() {
    let verdict = token_secret(Mode::Required)
        .verify(
            Identity::default(),
            Some(Proof::Token(&token(KEY, &claims()))),
            NOW,
        )
        .unwrap();
    assert_eq!(cell(&verdict), VERIFIED);
    assert!(verdict.claimed.is_empty());
}

#[test]
fn token_the_tolerance_of_a_secret_is_leeway_on_the_end() {
    let token = token(KEY, &ending(NOW_SECS));
    for (leeway, now, reason) in [
        (None, -1, None),
        (None, 0, Some(Reason::TokenExpired)),
        (Some(60), 59, None),
        (Some(60), 60, Some(Reason::TokenExpired)),
    ] {
        let mut secret = token_secret(Mode::Required);
        secret.policy.tolerance = leeway.map(Duration::from_secs);
        let now = Timestamp::from_unix_secs(NOW_SECS + now);
        let verdict = secret.verify(jane(), Some(Proof::Token(&token)), now);
        assert_eq!(verdict.unwrap().reason, reason, "{leeway:?}");
    }
}

fn assert_nothing_proven(verdict: &IdentityVerdict) {
    assert_eq!(verdict.verified, None);
    assert_eq!(verdict.version, None);
    assert_eq!(verdict.proof_expire_time, None);
}

fn assert_claims_of_the_token(claimed: &Identity) {
    assert_eq!(claimed.id, "user_1");
    assert_eq!(claimed.email, "jane@token.example");
    assert_eq!(claimed.name, "Jane of the token");
    assert_eq!(claimed.attributes["plan"], "pro");
}
