//! The token rows of the attack list, by their ids, and what they stand on: tokens built byte by byte with a signer
//! of the tests' own, because no library would sign the hostile ones.

mod claims;
mod header;
mod jose;
mod payload;
mod properties;
mod signature;
mod signing;
mod times;
mod vectors;
mod versions;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::*;

/// 2023-11-14T22:13:20Z.
const NOW: i64 = 1_700_000_000;
const KEY: &[u8] = b"a key of thirty-two bytes or more";
const GOOD_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const GOOD_PAYLOAD: &str = r#"{"sub":"u1","exp":1700003600}"#;

fn now() -> Timestamp {
    Timestamp::from_unix_secs(NOW)
}

fn key(bytes: &[u8]) -> Key {
    Key::new(Zeroizing::new(bytes.to_vec()))
}

fn rules(more: &str) -> TokenRules {
    toml::from_str(&format!("subject = \"sub\"\n{more}")).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn mac_with(key: &[u8], signing_input: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signing_input.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Adds a good signature to any text.
fn seal_text(signing_input: &str) -> String {
    let signature = b64(mac_with(KEY, signing_input));
    format!("{signing_input}.{signature}")
}

/// A well-signed token of any header and payload bytes.
fn seal(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    seal_text(&format!("{}.{}", b64(header), b64(payload)))
}

fn check_by(rules: &TokenRules, token: &str) -> Result<TokenProof, Reason> {
    let key = key(KEY);
    let keys = [TokenKey {
        version: 1,
        key_id: None,
        key: &key,
    }];
    verify(rules, &BTreeMap::new(), keys.into_iter(), token, 0, now())
}

fn check(token: &str) -> Result<TokenProof, Reason> {
    check_by(&rules(""), token)
}

fn check_header(header: impl AsRef<[u8]>) -> Result<TokenProof, Reason> {
    check(&seal(header, GOOD_PAYLOAD))
}

fn check_payload(payload: impl AsRef<[u8]>) -> Result<TokenProof, Reason> {
    check(&seal(GOOD_HEADER, payload))
}

/// Judges a payload of one user with these further members.
fn check_with(members: &str) -> Result<TokenProof, Reason> {
    check_payload(format!(r#"{{"sub":"u1","exp":1700003600,{members}}}"#))
}

/// Judges a payload of these members, for a secret with the parameter `app_id` = `app1`.
fn judge(rules: &TokenRules, members: &str, leeway_secs: u32) -> Result<TokenProof, Reason> {
    let key = key(KEY);
    let keys = [TokenKey {
        version: 1,
        key_id: None,
        key: &key,
    }];
    let parameters = BTreeMap::from([("app_id".to_owned(), "app1".to_owned())]);
    let token = seal(GOOD_HEADER, format!("{{{members}}}"));
    verify(
        rules,
        &parameters,
        keys.into_iter(),
        &token,
        leeway_secs,
        now(),
    )
}

#[test]
fn the_good_token_is_good() {
    let proof = check(&seal(GOOD_HEADER, GOOD_PAYLOAD)).unwrap();
    assert_eq!(proof.identity.id, "u1");
    assert_eq!(proof.version, 1);
    assert_eq!(
        proof.expire_time,
        Some(Timestamp::from_unix_secs(NOW + 3600))
    );
}

#[test]
fn rules_read_their_defaults_and_refuse_unknown_keys() {
    let rules = rules("");
    assert_eq!(
        (rules.typ, rules.kid, rules.exp),
        (true, Kid::None, Exp::Required)
    );
    assert_eq!(
        (rules.default_ttl_secs, rules.max_lifetime_secs),
        (3600, 86400)
    );
    assert_eq!(rules.check(), Ok(()));
    assert!(toml::from_str::<TokenRules>("subject = \"sub\"\nalg = \"none\"").is_err());
    assert!(toml::from_str::<TokenRules>("typ = true").is_err());
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let check = |text: &str| toml::from_str::<TokenRules>(text).unwrap().check();
    for subject in ["", "exp", "iat", "nbf", "iss", "aud", "email", "name"] {
        let text = format!("subject = \"{subject}\"");
        assert_eq!(check(&text), Err(RulesError::Subject), "{subject}");
    }
    for fixed in [
        "sub = \"x\"",
        "exp = \"x\"",
        "email = \"x\"",
        "scope = \"\"",
    ] {
        let text = format!("subject = \"sub\"\nfixed_claims = {{ {fixed} }}");
        assert_eq!(check(&text), Err(RulesError::FixedClaim), "{fixed}");
    }
    for required in ["", "exp", "nbf", "sub", "scope"] {
        let text = format!(
            "subject = \"sub\"\nfixed_claims = {{ scope = \"x\" }}\nrequired_claims = [\"{required}\"]"
        );
        assert_eq!(check(&text), Err(RulesError::RequiredClaim), "{required}");
    }
    for refused in ["", "exp", "iat", "email", "sub", "scope", "team"] {
        let text = format!(
            "subject = \"sub\"\nfixed_claims = {{ scope = \"x\" }}\nrequired_claims = [\"team\"]\n\
             refused_claims = [\"{refused}\"]"
        );
        assert_eq!(check(&text), Err(RulesError::RefusedClaim), "{refused}");
    }
    for ttl in [0, 86401] {
        let text = format!("subject = \"sub\"\ndefault_ttl_secs = {ttl}");
        assert_eq!(check(&text), Err(RulesError::Lifetime), "{ttl}");
    }
    assert_eq!(check("subject = \"jti\""), Ok(()));
}
