//! What the time of an answer tells about a secret: nothing.

mod support;

use std::{sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Catalogue, Identity, Key, Reason, Secret, SecretName, Timestamp,
    access::Permission,
    key::Algorithm,
    policy::{Mode, Policy},
    rotation::VersionState,
    secret::{KeyVersion, Proof},
};
use countersign_proto::v1::{VerifyRequest, verify_request};
use prost::Message;
use support::{
    Service,
    crypto::{hex_hmac, hmac, signing_input},
    emergency,
    guarded::Guarded,
    stopwatch::{Stopwatch, wrong_at_either_end},
    user,
};
use tonic::Code;
use zeroize::Zeroizing;

const NOW: i64 = 1_700_000_000;
const ENDED: &str = "a key of a version whose grace is over";
const ACTIVE: &str = "a key of the version that is active now";

/// A secret with a version whose grace has ended and one that is active.
fn secret(scheme: &str) -> Secret {
    let scheme = Catalogue::builtin().scheme(scheme).unwrap();
    let until = Timestamp::from_unix_secs(NOW - 1);
    let versions = [
        (1, VersionState::Grace { until }, ENDED),
        (2, VersionState::Active, ACTIVE),
    ];
    let versions = versions.map(|(number, state, key)| KeyVersion {
        number,
        state,
        key: scheme.decode_key(&key.to_owned().into()).unwrap(),
        key_id: None,
    });
    Secret {
        name: SecretName::parse("acme/chat").unwrap(),
        scheme: Arc::clone(scheme),
        policy: Policy {
            mode: Some(Mode::Required),
            ..Policy::default()
        },
        versions: versions.into(),
    }
}

fn user_1() -> Identity {
    Identity {
        id: "user_1".to_owned(),
        ..Identity::default()
    }
}

/// Judges a proof and sees that it is refused for the one reason.
fn refused(secret: &Secret, proof: Proof<'_>) {
    let now = Timestamp::from_unix_secs(NOW);
    let verdict = secret.verify(user_1(), Some(proof), now).unwrap();
    assert_eq!(verdict.reason, Some(Reason::SignatureMismatch));
}

