//! Nanoseconds of each kind of check in core, beside the crates that do the same.

mod support;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_core::{
    Catalogue, Identity, Key, Secret, SecretName, Timestamp,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, Proof},
    webhook::{Delivery, DeliveryToSign, Header, Headers},
};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use sha2::Sha256;
use support::{compare, row};
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEY_TEXT: &str = "whsec_bWFrZSBiZW5jaCBtZWFzdXJlcyB3aXRoIHRoaXMga2V5Lg==";
const USER_ID: &str = "5f2b6a9e-0d3c-4a71-9b8e-2c64f1d7a035";
const DELIVERY_ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";

fn main() {
    let now = now();
    hmacs();
    identity_hash(now);
    for scheme in ["standard.webhook", "stripe.webhook"] {
        for kib in [1, 64] {
            webhook(scheme, kib, now);
        }
    }
    token(now);
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(since.as_millis().try_into().unwrap())
}

fn secret(scheme: &str, mode: Option<Mode>) -> Secret {
    let scheme = Catalogue::builtin().scheme(scheme).unwrap();
    let key = scheme.decode_key(&KEY_TEXT.to_owned().into()).unwrap();
    Secret {
        name: SecretName::parse("bench/secret").unwrap(),
        scheme: Arc::clone(scheme),
        policy: Policy {
            mode,
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key,
            key_id: None,
        }],
    }
}

fn key_of(secret: &Secret) -> &Key {
    &secret.versions[0].key
}

fn user() -> Identity {
    Identity {
        id: USER_ID.to_owned(),
        ..Identity::default()
    }
}

fn ring_key(bytes: &[u8]) -> ring::hmac::Key {
    ring::hmac::Key::new(ring::hmac::HMAC_SHA256, bytes)
}

/// The HMAC alone. Every check does one for each live version.
fn hmacs() {
    let key = Key::new(Zeroizing::new(KEY_TEXT.as_bytes().to_vec()));
    let prepared = ring_key(KEY_TEXT.as_bytes());
    for (title, bytes) in [("36 bytes", 36), ("1 KiB", 1024), ("64 KiB", 64 * 1024)] {
        let message = vec![b'm'; bytes];
        let text = &message[..];
        compare(
            &format!("HMAC-SHA256 of {title}"),
            vec![
                row("Key::tag", || key.tag(&[text])),
                row("control: the same again", || key.tag(&[text])),
                row("hmac + sha2, new key", || {
                    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_bytes()).unwrap();
                    mac.update(text);
                    mac.finalize()
                }),
                row("ring, prepared key", || ring::hmac::sign(&prepared, text)),
                row("ring, new key", || {
                    ring::hmac::sign(&ring_key(key.expose_bytes()), text)
                }),
            ],
        );
    }
}

fn identity_hash(now: Timestamp) {
    let secret = secret("countersign.identity", Some(Mode::Required));
    let key = key_of(&secret);
    let prepared = ring_key(key.expose_bytes());
    let signed = secret.sign_identity(&user(), None, now).unwrap().value;
    let verify = || {
        let verdict = secret.verify(user(), Some(Proof::Hash(&signed)), now);
        assert!(verdict.as_ref().unwrap().verified.is_some());
        verdict
    };
    let ring_verify = |prepared: &ring::hmac::Key| {
        let mut tag = [0; 32];
        hex::decode_to_slice(&signed, &mut tag).unwrap();
        ring::hmac::verify(prepared, USER_ID.as_bytes(), &tag).unwrap();
    };
    compare(
        "identity hash of a 36-byte id",
        vec![
            row("verify, to the verdict", verify),
            row("control: the same again", verify),
            row("sign", || secret.sign_identity(&user(), None, now)),
            row("ring, prepared key, hex", || ring_verify(&prepared)),
            row("ring, new key, hex", || {
                ring_verify(&ring_key(key.expose_bytes()))
            }),
        ],
    );
}

