//! Rotation as callers see it: what verifies when, what a retry answers, and what races decide.

mod support;

use VersionState::{Active, Grace, Pending, Retired, Revoked};
use countersign_proto::v1::{
    Decision, GetSecretRequest, Reason, RotateSecretRequest, Trust, VersionState,
    sign_request::Input,
};
use support::{
    NOW, Service,
    calls::importing,
    calls::staging,
    crypto::key_text,
    delivery, emergency,
    refusal::{failed, refusal},
    rotation, user,
};
use tonic::Code;

const BODY: &[u8] = b"{\"n\":1}";

async fn reason(service: &Service, hash: &str) -> Reason {
    let answer = service.verify_hash("acme/chat", "user_1", hash).await;
    answer.reason()
}

#[tokio::test]
async fn h18_j24_an_old_proof_holds_through_its_grace_and_says_so() {
    let (service, hash) = Service::with_hash().await;
    service.rotate(rotation("acme/chat", 3600)).await;
    let answer = service.verify_hash("acme/chat", "user_1", &hash).await;
    assert_eq!(answer.trust(), Trust::Verified);
    let version = answer.version.unwrap();
    assert_eq!((version.number, version.state()), (1, Grace));
    assert_eq!(version.grace_end_time.unwrap().seconds, NOW + 3600);
    let new = service.hash_of("acme/chat", "user_1").await;
    assert_ne!(new, hash);
    let version = service
        .verify_hash("acme/chat", "user_1", &new)
        .await
        .version
        .unwrap();
    assert_eq!((version.number, version.state()), (2, Active));
    assert_eq!(version.grace_end_time, None);
}

#[tokio::test]
async fn h17_a_grace_ends_to_the_millisecond_though_nothing_wrote_it_down() {
    let (service, hash) = Service::with_hash().await;
    let mut request = rotation("acme/chat", 60);
    let grace = prost_types::Duration {
        seconds: 60,
        nanos: 1_000_000,
    };
    request.ending = Some(countersign_proto::v1::rotate_secret_request::Ending::GracePeriod(grace));
    service.rotate(request).await;
    for (millis, expected, state) in [
        (60_000, Reason::Unspecified, Grace),
        (60_001, Reason::SignatureMismatch, Retired),
        (60_002, Reason::SignatureMismatch, Retired),
    ] {
        service.at_millis(millis);
        assert_eq!(reason(&service, &hash).await, expected, "{millis}");
        assert_eq!(service.states("acme/chat").await, [state, Active]);
    }
    // Memory held the grace; the store tells the same.
    let service = service.restart().await;
    assert_eq!(reason(&service, &hash).await, Reason::SignatureMismatch);
    assert_eq!(service.states("acme/chat").await, [Retired, Active]);
}

#[tokio::test]
async fn d14_a_second_rotation_leaves_the_first_grace_as_it_is() {
    let (service, _) = Service::with_hash().await;
    service.rotate(rotation("acme/chat", 3600)).await;
    service.at(10);
    service.rotate(rotation("acme/chat", 60)).await;
    let versions = service.secret("acme/chat").await.versions;
    let ends: Vec<_> = versions
        .iter()
        .map(|version| version.grace_end_time.map(|end| end.seconds - NOW))
        .collect();
    assert_eq!(ends, [Some(3600), Some(70), None]);
    service.at(70);
    assert_eq!(service.states("acme/chat").await, [Grace, Retired, Active]);
}

#[tokio::test]
async fn d17_after_an_emergency_nothing_old_is_accepted_at_the_very_next_call() {
    let (service, hash) = Service::with_hash().await;
    service.generate("acme/token", "kaltalk.token").await;
    service.generate("acme/hook", "github.webhook").await;
    let token = service.token_of("acme/token", "user_1").await;
    let headers = service.sign("acme/hook", delivery(BODY)).await.headers;
    for name in ["acme/chat", "acme/token", "acme/hook"] {
        service.rotate(rotation(name, 3600)).await;
        service.rotate(staging(name)).await;
        assert_eq!(service.states(name).await, [Grace, Active, Pending]);
    }
    let second = service.hash_of("acme/chat", "user_1").await;
    for name in ["acme/chat", "acme/token", "acme/hook"] {
        service.rotate(emergency(name)).await;
    }
    for hash in [&hash, &second] {
        assert_eq!(reason(&service, hash).await, Reason::SignatureMismatch);
    }
    let answer = service.verify_token("acme/token", &token).await;
    assert_eq!(answer.reason(), Reason::SignatureMismatch);
    let answer = service.verify_webhook("acme/hook", headers, BODY).await;
    assert_eq!(answer.decision(), Decision::Deny);
    assert_eq!(answer.reason(), Reason::SignatureMismatch);
    for name in ["acme/chat", "acme/token", "acme/hook"] {
        assert_eq!(
            service.states(name).await,
            [Revoked, Revoked, Revoked, Active]
        );
    }
    let service = service.restart().await;
    assert_eq!(reason(&service, &hash).await, Reason::SignatureMismatch);
}

