//! Attacks on tokens that are decided between the wire and core.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use countersign_proto::v1::{
    CreateSecretRequest, Identity, Reason, Secret, SignRequest, Trust, VerifyResponse,
    VersionState, sign_request::Input, verify_request::Proof,
};
use prost_types::{ListValue, Struct, Value, value::Kind};
use support::{
    NOW, Options, Service,
    calls::importing,
    crypto::{hs256, key_text, signing_input, token},
    emergency, new_secret,
    refusal::{CANARY, invalid, invalid_for, refusal},
    rotation, user,
};
use tonic::Response;

/// Good claims for an hour from now.
fn claims(id: &str) -> String {
    format!(r#"{{"sub":"{id}","iat":{NOW},"exp":{}}}"#, NOW + 3600)
}

#[track_caller]
fn assert_refused(answer: &VerifyResponse, reason: Reason) {
    assert_eq!(answer.reason(), reason);
    assert_eq!(answer.trust(), Trust::Unverified);
    assert_eq!((&answer.verified, &answer.version), (&None, &None));
}

#[tokio::test]
async fn j22_a_kid_of_an_ended_version_brings_it_not_back() {
    let service = Service::start().await;
    let old = service.generate("acme/token", "countersign.token").await;
    service.rotate(rotation("acme/token", 60)).await;
    let jose = r#"{"alg":"HS256","kid":"1","typ":"JWT"}"#;
    let held = token(&old, jose, &claims("user_1"));
    let in_grace = service.verify_token("acme/token", &held).await;
    assert_eq!(in_grace.version.unwrap().state(), VersionState::Grace);
    service.at(60);
    let retired = service.verify_token("acme/token", &held).await;
    assert_refused(&retired, Reason::SignatureMismatch);

    let second = service.token_of("acme/token", "user_1").await;
    service.rotate(emergency("acme/token")).await;
    for held in [&held, &second] {
        let revoked = service.verify_token("acme/token", held).await;
        assert_refused(&revoked, Reason::SignatureMismatch);
    }
}

#[tokio::test]
async fn j23_a_kid_binds_the_token_to_its_version() {
    let service = Service::start().await;
    let old = service.generate("acme/token", "countersign.token").await;
    let new = service
        .rotate(rotation("acme/token", 3600))
        .await
        .revealed_key;
    for (key, kid, reason) in [
        (&old, "1", Reason::Unspecified),
        (&new, "2", Reason::Unspecified),
        (&old, "2", Reason::SignatureMismatch),
        (&new, "1", Reason::SignatureMismatch),
        (&new, "02", Reason::SignatureMismatch),
        (&new, "3", Reason::SignatureMismatch),
        (&new, "../../dev/null", Reason::SignatureMismatch),
    ] {
        let jose = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        let held = token(key, &jose, &claims("user_1"));
        let answer = service.verify_token("acme/token", &held).await;
        assert_eq!(answer.reason(), reason, "{kid}");
    }
}

#[tokio::test]
async fn j34_j37_a_token_over_8_kib_is_refused_before_any_work() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let long = format!("{CANARY}{}", "a".repeat(8193));
    for text in [".".repeat(1_000_000), ".".repeat(8193), long] {
        // An unknown secret too: nothing was looked up.
        for secret in ["acme/token", "acme/unknown"] {
            let proof = Some(Proof::Token(text.clone()));
            let answer = service.try_verify(secret, user("user_1"), proof).await;
            assert_eq!(refusal(answer, &text), invalid("token"));
        }
        let proof = Some(Proof::Hash(text.clone()));
        let answer = service.try_verify("acme/chat", user("user_1"), proof).await;
        assert_eq!(refusal(answer, &text), invalid("hash"));
    }
    let longest = service.verify_token("acme/token", &".".repeat(8192)).await;
    assert_refused(&longest, Reason::TokenMalformed);
}

