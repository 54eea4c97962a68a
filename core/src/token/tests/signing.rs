//! J68, J73 to J75: what Sign refuses, and that what it signs is good.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::hash::Field;

fn identity(attributes: Value) -> Identity {
    Identity {
        id: "u1".to_owned(),
        email: "a@b.c".to_owned(),
        name: "Ada".to_owned(),
        attributes: attributes.as_object().unwrap().clone(),
    }
}

fn sign_by(
    rules: &TokenRules,
    identity: &Identity,
    ttl: Option<Duration>,
) -> Result<(String, Timestamp), SignTokenError> {
    let key = key(KEY);
    let signer = TokenKey {
        version: 3,
        key_id: Some("app_3"),
        key: &key,
    };
    let parameters = BTreeMap::from([("app_id".to_owned(), "app1".to_owned())]);
    sign(rules, &parameters, signer, identity, ttl, now())
}

fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_signed_token_verifies_to_the_identity_it_was_signed_for() {
    let identity =
        identity(json!({"plan": "pro", "age": 36, "score": 1.5, "teams": ["a", {"b": null}]}));
    let (token, end) = sign_by(&rules(""), &identity, None).unwrap();
    assert_eq!(end, Timestamp::from_unix_secs(NOW + 3600));
    let proof = check(&token).unwrap();
    assert_eq!(proof.identity, identity);
    assert_eq!(proof.expire_time, Some(end));
    assert_eq!(decoded(&token, 1)["iat"], NOW);
}

#[test]
fn the_header_is_as_the_rules_say() {
    for (text, header) in [
        ("", json!({"alg": "HS256", "typ": "JWT"})),
        ("typ = false", json!({"alg": "HS256"})),
        (
            "kid = \"version\"",
            json!({"alg": "HS256", "typ": "JWT", "kid": "3"}),
        ),
        (
            "kid = \"vendor\"",
            json!({"alg": "HS256", "typ": "JWT", "kid": "app_3"}),
        ),
    ] {
        let rules = rules(text);
        let (token, _) = sign_by(&rules, &identity(json!({})), None).unwrap();
        assert_eq!(decoded(&token, 0), header, "{text}");
        let key = key(KEY);
        let keys = [TokenKey {
            version: 3,
            key_id: Some("app_3"),
            key: &key,
        }];
        let proof = verify(&rules, &BTreeMap::new(), keys.into_iter(), &token, 0, now());
        assert_eq!(proof.unwrap().version, 3, "{text}");
    }
}

#[test]
fn a_vendor_key_id_is_needed_where_tokens_carry_it() {
    let key = key(KEY);
    for key_id in [
        None,
        Some(""),
        Some("a\"b"),
        Some("a\\b"),
        Some("a\nb"),
        Some(&*"a".repeat(129)),
    ] {
        let signer = TokenKey {
            version: 1,
            key_id,
            key: &key,
        };
        let rules = rules("kid = \"vendor\"");
        let answer = sign(
            &rules,
            &BTreeMap::new(),
            signer,
            &identity(json!({})),
            None,
            now(),
        );
        assert_eq!(answer, Err(SignTokenError::KeyIdMissing));
    }
}

#[test]
fn fixed_claims_are_written() {
    let rules = rules("fixed_claims = { iss = \"{app_id}\", tokenType = \"user\" }");
    let (token, _) = sign_by(&rules, &identity(json!({})), None).unwrap();
    let claims = decoded(&token, 1);
    assert_eq!(
        (&claims["iss"], &claims["tokenType"]),
        (&json!("app1"), &json!("user"))
    );
    let rules = self::rules("fixed_claims = { iss = \"{org_id}\" }");
    let answer = sign_by(&rules, &identity(json!({})), None);
    assert_eq!(answer, Err(SignTokenError::ParameterMissing));
}

#[test]
fn empty_fields_are_left_out() {
    let only_id = Identity {
        id: "u1".to_owned(),
        ..Identity::default()
    };
    let (token, _) = sign_by(&rules(""), &only_id, None).unwrap();
    let claims = decoded(&token, 1);
    let names: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["exp", "iat", "sub"]);
}

#[test]
fn j60_sign_refuses_an_id_that_verify_would_refuse() {
    for id in ["", "u\n1", "u\0", &"u".repeat(513)] {
        let mut identity = identity(json!({}));
        identity.id = id.to_owned();
        let answer = sign_by(&rules(""), &identity, None);
        assert_eq!(answer, Err(SignTokenError::InvalidId));
    }
}

#[test]
fn j73_reserved_claims_are_not_attributes() {
    let rules = rules("fixed_claims = { tokenType = \"user\" }");
    for claim in [
        "exp",
        "iat",
        "iss",
        "nbf",
        "aud",
        "sub",
        "jti",
        "email",
        "name",
        "tokenType",
    ] {
        let answer = sign_by(&rules, &identity(json!({claim: "x"})), None);
        assert_eq!(answer, Err(SignTokenError::ReservedClaim), "{claim}");
    }
    let rules = self::rules("").clone();
    let rules = TokenRules {
        subject: "user_id".to_owned(),
        ..rules
    };
    for claim in ["sub", "user_id"] {
        let answer = sign_by(&rules, &identity(json!({claim: "x"})), None);
        assert_eq!(answer, Err(SignTokenError::ReservedClaim), "{claim}");
    }
}

