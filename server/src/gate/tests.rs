//! Calls that pass the gate, and calls that do not.

use secrecy::ExposeSecret;
use tower::{ServiceBuilder, ServiceExt, service_fn, util::Oneshot};

use super::*;
use crate::callers::{NewBearer, tests::record};

const OK: &str = "/countersign.v1.CountersignService/Verify";
const PANIC: &str = "/countersign.v1.CountersignService/Sign";
const READ: &str = "/countersign.v1.CountersignService/VerifyWebhook";
const HANG: &str = "/countersign.v1.CountersignService/Explain";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const HEALTH_HANG: &str = "/grpc.health.v1.Health/Watch";

async fn handler(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    match request.uri().path() {
        // As a library that does not say why.
        READ => match request.into_body().collect().await {
            Ok(_) => Ok(Response::new(Body::empty())),
            Err(_) => Ok(Status::internal("broken").into_http()),
        },
        PANIC => panic!("injected"),
        HANG | HEALTH_HANG => std::future::pending().await,
        _ => Ok(Response::new(Body::empty())),
    }
}

fn gate(
    limits: &Limits,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone {
    gate_of(Callers::open(limits), limits)
}

fn gate_of(
    callers: Callers,
    limits: &Limits,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone {
    ServiceBuilder::new()
        .layer(GateLayer::new(
            Arc::new(callers),
            Clock::System,
            None,
            limits,
        ))
        .service(service_fn(handler))
}

/// Makes a token that may do everything; answers its `authorization`.
fn bearer_of(callers: &Callers, name: &str) -> String {
    let bearer = NewBearer::make().unwrap();
    callers.publish(&record(&bearer, name));
    format!("Bearer {}", bearer.text.expose_secret())
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn status(
    gate: &(impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone),
    path: &str,
    headers: &[(&str, &str)],
) -> Option<String> {
    let answered = gate.clone().oneshot(request(path, headers)).await;
    let Ok(response) = answered;
    assert!(response.headers().contains_key(REQUEST_ID));
    let status = response.headers().get("grpc-status")?;
    Some(status.to_str().unwrap().to_owned())
}

/// The output of a future that is ready at once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn f40_a_panic_is_internal_and_the_next_call_works() {
    let gate = gate(&Limits::DEFAULT);
    for _ in 0..100 {
        let panic = status(&gate, PANIC, &[]).await;
        assert_eq!(panic.as_deref(), Some("13"));
        assert_eq!(status(&gate, OK, &[]).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_the_callers_deadline_or_ours() {
    let gate = gate(&Limits::DEFAULT);
    for timeout in ["1n", "50m", "99999999H", "-1S", "123456789m"] {
        let headers = [("grpc-timeout", timeout)];
        let hang = status(&gate, HANG, &headers).await;
        assert_eq!(hang.as_deref(), Some("4"), "{timeout}");
    }
}

#[tokio::test]
async fn a01_who_is_not_known_is_unauthenticated_and_health_asks_nobody() {
    let gate = gate_of(Callers::closed(&Limits::DEFAULT), &Limits::DEFAULT);
    let denied = Some("16".to_owned());
    for path in [OK, "/countersign.v1.CountersignService/None"] {
        assert_eq!(status(&gate, path, &[]).await, denied);
        let wrong = [("authorization", "Bearer the-token")];
        assert_eq!(status(&gate, path, &wrong).await, denied);
    }
    let health = status(&gate, "/grpc.health.v1.Health/Check", &[]).await;
    assert_eq!(health, None);
}

#[tokio::test]
async fn a11_an_rpc_without_an_access_is_answered_by_nobody() {
    let gate = gate(&Limits::DEFAULT);
    let unknown = status(&gate, "/countersign.v1.CountersignService/None", &[]).await;
    assert_eq!(unknown.as_deref(), Some("12"));
}

#[tokio::test]
async fn a_body_without_room_is_overload_whatever_became_of_it() {
    // One caller has a quarter of all room.
    let callers = Callers::closed(&Limits::DEFAULT);
    let bearer = bearer_of(&callers, "acme");
    let gate = gate_of(callers, &Limits::DEFAULT);
    for (mib, expected) in [(1, None), (65, Some(&b"8"[..])), (1, None)] {
        let body = http_body_util::Full::from(vec![0; mib << 20]);
        let request = Request::builder()
            .uri(READ)
            .header("authorization", &bearer);
        let request = request.body(Body::new(body)).unwrap();
        let answered = gate.clone().oneshot(weighed(request)).await;
        let Ok(response) = answered;
        let status = response.headers().get("grpc-status");
        assert_eq!(status.map(HeaderValue::as_bytes), expected, "{mib} MiB");
    }
}

#[tokio::test]
async fn calls_over_the_limit_are_shed_at_once() {
    let limits = Limits {
        max_concurrent_requests: 1,
        ..Limits::DEFAULT
    };
    let gate = gate(&limits);
    let hang = gate.clone();
    let mut hanging = Box::pin(status(&hang, HANG, &[]));
    assert!(poll_once(&mut hanging).await.is_none());
    assert_eq!(status(&gate, OK, &[]).await.as_deref(), Some("8"));
    drop(hanging);
    assert_eq!(status(&gate, OK, &[]).await, None);
}

/// A request from this address.
fn request_from(address: &str, path: &str) -> Request<Body> {
    let mut request = request(path, &[]);
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(address.parse().unwrap()),
    });
    request
}

/// Two calls that are not answered.
async fn hang_from_one_host<G>(gate: &G, path: &str) -> Vec<Pin<Box<Oneshot<G, Request<Body>>>>>
where
    G: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    let mut hanging = Vec::new();
    for address in ["192.0.2.1:1", "192.0.2.1:2"] {
        let mut call = Box::pin(gate.clone().oneshot(request_from(address, path)));
        assert!(poll_once(&mut call).await.is_none());
        hanging.push(call);
    }
    hanging
}

const FULL: Limits = Limits {
    max_concurrent_requests: 3,
    max_concurrent_requests_per_caller: 2,
    ..Limits::DEFAULT
};

#[tokio::test]
async fn t09_where_nobody_is_asked_a_peer_gets_its_share_and_leaves_the_rest() {
    let gate = gate(&FULL);
    let ask = async |from: &str, path: &str| {
        let Ok(answer) = gate.clone().oneshot(request_from(from, path)).await;
        answer.headers().contains_key("grpc-status")
    };
    let mut hanging = hang_from_one_host(&gate, HANG).await;
    assert!(ask("192.0.2.1:3", OK).await, "it has its share");
    assert!(!ask("192.0.2.2:1", OK).await, "another one has its own");
    assert!(!ask("192.0.2.1:3", HEALTH).await, "health is counted apart");
    drop(hanging.pop());
    assert!(!ask("192.0.2.1:3", OK).await);
}

#[tokio::test]
async fn t09_of_health_a_peer_gets_its_share_too() {
    let gate = gate(&FULL);
    let _hanging = hang_from_one_host(&gate, HEALTH_HANG).await;
    for (address, refused) in [("192.0.2.1:3", true), ("192.0.2.2:1", false)] {
        let Ok(answer) = gate.clone().oneshot(request_from(address, HEALTH)).await;
        assert_eq!(answer.headers().contains_key("grpc-status"), refused);
    }
}

#[tokio::test]
async fn t09_a_caller_gets_its_share_from_wherever_it_calls() {
    let callers = Callers::closed(&FULL);
    let bearers: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|name| bearer_of(&callers, name))
        .collect();
    let gate = gate_of(callers, &FULL);
    let call = |who: usize, address: &str, path| {
        let mut request = request_from(address, path);
        let bearer = bearers[who].parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        gate.clone().oneshot(request)
    };
    let mut hanging = Vec::new();
    for address in ["192.0.2.1:1", "192.0.2.2:1"] {
        let mut call = Box::pin(call(0, address, HANG));
        assert!(poll_once(&mut call).await.is_none());
        hanging.push(call);
    }
    let Ok(over) = call(0, "192.0.2.3:1", OK).await;
    assert_eq!(over.headers()["grpc-status"], "8");
    let Ok(other) = call(1, "192.0.2.1:1", OK).await;
    assert!(!other.headers().contains_key("grpc-status"));
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let gate = gate(&Limits::DEFAULT);
    for (sent, kept) in [("abc-1", true), ("a b", false), ("", false)] {
        let answered = gate
            .clone()
            .oneshot(request(OK, &[(REQUEST_ID.as_str(), sent)]))
            .await;
        let Ok(response) = answered;
        assert_eq!(response.headers()[&REQUEST_ID] == sent, kept, "{sent}");
    }
}
