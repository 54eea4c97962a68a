//! A key that is made here signs deliveries which the same secret then accepts, under every webhook scheme.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    Catalogue, Purpose, Scheme, Secret, SecretName, Timestamp,
    policy::Policy,
    rotation::VersionState,
    secret::KeyVersion,
    webhook::{Delivery, DeliveryToSign, Header, Headers},
};
use zeroize::Zeroizing;

const BODY: &[u8] = br#"{"hello":"world"}"#;
const URL: &str = "https://hooks.example.com/in?data.id=1";
const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);

#[test]
fn what_a_generated_key_signs_is_accepted() {
    for scheme in Catalogue::builtin().iter() {
        if scheme.purpose() != Purpose::Webhook {
            continue;
        }
        let secret = secret(scheme);
        let kind = Header {
            name: "Content-Type",
            value: "application/json",
        };
        let signed = secret.sign_webhook(DeliveryToSign {
            id: "msg_1",
            body: BODY,
            headers: Headers(&[kind]),
            method: "POST",
            url: URL,
            time: NOW,
        });
        let signed = signed.unwrap().value;
        let own = signed.headers.iter();
        let own = own.map(|(name, value)| Header { name, value });
        let headers: Vec<_> = own.chain([kind]).collect();
        let delivery = |body| Delivery {
            headers: Headers(&headers),
            body,
            method: "POST",
            url: signed.url.as_deref().unwrap_or(URL),
        };
        let body = signed.body.as_deref().unwrap_or(BODY);
        let proof = secret.verify_webhook(delivery(body), NOW).unwrap().outcome;
        assert!(proof.is_ok(), "{}: {proof:?}", scheme.id);

        let covers_body = proof
            .unwrap()
            .proof
            .proven
            .parts()
            .any(|part| part.name() == "BODY");
        let bent = secret
            .verify_webhook(delivery(br#"{"signature":1}"#), NOW)
            .unwrap();
        assert!(!covers_body || bent.outcome.is_err(), "{}", scheme.id);
    }
}

fn secret(scheme: &Arc<Scheme>) -> Secret {
    let text = scheme.generate_key(&Zeroizing::new([7; 32]));
    Secret {
        name: SecretName::parse("generated/key").expect("a name"),
        scheme: Arc::clone(scheme),
        policy: Policy {
            parameters: BTreeMap::new(),
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: scheme.decode_key(&text).expect("a key of the scheme"),
            key_id: None,
        }],
    }
}
