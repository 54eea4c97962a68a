//! The compact JWS around the claims (RFC 7515 §3.1): its three parts, its MAC, its header.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::json::{self, Members};
use super::{Kid, MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES, TokenKey};
use crate::key::{Key, TAG_BYTES};
use crate::reason::Reason;

/// Header members that change what is signed, how it is checked or which key checks it. One of them, whatever its
/// value, and the token is not the plain thing that we judge.
fn is_refused(member: &str) -> bool {
    matches!(
        member,
        "crit" | "b64" | "zip" | "enc" | "cty" | "jwk" | "jku" | "x5u" | "x5c"
    )
}

/// Longest signature in bytes: that of ES256.
const MAX_SIGNATURE_BYTES: usize = 64;

/// A token taken apart; nothing in it is believed yet.
pub(crate) struct Compact<'t> {
    /// `header.payload` as it came: what the signature covers.
    signing_input: &'t str,
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    signature: [u8; MAX_SIGNATURE_BYTES],
    /// 0 when it is no canonical base64url of a signature.
    signature_length: usize,
}

impl<'t> Compact<'t> {
    /// Base64url without padding and with unused bits zero, or one signature would have many spellings.
    pub(crate) fn parse(token: &'t str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenMalformed);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        let (header, payload) = signing_input
            .split_once('.')
            .ok_or(Reason::TokenMalformed)?;
        let decode = |part| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| Reason::TokenMalformed)
        };
        let header = decode(header)?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(Reason::TokenMalformed);
        }
        let mut bytes = [0; MAX_SIGNATURE_BYTES];
        // What is longer does not fit.
        let signature_length = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes);
        Ok(Self {
            signing_input,
            header,
            payload: decode(payload)?,
            signature: bytes,
            signature_length: signature_length.unwrap_or(0),
        })
    }

    pub(crate) fn signing_input(&self) -> &'t [u8] {
        self.signing_input.as_bytes()
    }

    /// The signature, if it is canonical base64url of as many bytes as the algorithm has.
    pub(crate) fn signature(&self, length: usize) -> Option<&[u8]> {
        (self.signature_length == length).then_some(&self.signature[..length])
    }

    /// Whether this key's HMAC-SHA256 is the signature.
    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        self.signature(TAG_BYTES).is_some_and(|signature| {
            let tag = key.tag(&[self.signing_input()]);
            tag.matches(signature)
        })
    }
}

/// What of the header still matters once it was found good.
#[derive(Debug)]
pub(crate) struct Header {
    kid: Option<String>,
}

impl Header {
    /// Reads a header whose `alg` must be this one.
    pub(crate) fn parse(bytes: &[u8], algorithm: &str) -> Result<Self, Reason> {
        // An escape is never needed here, and is how one header is read as two.
        if bytes.contains(&b'\\') {
            return Err(Reason::TokenHeader);
        }
        let members = json::object(bytes).ok_or(Reason::TokenMalformed)?;
        if members.get("alg").and_then(Value::as_str) != Some(algorithm) {
            return Err(Reason::TokenAlgorithm);
        }
        let typ = members.get("typ");
        if members.any(is_refused) || typ.is_some_and(|typ| typ != "JWT") {
            return Err(Reason::TokenHeader);
        }
        Ok(Self { kid: kid(members)? })
    }

    /// The name of the key.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the token may have been signed by this key, as far as its `kid` says.
    pub(super) fn names(&self, kind: Kid, key: &TokenKey<'_>) -> bool {
        let Some(kid) = &self.kid else {
            return true;
        };
        match kind {
            Kid::None => false,
            Kid::Version => *kid == key.version.to_string(),
            Kid::Vendor => key.key_id == Some(kid),
        }
    }
}

fn kid(mut members: Members<'_>) -> Result<Option<String>, Reason> {
    match members.take("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if (1..=MAX_KID_BYTES).contains(&kid.len()) => Ok(Some(kid)),
        Some(_) => Err(Reason::TokenHeader),
    }
}

pub(super) fn looks_like_signing_input(text: &[u8]) -> bool {
    let mut halves = text.split(|byte| *byte == b'.');
    let (Some(header), Some(claims), None) = (halves.next(), halves.next(), halves.next()) else {
        return false;
    };
    is_lenient_base64(header) && is_lenient_base64(claims) && is_braced(header)
}

fn is_lenient_base64(part: &[u8]) -> bool {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(byte);
    !part.is_empty() && part.iter().all(in_alphabet)
}

/// Whether base64 decodes to `{…}`. More than JSON objects on purpose: a sloppy verifier's parser decides what passes
/// there, not ours.
fn is_braced(part: &[u8]) -> bool {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    let unpadded = part.iter().filter(|byte| **byte != b'=');
    let url_safe: Vec<u8> = unpadded
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    let Ok(decoded) = engine.decode(url_safe) else {
        return false;
    };
    let trimmed = decoded.trim_ascii();
    trimmed.starts_with(b"{") && trimmed.ends_with(b"}")
}
