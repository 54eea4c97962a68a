//! Keys of ES256 as a JWK or a JWK set in JSON (RFC 7517, RFC 7518 §6.2). What a reader could take in two ways is
//! refused: duplicate members, a number that is not 32 bytes, two keys of one name.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{PublicKey, SecretKey};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    KeyFormatError,
    p256::{P256, point},
};
use crate::token::{MAX_KID_BYTES, json};

/// Most keys in a set.
pub const MAX_JWKS: usize = 16;

/// The keys of a set that have not expired, by name.
pub(super) struct JwkSet(Vec<Jwk>);

struct Jwk {
    kid: String,
    key: P256,
}

impl JwkSet {
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeyFormatError> {
        let mut members = json::object(text).ok_or(KeyFormatError)?;
        let keys = match members.take("keys") {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(KeyFormatError),
            None => {
                let owned = members
                    .rest()
                    .map(|(name, value)| (name.into_owned(), value));
                vec![Value::Object(owned.collect())]
            }
        };
        if keys.len() > MAX_JWKS {
            return Err(KeyFormatError);
        }
        // All are read before one is refused, so that every private number is wiped.
        let read: Vec<_> = keys.into_iter().map(Jwk::read).collect();
        let mut set: Vec<Jwk> = Vec::new();
        for jwk in read {
            let Some(jwk) = jwk? else { continue };
            if set.iter().any(|other| other.kid == jwk.kid) {
                return Err(KeyFormatError);
            }
            set.push(jwk);
        }
        match set.is_empty() {
            true => Err(KeyFormatError),
            false => Ok(Self(set)),
        }
    }

    /// A JWK of both halves, named by its thumbprint (RFC 7638).
    pub(super) fn private_text(private: &SecretKey) -> Zeroizing<String> {
        let point = point(&private.public_key());
        let (x, y) = coordinates(&point);
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint));
        let scalar = Zeroizing::new(private.to_bytes());
        let d = Zeroizing::new(URL_SAFE_NO_PAD.encode(scalar.as_slice()));
        Zeroizing::new(format!(
            r#"{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"{kid}","x":"{x}","y":"{y}","d":"{}"}}"#,
            d.as_str()
        ))
    }

    /// The set without its private numbers.
    pub(super) fn public_text(&self) -> String {
        let keys: Vec<_> = self.0.iter().map(Jwk::public).collect();
        json!({ "keys": keys }).to_string()
    }

    /// What tells one set from another, in an order that the text does not choose.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut keys: Vec<_> = self.0.iter().collect();
        keys.sort_by(|a, b| a.kid.cmp(&b.kid));
        let mut hash = Sha256::new();
        for jwk in keys {
            // A name is at most 128 bytes, so its length fits.
            hash.update([jwk.kid.len() as u8]);
            hash.update(&jwk.kid);
            hash.update(jwk.key.point());
        }
        hash.finalize().into()
    }

    pub(super) fn is_private(&self) -> bool {
        self.signer().is_some()
    }

    /// The name of the key that signs: of the first that can.
    pub(super) fn signing_kid(&self) -> Option<&str> {
        self.signer().map(|jwk| jwk.kid.as_str())
    }

    pub(super) fn sign(&self, digest: &[u8; 32]) -> Option<Vec<u8>> {
        let signature = self.signer()?.key.sign(digest)?;
        Some(signature.to_bytes().to_vec())
    }

    /// Whether the key of this name made the signature.
    pub(super) fn verifies(&self, kid: &str, digest: &[u8; 32], signature: &[u8]) -> bool {
        let jwk = self.0.iter().find(|jwk| jwk.kid == kid);
        jwk.is_some_and(|jwk| jwk.key.verifies_raw(digest, signature))
    }

    /// Whether any of the keys made the signature.
    pub(super) fn any_verifies(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        let mut keys = self.0.iter();
        keys.any(|jwk| jwk.key.verifies_raw(digest, signature))
    }

    fn signer(&self) -> Option<&Jwk> {
        self.0.iter().find(|jwk| jwk.key.is_private())
    }
}

impl Jwk {
    /// `None` for a key that its issuer has retired.
    fn read(value: Value) -> Result<Option<Self>, KeyFormatError> {
        let Value::Object(mut members) = value else {
            return Err(KeyFormatError);
        };
        let d = match members.remove("d") {
            Some(Value::String(d)) => Some(Zeroizing::new(d)),
            Some(_) => return Err(KeyFormatError),
            None => None,
        };
        if members.get("expired_at").is_some_and(|at| !at.is_null()) {
            return Ok(None);
        }
        let is = |name: &str, text: &str| members.get(name).is_some_and(|value| value == text);
        let is_if_there = |name: &str, text: &str| !members.contains_key(name) || is(name, text);
        if !(is("kty", "EC") && is("crv", "P-256")) {
            return Err(KeyFormatError);
        }
        if !(is_if_there("alg", "ES256") && is_if_there("use", "sig")) {
            return Err(KeyFormatError);
        }
        let kid = text(&members, "kid")?;
        if !(1..=MAX_KID_BYTES).contains(&kid.len()) {
            return Err(KeyFormatError);
        }
        let key = key(&members, d)?;
        let kid = kid.to_owned();
        Ok(Some(Self { kid, key }))
    }

    fn public(&self) -> Value {
        let point = self.key.point();
        let (x, y) = coordinates(&point);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.kid, "x": x, "y": y,
        })
    }
}

/// The key of the members, whose halves must belong together.
fn key(members: &Map<String, Value>, d: Option<Zeroizing<String>>) -> Result<P256, KeyFormatError> {
    let mut sec1 = [4; 65];
    sec1[1..33].copy_from_slice(number(text(members, "x")?)?.as_slice());
    sec1[33..].copy_from_slice(number(text(members, "y")?)?.as_slice());
    let public = PublicKey::from_sec1_bytes(&sec1).map_err(|_| KeyFormatError)?;
    let Some(d) = d else {
        return Ok(P256::from_public(public));
    };
    let private = SecretKey::from_slice(number(&d)?.as_slice()).map_err(|_| KeyFormatError)?;
    match private.public_key() == public {
        true => Ok(P256::from_private(&private)),
        false => Err(KeyFormatError),
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, KeyFormatError> {
    let member = members.get(name).and_then(Value::as_str);
    member.ok_or(KeyFormatError)
}

/// 32 bytes in base64url, never fewer: RFC 7518 §6.2.1.2 wants the zeros in front.
fn number(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyFormatError> {
    let mut bytes = Zeroizing::new([0; 32]);
    match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
        Ok(32) => Ok(bytes),
        _ => Err(KeyFormatError),
    }
}

fn coordinates(point: &[u8; 64]) -> (String, String) {
    let (x, y) = point.split_at(32);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}
