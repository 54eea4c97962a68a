//! The tower layer of the Rust SDK before a real axum server, with deliveries as vendors make them.

mod support;

use std::{convert::Infallible, net::SocketAddr};

use axum::{Extension, Router, body::Bytes, routing::post};
use countersign_client::{Client, WebhookLayer, WebhookVerdict};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use standardwebhooks::Webhook;
use support::{NOW, Service, crypto::hex_hmac, new_secret};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::iter;

/// A server whose handler answers the body and what is proven.
async fn receiver(layer: WebhookLayer) -> SocketAddr {
    let answer = async |Extension(verdict): Extension<WebhookVerdict>, body: Bytes| {
        let proven = [("x-proven", format!("{:?}", verdict.proven))];
        (proven, body)
    };
    let app = Router::new().route("/hook", post(answer)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Delivers a body in chunks, without saying how long it is.
async fn deliver(address: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post("/hook?a=1").header("host", "hooks.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let chunks = body.chunks(7001).map(Bytes::copy_from_slice);
    let frames: Vec<_> = chunks
        .map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)))
        .collect();
    let request = request.body(StreamBody::new(iter(frames))).unwrap();
    let (parts, body) = requests.send_request(request).await.unwrap().into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

async fn client(service: &Service) -> Client {
    Client::connect(format!("http://{}", service.address))
        .await
        .unwrap()
}

/// A delivery by the library of Standard Webhooks.
fn signed(key: &str, body: &[u8]) -> (String, String) {
    let signature = Webhook::new(key).unwrap().sign("msg_1", NOW, body).unwrap();
    (NOW.to_string(), signature)
}

#[tokio::test]
async fn a_genuine_delivery_reaches_the_handler_byte_for_byte() {
    let service = Service::start().await;
    let key = service
        .create(new_secret("acme/hook", "standard.webhook"))
        .await
        .revealed_key;
    let at = receiver(WebhookLayer::new(client(&service).await, "acme/hook")).await;
    for body in [
        &b"{}"[..],
        "{\"text\": \"Grüße ✓\",\t\"n\": 1.0}\r\n".as_bytes(),
        &[0x7f; 900_000],
    ] {
        let (time, signature) = signed(&key, body);
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &time),
            ("webhook-signature", &signature),
        ];
        let answer = deliver(at, &headers, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, body);
        assert_eq!(answer.headers["x-proven"], "[Body, Timestamp, Id]");

        let mut tampered = body.to_vec();
        tampered[0] ^= 1;
        let answer = deliver(at, &headers, &tampered).await;
        assert_eq!(answer.status, 401);
        let told = br#"{"error":"webhook_refused","reason":"SIGNATURE_MISMATCH"}"#;
        assert_eq!(answer.body, told);
    }
    let unsigned = deliver(at, &[], b"{}").await;
    assert_eq!(unsigned.status, 401);
    assert!(
        String::from_utf8(unsigned.body)
            .unwrap()
            .contains("HEADER_MISSING")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_asked_about() {
    let service = Service::start().await;
    service
        .create(new_secret("acme/hook", "standard.webhook"))
        .await;
    let layer = WebhookLayer::new(client(&service).await, "acme/hook").max_body_bytes(1000);
    let answer = deliver(receiver(layer).await, &[], &[b'a'; 1001]).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn without_a_verdict_nothing_is_let_through() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = Client::builder(format!("http://{closed}"))
        .connect_lazy()
        .unwrap();
    let at = receiver(WebhookLayer::new(nobody, "acme/hook")).await;
    let answer = deliver(at, &[], b"{}").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.body, br#"{"error":"verification_unavailable"}"#);
}

#[tokio::test]
async fn what_no_vendor_sends_is_the_senders_fault_and_no_outage() {
    let service = Service::start().await;
    service
        .create(new_secret("acme/hook", "standard.webhook"))
        .await;
    let layer = WebhookLayer::new(client(&service).await, "acme/hook");
    let long = layer.url(|_| format!("https://a.example/{}", "a".repeat(8192)));
    let answer = deliver(receiver(long).await, &[], b"{}").await;
    assert_eq!(answer.status, 400);
    assert!(!answer.headers.contains_key("retry-after"));
    assert_eq!(
        answer.body,
        br#"{"error":"webhook_malformed","field":"url"}"#
    );
}

#[tokio::test]
async fn a_handshake_is_answered_as_the_vendor_wants_it() {
    let service = Service::start().await;
    let key = service
        .create(new_secret("acme/slack", "slack.webhook"))
        .await
        .revealed_key;
    let at = receiver(WebhookLayer::new(client(&service).await, "acme/slack")).await;
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV"}"#;
    let time = NOW.to_string();
    let text = [b"v0:", time.as_bytes(), b":", body].concat();
    let signature = format!("v0={}", hex_hmac(key.as_bytes(), &text));
    let headers = [
        ("content-type", "application/json"),
        ("x-slack-request-timestamp", &*time),
        ("x-slack-signature", &signature),
    ];
    let answer = deliver(at, &headers, body).await;
    assert_eq!(answer.status, 200);
    let said = String::from_utf8(answer.body).unwrap();
    assert!(said.contains("3eZbrw1aBm2rZgRNFdxV") && !answer.headers.contains_key("x-proven"));
}

#[tokio::test]
async fn the_url_is_the_public_one_or_what_a_function_says() {
    let service = Service::start().await;
    let key = service
        .create(new_secret("acme/hubspot", "hubspot.webhook"))
        .await
        .revealed_key;
    let client = client(&service).await;
    let usual = receiver(WebhookLayer::new(client.clone(), "acme/hubspot")).await;
    let behind = WebhookLayer::new(client, "acme/hubspot")
        .url(|parts| format!("https://public.example.com/in{}", parts.uri));
    let behind = receiver(behind).await;
    let millis = format!("{NOW}000");
    for (at, url) in [
        (usual, "https://hooks.example.com/hook?a=1"),
        (behind, "https://public.example.com/in/hook?a=1"),
    ] {
        let text = format!("POST{url}{{}}{millis}");
        let signature = base64(&support::crypto::hmac(key.as_bytes(), text.as_bytes()));
        let headers = [
            ("x-hubspot-request-timestamp", &*millis),
            ("x-hubspot-signature-v3", &signature),
        ];
        assert_eq!(deliver(at, &headers, b"{}").await.status, 200, "{url}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}
