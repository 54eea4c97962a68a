//! Calls that pass the gate, and calls that do not.

use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;

const OK: &str = "/countersign.v1.CountersignService/Verify";
const PANIC: &str = "/countersign.v1.CountersignService/Sign";
const HANG: &str = "/countersign.v1.CountersignService/Explain";

async fn handler(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    match request.uri().path() {
        PANIC => panic!("injected"),
        HANG => std::future::pending().await,
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
