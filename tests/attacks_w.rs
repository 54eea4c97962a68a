//! Attacks on webhooks that are decided between the wire and core: sizes, bytes and replays.

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_proto::v1::{
    Decision, ProvenPart, Reason, Replay, ReplayPolicy, VerifyWebhookRequest,
    verify_webhook_request::Payload,
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use support::{
    NOW, Service,
    calls::{header, value_of},
    crypto::{hex_hmac, key_text},
    deliveries::{FIRST, outcome, refused, reported},
    delivery, emergency,
    refusal::{CANARY, failed, invalid, invalid_for, refusal},
};
use tonic::Code;

const BODY: &[u8] = b"{\"n\":1}";

#[tokio::test]
async fn w21_a_body_that_is_not_utf8_is_signed_and_verified_as_bytes() {
    let service = Service::start().await;
    service.generate("acme/hook", "standard.webhook").await;
    let body = [0xff, 0xfe, 0x00, 0x80, b'\r', b'\n'];
    let headers = service.headers("acme/hook", &body).await;
    assert_eq!(service.check("acme/hook", &headers, &body).await, FIRST);
}

#[tokio::test]
async fn w24_what_costs_nothing_is_checked_before_a_body_is_hashed() {
    let service = Service::start().await;
    service.generate("acme/hook", "stripe.webhook").await;
    let large = vec![b'x'; 1 << 20];
    let headers = service.headers("acme/hook", BODY).await;
    let mismatch = service.check("acme/hook", &headers, &large).await;
    assert_eq!(mismatch, refused(Reason::SignatureMismatch));
    // The same bad signature is not looked at once the timestamp is enough to refuse it.
    service.at(301);
    let stale = service.check("acme/hook", &headers, &large).await;
    assert_eq!(stale, refused(Reason::TimestampTooOld));
    let bare = service.check("acme/hook", &[], &large).await;
    assert_eq!(bare, refused(Reason::HeaderMissing));
}

#[tokio::test]
async fn w25_a_compressed_body_is_verified_as_it_was_received() {
    let service = Service::start().await;
    service.generate("acme/hook", "github.webhook").await;
    // gzip of "{}", as RFC 1952 writes it.
    let compressed = hex::decode("1f8b0800000000000003abae050043bfa6a302000000");
    let compressed = compressed.unwrap();
    let headers = service.headers("acme/hook", &compressed).await;
    assert_eq!(
        service.check("acme/hook", &headers, &compressed).await,
        FIRST
    );
    let unpacked = service.check("acme/hook", &headers, b"{}").await;
    assert_eq!(unpacked, refused(Reason::SignatureMismatch));
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

/// A delivery of a form to this URL, with the signature in Twilio's header.
fn form(url: &str, body: &str, signature: &str) -> VerifyWebhookRequest {
    VerifyWebhookRequest {
        secret: "acme/sms".to_owned(),
        headers: vec![
            header("Content-Type", "application/x-www-form-urlencoded"),
            header("X-Twilio-Signature", signature),
        ],
        payload: Some(Payload::Body(body.as_bytes().to_vec().into())),
        method: "POST".to_owned(),
        url: url.to_owned(),
    }
}

/// Twilio's rule: the URL as it is, then the parameters sorted by name, each value once, with nothing in between.
#[tokio::test]
async fn w35_a_form_is_judged_in_the_order_that_its_vendor_signs() {
    const URL: &str = "https://hooks.example.com/sms?b=2&a=1";
    let service = Service::start().await;
    let key = key_text("w35", 32);
    service.import("acme/sms", "twilio.webhook", &key).await;
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{URL}From+1To+2To+3").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let judged = async |url: &str, body: &str| {
        let request = form(url, body, &signature);
        let answer = service.proofs.clone().verify_webhook(request).await;
        let answer = answer.unwrap().into_inner();
        (answer.decision(), answer.reason())
    };
    let accepted = (Decision::Allow, Reason::Unspecified);
    let refused = (Decision::Deny, Reason::SignatureMismatch);
    for (body, verdict) in [
        ("From=%2B1&To=%2B2&To=%2B3", accepted),
        ("To=%2B3&From=%2B1&To=%2B2", accepted),
        ("To=%2B2&To=%2B3&To=%2B2&From=%2B1", accepted),
        ("From=%2B1&To=%2B2", refused),
        ("From=%2B1&To=%2B2&To=%2B4", refused),
        ("From=%2B1&To=%2B2&To=%2B3&Admin=", refused),
        ("from=%2B1&To=%2B2&To=%2B3", refused),
        ("From=+1&To=%2B2&To=%2B3", refused),
    ] {
        assert_eq!(judged(URL, body).await, verdict, "{body}");
    }
    // Of the URL nothing is sorted: the query is signed as it stands.
    for url in [
        "https://hooks.example.com/sms?a=1&b=2",
        "https://hooks.example.com/sms?b=2&a=1&a=1",
        "https://hooks.example.com/sms",
    ] {
        let verdict = judged(url, "From=%2B1&To=%2B2&To=%2B3").await;
        assert_eq!(verdict, refused, "{url}");
    }
}
