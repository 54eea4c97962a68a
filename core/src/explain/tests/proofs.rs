//! Pitfalls of identity proofs.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{Identity, secret::Proof};

const HASHES: [&str; 2] = ["chatwoot.identity", "pylon.identity"];
const TOKEN: &str = "countersign.token";

const VERSIONS: [(u32, VersionState, u8); 3] = [
    (1, VersionState::Revoked, 1),
    (2, VersionState::Retired, 2),
    (3, VersionState::Active, 3),
];

fn explained(id: &str, claimed: &Identity, proof: Option<Proof<'_>>, mode: Mode) -> Explanation {
    let scheme = scheme(id);
    let mut asked = secret("acme/asked", &scheme, &VERSIONS);
    asked.policy.mode = Some(mode);
    let other = secret("acme/other", &scheme, &[(1, VersionState::Active, 9)]);
    let foreign = super::scheme("github.webhook");
    let foreign = secret("acme/foreign", &foreign, &[(1, VersionState::Active, 8)]);
    let others = [&other, &foreign];
    let texts = texts(&scheme, &VERSIONS);
    let known = Known {
        texts: &texts,
        others: &others,
    };
    explain_identity(&asked, claimed, proof, known, NOW).unwrap()
}

fn person(id: &str, email: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        email: email.to_owned(),
        ..Identity::default()
    }
}

/// What the scheme of a hash covers, for a text.
fn claims(id: &str, text: &str) -> Identity {
    match id {
        "pylon.identity" => person("", text),
        _ => person(text, ""),
    }
}

fn key(scheme: &Scheme, number: u8) -> Key {
    scheme.decode_key(&key_text(scheme, number)).unwrap()
}

fn hash_with(key: &Key, text: &str) -> String {
    hex::encode(key.tag(&[text.as_bytes()]).expose_bytes())
}

fn hash(id: &str, number: u8, text: &str) -> String {
    hash_with(&key(&scheme(id), number), text)
}

#[track_caller]
fn assert_hash(id: &str, claimed: &Identity, hash: &str, expected: &[CauseCode]) {
    let explanation = explained(id, claimed, Some(Proof::Hash(hash)), Mode::Required);
    assert_eq!(codes(&explanation), expected, "{id}: {explanation:#?}");
}

#[test]
fn a_good_hash_has_no_cause_and_a_forged_one_nothing_near_it() {
    for id in HASHES {
        let claimed = claims(id, "ada@example.com");
        assert_hash(id, &claimed, &hash(id, 3, "ada@example.com"), &[]);
        assert_hash(
            id,
            &claimed,
            &hash(id, 77, "ada@example.com"),
            &[CauseCode::NoNearMiss],
        );
        assert_hash(
            id,
            &claimed,
            &hash(id, 3, "bob@example.com"),
            &[CauseCode::NoNearMiss],
        );
    }
}

#[test]
fn another_spelling_of_the_identifier_is_found() {
    for id in HASHES {
        for (signed, claimed) in [
            ("ada@example.com", "Ada@Example.com"),
            ("ADA@EXAMPLE.COM", "ada@example.com"),
            ("ada@example.com", " ada@example.com"),
            ("ada@example.com\n", "ada@example.com"),
            ("ada@example.com", "ada%40example.com"),
            ("ada%40example.com", "ada@example.com"),
            ("\"42\"", "42"),
            ("42", "42.0"),
            ("42.0", "42"),
            ("42", "0042"),
            ("42", "user_42"),
        ] {
            let hash = hash(id, 3, signed);
            assert_hash(
                id,
                &claims(id, claimed),
                &hash,
                &[CauseCode::IdentifierDiffers],
            );
        }
    }
}

#[test]
fn the_other_field_is_found() {
    let both = person("user-42", "Ada@example.com");
    for (id, signed) in [
        ("chatwoot.identity", "Ada@example.com"),
        ("chatwoot.identity", "ada@example.com"),
        ("chatwoot.identity", "user-42:Ada@example.com"),
        ("pylon.identity", "user-42"),
    ] {
        assert_hash(
            id,
            &both,
            &hash(id, 3, signed),
            &[CauseCode::IdentifierDiffers],
        );
    }
    let nobody = person("", "");
    assert_hash(
        "chatwoot.identity",
        &nobody,
        &hash("chatwoot.identity", 3, "x"),
        &[CauseCode::IdentifierDiffers],
    );
}

