//! Changes that are sent again, at once or late: one request id is one change.

mod support;

use std::sync::Arc;

use VersionState::{Active, Grace, Retired, Revoked};
use countersign_proto::v1::{
    Mode, RotateSecretRequest, RotateSecretResponse, Secret, VersionState,
};
use support::{
    Service,
    calls::staging,
    crypto::{hex_hmac, key_text},
    emergency, new_secret,
    refusal::{failed, invalid, refusal},
    request_id, rotation,
};
use tokio::task::JoinSet;
use tonic::Code;

#[tokio::test]
async fn d18_an_emergency_that_is_retried_answers_the_same() {
    let (service, _) = Service::with_hash().await;
    let request = emergency("acme/chat");
    let first = service.rotate(request.clone()).await;
    service.at(60);
    assert_eq!(service.rotate(request).await, first);
    assert_eq!(service.states("acme/chat").await, [Revoked, Active]);
}

#[tokio::test]
async fn d10_a_change_that_makes_a_key_needs_a_request_id() {
    let (service, _) = Service::with_hash().await;
    let long = "a".repeat(65);
    for id in [
        "",
        "short",
        "has space",
        "canary-4d61c7\n",
        "x/y/z/../",
        long.as_str(),
    ] {
        let mut rotated = rotation("acme/chat", 60);
        rotated.request_id = id.to_owned();
        let mut created = new_secret("acme/new", "chatwoot.identity");
        created.request_id = id.to_owned();
        let bad = || support::refusal::invalid("request_id");
        assert_eq!(refusal(service.try_rotate(rotated).await, id), bad());
        assert_eq!(refusal(service.try_create(created).await, id), bad());
    }
    assert_eq!(service.states("acme/chat").await, [Active]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_100_retries_at_once_make_one_version_and_equal_answers() {
    let (service, _) = Service::with_hash().await;
    let service = Arc::new(service);
    let request = rotation("acme/chat", 3600);
    let mut retries = JoinSet::new();
    for _ in 0..100 {
        let (service, request) = (service.clone(), request.clone());
        retries.spawn(async move { service.rotate(request).await });
    }
    let answers: Vec<RotateSecretResponse> = retries.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(!answers[0].revealed_key.is_empty());
    assert_eq!(service.states("acme/chat").await, [Grace, Active]);

    let service = Arc::into_inner(service).unwrap().restart().await;
    assert_eq!(service.rotate(request).await, answers[0]);
    assert_eq!(service.states("acme/chat").await, [Grace, Active]);
}

#[tokio::test]
async fn d12_the_same_request_id_with_other_arguments_is_refused() {
    let (service, _) = Service::with_hash().await;
    service.generate("acme/other", "chatwoot.identity").await;
    let request = rotation("acme/chat", 3600);
    service.rotate(request.clone()).await;
    let id = request.request_id.clone();
    let with_id = |other: RotateSecretRequest| RotateSecretRequest {
        request_id: id.clone(),
        ..other
    };
    let conflict = || failed(Code::AlreadyExists, "REQUEST_ID_CONFLICT");
    let key = key_text("d12", 64);
    for other in [
        rotation("acme/chat", 3601),
        rotation("acme/other", 3600),
        emergency("acme/chat"),
        staging("acme/chat"),
        RotateSecretRequest {
            imported_key: key.clone(),
            ..request.clone()
        },
        RotateSecretRequest {
            expected_version: 2,
            ..request.clone()
        },
        RotateSecretRequest {
            validate_only: true,
            ..request.clone()
        },
    ] {
        let refused = service.try_rotate(with_id(other)).await;
        assert_eq!(refusal(refused, &key), conflict());
    }
    let mut create = new_secret("acme/new", "chatwoot.identity");
    create.request_id.clone_from(&id);
    assert_eq!(refusal(service.try_create(create).await, &id), conflict());
    assert_eq!(service.states("acme/chat").await, [Grace, Active]);
    assert_eq!(service.states("acme/other").await, [Active]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_of_two_rotations_that_expect_one_version_one_wins() {
    let (service, _) = Service::with_hash().await;
    let service = Arc::new(service);
    let mut racers = JoinSet::new();
    for _ in 0..2 {
        let service = service.clone();
        let request = RotateSecretRequest {
            expected_version: 1,
            ..rotation("acme/chat", 3600)
        };
        racers.spawn(async move { service.try_rotate(request).await });
    }
    let answers = racers.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1));
    let aborted = failed(Code::Aborted, "EXPECTED_VERSION_MISMATCH");
    assert_eq!(refusal(lost.into_iter().next().unwrap(), ""), aborted);
    assert_eq!(service.states("acme/chat").await, [Grace, Active]);
}

#[tokio::test]
async fn d25_a_retry_after_a_day_fails_and_rotates_nothing() {
    let (service, _) = Service::with_hash().await;
    let created = new_secret("acme/new", "chatwoot.identity");
    let shown = service.create(created.clone()).await;
    let request = rotation("acme/chat", 3600);
    let first = service.rotate(request.clone()).await;
    service.at(86_399);
    assert_eq!(service.rotate(request.clone()).await, first);
    let again = service.create(created.clone()).await;
    assert_eq!(again, shown, "the same request reads the key again");
    let expired = || failed(Code::FailedPrecondition, "REQUEST_ID_EXPIRED");
    service.at(86_400);
    assert_eq!(
        refusal(service.try_rotate(request.clone()).await, ""),
        expired()
    );
    assert_eq!(refusal(service.try_create(created).await, ""), expired());
    let service = service.restart().await;
    service.at(10 * 86_400);
    assert_eq!(refusal(service.try_rotate(request).await, ""), expired());
    assert_eq!(service.states("acme/chat").await, [Retired, Active]);
}

#[tokio::test]
async fn d08_another_request_does_not_read_a_key_again() {
    let service = Service::start().await;
    let created = new_secret("acme/chat", "chatwoot.identity");
    let key = service.create(created.clone()).await.revealed_key;
    let other = countersign_proto::v1::CreateSecretRequest {
        request_id: request_id(),
        ..created
    };
    let taken = failed(Code::AlreadyExists, "SECRET_EXISTS");
    assert_eq!(refusal(service.try_create(other).await, &key), taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creations_of_one_name_one_wins() {
    let service = Arc::new(Service::start().await);
    let mut racers = JoinSet::new();
    for _ in 0..30 {
        let service = service.clone();
        let request = new_secret("acme/chat", "chatwoot.identity");
        racers.spawn(async move { service.try_create(request).await });
    }
    let answers = racers.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 29));
    for answer in lost {
        let taken = failed(Code::AlreadyExists, "SECRET_EXISTS");
        assert_eq!(refusal(answer, ""), taken);
    }
    // The key that was answered is the one that signs.
    let key = &won[0].as_ref().unwrap().revealed_key;
    let hash = hex_hmac(key.as_bytes(), b"user_1");
    assert_eq!(service.hash_of("acme/chat", "user_1").await, hash);
}

#[tokio::test]
async fn an_update_of_an_older_state_is_aborted_and_changes_nothing() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let read = service.secret("acme/chat").await;
    service.rotate(rotation("acme/chat", 60)).await;
    let stale = Secret {
        mode: Mode::Off.into(),
        ..read
    };
    let refused = service.try_update(stale, &["mode"]).await;
    let aborted = failed(Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(refusal(refused, ""), aborted);
    let current = service.secret("acme/chat").await;
    assert_eq!(current.mode(), Mode::Required);
    for path in [
        "name",
        "scheme",
        "versions",
        "parameters",
        "etag",
        "canary-4d61c7",
    ] {
        let refused = service.try_update(current.clone(), &[path]).await;
        assert_eq!(refusal(refused, path), invalid("update_mask"), "{path}");
    }
    let changed = service.try_update(current.clone(), &["labels"]).await;
    assert_eq!(changed.unwrap().etag, current.etag, "nothing was changed");
}
