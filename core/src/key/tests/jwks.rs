//! Claims about JWKs.

use serde_json::{Value, json};

use super::*;

/// A JWK of both halves.
fn jwk(byte: u8) -> Value {
    let random = Zeroizing::new([byte; 32]);
    let text = format(KeyDecoding::Jwks, "").generated(Algorithm::Es256, &random);
    serde_json::from_str(text.expose_secret()).expect("JSON")
}

fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    jwk[name] = value.into();
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().expect("an object").remove(name);
    jwk
}

fn named(byte: u8) -> Value {
    with(without(jwk(byte), "d"), "kid", format!("key {byte}"))
}

fn parse(text: impl ToString) -> Result<Key, KeyFormatError> {
    format(KeyDecoding::Jwks, "").decode(Algorithm::Es256, &secret(text.to_string()))
}

#[test]
fn the_kid_chooses_the_key() {
    let set = parse(json!({ "keys": [named(1), named(2), jwk(3)] })).expect("a set");
    let signature = parse(jwk(2)).expect("a key").sign(&[b"a.b"]);
    let signature = signature.expect("a private key");
    assert!(set.es256_verify("key 2", b"a.b", &signature));
    for kid in ["key 1", "key 3", "", "KEY 2"] {
        assert!(!set.es256_verify(kid, b"a.b", &signature), "{kid}");
    }
    assert!(check(&set, &[b"a.b"], &[&signature]));
}

#[test]
fn the_key_with_a_private_number_signs() {
    let set = parse(json!({ "keys": [named(1), jwk(3)] })).expect("a set");
    let (kid, signature) = set.es256_sign(b"a.b").expect("a private key");
    assert_eq!(set.es256_kid(), Some(kid));
    assert_eq!(jwk(3)["kid"], kid);
    assert!(set.es256_verify(kid, b"a.b", &signature));
    let public = parse(json!({ "keys": [named(1)] })).expect("a set");
    assert!(public.es256_sign(b"a.b").is_none() && public.es256_kid().is_none());
}

#[test]
fn a_key_that_has_expired_is_not_taken() {
    let expired = with(named(1), "expired_at", 1_560_466_143);
    let live = with(named(2), "expired_at", Value::Null);
    let set = parse(json!({ "keys": [expired, live] })).expect("a set");
    let signature = parse(jwk(1)).expect("a key").sign(&[b"a.b"]);
    assert!(!set.es256_verify("key 1", b"a.b", &signature.expect("a private key")));
    assert!(parse(&expired).is_err());
    assert!(parse(json!({ "keys": [expired] })).is_err());
}

#[test]
fn a_set_has_1_to_16_keys_of_different_names() {
    let set = |count: u8| json!({ "keys": (1..=count).map(named).collect::<Vec<_>>() });
    assert!(parse(set(0)).is_err());
    assert!(parse(set(16)).is_ok());
    assert!(set(16).to_string().len() <= crate::key_policy::MAX_PUBLIC_KEY_TEXT_BYTES);
    assert!(parse(set(17)).is_err());
    let twice = with(named(2), "kid", "key 1");
    assert!(parse(json!({ "keys": [named(1), twice] })).is_err());
}

#[test]
fn the_order_of_a_set_makes_no_other_key() {
    let block = |keys: [Value; 2]| parse(json!({ "keys": keys })).unwrap().effective_block();
    let set = block([named(1), named(2)]);
    assert_eq!(*set, *block([named(2), named(1)]));
    assert_ne!(*set, *block([named(1), named(3)]));
}

#[test]
fn what_is_no_key_of_es256_is_refused() {
    let x = jwk(1)["x"].as_str().expect("text").to_owned();
    for (name, value) in [
        ("kty", json!("OKP")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("alg", json!("ES384")),
        ("alg", Value::Null),
        ("use", json!("enc")),
        ("kid", json!("")),
        ("kid", json!("k".repeat(129))),
        ("kid", json!(1)),
        ("x", json!(format!("{x}="))),
        ("x", json!(&x[1..])),
        ("x", json!(format!("{x}A"))),
        ("x", jwk(2)["x"].clone()),
        ("x", jwk(1)["y"].clone()),
        ("y", json!("")),
        ("d", jwk(2)["d"].clone()),
        ("d", json!("A".repeat(43))),
        ("d", json!("_".repeat(42) + "8")),
        ("d", Value::Null),
        ("d", json!(1)),
        ("keys", json!([])),
        ("keys", json!(jwk(1))),
    ] {
        assert!(
            parse(with(jwk(1), name, value.clone())).is_err(),
            "{name} {value}"
        );
    }
    for name in ["kty", "crv", "kid", "x", "y"] {
        assert!(parse(without(jwk(1), name)).is_err(), "{name}");
    }
    for name in ["alg", "use", "d"] {
        assert!(parse(without(jwk(1), name)).is_ok(), "{name}");
    }
}

#[test]
fn json_that_two_readers_take_differently_is_refused() {
    let good = jwk(1).to_string();
    let members = &good[1..good.len() - 1];
    assert!(parse(&good).is_ok());
    for bad in [
        format!("{good}{good}"),
        format!("{good}]"),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        format!(r#"{{{members},"kid":"other"}}"#),
        format!(r#"{{{members},"k\u0069d":"other"}}"#),
        format!(r#"{{"keys":[{{{members},"kty":"EC"}}]}}"#),
        format!(r#"{{"keys":[{good}],"keys":[{good}]}}"#),
        format!(r#"{{"keys":[[{good}]]}}"#),
        r#"{"keys":"{}"}"#.to_owned(),
        "null".to_owned(),
        "\"\"".to_owned(),
    ] {
        assert!(parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_generated_key_is_named_by_its_thumbprint() {
    // RFC 7638 §3.2: the required members in order, without white space.
    let jwk = jwk(1);
    let members = ["crv", "kty", "x", "y"].map(|name| format!("\"{name}\":{}", jwk[name]));
    let digest = Sha256::digest(format!("{{{}}}", members.join(",")));
    let bytes = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest);
    assert_eq!(jwk["kid"], bytes);
}
