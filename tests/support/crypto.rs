//! Keys, hashes and tokens made without the service, as a vendor or an attacker makes them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA256.
pub fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA256 in lower-case hexadecimal.
pub fn hex_hmac(key: &[u8], text: &[u8]) -> String {
    hex::encode(hmac(key, text))
}

/// A strong key of up to 1024 hexadecimal digits that depends on the seed alone.
pub fn key_text(seed: &str, len: usize) -> String {
    let text: String = (0..16)
        .map(|n| hex::encode(Sha256::digest(format!("{seed}/{n}"))))
        .collect();
    text[..len].to_owned()
}

/// The signing input of a token.
pub fn signing_input(header: &str, payload: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", part(header), part(payload))
}

/// A token with any header and payload.
pub fn token(key: &str, header: &str, payload: &str) -> String {
    let input = signing_input(header, payload);
    let signature = hmac(key.as_bytes(), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// An ordinary token of these claims.
pub fn hs256(key: &str, payload: &str) -> String {
    token(key, r#"{"alg":"HS256","typ":"JWT"}"#, payload)
}
