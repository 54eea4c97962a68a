//! Identity tokens: arbitrary text, and arbitrary headers and claims under a good MAC. A token that holds names a
//! sane subject, any other JSON reader reads the same claims, and a change of any character ends it.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Identity, Purpose, Secret, Timestamp,
    secret::Proof,
    token::{MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES, looks_like_signing_input},
    verdict::{IdentityVerdict, Trust},
};
use countersign_fuzz::{captured::Captured, choose, secrets};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::{Corpus, fuzz_target};
use sha2::Sha256;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(mut captured) = Captured::parse(data) else {
        return Corpus::Reject;
    };
    let is_token = |secret: &Secret| secret.scheme.purpose() == Purpose::IdentityToken;
    let Some(secret) = captured.secret().filter(is_token) else {
        return Corpus::Reject;
    };
    if let Some(jose) = &captured.jose {
        captured.token = Some(sealed(&secret, jose.as_bytes(), &captured.body));
    }
    if let Some(token) = &captured.token {
        judge(&secret, &captured, token);
    }
    check_signed(&secret, &captured);
    Corpus::Keep
});

/// A token of these bytes with the MAC that the secret's key makes.
fn sealed(secret: &Secret, header: &[u8], claims: &[u8]) -> String {
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = input.join(".");
    let key = secret.versions[0].key.expose_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(input.as_bytes());
    let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{input}.{tag}")
}

fn verdict(
    secret: &Secret,
    claimed: &Identity,
    token: &str,
    now: Timestamp,
) -> Option<IdentityVerdict> {
    let proof = Some(Proof::Token(token));
    secret.verify(claimed.clone(), proof, now).ok()
}

fn held(secret: &Secret, claimed: &Identity, token: &str, now: Timestamp) -> Option<Identity> {
    let verdict = verdict(secret, claimed, token, now)?;
    let verified = verdict.verified;
    assert_eq!(verdict.trust == Trust::Verified, verified.is_some());
    assert_eq!(verdict.reason.is_none(), verified.is_some());
    verified
}

fn judge(secret: &Secret, captured: &Captured, token: &str) {
    let (claimed, now) = (&captured.identity, captured.now());
    let Some(proven) = held(secret, claimed, token, now) else {
        return;
    };
    assert!(token.len() <= MAX_TOKEN_BYTES && token.is_ascii());
    assert!((1..=MAX_SUBJECT_BYTES).contains(&proven.id.len()));
    assert!(!proven.id.contains(char::is_control));
    assert!(claimed.id.is_empty() || claimed.id == proven.id);
    check_claims(token, &proven);
    let (input, _) = token.rsplit_once('.').expect("a token has three parts");
    assert!(looks_like_signing_input(input.as_bytes()));

    let other = secrets::with_another_key(secret, 3);
    let none = secrets::without_live_version(secret);
    assert!(held(&other, claimed, token, now).is_none());
    assert!(held(&none, claimed, token, now).is_none());
    let stranger = Identity {
        id: format!("{}x", proven.id),
        ..Identity::default()
    };
    assert!(held(secret, &stranger, token, now).is_none());
    check_changed(secret, claimed, token, now);
    check_end(secret, claimed, token, now);
}

/// The subject is a claim that another reader reads too.
fn check_claims(token: &str, proven: &Identity) {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("it was decoded");
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("it was read");
    let claims = claims.as_object().expect("claims are an object");
    assert!(claims.values().any(|value| *value == *proven.id));
    for (name, value) in &proven.attributes {
        assert_eq!(claims.get(name), Some(value));
    }
}

/// Another character at any place is another token.
fn check_changed(secret: &Secret, claimed: &Identity, token: &str, now: Timestamp) {
    let at = choose(token.as_bytes(), token.len());
    let shift = 1 + choose(&token.as_bytes()[1..], 62);
    let mut changed = token.as_bytes().to_vec();
    let found = ALPHABET.iter().position(|byte| *byte == changed[at]);
    changed[at] = found.map_or(b'A', |index| ALPHABET[(index + shift) % 64]);
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(held(secret, claimed, &changed, now).is_none());
    assert!(held(secret, claimed, &token[..token.len() - 1], now).is_none());
    assert!(held(secret, claimed, &format!("{token}A"), now).is_none());
}

/// A token that ends holds until its end and no longer.
fn check_end(secret: &Secret, claimed: &Identity, token: &str, now: Timestamp) {
    let verdict = verdict(secret, claimed, token, now);
    let Some(end) = verdict.and_then(|verdict| verdict.proof_expire_time) else {
        return;
    };
    assert!(now < end);
    assert!(held(secret, claimed, token, end).is_none());
}

/// What is signed verifies to the same.
fn check_signed(secret: &Secret, captured: &Captured) {
    let mut identity = captured.identity.clone();
    if captured.token.is_none()
        && let Ok(serde_json::Value::Object(attributes)) = serde_json::from_slice(&captured.body)
    {
        identity.attributes = attributes;
    }
    let now = captured.now();
    let Ok(signed) = secret.sign_identity(&identity, None, now) else {
        return;
    };
    let claimed = Identity::default();
    let proven = held(secret, &claimed, &signed.value, now).expect("what is signed verifies");
    assert_eq!(proven.id, identity.id);
    for (name, value) in &identity.attributes {
        if value.is_string() || value.is_boolean() {
            assert_eq!(proven.attributes.get(name), Some(value), "{name}");
        }
    }
}