#[tokio::test]
async fn j54_a_leeway_is_whole_seconds_up_to_600() {
    let service = Service::start().await;
    let leeway = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    for (seconds, nanos) in [
        (601, 0),
        (600, 1),
        (0, 500_000_000),
        (-1, 0),
        (i64::MAX, 0),
        (i64::MIN, 0),
        (i64::MAX, i32::MAX),
        (0, i32::MIN),
    ] {
        let request = CreateSecretRequest {
            tolerance: leeway(seconds, nanos),
            ..new_secret("acme/token", "kaltalk.token")
        };
        let refused = service.try_create(request).await;
        assert_eq!(
            refusal(refused, ""),
            invalid("tolerance"),
            "{seconds} {nanos}"
        );
    }
    let request = CreateSecretRequest {
        tolerance: leeway(600, 0),
        ..new_secret("acme/token", "kaltalk.token")
    };
    let key = service.create(request).await.revealed_key;
    let too_much = Secret {
        name: "acme/token".to_owned(),
        tolerance: leeway(601, 0),
        ..Secret::default()
    };
    let refused = service.try_update(too_much, &["tolerance"]).await;
    assert_eq!(refusal(refused, ""), invalid("tolerance"));
    let held = hs256(&key, &claims("user_1"));
    service.at(3600 + 599);
    let answer = service.verify_token("acme/token", &held).await;
    assert_eq!(answer.trust(), Trust::Verified);
    service.at(3600 + 600);
    let answer = service.verify_token("acme/token", &held).await;
    assert_refused(&answer, Reason::TokenExpired);
}

#[tokio::test]
async fn j61_j62_a_token_for_another_id_than_the_claimed_one_is_refused() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    let held = service.token_of("acme/token", "caf\u{e9}").await;
    for claimed in ["user_2", "cafe\u{301}", "Caf\u{e9}", "caf\u{e9} ", "caf"] {
        let proof = Some(Proof::Token(held.clone()));
        let answer = service.verify("acme/token", user(claimed), proof).await;
        assert_refused(&answer, Reason::SubjectMismatch);
    }
    for claimed in ["caf\u{e9}", ""] {
        let proof = Some(Proof::Token(held.clone()));
        let answer = service.verify("acme/token", user(claimed), proof).await;
        assert_eq!(answer.trust(), Trust::Verified);
    }
}

#[tokio::test]
async fn j61_one_person_is_not_made_of_two() {
    let service = Service::start().await;
    let key = key_text("two", 40);
    service.import("acme/token", "kaltalk.token", &key).await;
    let mallory = Identity {
        email: "mallory@example.com".to_owned(),
        ..user("mallory")
    };
    let verify = async |token: String| {
        let proof = Some(Proof::Token(token));
        let answer = service.verify("acme/token", mallory.clone(), proof).await;
        (answer.reason(), answer.claimed.unwrap_or_default())
    };
    let good = hs256(&key, &claims("alice"));
    let bad = hs256(&key_text("other", 40), &claims("alice"));
    assert_eq!(
        verify(good).await,
        (Reason::SubjectMismatch, mallory.clone())
    );
    assert_eq!(
        verify(bad).await,
        (Reason::SignatureMismatch, user("alice"))
    );
}

#[tokio::test]
async fn j69_a_token_holds_as_often_as_it_is_sent_until_it_ends() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    let held = service.token_of("acme/token", "user_1").await;
    for _ in 0..1000 {
        let answer = service.verify_token("acme/token", &held).await;
        assert_eq!(answer.trust(), Trust::Verified);
    }
    service.at(3600);
    let answer = service.verify_token("acme/token", &held).await;
    assert_refused(&answer, Reason::TokenExpired);
}

