//! Where a vendor issues one key for several schemes, a secret of one is no way to the proofs of another.

use std::{io::Write, sync::Arc};

use countersign_core::{
    Catalogue, Secret, SecretName, Timestamp,
    policy::Policy,
    rotation::VersionState,
    secret::{KeyVersion, SignError},
    webhook::{DeliveryToSign, Headers},
};

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYWRtaW4ifQ";

#[test]
fn a_compressed_body_is_no_way_to_a_token_of_the_same_key() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(TOKEN.as_bytes()).unwrap();
    for body in [TOKEN.as_bytes().to_vec(), packed.finish().unwrap()] {
        let refused = sign("stream.webhook", &body).unwrap_err();
        assert_eq!(refused, SignError::SigningInput);
    }
    assert!(sign("stream.webhook", br#"{"type":"message.new"}"#).is_ok());
}

#[test]
fn a_sibling_of_another_digest_forbids_nothing() {
    assert!(sign("github.webhook", b"{}").is_ok());
    assert!(sign("github.webhook-sha1", b"{}").is_ok());
}

#[test]
fn a_plain_digest_of_a_body_is_no_way_to_one_of_method_and_url() {
    let of_v2 = b"POSThttps://example.com/hook{}";
    assert_eq!(
        sign("hubspot.webhook-v1", of_v2),
        Err(SignError::SigningInput)
    );
    assert!(sign("hubspot.webhook-v1", b"[{\"eventId\":1}]").is_ok());
}

fn sign(scheme: &str, body: &[u8]) -> Result<(), SignError> {
    let scheme = Arc::clone(Catalogue::builtin().scheme(scheme).expect("built in"));
    let secret = Secret {
        name: SecretName::parse("shared/key").expect("a name"),
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: scheme
                .decode_key(&"one key for several schemes".to_owned().into())
                .expect("a text key"),
            key_id: None,
        }],
        scheme,
        policy: Policy::default(),
    };
    let delivery = DeliveryToSign {
        id: "unsigned",
        body,
        headers: Headers(&[]),
        method: "POST",
        url: "",
        time: Timestamp::from_unix_secs(1_700_000_000),
    };
    secret.sign_webhook(delivery).map(|_| ())
}
