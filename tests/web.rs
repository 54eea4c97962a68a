//! The ways in beside gRPC: JSON by the Connect protocol, and gRPC-Web, over HTTP/1.1 and HTTP/2 on the same port.

mod support;

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use countersign_core::access::Permission;
use countersign_proto::v1::{
    self, CreateTokenRequest, VerifyRequest, VerifyResponse, verify_request::Proof,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::{Message, bytes::Bytes};
use serde_json::{Value, json};
use support::{
    Options, Service, bystander::resident_kib, calls::value_of, delivery, guarded::Guarded,
    new_secret, user,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::{ErrorDetail, StatusExt};

const VERIFY: &str = "CountersignService/Verify";
const JSON: (&str, &str) = ("content-type", "application/json");

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// The HTTP status, the code of Connect and the reason.
    fn refusal(&self) -> (u16, String, String) {
        let json = self.json();
        let code = json["code"].as_str().unwrap();
        let reason = json["details"][0]["debug"]["reason"].as_str();
        let reason = reason.unwrap_or_default();
        (self.status.as_u16(), code.to_owned(), reason.to_owned())
    }
}

/// Sends a request over HTTP/1.1.
async fn send(
    address: SocketAddr,
    method: &str,
    rpc: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/countersign.v1.{rpc}"))
        .header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let (parts, body) = requests.send_request(request).await.unwrap().into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

async fn post(address: SocketAddr, rpc: &str, message: &Value) -> Answer {
    send(address, "POST", rpc, &[JSON], message.to_string()).await
}

fn hash_request(hash: &str) -> VerifyRequest {
    VerifyRequest {
        secret: "acme/chat".to_owned(),
        claimed: Some(user("user_1")),
        proof: Some(Proof::Hash(hash.to_owned())),
    }
}

#[tokio::test]
async fn json_is_answered_as_grpc_is() {
    let (service, hash) = Service::with_hash().await;
    for (hash, decision, reason) in [
        (hash.as_str(), "DECISION_ALLOW", Value::Null),
        (
            &"0".repeat(64),
            "DECISION_DENY",
            json!("REASON_SIGNATURE_MISMATCH"),
        ),
    ] {
        let question = json!({
            "secret": "acme/chat",
            "claimed": { "id": "user_1" },
            "hash": hash,
        });
        let answer = post(service.address, VERIFY, &question).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.headers.contains_key("x-request-id"));
        assert_eq!(answer.json()["decision"], decision);
        assert_eq!(answer.json()["reason"], reason);
    }
}

#[tokio::test]
async fn a_webhook_with_any_bytes_is_verified_through_json() {
    let service = Service::start().await;
    service
        .create(new_secret("acme/hook", "github.webhook"))
        .await;
    let body = b"{\"text\":\"gr\xc3\xbc\xc3\x9fe\"}\xff\x00\r\n";
    let signed = service.sign("acme/hook", delivery(body)).await;
    let signature = value_of(&signed.headers, "x-hub-signature-256");
    let question = |body: &[u8]| {
        json!({
            "secret": "acme/hook",
            "headers": [{ "name": "X-Hub-Signature-256", "value": signature }],
            "body": STANDARD.encode(body),
        })
    };
    let verify = "CountersignService/VerifyWebhook";
    let good = post(service.address, verify, &question(body)).await.json();
    assert_eq!(good["decision"], "DECISION_ALLOW");
    assert_eq!(good["proven"], json!(["PROVEN_PART_BODY"]));
    let bad = post(service.address, verify, &question(&body[1..]))
        .await
        .json();
    assert_eq!(bad["reason"], "REASON_SIGNATURE_MISMATCH");
}

#[tokio::test]
async fn an_error_has_the_details_that_grpc_has() {
    let service = Service::start().await;
    for secret in ["acme/nobody", "not a name"] {
        let request = VerifyRequest {
            secret: secret.to_owned(),
            ..Default::default()
        };
        let grpc = service.proofs.clone().verify(request).await.unwrap_err();
        let web = post(service.address, VERIFY, &json!({ "secret": secret })).await;
        let expected = match grpc.code() {
            Code::NotFound => (404, "not_found"),
            _ => (400, "invalid_argument"),
        };
        let json = web.json();
        assert_eq!(
            (web.status.as_u16(), json["code"].as_str().unwrap()),
            expected
        );
        assert_eq!(json["message"], grpc.message());
        let details = grpc.get_error_details_vec();
        let told = json["details"].as_array().unwrap();
        assert_eq!(told.len(), details.len());
        for (told, detail) in told.iter().zip(details) {
            let value = STANDARD_NO_PAD
                .decode(told["value"].as_str().unwrap())
                .unwrap();
            match (told["type"].as_str().unwrap(), detail) {
                ("google.rpc.ErrorInfo", ErrorDetail::ErrorInfo(info)) => {
                    let sent = tonic_types::pb::ErrorInfo::decode(&*value).unwrap();
                    assert_eq!(sent.reason, info.reason);
                    assert_eq!(told["debug"]["reason"], info.reason);
                }
                ("google.rpc.BadRequest", ErrorDetail::BadRequest(bad)) => {
                    let field = &told["debug"]["fieldViolations"][0]["field"];
                    assert_eq!(field, &bad.field_violations[0].field);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_binary_form_is_answered_in_kind() {
    let (service, hash) = Service::with_hash().await;
    let kind = [
        ("content-type", "application/proto"),
        ("connect-protocol-version", "1"),
    ];
    let message = hash_request(&hash).encode_to_vec();
    let answer = send(service.address, "POST", VERIFY, &kind, message).await;
    assert_eq!(answer.headers["content-type"], "application/proto");
    let verdict = VerifyResponse::decode(answer.body).unwrap();
    assert_eq!(verdict.verified.unwrap().id, "user_1");
}

/// A message and then the trailers, each behind a flag and its length.
fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        frames.push((*flag, rest[..length].to_vec()));
        body = &rest[length..];
    }
    frames
}

#[tokio::test]
async fn grpc_web_is_answered_in_its_frames() {
    let (service, hash) = Service::with_hash().await;
    let message = hash_request(&hash).encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = [&[0], &length[..], &message].concat();
    for (kind, body) in [
        ("application/grpc-web+proto", framed.clone()),
        ("application/grpc-web-text", STANDARD.encode(&framed).into()),
    ] {
        let headers = [
            ("content-type", kind),
            ("accept", kind),
            ("x-grpc-web", "1"),
        ];
        let answer = send(service.address, "POST", VERIFY, &headers, body).await;
        let body = match kind.contains("text") {
            true => {
                // Each chunk is padded by itself.
                let text = String::from_utf8(answer.body.to_vec()).unwrap();
                let chunks = text.split_inclusive('=').collect::<Vec<_>>();
                assert!(!chunks.is_empty());
                STANDARD
                    .decode(&text)
                    .unwrap_or_else(|_| decode_chunks(&text))
            }
            false => answer.body.to_vec(),
        };
        let frames = frames(&body);
        let verdict = VerifyResponse::decode(&*frames[0].1).unwrap();
        assert_eq!(verdict.verified.unwrap().id, "user_1", "{kind}");
        let trailers = String::from_utf8(frames.last().unwrap().1.clone()).unwrap();
        assert_eq!(frames.last().unwrap().0, 0x80);
        assert!(trailers.contains("grpc-status:0"), "{trailers}");
    }
}

fn decode_chunks(text: &str) -> Vec<u8> {
    let quads = text.as_bytes().chunks(4);
    quads
        .flat_map(|quad| STANDARD.decode(quad).unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_no_call_is_told_what_is() {
    let (service, _) = Service::with_hash().await;
    let at = service.address;
    let get = send(at, "GET", VERIFY, &[JSON], "").await;
    assert_eq!(
        (get.status.as_u16(), &get.headers["allow"]),
        (405, &"POST".parse().unwrap())
    );
    // Without trailers, what became of a call would be lost.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/grpc",
        "",
    ] {
        let other = send(at, "POST", VERIFY, &[("content-type", kind)], "{}").await;
        assert_eq!(other.status, 415, "{kind}");
        assert_eq!(
            other.headers["accept-post"],
            "application/json, application/proto"
        );
    }
    let zipped = [JSON, ("content-encoding", "gzip")];
    let zipped = send(at, "POST", VERIFY, &zipped, "{}").await;
    assert_eq!(zipped.refusal().1, "unimplemented");
    let version = [JSON, ("connect-protocol-version", "2")];
    let version = send(at, "POST", VERIFY, &version, "{}").await;
    assert_eq!(version.refusal().1, "invalid_argument");
    let unknown = post(at, "CountersignService/Guess", &json!({})).await;
    assert_eq!(
        unknown.refusal(),
        (501, "unimplemented".into(), "METHOD_NOT_FOUND".into())
    );
    let elsewhere = post(at, "CountersignService2/Verify", &json!({})).await;
    assert_eq!(elsewhere.status, 501);
    assert_ne!(elsewhere.json()["message"], "");
    let stream = post(at, "BackupService/CreateBackup", &json!({})).await;
    assert_eq!(stream.refusal().1, "unimplemented");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_never_repeated() {
    let (service, _) = Service::with_hash().await;
    for text in [
        "",
        "{\"secret\":\"canary",
        "{\"secret\":42}",
        "{\"canary\":1}",
        "{\"secret\":\"acme/chat\"} canary",
        "[\"canary\"]",
        "{\"claimed\":\"canary\"}",
        "{\"secret\":\"acme/chat\",\"hash\":\"canary\",\"token\":\"canary\"}",
        "\u{feff}{}",
        "{\"secret\":\"acme/chat\",\"secret\":\"canary\"}",
        "{\"claimed\":{\"id\":\"canary\"},\"claimed\":null}",
        "{\"claimed\":{\"attributes\":{\"canary\":1,\"canary\":2}}}",
    ] {
        let answer = send(service.address, "POST", VERIFY, &[JSON], text.to_owned()).await;
        let refusal = (
            400,
            "invalid_argument".to_owned(),
            "MESSAGE_MALFORMED".to_owned(),
        );
        assert_eq!(answer.refusal(), refusal, "{text}");
        let said = String::from_utf8_lossy(&answer.body);
        assert!(!said.contains("canary") && !said.contains("acme"), "{said}");
    }
}

/// A field has two names, that of the proto and that of JSON; a key of an object has one.
#[tokio::test]
async fn a_field_stands_there_once_whatever_it_is_called() {
    let (service, hash) = Service::with_hash().await;
    let rotate = "SecretService/RotateSecret";
    let text =
        r#"{"name":"acme/chat","requestId":"12345678","expectedVersion":7,"expected_version":1}"#;
    let answer = send(service.address, "POST", rotate, &[JSON], text.to_owned()).await;
    assert_eq!(answer.refusal().2, "MESSAGE_MALFORMED");
    let claimed = json!({"id": "user-42", "attributes": {"max_age": 1, "maxAge": 2}});
    let question = json!({"secret": "acme/chat", "claimed": claimed, "hash": hash});
    assert_eq!(post(service.address, VERIFY, &question).await.status, 200);
}

/// Two bytes of JSON become an object of hundreds in memory.
#[tokio::test]
async fn a_message_of_many_small_things_costs_no_more_than_a_large_one() {
    let (service, _) = Service::with_hash().await;
    let before = resident_kib();
    for text in [
        format!("{{\"items\":[{}{{}}]}}", "{},".repeat(400_000)),
        format!(
            "{{\"claimed\":{{\"attributes\":{{\"a\":[{}1]}}}}}}",
            "1,".repeat(600_000)
        ),
        format!(
            "{{\"claimed\":{{\"attributes\":{{\"a\":{}{}}}}}}}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        ),
    ] {
        for rpc in [VERIFY, "CountersignService/BatchVerify"] {
            let answer = send(service.address, "POST", rpc, &[JSON], text.clone()).await;
            let (_, code, _) = answer.refusal();
            assert!(
                ["out_of_range", "invalid_argument"].contains(&&*code),
                "{code}"
            );
        }
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    // What stands in a text is no element, and nesting has an end before the stack has.
    let text = json!({ "secret": "acme/hook", "bodyText": ",{[".repeat(300_000) });
    let answer = post(service.address, "CountersignService/VerifyWebhook", &text).await;
    assert_eq!(answer.refusal().2, "SECRET_NOT_FOUND");
    let deep = format!(
        "{{\"claimed\":{{\"attributes\":{{\"a\":{}",
        "[".repeat(20_000)
    );
    let answer = send(service.address, "POST", VERIFY, &[JSON], deep).await;
    assert_eq!(answer.refusal().2, "MESSAGE_MALFORMED");
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read_to_its_end() {
    let (service, _) = Service::with_hash().await;
    let long = format!("{{\"secret\":\"{}\"}}", "a".repeat(3 << 20));
    let answer = send(service.address, "POST", VERIFY, &[JSON], long).await;
    assert_eq!(
        answer.refusal(),
        (400, "out_of_range".into(), "MESSAGE_TOO_LARGE".into())
    );
}

/// Sends a head, and no body though it announces one; the answer, and how long it took.
async fn head_alone(address: SocketAddr, more: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /countersign.v1.{VERIFY} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 1000000\r\nconnection: close\r\n{more}\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let begin = Instant::now();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    (answer, begin.elapsed())
}

#[tokio::test]
async fn who_asks_is_looked_at_before_the_body_is_read() {
    let guarded = Guarded::start().await;
    let (answer, took) = head_alone(guarded.server.local_addr(), "").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("UNAUTHENTICATED"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    // And whether they may do with any name what they are about to do.
    let token = guarded
        .token("acme/reader", &[Permission::AuditRead], "acme/*")
        .await;
    let shows = format!("authorization: Bearer {token}\r\n");
    let (answer, took) = head_alone(guarded.server.local_addr(), &shows).await;
    assert!(answer.contains("PERMISSION_DENIED"), "{answer}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// A call is begun with a token, the token is revoked or expires, and then the rest of the call comes.
#[tokio::test]
async fn a05_a_body_that_comes_after_the_end_of_its_token_comes_too_late() {
    let guarded = Guarded::start().await;
    let grants = vec![v1::Grant {
        permissions: vec![v1::Permission::TokensWrite.into()],
        pattern: "*".to_owned(),
    }];
    let request = |name: &str, life: Option<Duration>| CreateTokenRequest {
        name: name.to_owned(),
        grants: grants.clone(),
        expire_time: life.map(|life| (SystemTime::now() + life).into()),
        ..Default::default()
    };
    let body = json!({"name": "thief", "grants": [{"permissions": ["PERMISSION_TOKENS_WRITE"], "pattern": "*"}]});
    let body = body.to_string();
    for (name, life) in [("revoked", None), ("expired", Some(Duration::from_secs(1)))] {
        let mut tokens = guarded.tokens(&guarded.admin);
        let made = tokens.create_token(request(name, life)).await.unwrap();
        let token = made.into_inner().bearer_token;
        let mut stream = TcpStream::connect(guarded.server.local_addr())
            .await
            .unwrap();
        let (begin, rest) = body.split_at(5);
        let head = format!(
            "POST /countersign.v1.TokenService/CreateToken HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{begin}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        match life {
            None => drop(guarded.revoke(&guarded.admin, name).await.unwrap()),
            Some(life) => tokio::time::sleep(life).await,
        }
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{name}: {answer}");
        let thief = guarded.revoke(&guarded.admin, "thief").await.unwrap_err();
        assert_eq!(thief.code(), Code::NotFound);
    }
}

/// Who is refused before the body is read still sees the answer, and may ask again on the same connection.
#[tokio::test]
async fn a_refusal_of_an_unread_body_is_seen() {
    let guarded = Guarded::start().await;
    let address = guarded.server.local_addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for length in [10, 60_000, 200_000] {
        let request = Request::post(format!("/countersign.v1.{VERIFY}"))
            .header("host", "a")
            .header(JSON.0, JSON.1)
            .body(Full::new(Bytes::from(vec![b' '; length])))
            .unwrap();
        requests.ready().await.unwrap();
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 401, "{length}");
        let closes = answer.headers().contains_key("connection");
        assert_eq!(closes, length > 64 * 1024, "{length}");
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn what_nobody_shows_a_credential_for_is_small_and_short() {
    let guarded = Guarded::start().await;
    let address = guarded.server.local_addr();
    let health = |body: String| async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post("/grpc.health.v1.Health/Check")
            .header("host", "a")
            .header("content-type", "Application/JSON; charset=utf-8")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = requests.send_request(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(health("{}".to_owned()).await, r#"{"status":"SERVING"}"#);
    let large = health(format!("{{\"service\":\"{}\"}}", "a".repeat(1 << 20))).await;
    assert!(String::from_utf8_lossy(&large).contains("MESSAGE_TOO_LARGE"));

    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                connect-timeout-ms: 60000\r\nconnection: close\r\ncontent-length: 10\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let begin = Instant::now();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

/// A watch of health is a stream without an end.
#[tokio::test]
async fn t19_who_watches_health_holds_a_place_for_as_long() {
    let guarded = Guarded::with(|config| {
        config.limits.max_concurrent_requests_per_caller = 2;
    })
    .await;
    let mut health = HealthClient::new(guarded.channel.clone());
    let watch = async |health: &mut HealthClient<Channel>| {
        let watch = health.watch(HealthCheckRequest::default()).await?;
        let mut watch = watch.into_inner();
        watch.message().await?;
        Ok::<_, Status>(watch)
    };
    let first = watch(&mut health).await.unwrap();
    let _second = watch(&mut health).await.unwrap();
    let refused = watch(&mut health).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(first);
    let begin = Instant::now();
    while watch(&mut health).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a28_a_call_that_is_no_good_json_call_has_one_record_all_the_same() {
    let guarded = Guarded::start().await;
    let token = guarded
        .token("acme/web", &[Permission::SecretsRead], "acme/*")
        .await;
    let bearer = format!("Bearer {token}");
    for (id, bad) in [
        ("zipped", ("content-encoding", "gzip")),
        ("version", ("connect-protocol-version", "2")),
        ("timeout", ("connect-timeout-ms", "soon")),
    ] {
        let headers = [JSON, ("authorization", &*bearer), ("x-request-id", id), bad];
        let address = guarded.server.local_addr();
        let rpc = "SecretService/GetSecret";
        let answer = send(address, "POST", rpc, &headers, r#"{"name":"acme/chat"}"#).await;
        assert!(!answer.status.is_success());
        assert_eq!(answer.headers["x-request-id"], id);
        let records = guarded.records(&guarded.admin, "", 100).await;
        let of_call = records.iter().filter(|record| record.rpc_id == id);
        assert_eq!(of_call.count(), 1, "{id}");
    }
    let stream = post(
        guarded.server.local_addr(),
        "BackupService/CreateBackup",
        &json!({}),
    )
    .await;
    assert_eq!(stream.refusal().2, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_with_the_deadline() {
    let (service, _) = Service::with_hash().await;
    let (answer, took) = head_alone(service.address, "connect-timeout-ms: 300\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("\"deadline_exceeded\""), "{answer}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    for not_a_time in ["-1", "1.5", "soon", ""] {
        let headers = [JSON, ("connect-timeout-ms", not_a_time)];
        let answer = send(service.address, "POST", VERIFY, &headers, "{}").await;
        assert_eq!(answer.refusal().1, "invalid_argument");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_closes_the_connection() {
    let service = Service::with(Options {
        edit: |config| config.patience.preface = Duration::from_millis(300),
        ..Default::default()
    })
    .await;
    for sent in [
        "P",
        "POST",
        "GET / HTTP/1.1\r\nhost: a\r\nx: ",
        "PRI * HTTP/1.1\r\n",
    ] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let begin = Instant::now();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(begin.elapsed() < Duration::from_secs(5), "{sent}");
    }
    // Nor does one stay that is kept alive for nothing.
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let ended = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn no_page_may_call_unless_somebody_allows_it() {
    let (service, hash) = Service::with_hash().await;
    let question = json!({ "secret": "acme/chat", "claimed": { "id": "user_1" }, "hash": hash });
    let own = format!("http://{}", service.address);
    for origin in [PAGE, "null", &own] {
        for kind in ["application/json", "application/grpc-web+proto"] {
            let headers = [("content-type", kind), ("origin", origin)];
            let answer = send(
                service.address,
                "POST",
                VERIFY,
                &headers,
                question.to_string(),
            )
            .await;
            let refusal = (
                403,
                "permission_denied".to_owned(),
                "ORIGIN_NOT_ALLOWED".to_owned(),
            );
            assert_eq!(answer.refusal(), refusal, "{origin} {kind}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
    let plain = post(service.address, VERIFY, &question).await;
    let cors = |name: &http::HeaderName| name.as_str().starts_with("access-control");
    assert!(!plain.headers.keys().any(cors));
}

#[tokio::test]
async fn an_allowed_page_may_ask_and_read_the_answer() {
    let service = Service::with(Options {
        edit: |config| config.allowed_origins = vec![PAGE.parse().unwrap()],
        ..Default::default()
    })
    .await;
    let asks = [
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,authorization",
        ),
    ];
    let asked = send(service.address, "OPTIONS", VERIFY, &asks, "").await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.headers["access-control-allow-origin"], PAGE);
    let headers = asked.headers["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(headers.contains("authorization") && headers.contains("connect-protocol-version"));

    let answer = send(
        service.address,
        "POST",
        VERIFY,
        &[JSON, ("origin", PAGE)],
        "{}",
    )
    .await;
    assert_eq!(answer.headers["access-control-allow-origin"], PAGE);
    assert_eq!(answer.refusal().1, "invalid_argument");
    let other = [JSON, ("origin", "https://evil.example.com")];
    let other = send(service.address, "POST", VERIFY, &other, "{}").await;
    assert_eq!(other.refusal().2, "ORIGIN_NOT_ALLOWED");
}

#[tokio::test]
async fn a28_a_change_made_with_json_has_one_record() {
    let guarded = Guarded::start().await;
    let token = guarded
        .token("acme/web", &[Permission::SecretsWrite], "acme/*")
        .await;
    let bearer = format!("Bearer {token}");
    let headers = [
        JSON,
        ("authorization", &*bearer),
        ("x-request-id", "from-the-web"),
    ];
    let rpc = "SecretService/CreateSecret";
    let creation = json!({
        "requestId": "0c9fa2a3-6a8f-4a7c-9a43-5d0c9e3ff9a1",
        "name": "acme/chat",
        "scheme": "chatwoot.identity",
        "mode": "MODE_REQUIRED",
    });
    let address = guarded.server.local_addr();
    let made = send(address, "POST", rpc, &headers, creation.to_string()).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert!(made.json()["revealedKey"].is_string());
    assert_eq!(made.headers["x-request-id"], "from-the-web");
    let records = guarded.records(&guarded.admin, "acme/chat", 10).await;
    let of_call = records
        .iter()
        .filter(|record| record.rpc_id == "from-the-web");
    assert_eq!(of_call.count(), 1);
}
