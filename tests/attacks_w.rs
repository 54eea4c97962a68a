//! Attacks on webhooks that are decided between the wire and core: sizes, bytes and replays.

mod support;

use countersign_proto::v1::{
    self, Decision, ProvenPart, Reason, Replay, ReplayPolicy, VerifyWebhookRequest,
    VerifyWebhookResponse, verify_webhook_request::Payload,
};
use support::{
    NOW, Options, Service,
    calls::{header, value_of, with_header},
    crypto::{hex_hmac, key_text},
    delivery, emergency,
    refusal::{CANARY, failed, invalid, invalid_for, refusal},
    rotation,
};
use tonic::Code;

const BODY: &[u8] = b"{\"n\":1}";

fn outcome(answer: &VerifyWebhookResponse) -> (Decision, Reason, Replay) {
    (answer.decision(), answer.reason(), answer.replay())
}

const FIRST: (Decision, Reason, Replay) = (Decision::Allow, Reason::Unspecified, Replay::First);

fn denied(replay: Replay) -> (Decision, Reason, Replay) {
    (Decision::Deny, Reason::Replayed, replay)
}

fn reported(replay: Replay) -> (Decision, Reason, Replay) {
    (Decision::Allow, Reason::Unspecified, replay)
}

fn refused(reason: Reason) -> (Decision, Reason, Replay) {
    (Decision::Deny, reason, Replay::Unspecified)
}

impl Service {
    async fn check(
        &self,
        secret: &str,
        headers: &[v1::Header],
        body: &[u8],
    ) -> (Decision, Reason, Replay) {
        outcome(&self.verify_webhook(secret, headers.to_vec(), body).await)
    }

    async fn headers(&self, secret: &str, body: &[u8]) -> Vec<v1::Header> {
        self.sign(secret, delivery(body)).await.headers
    }
}

#[tokio::test]
async fn w21_a_body_that_is_not_utf8_is_signed_and_verified_as_bytes() {
    let service = Service::start().await;
    service.generate("acme/hook", "standard.webhook").await;
    let body = [0xff, 0xfe, 0x00, 0x80, b'\r', b'\n'];
    let headers = service.headers("acme/hook", &body).await;
    assert_eq!(service.check("acme/hook", &headers, &body).await, FIRST);
}

#[tokio::test]
async fn w22_an_empty_body_is_accepted_if_it_was_signed() {
    let service = Service::start().await;
    service.generate("acme/hook", "standard.webhook").await;
    let headers = service.headers("acme/hook", b"").await;
    assert_eq!(service.check("acme/hook", &headers, b"").await, FIRST);
    let request = VerifyWebhookRequest {
        secret: "acme/hook".to_owned(),
        headers: headers.clone(),
        ..Default::default()
    };
    let absent = service
        .proofs
        .clone()
        .verify_webhook(request)
        .await
        .unwrap();
    assert_eq!(
        absent.get_ref().replay(),
        Replay::Duplicate,
        "no body is an empty body"
    );
    let mismatch = refused(Reason::SignatureMismatch);
    assert_eq!(service.check("acme/hook", &headers, b" ").await, mismatch);
}

#[tokio::test]
async fn body_text_is_the_bytes_of_its_utf8_form() {
    let service = Service::start().await;
    service.generate("acme/hook", "github.webhook").await;
    let text = "\u{feff}{\"name\":\"Zo\u{eb}\"}\r\n";
    let headers = service.headers("acme/hook", text.as_bytes()).await;
    let request = VerifyWebhookRequest {
        secret: "acme/hook".to_owned(),
        headers,
        payload: Some(Payload::BodyText(text.to_owned())),
        ..Default::default()
    };
    let answer = service
        .proofs
        .clone()
        .verify_webhook(request)
        .await
        .unwrap();
    assert_eq!(outcome(answer.get_ref()), FIRST);
}