#[tokio::test]
async fn a_verified_number_is_the_one_that_was_signed() {
    let service = Service::start().await;
    let key = key_text("number", 40);
    service.import("acme/token", "kaltalk.token", &key).await;
    let payload = claims("user_1").replace('}', r#","order":9007199254740993}"#);
    let answer = service
        .verify_token("acme/token", &hs256(&key, &payload))
        .await;
    let attributes = answer.verified.unwrap().attributes.unwrap();
    let order = attributes.fields["order"].kind.clone();
    assert_eq!(
        order,
        Some(Kind::StringValue("9007199254740993".to_owned()))
    );
}

#[tokio::test]
async fn j66_j67_a_token_holds_under_the_secret_that_made_it_alone() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    service.generate("evil/token", "kaltalk.token").await;
    let held = service.token_of("acme/token", "user_1").await;
    let foreign = service.verify_token("evil/token", &held).await;
    assert_refused(&foreign, Reason::SignatureMismatch);
    for scheme in ["github.webhook", "chatwoot.identity", "countersign.token"] {
        let key = service.generate(&format!("acme/{scheme}"), scheme).await;
        let forged = hs256(&key, &claims("user_1"));
        let answer = service.verify_token("acme/token", &forged).await;
        assert_refused(&answer, Reason::SignatureMismatch);
    }
}

#[tokio::test]
async fn j68_a_hash_secret_is_no_oracle_for_tokens() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let input = signing_input(r#"{"alg":"HS256","typ":"JWT"}"#, &claims("admin"));
    let hash = service.hash_of("acme/chat", &input).await;
    let forged = format!("{input}.{}", base64url(&hex::decode(hash).unwrap()));
    let answer = service.verify_token("acme/token", &forged).await;
    assert_refused(&answer, Reason::SignatureMismatch);
}

#[tokio::test]
async fn j68_where_one_key_serves_two_schemes_a_signing_input_is_not_signed() {
    let service = Service::start().await;
    let key = key_text("j68", 64);
    let app = [("app_id".to_owned(), "app".to_owned())].into();
    let shared = CreateSecretRequest {
        parameters: app,
        ..importing("acme/token", "talkjs.token", &key)
    };
    service.create(shared).await;
    service.import("acme/hash", "talkjs.user-hash", &key).await;
    let claims = r#"{"tokenType":"user","iss":"app","sub":"admin"}"#;
    for jose in [
        r#"{"alg":"HS256"}"#,
        r#" {"alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        "{\n\"alg\":\"HS256\"}",
    ] {
        let input = signing_input(jose, claims);
        let signed = service
            .try_sign("acme/hash", Input::Identity(user(&input)))
            .await;
        let refused = refusal(signed, &input);
        assert_eq!(
            refused,
            invalid_for("SIGNING_INPUT_REFUSED", "identity"),
            "{jose}"
        );
    }
    service.hash_of("acme/hash", "user.name_1").await;
}

fn base64url(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j71_h18_proofs_hold_while_rotations_commit() {
    let options = Options {
        edit: |config| config.limits.max_live_versions = 10,
        ..Options::default()
    };
    let service = Arc::new(Service::with(options).await);
    service.generate("acme/token", "countersign.token").await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let first_token = service.token_of("acme/token", "user_1").await;
    let first_hash = service.hash_of("acme/chat", "user_1").await;
    let done = Arc::new(AtomicBool::new(false));
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (service, done) = (service.clone(), done.clone());
        let (first_token, first_hash) = (first_token.clone(), first_hash.clone());
        checks.spawn(async move {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                let new_token = service.token_of("acme/token", "user_1").await;
                let new_hash = service.hash_of("acme/chat", "user_1").await;
                for token in [&first_token, &new_token] {
                    let answer = service.verify_token("acme/token", token).await;
                    assert_eq!(answer.trust(), Trust::Verified, "{:?}", answer.reason());
                }
                for hash in [&first_hash, &new_hash] {
                    let answer = service.verify_hash("acme/chat", "user_1", hash).await;
                    assert_eq!(answer.trust(), Trust::Verified, "{:?}", answer.reason());
                }
                rounds += 1;
            }
            rounds
        });
    }
    for _ in 0..9 {
        service.rotate(rotation("acme/token", 3600)).await;
        service.rotate(rotation("acme/chat", 3600)).await;
    }
    done.store(true, Ordering::Relaxed);
    let rounds: Vec<u32> = checks.join_all().await;
    assert!(rounds.iter().sum::<u32>() >= 4);
    let last = service.verify_token("acme/token", &first_token).await;
    assert_eq!(last.version.unwrap().number, 1);
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn list(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue { values })),
    }
}