fn token(signature: &[u8]) -> String {
    let input = claims();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims() -> String {
    let payload = format!(r#"{{"sub":"user_1","exp":{}}}"#, NOW + 60);
    signing_input(r#"{"alg":"HS256","typ":"JWT"}"#, &payload)
}

#[test]
fn h20_where_a_proof_differs_does_not_show_in_time() {
    let stopwatch = Stopwatch::new();
    stopwatch.assert_sees_a_leak();

    let key = Key::new(Zeroizing::new(vec![7; 32]));
    let tag = key.tag(&[b"user_1"]);
    let [first, last] = wrong_at_either_end(tag.expose_bytes());
    stopwatch.assert_constant("the comparison of tags", [&first, &last], |hash| {
        assert!(!tag.matches(hash));
    });
    stopwatch.assert_constant("the check of a MAC", [&first, &last], |hash| {
        assert!(key.check(&[b"user_1"], [&hash[..]].into_iter()).is_none());
    });

    let right = b"a token that is sent as it is".to_vec();
    let key = Key::of(Algorithm::Token, Zeroizing::new(right.clone())).unwrap();
    let [first, last] = wrong_at_either_end(&right);
    stopwatch.assert_constant("the check of a sent key", [&first, &last], |sent| {
        assert!(key.check(&[], [&sent[..]].into_iter()).is_none());
    });

    let chat = secret("chatwoot.identity");
    let right = hmac(ACTIVE.as_bytes(), b"user_1");
    let [first, last] = wrong_at_either_end(&right).map(hex::encode);
    stopwatch.assert_constant("the verdict on a hash", [&first, &last], |hash| {
        refused(&chat, Proof::Hash(hash));
    });

    let session = secret("kaltalk.token");
    let right = hmac(ACTIVE.as_bytes(), claims().as_bytes());
    let [first, last] = wrong_at_either_end(&right).map(|signature| token(&signature));
    stopwatch.assert_constant("the verdict on a token", [&first, &last], |token| {
        refused(&session, Proof::Token(token));
    });
}

/// Another MAC, whose text has its letters and digits where this one has them: how long a digit takes to decode is
/// nobody's secret.
fn nobodys(mac: &[u8]) -> Vec<u8> {
    mac.iter().map(|byte| byte ^ 0x11).collect()
}

#[test]
fn a12_a_proof_of_an_ended_version_takes_as_long_as_a_wrong_one() {
    let stopwatch = Stopwatch::new();
    stopwatch.assert_sees_a_leak();

    let chat = secret("chatwoot.identity");
    let ended = hmac(ENDED.as_bytes(), b"user_1");
    let [ended, wrong] = [ended.clone(), nobodys(&ended)].map(hex::encode);
    stopwatch.assert_constant("the verdict on a hash", [&ended, &wrong], |hash| {
        refused(&chat, Proof::Hash(hash));
    });

    let session = secret("kaltalk.token");
    let ended = hmac(ENDED.as_bytes(), claims().as_bytes());
    let [ended, wrong] = [ended.clone(), nobodys(&ended)].map(|signature| token(&signature));
    stopwatch.assert_constant("the verdict on a token", [&ended, &wrong], |token| {
        refused(&session, Proof::Token(token));
    });
}

/// How much the medians of two calls may differ, in microseconds, in the quietest of some runs.
const MEDIANS_MICROS: f64 = 5.0;
const CALLS: usize = 1_000;
const TRIES: usize = 8;

/// Asks one or the other in turn, and answers how far apart the medians of their times are, in microseconds.
async fn apart<F: Future<Output = ()>>(mut ask: impl FnMut(usize) -> F) -> f64 {
    let mut times = [const { Vec::new() }; 2];
    for call in 0..2 * CALLS {
        // Not strictly in turn, or what the first leaves behind is always found by the second.
        let class = (call ^ (call / 2) ^ (call / 8)) & 1;
        let begin = Instant::now();
        ask(class).await;
        times[class].push(begin.elapsed().as_secs_f64() * 1e6);
    }
    let [one, other] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    (one - other).abs()
}

/// Sees that two calls answer after the same time over the loopback, and that a call more would show.
async fn assert_alike<F: Future<Output = ()>>(what: &str, mut ask: impl FnMut(usize) -> F) {
    let more = apart(|class| {
        let [once, again] = [ask(0), ask(0)];
        async move {
            once.await;
            if class == 1 {
                again.await;
            }
        }
    });
    let more = more.await;
    assert!(
        more > 4.0 * MEDIANS_MICROS,
        "{what}: a call more is {more:.1} µs"
    );
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        least = least.min(apart(&mut ask).await);
        if least < MEDIANS_MICROS {
            break;
        }
    }
    println!("{what}: medians {least:.1} µs apart");
    assert!(least < MEDIANS_MICROS, "{what}: {least:.1} µs apart");
}

#[tokio::test]
async fn a12_a_wrong_hash_and_one_of_an_ended_version_have_one_answer_after_one_time() {
    let (service, ended) = Service::with_hash().await;
    service.rotate(emergency("acme/chat")).await;
    let hashes = [ended, hex_hmac(b"nobody's key", b"user_1")];
    let ask = async |class: usize| {
        let proof = verify_request::Proof::Hash(hashes[class].clone());
        service
            .verify("acme/chat", user("user_1"), Some(proof))
            .await
    };
    assert_eq!(ask(0).await.encode_to_vec(), ask(1).await.encode_to_vec());
    assert_alike("two refused hashes", |class| {
        let answer = ask(class);
        async { drop(answer.await) }
    })
    .await;
}

#[tokio::test]
async fn a12_a_secret_of_others_and_one_that_is_not_there_have_one_answer_after_one_time() {
    let guarded = Guarded::with(|config| {
        config.limits.caller_calls_per_second = 1_000_000;
        config.limits.namespace_calls_per_second = 1_000_000;
    })
    .await;
    for name in ["acme/chat", "other/chat"] {
        guarded.secret(name).await;
    }
    let token = guarded
        .token("acme/chat", &[Permission::Verify], "acme/*")
        .await;
    let proofs = guarded.proofs(&token);
    let ask = async |class: usize| {
        let request = VerifyRequest {
            secret: ["other/chat", "other/none"][class].to_owned(),
            claimed: Some(user("user_1")),
            proof: None,
        };
        proofs.clone().verify(request).await.unwrap_err()
    };
    let [others, missing] = [ask(0).await, ask(1).await];
    assert_eq!(others.code(), Code::PermissionDenied);
    assert_eq!(others.code(), missing.code());
    assert_eq!(others.message(), missing.message());
    assert_eq!(others.details(), missing.details());
    assert_alike("two secrets out of reach", |class| {
        let answer = ask(class);
        async { drop(answer.await) }
    })
    .await;
}