#[tokio::test]
async fn a_staged_version_verifies_and_signs_only_once_it_is_active() {
    let (service, hash) = Service::with_hash().await;
    let staged = service.rotate(staging("acme/chat")).await;
    assert_eq!(staged.version, 2);
    let early = support::crypto::hex_hmac(staged.revealed_key.as_bytes(), b"user_1");
    let version = service
        .verify_hash("acme/chat", "user_1", &early)
        .await
        .version
        .unwrap();
    assert_eq!((version.number, version.state()), (2, Pending));
    assert_eq!(
        service.hash_of("acme/chat", "user_1").await,
        hash,
        "version 1 signs"
    );

    let activated = service.activate("acme/chat", 2).await.unwrap();
    let again = service.activate("acme/chat", 2).await.unwrap();
    assert_eq!(again, activated, "a repeat changes nothing");
    assert_eq!(service.hash_of("acme/chat", "user_1").await, early);
    assert_eq!(reason(&service, &hash).await, Reason::Unspecified);
    assert_eq!(service.states("acme/chat").await, [Grace, Active]);
    let end = activated.versions[0].grace_end_time.unwrap();
    assert_eq!(end.seconds, NOW + 86_400, "24 hours by default");

    let state = || failed(Code::FailedPrecondition, "VERSION_STATE");
    assert_eq!(refusal(service.activate("acme/chat", 1).await, ""), state());
    let unknown = failed(Code::NotFound, "VERSION_NOT_FOUND");
    assert_eq!(refusal(service.activate("acme/chat", 9).await, ""), unknown);
}

#[tokio::test]
async fn d15_one_live_version_too_many_is_refused_with_the_next_end() {
    let (service, _) = Service::with_hash().await;
    for grace in [400, 300, 200, 500] {
        service.rotate(rotation("acme/chat", grace)).await;
    }
    let too_many = || failed(Code::FailedPrecondition, "TOO_MANY_LIVE_VERSIONS");
    for request in [rotation("acme/chat", 60), staging("acme/chat")] {
        let refused = service.try_rotate(request).await;
        let message = refused.as_ref().unwrap_err().message().to_owned();
        assert!(message.contains("2023-11-14T22:16:40Z"), "{message}");
        assert_eq!(refusal(refused, ""), too_many());
    }
    assert_eq!(service.states("acme/chat").await.len(), 5);
    service.at(200);
    service.rotate(rotation("acme/chat", 60)).await;
    assert_eq!(
        refusal(service.try_rotate(rotation("acme/chat", 60)).await, ""),
        too_many()
    );
    service.rotate(emergency("acme/chat")).await;
}

#[tokio::test]
async fn validate_only_changes_nothing_and_reveals_no_key() {
    let (service, hash) = Service::with_hash().await;
    let before = service.secret("acme/chat").await;
    let request = RotateSecretRequest {
        validate_only: true,
        ..emergency("acme/chat")
    };
    let answer = service.rotate(request.clone()).await;
    assert_eq!((answer.version, answer.revealed_key.as_str()), (2, ""));
    let would_be: Vec<_> = answer.secret.unwrap().versions;
    assert_eq!(
        would_be.iter().map(|v| v.state()).collect::<Vec<_>>(),
        [Revoked, Active]
    );
    assert_eq!(service.secret("acme/chat").await, before);
    assert_eq!(reason(&service, &hash).await, Reason::Unspecified);
    // The id was not used up.
    let real = RotateSecretRequest {
        validate_only: false,
        ..request
    };
    assert_eq!(service.rotate(real).await.version, 2);
    let mismatch = RotateSecretRequest {
        validate_only: true,
        expected_version: 1,
        ..rotation("acme/chat", 60)
    };
    let aborted = failed(Code::Aborted, "EXPECTED_VERSION_MISMATCH");
    assert_eq!(refusal(service.try_rotate(mismatch).await, ""), aborted);
}

#[tokio::test]
async fn the_times_of_last_use_are_shown_and_survive_a_restart() {
    let (service, hash) = Service::with_hash().await;
    service.at(5);
    service.rotate(rotation("acme/chat", 3600)).await;
    service.at(7);
    assert_eq!(reason(&service, &hash).await, Reason::Unspecified);
    service.at(8);
    assert_eq!(reason(&service, "00").await, Reason::SignatureMalformed);
    service.hash_of("acme/chat", "user_1").await;
    let uses = async |service: &Service| -> Vec<_> {
        let versions = service.secret("acme/chat").await.versions;
        let secs = |time: Option<prost_types::Timestamp>| time.map(|time| time.seconds - NOW);
        versions
            .iter()
            .map(|v| (secs(v.last_sign_time), secs(v.last_verify_time)))
            .collect()
    };
    let expected = [(Some(0), Some(7)), (Some(8), None)];
    assert_eq!(uses(&service).await, expected);
    let service = service.restart().await;
    assert_eq!(uses(&service).await, expected);
}

#[tokio::test]
async fn an_imported_key_rotates_like_a_generated_one_and_is_never_shown() {
    let service = Service::start().await;
    let (old, new) = (key_text("old", 64), key_text("new", 64));
    service
        .create(importing("acme/chat", "chatwoot.identity", &old))
        .await;
    let request = RotateSecretRequest {
        imported_key: new.clone(),
        ..rotation("acme/chat", 3600)
    };
    let answer = service.rotate(request).await;
    assert_eq!(answer.revealed_key, "");
    assert!(answer.secret.unwrap().versions[1].imported);
    let signed = service
        .sign("acme/chat", Input::Identity(user("user_1")))
        .await;
    assert_eq!(
        signed.hash,
        support::crypto::hex_hmac(new.as_bytes(), b"user_1")
    );
    let unknown = GetSecretRequest {
        name: "acme/none".to_owned(),
    };
    let absent = service.secrets.clone().get_secret(unknown).await;
    assert_eq!(
        refusal(absent, ""),
        failed(Code::NotFound, "SECRET_NOT_FOUND")
    );
}
