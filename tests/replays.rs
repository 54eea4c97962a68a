//! Deliveries that come twice: what is reported, what is denied, and what cannot make a replay look new.

mod support;

use countersign_proto::v1::{
    BatchVerifyItem, BatchVerifyRequest, Reason, Replay, ReplayPolicy, VerifyWebhookRequest,
    batch_verify_item::Check, batch_verify_result, verify_webhook_request::Payload,
};
use support::{
    Options, Service,
    calls::{header, value_of, with_header},
    deliveries::{FIRST, Outcome, denied, outcome, refused, reported},
    refusal::{failed, refusal},
    rotation,
};
use tonic::Code;

const BODY: &[u8] = b"{\"n\":1}";

#[tokio::test]
async fn w26_a_replay_is_reported_denied_or_not_tracked_by_policy() {
    let service = Service::start().await;
    for (policy, second) in [
        (ReplayPolicy::Unspecified, reported(Replay::Duplicate)),
        (ReplayPolicy::Report, reported(Replay::Duplicate)),
        (ReplayPolicy::Deny, denied(Replay::Duplicate)),
        (ReplayPolicy::Off, reported(Replay::NotTracked)),
    ] {
        for scheme in ["standard.webhook", "chatwoot.webhook", "github.webhook"] {
            let name = format!("acme/{}/{scheme}", policy.as_str_name().to_lowercase());
            service.webhook(&name, scheme, policy).await;
            let headers = service.headers(&name, BODY).await;
            let first = match policy {
                ReplayPolicy::Off => reported(Replay::NotTracked),
                _ => FIRST,
            };
            assert_eq!(service.check(&name, &headers, BODY).await, first, "{name}");
            for _ in 0..3 {
                let again = service.check(&name, &headers, BODY).await;
                assert_eq!(again, second, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn w26_a_delivery_of_one_secret_is_no_replay_under_another() {
    let service = Service::start().await;
    service
        .webhook("acme/three", "standard.webhook", ReplayPolicy::Deny)
        .await;
    service
        .webhook("acme/four", "standard.webhook", ReplayPolicy::Deny)
        .await;
    for name in ["acme/three", "acme/four"] {
        let headers = service.headers_as(name, "msg_1", BODY).await;
        assert_eq!(service.check(name, &headers, BODY).await, FIRST);
    }
}

#[tokio::test]
async fn w26_a_replay_is_known_through_a_rotation() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "chatwoot.webhook", ReplayPolicy::Deny)
        .await;
    let headers = service.headers("acme/hook", BODY).await;
    assert_eq!(service.check("acme/hook", &headers, BODY).await, FIRST);
    service.rotate(rotation("acme/hook", 3600)).await;
    let again = service.check("acme/hook", &headers, BODY).await;
    assert_eq!(again, denied(Replay::Duplicate));
}

#[tokio::test]
async fn w26_an_unsigned_id_cannot_make_a_replay_look_new() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "chatwoot.webhook", ReplayPolicy::Deny)
        .await;
    let headers = service.headers("acme/hook", BODY).await;
    assert_eq!(service.check("acme/hook", &headers, BODY).await, FIRST);
    let other = with_header(&headers, "X-Chatwoot-Delivery", "another-id");
    let again = service.check("acme/hook", &other, BODY).await;
    assert_eq!(again, denied(Replay::Duplicate));
    let signature = value_of(&headers, "X-Chatwoot-Signature").to_uppercase();
    let signature = signature.replace("SHA256=", "sha256=");
    let upper = with_header(&headers, "X-Chatwoot-Signature", &signature);
    let again = service.check("acme/hook", &upper, BODY).await;
    assert_eq!(
        again,
        denied(Replay::Duplicate),
        "nor can the case of the digits"
    );
}

#[tokio::test]
async fn w28_under_deny_what_was_signed_before_the_start_is_refused_after_a_restart() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "standard.webhook", ReplayPolicy::Deny)
        .await;
    let headers = service.headers("acme/hook", BODY).await;
    assert_eq!(service.check("acme/hook", &headers, BODY).await, FIRST);
    service.at(10);
    let service = service.restart().await;
    let again = service.check("acme/hook", &headers, BODY).await;
    assert_eq!(again, denied(Replay::NotTracked));
    let fresh = service.headers("acme/hook", BODY).await;
    assert_eq!(service.check("acme/hook", &fresh, BODY).await, FIRST);
}

