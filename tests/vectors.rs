//! Every vector of the scheme files holds over the wire: the verdicts, and the bytes that Sign makes.

mod support;

use countersign_core::{Purpose, Timestamp, catalogue, catalogue::Catalogue, vectors::Vector};
use countersign_proto::v1::{
    self, Decision, Identity, Reason, Trust, sign_request::Input, verify_request::Proof,
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
        let purpose = Catalogue::builtin().scheme(&scheme).unwrap().purpose();
        if let Some(verdict) = judge(&service, purpose, &vector).await {
            assert_eq!(verdict, vector.expect, "{}", vector.name);
            judged += 1;
        }
        if vector.signs {
            assert_signs(&service, purpose, &vector).await;
            signed += 1;
        }
        service.delete(SECRET, true).await.unwrap();
    }
    assert!(
        judged > 40 && signed > 10,
        "{judged} judged, {signed} signed"
    );
}

/// `ACCEPT` or the reason; nothing for resource ids, which nobody verifies.
async fn judge(service: &Service, purpose: Purpose, vector: &Vector) -> Option<String> {
    let (accepted, reason) = match purpose {
        Purpose::ResourceId => return None,
        Purpose::Webhook => {
            let answer = service
                .verify_webhook(SECRET, headers(vector), vector.body.as_bytes())
                .await;
            (answer.decision() == Decision::Allow, answer.reason())
        }
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

async fn assert_signs(service: &Service, purpose: Purpose, vector: &Vector) {
    let input = match purpose {
        Purpose::ResourceId => Input::ResourceId(vector.id.clone()),
        Purpose::Webhook => Input::Webhook(v1::WebhookToSign {
            headers: Vec::new(),
            method: String::new(),
            url: String::new(),
            id: sent_id(vector).unwrap_or_default(),
            timestamp: sent_time(vector),
            body: vector.body.clone().into(),
        }),
        Purpose::IdentityHash | Purpose::IdentityToken => Input::Identity(identity(vector)),
    };
    let signed = service.sign(SECRET, input).await;
    match purpose {
        Purpose::Webhook => {
            for header in headers(vector) {
                assert!(signed.headers.contains(&header), "{}", vector.name);
            }
        }
        Purpose::ResourceId => assert_eq!(Some(signed.resource_id), vector.hash),
        Purpose::IdentityHash => assert_eq!(Some(signed.hash), vector.hash),
        Purpose::IdentityToken => assert_eq!(Some(signed.token), vector.token),
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

fn sent_id(vector: &Vector) -> Option<String> {
    let is_id = |name: &str| name.ends_with("-id") || name.ends_with("-Delivery");
    let mut headers = vector.headers.iter();
    let found = headers.find(|(name, _)| is_id(name));
    found.map(|(_, value)| value.clone())
}

/// The time among the headers of a delivery: a header of digits, or the `t` of a list.
fn sent_time(vector: &Vector) -> Option<prost_types::Timestamp> {
    let parts = vector
        .headers
        .iter()
        .flat_map(|(_, value)| value.split(','));
    let digits = parts
        .map(|part| part.strip_prefix("t=").unwrap_or(part))
        .find(|part| part.len() >= 10 && part.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number: i64 = digits.parse().unwrap();
    let (seconds, millis) = match digits.len() {
        10 => (number, 0),
        _ => (number / 1000, number % 1000),
    };
    Some(prost_types::Timestamp {
        seconds,
        nanos: i32::try_from(millis * 1_000_000).unwrap(),
    })
}