#[tokio::test]
async fn w23_a_body_over_the_limit_is_refused_before_it_is_hashed() {
    let service = Service::start().await;
    service.generate("acme/hook", "github.webhook").await;
    let largest = vec![b'x'; 1 << 20];
    let headers = service.headers("acme/hook", &largest).await;
    assert_eq!(service.check("acme/hook", &headers, &largest).await, FIRST);

    let over = vec![b'x'; (1 << 20) + 1];
    let too_large = |field| invalid_for("BODY_TOO_LARGE", field);
    let checked = service
        .try_verify_webhook("acme/hook", headers.clone(), &over)
        .await;
    assert_eq!(refusal(checked, ""), too_large("body"));
    let signed = service.try_sign("acme/hook", delivery(&over)).await;
    assert_eq!(refusal(signed, ""), too_large("webhook.body"));

    let far_over = vec![b'x'; 2 << 20];
    let checked = service
        .try_verify_webhook("acme/hook", headers, &far_over)
        .await;
    let too_long = failed(Code::OutOfRange, "MESSAGE_TOO_LARGE");
    assert_eq!(refusal(checked, "xxxxxxxx"), too_long);
}

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
    let key = key_text("shared by one vendor", 64);
    service.import("acme/one", "talkjs.webhook", &key).await;
    service.import("acme/two", "talkjs.user-hash", &key).await;
    service
        .webhook("acme/three", "standard.webhook", ReplayPolicy::Deny)
        .await;
    service
        .webhook("acme/four", "standard.webhook", ReplayPolicy::Deny)
        .await;
    for name in ["acme/three", "acme/four"] {
        let mut input = v1::WebhookToSign::default();
        input.id = "msg_1".to_owned();
        input.body = BODY.to_vec().into();
        let signed = v1::sign_request::Input::Webhook(input);
        let headers = service.sign(name, signed).await.headers;
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
async fn an_unsigned_id_is_passed_on_and_never_called_proven() {
    let service = Service::start().await;
    service.generate("acme/hook", "chatwoot.webhook").await;
    let headers = service.headers("acme/hook", BODY).await;
    let answer = service
        .verify_webhook("acme/hook", headers.clone(), BODY)
        .await;
    assert_eq!(
        answer.delivery_id,
        value_of(&headers, "X-Chatwoot-Delivery")
    );
    let proven: Vec<_> = answer.proven().collect();
    assert_eq!(proven, [ProvenPart::Body, ProvenPart::Timestamp]);
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

/// A delivery with an id of the test's, signed now.
async fn signed_as(service: &Service, id: &str, body: &[u8]) -> Vec<v1::Header> {
    let webhook = v1::WebhookToSign {
        id: id.to_owned(),
        body: body.to_vec().into(),
        ..Default::default()
    };
    let input = v1::sign_request::Input::Webhook(webhook);
    service.sign("acme/hook", input).await.headers
}

#[tokio::test]
async fn w30_a_signed_id_with_another_body_is_a_conflict_and_a_retry_a_duplicate() {
    for (policy, seen) in [
        (ReplayPolicy::Deny, denied as fn(Replay) -> _),
        (ReplayPolicy::Report, reported as fn(Replay) -> _),
    ] {
        let service = Service::start().await;
        service
            .webhook("acme/hook", "standard.webhook", policy)
            .await;
        let first = signed_as(&service, "msg_1", BODY).await;
        assert_eq!(service.check("acme/hook", &first, BODY).await, FIRST);
        service.at(60);
        let retry = signed_as(&service, "msg_1", BODY).await;
        let retried = service.check("acme/hook", &retry, BODY).await;
        assert_eq!(
            retried,
            seen(Replay::Duplicate),
            "a new timestamp, the same event"
        );
        let other = signed_as(&service, "msg_1", b"{\"n\":2}").await;
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
    let first = signed_as(&service, "msg_1", BODY).await;
    assert_eq!(service.check("acme/hook", &first, BODY).await, FIRST);
    service.at(590);
    let retry = signed_as(&service, "msg_1", BODY).await;
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
async fn w31_a_webhook_secret_with_an_empty_or_guessable_key_cannot_exist() {
    let service = Service::start().await;
    for (scheme, key, reason) in [
        ("standard.webhook", "whsec_", "EMPTY_KEY"),
        ("github.webhook", "          ", "WEAK_KEY"),
        ("github.webhook", "changeme", "WEAK_KEY"),
    ] {
        let imported = service.try_import("acme/hook", scheme, key).await;
        assert_eq!(refusal(imported, key), invalid_for(reason, "imported_key"));
    }
}

#[tokio::test]
async fn w33_w34_broken_or_too_many_headers_are_refused() {
    let service = Service::start().await;
    service.generate("acme/hook", "github.webhook").await;
    let mut lists = vec![
        vec![header("x-a", &format!("{CANARY}\r\nx-b: 1"))],
        vec![header("x-a", "a\0b")],
        vec![header("x-a\n", "1")],
        vec![header("", "1")],
        vec![header("x-a", &"v".repeat(64 << 10))],
        vec![header("x", "y"); 1000],
        vec![header("x", "y"); 65],
    ];
    lists.push(vec![
        header("x-a", &"v".repeat(4096)),
        header("x-b", &"v".repeat(4096)),
    ]);
    for headers in lists {
        let answer = service.try_verify_webhook("acme/hook", headers, BODY).await;
        assert_eq!(refusal(answer, ""), invalid("headers"));
    }
    let mut most = vec![header("x", "y"); 63];
    most.extend(service.headers("acme/hook", BODY).await);
    most.truncate(63);
    let signature = service.headers("acme/hook", BODY).await.pop().unwrap();
    most.push(signature);
    assert_eq!(most.len(), 64);
    assert_eq!(service.check("acme/hook", &most, BODY).await, FIRST);
}

#[tokio::test]
async fn w40_a_delivery_of_a_killed_version_is_refused_at_once() {
    let service = Service::start().await;
    let key = service.generate("acme/hook", "github.webhook").await;
    let killed = service.headers("acme/hook", BODY).await;
    service.rotate(emergency("acme/hook")).await;
    let mismatch = refused(Reason::SignatureMismatch);
    assert_eq!(service.check("acme/hook", &killed, BODY).await, mismatch);
    let signature = format!("sha256={}", hex_hmac(key.as_bytes(), b"new"));
    let forged = [header("X-Hub-Signature-256", &signature)];
    assert_eq!(service.check("acme/hook", &forged, b"new").await, mismatch);
    let fresh = service.headers("acme/hook", BODY).await;
    assert_eq!(service.check("acme/hook", &fresh, BODY).await, FIRST);
}

#[tokio::test]
async fn w41_the_key_of_an_identity_hash_is_refused_for_a_webhook() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "chatwoot.identity").await;
    let reused = || invalid_for("KEY_REUSED", "imported_key");
    for name in ["acme/hook", "other/hook"] {
        let imported = service.try_import(name, "chatwoot.webhook", &key).await;
        assert_eq!(refusal(imported, &key), reused());
    }
}

#[tokio::test]
async fn w14_the_window_ends_to_the_second_on_both_sides() {
    let service = Service::start().await;
    service
        .webhook("acme/hook", "standard.webhook", ReplayPolicy::Off)
        .await;
    let headers = service.headers("acme/hook", BODY).await;
    assert_eq!(value_of(&headers, "webhook-timestamp"), NOW.to_string());
    let fresh = reported(Replay::NotTracked);
    for (secs, expected) in [
        (-301, refused(Reason::TimestampInFuture)),
        (-300, fresh),
        (300, fresh),
        (301, refused(Reason::TimestampTooOld)),
    ] {
        service.at(secs);
        let answer = service
            .verify_webhook("acme/hook", headers.clone(), BODY)
            .await;
        assert_eq!(outcome(&answer), expected, "{secs}");
        if answer.decision() == Decision::Allow {
            assert_eq!(answer.age.unwrap().seconds, secs);
        }
    }
}