fn webhook(scheme: &str, kib: usize, now: Timestamp) {
    let secret = secret(scheme, None);
    let body = vec![b'x'; kib * 1024];
    let to_sign = DeliveryToSign {
        id: DELIVERY_ID,
        body: &body,
        headers: Headers(&[]),
        method: "POST",
        url: "",
        time: now,
    };
    let signed = secret.sign_webhook(to_sign).unwrap().value.headers;
    let headers: Vec<_> = signed
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect();
    let verify = || {
        let delivery = Delivery {
            headers: Headers(&headers),
            body: &body,
            method: "",
            url: "",
        };
        let verdict = secret.verify_webhook(delivery, now);
        assert!(verdict.as_ref().unwrap().outcome.is_ok());
        verdict
    };
    let key = key_of(&secret).expose_bytes();
    let prepared = ring_key(key);
    let ring_tag = |prepared: &ring::hmac::Key| {
        let mut context = ring::hmac::Context::with_key(prepared);
        context.update(DELIVERY_ID.as_bytes());
        context.update(b".1700000000.");
        context.update(&body);
        context.sign()
    };
    let theirs = standardwebhooks::Webhook::new(KEY_TEXT).unwrap();
    let their_headers: HeaderMap = (signed.iter())
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let mut rows = vec![
        row("verify, to the verdict", verify),
        row("control: the same again", verify),
        row("sign", || secret.sign_webhook(to_sign)),
        row("ring, prepared key, HMAC alone", || ring_tag(&prepared)),
        row("ring, new key, HMAC alone", || ring_tag(&ring_key(key))),
    ];
    if scheme.starts_with("standard.") {
        rows.push(row("standardwebhooks, verify", || {
            theirs.verify(&body, &their_headers).unwrap();
        }));
    }
    compare(&format!("{scheme}, {kib} KiB"), rows);
}

/// What a service that uses jsonwebtoken would read.
#[derive(serde::Deserialize, serde::Serialize)]
struct Claims {
    sub: String,
    email: String,
    name: String,
    iat: u64,
    exp: u64,
}

fn token(now: Timestamp) {
    let secret = secret("countersign.token", Some(Mode::Required));
    let identity = Identity {
        email: "jane@example.com".to_owned(),
        name: "Jane Doe".to_owned(),
        ..user()
    };
    let token = secret.sign_identity(&identity, None, now).unwrap().value;
    let verify = || {
        let verdict = secret.verify(Identity::default(), Some(Proof::Token(&token)), now);
        assert!(verdict.as_ref().unwrap().verified.is_some());
        verdict
    };
    let key = key_of(&secret).expose_bytes();
    let prepared = ring_key(key);
    let (decoding, encoding) = (DecodingKey::from_secret(key), EncodingKey::from_secret(key));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(&token, &decoding, &validation);
    let claims = claims.unwrap().claims;
    let header = jsonwebtoken::Header::new(Algorithm::HS256);
    let (signing_input, _) = token.rsplit_once('.').unwrap();
    compare(
        &format!("HS256 token of {} bytes", token.len()),
        vec![
            row("verify, to the verdict", verify),
            row("control: the same again", verify),
            row("jsonwebtoken, a struct of claims", || {
                jsonwebtoken::decode::<Claims>(&token, &decoding, &validation).unwrap()
            }),
            row("jsonwebtoken, a map of claims", || {
                type Map = serde_json::Map<String, serde_json::Value>;
                jsonwebtoken::decode::<Map>(&token, &decoding, &validation).unwrap()
            }),
            row("sign", || secret.sign_identity(&identity, None, now)),
            row("jsonwebtoken, sign a struct", || {
                jsonwebtoken::encode(&header, &claims, &encoding).unwrap()
            }),
            row("ring, prepared key, HMAC alone", || {
                ring::hmac::sign(&prepared, signing_input.as_bytes())
            }),
            row("ring, new key, HMAC alone", || {
                ring::hmac::sign(&ring_key(key), signing_input.as_bytes())
            }),
        ],
    );
}
