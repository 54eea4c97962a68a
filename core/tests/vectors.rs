//! The vectors inside the scheme files hold: published and derived ones, good and bad.

use std::{collections::BTreeSet, sync::Arc};

use countersign_core::{
    Catalogue, Identity, Purpose, Reason, Rules, Scheme, Secret, SecretName, Timestamp, catalogue,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, Proof},
    vectors::Vector,
    webhook::{Delivery, DeliveryToSign, Header, Headers, ProvenPart, TimestampForm, WebhookRules},
};

#[test]
fn every_hash_vector_holds() {
    for (scheme, vector) in vectors_of(Purpose::IdentityHash) {
        assert_eq!(
            judge_identity(&scheme, &vector),
            vector.expect,
            "{}",
            vector.name
        );
        if vector.signs {
            let signed = secret(&scheme, &vector)
                .sign_identity(&identity(&vector), None, now(&vector))
                .unwrap();
            assert_eq!(Some(signed.value), vector.hash, "{}", vector.name);
        }
    }
}

#[test]
fn every_webhook_vector_holds() {
    for (scheme, vector) in vectors_of(Purpose::Webhook) {
        assert_eq!(
            judge_webhook(&scheme, &vector),
            vector.expect,
            "{}",
            vector.name
        );
        if vector.signs {
            assert_signs_headers(&scheme, &vector);
        }
    }
}

#[test]
fn every_resource_id_vector_is_reproduced_by_sign() {
    for (scheme, vector) in vectors_of(Purpose::ResourceId) {
        assert_eq!(vector.expect, "ACCEPT", "{}", vector.name);
        let signed = secret(&scheme, &vector)
            .sign_resource_id(&vector.id)
            .unwrap();
        assert_eq!(Some(signed.value), vector.hash, "{}", vector.name);
    }
}