#[test]
fn another_key_or_reading_of_it_is_found() {
    for id in HASHES {
        let claimed = claims(id, "ada");
        assert_hash(id, &claimed, &hash(id, 1, "ada"), &[CauseCode::OldVersion]);
        assert_hash(id, &claimed, &hash(id, 2, "ada"), &[CauseCode::OldVersion]);
        assert_hash(id, &claimed, &hash(id, 9, "ada"), &[CauseCode::WrongSecret]);
        let text = key_text(&scheme(id), 3);
        let text = text.expose_secret();
        let newline = Key::new(format!("{text}\n").into_bytes().into());
        assert_hash(
            id,
            &claimed,
            &hash_with(&newline, "ada"),
            &[CauseCode::KeyWhitespace],
        );
        // The mistake of both kinds: text for bytes, bytes for text.
        let other = match id {
            "pylon.identity" => text.as_bytes().to_vec(),
            _ => hex::decode(text).unwrap(),
        };
        let other = hash_with(&Key::new(other.into()), "ada");
        assert_hash(id, &claimed, &other, &[CauseCode::KeyDecoding]);
    }
    let webhook = hash_with(&key(&scheme("github.webhook"), 8), "ada");
    assert_hash(
        "chatwoot.identity",
        &person("ada", ""),
        &webhook,
        &[CauseCode::WrongSecret],
    );
}

#[test]
fn another_form_of_the_hash_is_found() {
    for id in HASHES {
        let claimed = claims(id, "ada");
        let hex = hash(id, 3, "ada");
        let bytes = hex::decode(&hex).unwrap();
        for form in [
            STANDARD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
            format!("sha256={hex}"),
            format!("\"{hex}\""),
        ] {
            assert_hash(id, &claimed, &form, &[CauseCode::SignatureForm]);
        }
        assert_hash(id, &claimed, &hex[..40], &[CauseCode::SignatureForm]);
        assert_hash(id, &claimed, "", &[CauseCode::SignatureForm]);
        let forged = STANDARD.encode(hex::decode(hash(id, 77, "ada")).unwrap());
        assert_hash(id, &claimed, &forged, &[CauseCode::NoNearMiss]);
    }
}

fn token(key: &Key, header: Value, claims: Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let tag = URL_SAFE_NO_PAD.encode(key.tag(&[input.as_bytes()]).expose_bytes());
    format!("{input}.{tag}")
}

fn signed(number: u8, claims: Value) -> String {
    token(
        &key(&scheme(TOKEN), number),
        json!({"alg": "HS256", "typ": "JWT"}),
        claims,
    )
}

fn good_claims() -> Value {
    json!({"sub": "ada", "email": "ada@example.com", "iat": NOW_SECS, "exp": NOW_SECS + 300})
}

#[track_caller]
fn assert_token(id: &str, token: &str, expected: &[CauseCode]) -> Explanation {
    let explanation = explained(
        TOKEN,
        &person(id, ""),
        Some(Proof::Token(token)),
        Mode::Required,
    );
    assert_eq!(codes(&explanation), expected, "{token}: {explanation:#?}");
    explanation
}

#[test]
fn a_good_token_has_no_cause_and_a_forged_one_nothing_near_it() {
    assert_token("ada", &signed(3, good_claims()), &[]);
    assert_token("ada", &signed(77, good_claims()), &[CauseCode::NoNearMiss]);
}

#[test]
fn the_key_of_a_token_is_found() {
    assert_token("ada", &signed(2, good_claims()), &[CauseCode::OldVersion]);
    assert_token("ada", &signed(9, good_claims()), &[CauseCode::WrongSecret]);
    let text = key_text(&scheme(TOKEN), 3);
    let text = text.expose_secret();
    let header = json!({"alg": "HS256"});
    let spaced = Key::new(format!("{text}\n").into_bytes().into());
    assert_token(
        "ada",
        &token(&spaced, header.clone(), good_claims()),
        &[CauseCode::KeyWhitespace],
    );
    let decoded = Key::new(hex::decode(text).unwrap().into());
    assert_token(
        "ada",
        &token(&decoded, header, good_claims()),
        &[CauseCode::KeyDecoding],
    );
}

#[test]
fn the_times_of_a_token_are_told() {
    for (name, secs, words) in [
        ("exp", NOW_SECS - 30, "ended 30 s ago"),
        ("nbf", NOW_SECS + 90, "begins in 90 s"),
        ("exp", NOW_SECS + 100_000_000, "lives longer"),
    ] {
        let mut claims = good_claims();
        claims[name] = json!(secs);
        if name == "exp" && secs < NOW_SECS {
            claims["iat"] = json!(secs - 10);
        }
        let explanation = assert_token("ada", &signed(3, claims), &[CauseCode::TokenTime]);
        assert!(
            explanation.causes[0].summary.contains(words),
            "{explanation:#?}"
        );
    }
    let mut claims = good_claims();
    claims["exp"] = json!((NOW_SECS + 300) * 1000);
    assert_token("ada", &signed(3, claims), &[CauseCode::TimestampUnit]);
}

