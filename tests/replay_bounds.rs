//! What REPLAY_POLICY_DENY does where the record's silence would prove nothing, and what is no replay at all.

mod support;

use countersign_proto::v1::{
    BatchVerifyItem, BatchVerifyRequest, Replay, ReplayPolicy, Secret, VerifyWebhookRequest,
    batch_verify_item::Check, batch_verify_result, verify_webhook_request::Payload,
};
use support::{
    Service,
    calls::importing,
    crypto::key_text,
    deliveries::{FIRST, Outcome, denied, outcome, reported},
};
use tonic::Request;

const BODY: &[u8] = b"{\"n\":1}";

fn unknown() -> Outcome {
    denied(Replay::NotTracked)
}

async fn set_replay(service: &Service, name: &str, policy: ReplayPolicy) {
    let secret = Secret {
        name: name.to_owned(),
        replay_policy: policy.into(),
        ..Secret::default()
    };
    service
        .try_update(secret, &["replay_policy"])
        .await
        .unwrap();
}

#[tokio::test]
async fn w28_what_was_accepted_untracked_is_refused_once_replays_are_denied() {
    let service = Service::start().await;
    let name = "acme/hook";
    service
        .webhook(name, "standard.webhook", ReplayPolicy::Off)
        .await;
    let headers = service.headers(name, BODY).await;
    let untracked = reported(Replay::NotTracked);
    assert_eq!(service.check(name, &headers, BODY).await, untracked);
    service.at(1);
    set_replay(&service, name, ReplayPolicy::Deny).await;
    assert_eq!(service.check(name, &headers, BODY).await, unknown());
    let fresh = service.headers(name, BODY).await;
    assert_eq!(service.check(name, &fresh, BODY).await, FIRST);
}

#[tokio::test]
async fn w28_a_report_that_becomes_a_denial_still_knows_what_it_reported() {
    let service = Service::start().await;
    let name = "acme/hook";
    service
        .webhook(name, "standard.webhook", ReplayPolicy::Report)
        .await;
    let [seen, unseen] = [
        service.headers_as(name, "msg_1", BODY).await,
        service.headers_as(name, "msg_2", BODY).await,
    ];
    assert_eq!(service.check(name, &seen, BODY).await, FIRST);
    service.at(1);
    set_replay(&service, name, ReplayPolicy::Deny).await;
    let again = service.check(name, &seen, BODY).await;
    assert_eq!(again, denied(Replay::Duplicate));
    assert_eq!(service.check(name, &unseen, BODY).await, FIRST);
}

#[tokio::test]
async fn w28_a_secret_that_is_made_again_with_its_key_knows_nothing_of_before() {
    let service = Service::start().await;
    let (name, key) = ("acme/hook", key_text("replay", 40));
    let create = || {
        let mut request = importing(name, "stripe.webhook", &key);
        request.replay_policy = ReplayPolicy::Deny.into();
        service.create(request)
    };
    create().await;
    let headers = service.headers(name, BODY).await;
    assert_eq!(service.check(name, &headers, BODY).await, FIRST);
    service.delete(name, true).await.unwrap();
    service.at(1);
    create().await;
    assert_eq!(service.check(name, &headers, BODY).await, unknown());
}

#[tokio::test]
async fn w28_a_longer_tolerance_does_not_bring_back_what_was_forgotten() {
    let service = Service::start().await;
    let name = "acme/hook";
    let mut request = importing(name, "stripe.webhook", &key_text("replay", 40));
    request.replay_policy = ReplayPolicy::Deny.into();
    request.tolerance = Some(seconds(1));
    service.create(request).await;
    let headers = service.headers(name, BODY).await;
    assert_eq!(service.check(name, &headers, BODY).await, FIRST);
    service.at(200);
    let longer = Secret {
        name: name.to_owned(),
        tolerance: Some(seconds(86_400)),
        ..Secret::default()
    };
    service.try_update(longer, &["tolerance"]).await.unwrap();
    assert_eq!(service.check(name, &headers, BODY).await, unknown());
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// The same delivery twice in one call of this id.
async fn batch(service: &Service, id: &str, name: &str) -> Vec<Outcome> {
    let check = VerifyWebhookRequest {
        secret: name.to_owned(),
        headers: service.headers_as(name, "msg_1", BODY).await,
        payload: Some(Payload::Body(BODY.into())),
        ..Default::default()
    };
    let item = BatchVerifyItem {
        check: Some(Check::VerifyWebhook(check.into())),
    };
    let mut request = Request::new(BatchVerifyRequest {
        items: vec![item.clone(), item],
    });
    request
        .metadata_mut()
        .insert("countersign-call-id", id.parse().unwrap());
    let answer = service.proofs.clone().batch_verify(request).await;
    let results = answer.unwrap().into_inner().results;
    results
        .into_iter()
        .map(|result| match result.outcome {
            Some(batch_verify_result::Outcome::VerifyWebhook(answer)) => outcome(&answer),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_call_that_is_repeated_because_its_answer_was_lost_is_no_replay() {
    let service = Service::start().await;
    let name = "acme/hook";
    service
        .webhook(name, "standard.webhook", ReplayPolicy::Deny)
        .await;
    let once = [FIRST, denied(Replay::Duplicate)];
    assert_eq!(batch(&service, "call-0001", name).await, once);
    assert_eq!(batch(&service, "call-0001", name).await, once);
    let twice = denied(Replay::Duplicate);
    assert_eq!(batch(&service, "call-0002", name).await, [twice; 2]);
}