fn with_attribute(name: &str, value: Value) -> Input {
    Input::Identity(Identity {
        attributes: Some(Struct {
            fields: [(name.to_owned(), value)].into(),
        }),
        ..user("user_1")
    })
}

#[tokio::test]
async fn j73_claims_of_the_service_cannot_be_overridden() {
    let service = Service::start().await;
    service.generate("acme/talkjs", "talkjs.token").await;
    service.generate("acme/kaltalk", "kaltalk.token").await;
    service.generate("acme/zendesk", "zendesk.token").await;
    for claim in [
        "exp", "iat", "nbf", "iss", "aud", "sub", "jti", "email", "name",
    ] {
        for secret in ["acme/talkjs", "acme/kaltalk", "acme/zendesk"] {
            let input = with_attribute(claim, text(CANARY));
            let signed = service.try_sign(secret, input).await;
            assert_eq!(
                refusal(signed, ""),
                invalid("identity.attributes"),
                "{claim}"
            );
        }
    }
    for (secret, claim) in [
        ("acme/talkjs", "tokenType"),
        ("acme/zendesk", "scope"),
        ("acme/zendesk", "external_id"),
    ] {
        let signed = service
            .try_sign(secret, with_attribute(claim, text(CANARY)))
            .await;
        assert_eq!(
            refusal(signed, ""),
            invalid("identity.attributes"),
            "{claim}"
        );
    }
}

#[tokio::test]
async fn j74_claims_are_bounded_in_size_depth_and_number() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    let nested = |depth| (1..depth).fold(text("x"), |inner, _| list(vec![inner]));
    let number = |value| Value {
        kind: Some(Kind::NumberValue(value)),
    };
    for (attribute, field) in [
        (text(&CANARY.repeat(70_000)), "identity.attributes"),
        (text(&"x".repeat(8192)), "identity.attributes"),
        (nested(40), "identity.attributes"),
        (list(vec![text(""); 2000]), "identity.attributes"),
        (number(f64::NAN), "identity.attributes"),
        (number(f64::INFINITY), "identity.attributes"),
        (number(9_007_199_254_740_992.0), "identity.attributes"),
    ] {
        let input = with_attribute("extra", attribute);
        let signed = service.try_sign("acme/token", input).await;
        assert_eq!(refusal(signed, ""), invalid(field));
    }
    for value in [
        number(-0.0),
        number(1.5e-300),
        nested(8),
        text("\0\u{1f600}"),
    ] {
        let input = with_attribute("extra", value);
        let signed = service.sign("acme/token", input).await.token;
        let answer = service.verify_token("acme/token", &signed).await;
        assert_eq!(
            answer.trust(),
            Trust::Verified,
            "what Sign makes, Verify takes"
        );
    }
}

#[tokio::test]
async fn j75_a_lifetime_is_whole_seconds_up_to_the_schemes_longest() {
    let service = Service::start().await;
    service.generate("acme/token", "kaltalk.token").await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let sign = async |secret: &str, seconds, nanos| {
        let request = SignRequest {
            secret: secret.to_owned(),
            input: Some(Input::Identity(user("user_1"))),
            ttl: Some(prost_types::Duration { seconds, nanos }),
        };
        let answered = service.proofs.clone().sign(request).await;
        answered.map(Response::into_inner)
    };
    for (seconds, nanos) in [
        (86_401, 0),
        (0, 0),
        (0, 1),
        (i64::MAX, 0),
        (i64::MAX, i32::MAX),
        (-1, 0),
        (0, -1),
        (i64::MIN, i32::MIN),
    ] {
        let signed = sign("acme/token", seconds, nanos).await;
        assert_eq!(refusal(signed, ""), invalid("ttl"), "{seconds} {nanos}");
    }
    let refused = sign("acme/chat", 60, 0).await;
    assert_eq!(refusal(refused, ""), invalid("ttl"));
    let longest = sign("acme/token", 86_400, 0).await.unwrap();
    let answer = service.verify_token("acme/token", &longest.token).await;
    assert_eq!(answer.proof_expire_time.unwrap().seconds, NOW + 86_400);
}
