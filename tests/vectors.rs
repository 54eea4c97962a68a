//! Every vector of the scheme files holds over the wire: the verdicts, and the bytes that Sign makes.

mod support;

use countersign_core::{
    Purpose, Rules, Scheme, Timestamp, catalogue,
    catalogue::Catalogue,
    vectors::Vector,
    webhook::{Claimed, Delivery, Header, Headers, TimestampForm, WebhookRules},
};
use countersign_proto::v1::{
    self, Decision, Identity, Reason, Trust, VerifyWebhookRequest, sign_request::Input,
    verify_request::Proof, verify_webhook_request::Payload,
};
use countersign_server::KeyPolicy;
use support::{Options, Service, calls::importing};

const SECRET: &str = "vectors/one";

#[tokio::test]
async fn every_vector_of_the_scheme_files_holds_over_the_wire() {
    let options = Options {
        key_policy: KeyPolicy::SampleKeysAllowed,
        ..Options::default()
    };
    let service = Service::with(options).await;
    let mut signed = 0;
    let mut judged = 0;
    for (scheme, vector) in catalogue::vectors() {
        service.clock.set(Timestamp::from_unix_secs(vector.now));
        let request = v1::CreateSecretRequest {
            parameters: vector.parameters.clone(),
            key_id: vector.key_id.clone(),
            ..importing(SECRET, &scheme, &vector.key)
        };
        service.create(request).await;
        let scheme = Catalogue::builtin().scheme(&scheme).unwrap();
        if let Some(verdict) = judge(&service, scheme.purpose(), &vector).await {
            assert_eq!(verdict, vector.expect, "{}", vector.name);
            judged += 1;
        }
        if vector.signs {
            assert_signs(&service, scheme, &vector).await;
            signed += 1;
        }
        service.delete(SECRET, true).await.unwrap();
    }
    assert!(
        judged > 300 && signed > 80,
        "{judged} judged, {signed} signed"
    );
}

/// `ACCEPT` or the reason; nothing for resource ids, which nobody verifies.
async fn judge(service: &Service, purpose: Purpose, vector: &Vector) -> Option<String> {
    let (accepted, reason) = match purpose {
        Purpose::ResourceId => return None,
        Purpose::Webhook => judge_webhook(service, vector).await,
        Purpose::IdentityHash | Purpose::IdentityToken => {
            let hash = vector.hash.clone().map(Proof::Hash);
            let proof = hash.or(vector.token.clone().map(Proof::Token));
            let answer = service.verify(SECRET, identity(vector), proof).await;
            let verified = answer.trust() == Trust::Verified;
            assert_eq!(verified, answer.decision() == Decision::Allow);
            assert_eq!(verified, answer.verified.is_some());
            assert_eq!(verified, answer.version.is_some());
            (verified, answer.reason())
        }
    };
    assert_eq!(accepted, reason == Reason::Unspecified, "{}", vector.name);
    Some(match accepted {
        true => "ACCEPT".to_owned(),
        false => reason.as_str_name().replace("REASON_", ""),
    })
}

async fn judge_webhook(service: &Service, vector: &Vector) -> (bool, Reason) {
    let request = VerifyWebhookRequest {
        secret: SECRET.to_owned(),
        headers: headers(vector),
        payload: Some(Payload::Body(vector.body_bytes().unwrap().into())),
        method: vector.method.clone(),
        url: vector.url.clone(),
    };
    let answered = service.proofs.clone().verify_webhook(request).await;
    let answer = answered.unwrap().into_inner();
    let accepted = answer.decision() == Decision::Allow;
    if let (true, Some(expected)) = (accepted, &vector.proven) {
        let proven = answer.proven().map(|part| {
            let name = part.as_str_name();
            name.replace("PROVEN_PART_", "")
        });
        assert_eq!(&proven.collect::<Vec<_>>(), expected, "{}", vector.name);
    }
    let handshake = answer.handshake.as_ref();
    let name = handshake.map(|it| &it.name);
    assert_eq!(name, vector.handshake.as_ref(), "{}", vector.name);
    if let Some(body) = &vector.response_body {
        assert_eq!(handshake.unwrap().body, body.as_bytes(), "{}", vector.name);
    }
    (accepted, answer.reason())
}

async fn assert_signs(service: &Service, scheme: &Scheme, vector: &Vector) {
    let (input, own) = match &scheme.rules {
        Rules::ResourceId(_) => (Input::ResourceId(vector.id.clone()), Vec::new()),
        Rules::Webhook(rules) => {
            let (given, own) = headers(vector)
                .into_iter()
                .partition(|header| !rules.is_own_header(&header.name));
            (Input::Webhook(to_sign(rules, vector, given)), own)
        }
        Rules::IdentityHash(_) | Rules::IdentityToken(_) => {
            (Input::Identity(identity(vector)), Vec::new())
        }
    };
    let signed = service.sign(SECRET, input).await;
    match scheme.purpose() {
        Purpose::Webhook => {
            for header in &own {
                assert!(signed.headers.contains(header), "{}", vector.name);
            }
            let body = vector.body_bytes().unwrap();
            assert!(signed.body.is_none_or(|own| own == body), "{}", vector.name);
            let same_url = signed.url.is_empty() || signed.url == vector.url;
            assert!(same_url, "{}", vector.name);
        }
        Purpose::ResourceId => assert_eq!(Some(signed.resource_id), vector.hash),
        Purpose::IdentityHash => assert_eq!(Some(signed.hash), vector.hash),
        Purpose::IdentityToken => assert_eq!(Some(signed.token), vector.token),
    }
}

fn to_sign(rules: &WebhookRules, vector: &Vector, given: Vec<v1::Header>) -> v1::WebhookToSign {
    let body = vector.body_bytes().unwrap();
    let claimed = claimed(rules, vector, &body);
    let form = rules
        .timestamp_form()
        .unwrap_or(TimestampForm::Milliseconds);
    let timestamp = claimed.timestamp.map(|text| {
        let millis = form.read(&text).unwrap().unix_millis();
        prost_types::Timestamp {
            seconds: millis / 1000,
            nanos: i32::try_from(millis % 1000).unwrap() * 1_000_000,
        }
    });
    v1::WebhookToSign {
        headers: given,
        method: vector.method.clone(),
        url: vector.url.clone(),
        id: claimed.id.unwrap_or_default(),
        timestamp,
        body: body.into(),
    }
}

/// Id and timestamp as the vector has them.
fn claimed(rules: &WebhookRules, vector: &Vector, body: &[u8]) -> Claimed {
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
    match rules.text() {
        Some(text) => text.claimed(delivery).unwrap(),
        None => Claimed::default(),
    }
}

fn identity(vector: &Vector) -> Identity {
    Identity {
        id: vector.id.clone(),
        email: vector.email.clone(),
        name: vector.display_name.clone(),
        ..Identity::default()
    }
}

fn headers(vector: &Vector) -> Vec<v1::Header> {
    let headers = vector.headers.iter();
    headers
        .map(|(name, value)| support::calls::header(name, value))
        .collect()
}