#[tokio::test]
async fn w29_forged_deliveries_do_not_fill_the_record_and_a_full_one_forgets_nothing() {
    let options = Options {
        edit: |config| config.limits.replay_capacity = 16,
        ..Options::default()
    };
    let service = Service::with(options).await;
    service
        .webhook("acme/deny", "github.webhook", ReplayPolicy::Deny)
        .await;
    service
        .webhook("acme/report", "github.webhook", ReplayPolicy::Report)
        .await;
    for n in 0..200 {
        let forged = [header("X-Hub-Signature-256", &format!("sha256={n:064x}"))];
        let answer = service.check("acme/deny", &forged, BODY).await;
        assert_eq!(answer, refused(Reason::SignatureMismatch));
    }
    let mut seen = Vec::new();
    let mut full = 0;
    for n in 0..200 {
        let body = format!("{n}");
        let headers = service.headers("acme/deny", body.as_bytes()).await;
        let answer = service
            .try_verify_webhook("acme/deny", headers.clone(), body.as_bytes())
            .await;
        match answer {
            Ok(answer) => {
                assert_eq!(outcome(&answer), FIRST);
                seen.push((headers, body));
            }
            Err(_) => {
                let exhausted = failed(Code::ResourceExhausted, "REPLAY_RECORD_FULL");
                assert_eq!(refusal(answer, ""), exhausted);
                full += 1;
            }
        }
    }
    assert!(
        seen.len() >= 8 && full > 100,
        "{} taken, {full} shed",
        seen.len()
    );
    for (headers, body) in seen {
        let again = service.check("acme/deny", &headers, body.as_bytes()).await;
        assert_eq!(again, denied(Replay::Duplicate));
    }
    let headers = service.headers("acme/report", BODY).await;
    let untracked = service.check("acme/report", &headers, BODY).await;
    assert!([FIRST, reported(Replay::NotTracked)].contains(&untracked));
}

#[tokio::test]
async fn w30_a_signed_id_with_another_body_is_a_conflict_and_a_retry_a_duplicate() {
    for (policy, seen) in [
        (ReplayPolicy::Deny, denied as fn(Replay) -> Outcome),
        (ReplayPolicy::Report, reported as fn(Replay) -> Outcome),
    ] {
        let service = Service::start().await;
        service
            .webhook("acme/hook", "standard.webhook", policy)
            .await;
        let first = service.headers_as("acme/hook", "msg_1", BODY).await;
        assert_eq!(service.check("acme/hook", &first, BODY).await, FIRST);
        service.at(60);
        let retry = service.headers_as("acme/hook", "msg_1", BODY).await;
        let retried = service.check("acme/hook", &retry, BODY).await;
        assert_eq!(
            retried,
            seen(Replay::Duplicate),
            "a new timestamp, the same event"
        );
        let other = service.headers_as("acme/hook", "msg_1", b"{\"n\":2}").await;
        let conflict = service.check("acme/hook", &other, b"{\"n\":2}").await;
        assert_eq!(conflict, seen(Replay::Conflict));
    }
}

#[tokio::test]
async fn w28_a_retry_is_not_new_again_once_the_first_delivery_has_left_the_window() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "standard.webhook", ReplayPolicy::Deny)
        .await;
    let first = service.headers_as("acme/hook", "msg_1", BODY).await;
    assert_eq!(service.check("acme/hook", &first, BODY).await, FIRST);
    service.at(590);
    let retry = service.headers_as("acme/hook", "msg_1", BODY).await;
    let retried = service.check("acme/hook", &retry, BODY).await;
    assert_eq!(retried, denied(Replay::Duplicate));
    for secs in [600, 661, 720, 890] {
        service.at(secs);
        let replayed = service.check("acme/hook", &retry, BODY).await;
        assert_eq!(
            replayed,
            denied(Replay::Duplicate),
            "{secs} s after the first"
        );
    }
    service.at(891);
    let late = service.check("acme/hook", &retry, BODY).await;
    assert_eq!(late, refused(Reason::TimestampTooOld));
}

#[tokio::test]
async fn w26_a_delivery_that_stands_twice_in_a_batch_is_taken_once() {
    let service = Service::start().await;
    let name = "acme/hook";
    service
        .webhook(name, "standard.webhook", ReplayPolicy::Deny)
        .await;
    let request = VerifyWebhookRequest {
        secret: name.to_owned(),
        headers: service.headers(name, BODY).await,
        payload: Some(Payload::Body(BODY.into())),
        ..Default::default()
    };
    let item = BatchVerifyItem {
        check: Some(Check::VerifyWebhook(request.into())),
    };
    let items = vec![item; 3];
    let mut client = service.proofs.clone();
    let answered = client.batch_verify(BatchVerifyRequest { items }).await;
    let results = answered.unwrap().into_inner().results;
    let outcomes: Vec<_> = results
        .into_iter()
        .map(|result| match result.outcome {
            Some(batch_verify_result::Outcome::VerifyWebhook(answer)) => outcome(&answer),
            other => panic!("{other:?}"),
        })
        .collect();
    let again = denied(Replay::Duplicate);
    assert_eq!(outcomes, [FIRST, again, again]);
}