#[test]
fn the_shape_of_a_token_is_told() {
    let shape = [CauseCode::TokenShape];
    let own = key(&scheme(TOKEN), 3);
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "RS256"}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS256", "crit": ["x"]}),
        json!({"alg": "HS256", "kid": "7"}),
    ] {
        assert_token("ada", &token(&own, header, good_claims()), &shape);
    }
    let mut claims = good_claims();
    claims.as_object_mut().unwrap().remove("sub");
    let explanation = assert_token("ada", &signed(3, claims), &shape);
    let said = &explanation.causes[0];
    assert!(said.summary.contains("names no user") && said.summary.contains("`sub`"));
    for nobody in [json!(""), json!(42), json!(null)] {
        let mut claims = good_claims();
        claims["sub"] = nobody;
        let explanation = assert_token("ada", &signed(3, claims), &shape);
        let said = &explanation.causes[0];
        assert!(said.summary.contains("`sub`, which names the user"));
        assert!(said.fix.contains("the user's id"), "{said:?}");
    }
    for text in ["", "a.b", "not a token", "a.b.c.d.e", "e30.e30.", "..."] {
        assert_token("ada", text, &shape);
    }
}

#[test]
fn another_form_of_the_token_is_found() {
    let good = signed(3, good_claims());
    let (input, tag) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(tag).unwrap();
    for form in [
        format!("Bearer {good}"),
        format!("\"{good}\""),
        format!(" {good}\n"),
        format!("token={good}"),
        format!("{input}.{}", hex::encode(&bytes)),
        format!("{input}.{}", STANDARD.encode(&bytes)),
    ] {
        assert_token("ada", &form, &[CauseCode::SignatureForm]);
    }
}

#[test]
fn a_token_of_somebody_else_is_told() {
    let good = signed(3, good_claims());
    for (id, words) in [
        ("ADA", "case"),
        ("ada@example.com", "email"),
        ("bob", "not by case"),
    ] {
        let explanation = assert_token(id, &good, &[CauseCode::IdentifierDiffers]);
        assert!(
            explanation.causes[0].summary.contains(words),
            "{explanation:#?}"
        );
        let fix = &explanation.causes[0].fix;
        assert!(fix.contains("Claim the id that stands in `sub`"), "{fix}");
    }
}

#[test]
fn a_missing_proof_is_told_by_its_kind() {
    for (id, proof) in [("chatwoot.identity", "hash"), (TOKEN, "token")] {
        let explanation = explained(id, &person("ada", ""), None, Mode::Required);
        let cause = &explanation.causes[0];
        assert_eq!(cause.code, CauseCode::UnsignedDelivery);
        assert!(cause.summary.contains(&format!("no {proof}")), "{cause:?}");
        assert!(!cause.fix.contains("header") && !cause.fix.contains("vendor"));
    }
}

#[test]
fn the_mode_changes_no_explanation() {
    let claimed = person("Ada", "");
    let hash = hash("chatwoot.identity", 3, "ada");
    for mode in [Mode::Off, Mode::Optional, Mode::Required] {
        let explanation = explained(
            "chatwoot.identity",
            &claimed,
            Some(Proof::Hash(&hash)),
            mode,
        );
        assert_eq!(codes(&explanation), [CauseCode::IdentifierDiffers]);
        let first = &explanation.checks[0];
        assert_eq!(first.name, "mode");
        assert_eq!(first.outcome == CheckOutcome::Warn, mode == Mode::Off);
        let none = explained("chatwoot.identity", &claimed, None, mode);
        assert_eq!(codes(&none), [CauseCode::UnsignedDelivery]);
    }
}

#[test]
fn a_proof_of_the_wrong_kind_is_no_question() {
    let hash = secret("a/h", &scheme("chatwoot.identity"), &VERSIONS);
    let hook = secret("a/w", &scheme("github.webhook"), &VERSIONS);
    let nobody = person("x", "");
    let ask = |secret: &Secret, proof| {
        explain_identity(secret, &nobody, Some(proof), Known::default(), NOW).is_err()
    };
    assert!(ask(&hash, Proof::Token("x")) && ask(&hook, Proof::Hash("x")));
}