#[test]
fn token_every_token_vector_holds() {
    for (scheme, vector) in vectors_of(Purpose::IdentityToken) {
        assert_eq!(
            judge_identity(&scheme, &vector),
            vector.expect,
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_scheme_has_good_and_bad_vectors() {
    for scheme in Catalogue::builtin().iter() {
        let expectations: Vec<_> = catalogue::vectors()
            .filter(|(id, _)| *id == scheme.id)
            .map(|(_, vector)| vector.expect)
            .collect();
        let accepted = |expect: &String| expect == "ACCEPT";
        assert!(expectations.iter().any(accepted), "{}", scheme.id);
        // No resource id is ever refused: nothing checks one.
        assert!(
            scheme.purpose() == Purpose::ResourceId
                || expectations.iter().any(|expect| !accepted(expect)),
            "{}",
            scheme.id
        );
    }
}

#[test]
fn a_vector_of_every_hash_and_webhook_scheme_is_signed() {
    for scheme in Catalogue::builtin().iter() {
        let signs = catalogue::vectors().any(|(id, vector)| id == scheme.id && vector.signs);
        assert!(
            signs || scheme.purpose() == Purpose::IdentityToken,
            "{}",
            scheme.id
        );
    }
}

#[test]
fn names_of_vectors_are_unique_and_readable() {
    let mut names = BTreeSet::new();
    for (_, vector) in catalogue::vectors() {
        let readable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        assert!(
            vector
                .name
                .bytes()
                .all(|byte| readable(byte) || byte == b'-'),
            "{}",
            vector.name
        );
        assert!(!vector.source.is_empty(), "{}", vector.name);
        assert!(names.insert(vector.name.clone()), "{}", vector.name);
    }
}

#[test]
fn schemes_that_share_a_key_say_so_of_each_other() {
    for scheme in Catalogue::builtin().iter() {
        for other in &scheme.shares_key_with {
            let other = Catalogue::builtin().scheme(other).unwrap();
            assert!(other.shares_key_with.contains(&scheme.id), "{}", scheme.id);
            assert_eq!(other.key, scheme.key, "one key is decoded in one way");
        }
    }
}

#[test]
fn a_freshness_window_goes_with_a_proven_timestamp() {
    for scheme in Catalogue::builtin().iter() {
        let Rules::Webhook(rules) = &scheme.rules else {
            continue;
        };
        // An unsigned timestamp would make old deliveries fresh.
        let proves_time = rules.proven().has(ProvenPart::Timestamp);
        assert!(rules.window().is_none() || proves_time, "{}", scheme.id);
    }
}

fn vectors_of(purpose: Purpose) -> impl Iterator<Item = (Arc<Scheme>, Vector)> {
    catalogue::vectors()
        .map(|(id, vector)| {
            let scheme = Catalogue::builtin().scheme(&id);
            (Arc::clone(scheme.expect("its own scheme")), vector)
        })
        .filter(move |(scheme, _)| scheme.purpose() == purpose)
}

fn secret(scheme: &Arc<Scheme>, vector: &Vector) -> Secret {
    let key = scheme.decode_key(&vector.key.clone().into());
    let identity = matches!(
        scheme.purpose(),
        Purpose::IdentityHash | Purpose::IdentityToken
    );
    Secret {
        name: SecretName::parse("vectors/one").expect("a name"),
        scheme: Arc::clone(scheme),
        policy: Policy {
            mode: identity.then_some(Mode::Required),
            parameters: vector.parameters.clone(),
            ..Policy::default()
        },
        versions: vec![KeyVersion {
            number: 1,
            state: VersionState::Active,
            key: key.expect("a vector's key is in its scheme's format"),
            key_id: (!vector.key_id.is_empty()).then(|| vector.key_id.as_str().into()),
        }],
    }
}

fn now(vector: &Vector) -> Timestamp {
    Timestamp::from_unix_secs(vector.now)
}

fn identity(vector: &Vector) -> Identity {
    Identity {
        id: vector.id.clone(),
        email: vector.email.clone(),
        name: vector.display_name.clone(),
        ..Identity::default()
    }
}

fn judge_identity(scheme: &Arc<Scheme>, vector: &Vector) -> &'static str {
    let proof = match (&vector.hash, &vector.token) {
        (Some(hash), None) => Proof::Hash(hash),
        (None, Some(token)) => Proof::Token(token),
        _ => panic!("{}: an identity vector has one proof", vector.name),
    };
    let verdict = secret(scheme, vector)
        .verify(identity(vector), Some(proof), now(vector))
        .expect("a vector fits its scheme");
    assert_eq!(
        verdict.verified.is_some(),
        verdict.reason.is_none(),
        "{}",
        vector.name
    );
    verdict.reason.map_or("ACCEPT", Reason::name)
}

fn judge_webhook(scheme: &Arc<Scheme>, vector: &Vector) -> &'static str {
    let headers: Vec<_> = vector
        .headers
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect();
    let body = vector.body_bytes().expect("a body");
    let delivery = Delivery {
        headers: Headers(&headers),
        body: &body,
        method: &vector.method,
        url: &vector.url,
    };
    let verdict = secret(scheme, vector)
        .verify_webhook(delivery, now(vector))
        .expect("a vector fits its scheme");
    let handshake = verdict.handshake.as_ref();
    assert_eq!(
        handshake.map(|it| &it.name),
        vector.handshake.as_ref(),
        "{}",
        vector.name
    );
    if let Some(body) = &vector.response_body {
        let response = handshake.map(|it| it.body.as_slice());
        assert_eq!(response, Some(body.as_bytes()), "{}", vector.name);
    }
    if let (Ok(proven), Some(expected)) = (&verdict.outcome, &vector.proven) {
        let parts: Vec<_> = proven.proof.proven.parts().map(ProvenPart::name).collect();
        assert_eq!(&parts, expected, "{}", vector.name);
    }
    verdict.outcome.map_or_else(Reason::name, |_| "ACCEPT")
}

/// Sign writes every header of the vector that is its own, byte for byte, and beside them at most an id that is not
/// signed.
fn assert_signs_headers(scheme: &Arc<Scheme>, vector: &Vector) {
    let Rules::Webhook(rules) = &scheme.rules else {
        panic!("{}: not a webhook", scheme.id);
    };
    let secret = secret(scheme, vector);
    let body = vector.body_bytes().expect("a body");
    let (id, time) = claimed(rules, vector, &body);
    let given: Vec<_> = vector
        .headers
        .iter()
        .filter(|(name, _)| !is_own_header(rules, name))
        .map(|(name, value)| Header { name, value })
        .collect();
    let delivery = DeliveryToSign {
        id: id.as_deref().unwrap_or("unsigned"),
        body: &body,
        headers: Headers(&given),
        method: &vector.method,
        url: &vector.url,
        time: time.unwrap_or_else(|| now(vector)),
    };
    let signed = secret.sign_webhook(delivery).expect("can be signed").value;
    for header in vector
        .headers
        .iter()
        .filter(|(name, _)| is_own_header(rules, name))
    {
        assert!(
            signed.headers.contains(header),
            "{}: {signed:?}",
            vector.name
        );
    }
    assert!(signed.body.is_none_or(|own| own == body), "{}", vector.name);
    assert!(
        signed.url.is_none_or(|own| own == vector.url),
        "{}",
        vector.name
    );
}

/// Id and time as the vector's headers have them.
fn claimed(
    rules: &WebhookRules,
    vector: &Vector,
    body: &[u8],
) -> (Option<String>, Option<Timestamp>) {
    let headers: Vec<_> = vector
        .headers
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect();
    let delivery = Delivery {
        headers: Headers(&headers),
        body,
        method: &vector.method,
        url: &vector.url,
    };
    let Some(text) = rules.text() else {
        return (None, None);
    };
    let claimed = text.claimed(delivery).expect("an accepted delivery");
    let form = rules
        .timestamp_form()
        .unwrap_or(TimestampForm::Milliseconds);
    let time = claimed
        .timestamp
        .map(|text| form.read(&text).expect("a time"));
    (claimed.id, time)
}

fn is_own_header(rules: &WebhookRules, name: &str) -> bool {
    let own = rules.header_names();
    own.iter().any(|own| own.eq_ignore_ascii_case(name))
}