#[test]
fn j73_a_refused_claim_is_no_attribute() {
    let rules = rules("refused_claims = [\"server\"]");
    let answer = sign_by(&rules, &identity(json!({"server": true})), None);
    assert_eq!(answer, Err(SignTokenError::ReservedClaim));
}

#[test]
fn a_token_without_a_required_claim_is_not_signed() {
    let rules = rules("required_claims = [\"email\", \"name\", \"iat\", \"team\"]");
    let all = identity(json!({"team": "a"}));
    let (token, _) = sign_by(&rules, &all, None).unwrap();
    assert!(check_by(&rules, &token).is_ok());
    let without = |change: fn(&mut Identity)| {
        let mut identity = all.clone();
        change(&mut identity);
        sign_by(&rules, &identity, None).err()
    };
    for (change, error) in [
        (
            (|identity| identity.email.clear()) as fn(&mut Identity),
            SignTokenError::FieldRequired(Field::Email),
        ),
        (
            |identity| identity.name.clear(),
            SignTokenError::FieldRequired(Field::Name),
        ),
        (
            |identity| identity.attributes.clear(),
            SignTokenError::AttributeRequired,
        ),
        (
            |identity| {
                identity.attributes.insert("team".to_owned(), Value::Null);
            },
            SignTokenError::AttributeRequired,
        ),
    ] {
        assert_eq!(without(change), Some(error));
    }
}

#[test]
fn j74_large_or_deep_claims_are_refused() {
    for len in [8 * 1024, 1 << 20] {
        let answer = sign_by(&rules(""), &identity(json!({"x": "x".repeat(len)})), None);
        assert_eq!(answer, Err(SignTokenError::TooLong));
    }
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let (token, _) = sign_by(&rules(""), &identity(json!({"x": nested(15)})), None).unwrap();
    assert!(check(&token).is_ok());
    for levels in [16, 100] {
        let answer = sign_by(&rules(""), &identity(json!({"x": nested(levels)})), None);
        assert_eq!(answer, Err(SignTokenError::TooDeep));
    }
}

#[test]
fn j75_a_lifetime_is_whole_seconds_up_to_the_maximum() {
    let sign_for = |ttl| sign_by(&rules(""), &identity(json!({})), Some(ttl));
    for good in [1, 86400] {
        let (token, end) = sign_for(Duration::from_secs(good)).unwrap();
        assert_eq!(end.unix_secs(), NOW + good as i64);
        assert!(check(&token).is_ok());
    }
    for bad in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_millis(1500),
        Duration::from_nanos(1_000_000_001),
        Duration::from_secs(86401),
        Duration::MAX,
    ] {
        assert_eq!(sign_for(bad), Err(SignTokenError::Lifetime), "{bad:?}");
    }
}

#[test]
fn a_time_outside_1970_to_9999_is_not_signed() {
    let key = key(KEY);
    let signer = TokenKey {
        version: 1,
        key_id: None,
        key: &key,
    };
    for now in [-1, 253_402_300_000, i64::MAX] {
        let now = Timestamp::from_unix_secs(now);
        let answer = sign(
            &rules(""),
            &BTreeMap::new(),
            signer,
            &identity(json!({})),
            None,
            now,
        );
        assert_eq!(answer, Err(SignTokenError::TimeOutOfRange));
    }
}

#[test]
fn j68_a_signing_input_is_recognised_in_every_spelling() {
    let claims = b64(GOOD_PAYLOAD);
    for header in [
        b64(GOOD_HEADER),
        b64(" {\"alg\":\"HS256\"}\n"),
        b64(r#"{"alg":"HS256","alg":"none"}"#),
        format!("{}==", b64(r#"{"alg":"HS256"} "#)),
        base64::engine::general_purpose::STANDARD.encode(r#"{"alg":"HS256","x":"~~~???"}"#),
    ] {
        assert!(
            looks_like_signing_input(format!("{header}.{claims}").as_bytes()),
            "{header}"
        );
        assert!(
            looks_like_signing_input(format!("{header}.x").as_bytes()),
            "{header}"
        );
    }
}

#[test]
fn j68_other_texts_are_not_signing_inputs() {
    let header = b64(GOOD_HEADER);
    for text in [
        "",
        ".",
        "user@example.com",
        "user.name",
        "1700000000.body",
        "example.com",
        "1.5",
        r#"{"a":"b.c"}"#,
        &header,
        &format!("{header}."),
        &format!(".{header}"),
        &format!("{header}.{header}.x"),
        &format!("{header}.a b"),
        &format!("[].{header}"),
        &format!("{}.x", b64("[1]")),
        &format!("{}.x", b64("{1")),
    ] {
        assert!(!looks_like_signing_input(text.as_bytes()), "{text}");
    }
    assert!(!looks_like_signing_input(b"\xff.\xff"));
}
