//! A server that is told to end does, whatever its clients do, and loses no call of those that behave.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use countersign_proto::v1::{
    GetSecretRequest, SignRequest, SignResponse, VersionState,
    countersign_service_client::CountersignServiceClient,
    secret_service_client::SecretServiceClient, sign_request::Input,
};
use h2::client::{ResponseFuture, SendRequest};
use http::{Method, header::AUTHORIZATION};
use prost::Message;
use support::process::{Bearer, BearerChannel, PATIENCE, Running, Site};
use tonic::service::interceptor::InterceptedService;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

mod support;

/// The bytes of a body in a message.
type Bytes = tonic::codegen::Bytes;

const DRAIN: Duration = Duration::from_secs(3);
/// What the end may take besides the drain.
const SLACK: Duration = Duration::from_secs(1);

fn site() -> Site {
    Site::with("limits.drain = \"3s\"\n")
}

async fn secrets(site: &Site, running: &Running) -> SecretServiceClient<BearerChannel> {
    let channel = running.channel().await;
    SecretServiceClient::new(InterceptedService::new(channel, Bearer(site.token.clone())))
}

/// An HTTP/2 connection of which every frame is ours to send.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    requests.ready().await.unwrap()
}

/// A call of Sign whose message stops half-way; what is missing, and where to send it.
struct HalfSent {
    stream: h2::SendStream<Bytes>,
    rest: Bytes,
    answer: ResponseFuture,
    // Keeps the connection.
    _requests: SendRequest<Bytes>,
}

async fn half_sent(site: &Site, address: SocketAddr) -> HalfSent {
    let mut requests = connect(address).await;
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(format!(
            "http://{address}/countersign.v1.CountersignService/Sign"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(AUTHORIZATION, format!("Bearer {}", site.token))
        .body(())
        .unwrap();
    let (answer, mut stream) = requests.send_request(request, false).unwrap();
    let message = SignRequest {
        secret: "a/b".to_owned(),
        input: Some(Input::Identity(support::user("user-42"))),
        ttl: None,
    };
    let message = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(&message);
    let mut first = Bytes::from(framed);
    let rest = first.split_off(first.len() / 2);
    stream.send_data(first, false).unwrap();
    // The server has it once it answers a call that came later.
    let ping = HealthClient::new(
        tonic::transport::Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap(),
    )
    .check(HealthCheckRequest::default())
    .await;
    assert!(ping.is_ok());
    tokio::time::sleep(Duration::from_millis(100)).await;
    HalfSent {
        stream,
        rest,
        answer,
        _requests: requests,
    }
}

impl HalfSent {
    /// Sends the rest and reads the answer.
    async fn complete(mut self) -> SignResponse {
        self.stream.send_data(self.rest, true).unwrap();
        let response = self.answer.await.unwrap();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        SignResponse::decode(&bytes[5..]).unwrap()
    }
}

/// A secret to sign with.
async fn prepare(site: &Site, running: &Running) -> SecretServiceClient<BearerChannel> {
    let mut secrets = secrets(site, running).await;
    let new = support::new_secret("a/b", "chatwoot.identity");
    secrets.create_secret(new).await.unwrap();
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_clients_that_hold_on_do_not_hold_up_the_end() {
    let site = site();
    let mut running = site.serve().await;
    let idle = prepare(&site, &running).await;
    let mut silent: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(running.address()).unwrap())
        .collect();
    // Some stop within the preface of HTTP/2.
    for stream in &mut silent[..25] {
        stream.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    }
    let mut hanging = Vec::new();
    for _ in 0..5 {
        hanging.push(half_sent(&site, running.address()).await);
    }
    running.signal("TERM");
    let (status, took) = running.wait(PATIENCE).await;
    eprintln!("with clients that hold on: {took:.2?}");
    assert_eq!(status.code(), Some(0));
    assert!(took < DRAIN + SLACK, "{took:?}");
    drop((idle, silent, hanging));
    let running = site.serve().await;
    let mut secrets = secrets(&site, &running).await;
    let get = GetSecretRequest {
        name: "a/b".to_owned(),
    };
    assert!(
        secrets.get_secret(get).await.is_ok(),
        "the store was closed well"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_well_behaved_clients_do_not_delay_the_end() {
    let site = site();
    let mut running = site.serve().await;
    let idle = prepare(&site, &running).await;
    running.signal("TERM");
    let (status, took) = running.wait(PATIENCE).await;
    eprintln!("with an idle channel: {took:.2?}");
    assert_eq!(status.code(), Some(0));
    assert!(took < SLACK, "{took:?}");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_a_call_in_progress_finishes_and_new_connections_are_not_taken() {
    let site = site();
    let mut running = site.serve().await;
    let _idle = prepare(&site, &running).await;
    let call = half_sent(&site, running.address()).await;
    running.signal("TERM");
    tokio::time::sleep(DRAIN / 3).await;
    assert!(!running.has_ended(), "it waits for the call");
    let health = running.endpoint().connect_timeout(SLACK).connect().await;
    assert!(health.is_err(), "nobody listens any more");
    let answer = call.complete().await;
    assert_eq!(answer.hash.len(), 64);
    assert_eq!(answer.version.unwrap().state(), VersionState::Active);
    let (status, took) = running.wait(PATIENCE).await;
    eprintln!("after the last call: {took:.2?}");
    assert_eq!(status.code(), Some(0));
    assert!(took < SLACK, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_no_call_of_a_client_that_goes_on_calling_fails_half_way() {
    let site = site();
    let mut running = site.serve().await;
    prepare(&site, &running).await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let channel = InterceptedService::new(running.channel().await, Bearer(site.token.clone()));
        tasks.push(tokio::spawn(call_until_refused(channel)));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.signal("TERM");
    let (status, took) = running.wait(PATIENCE).await;
    assert_eq!(status.code(), Some(0));
    assert!(took < DRAIN + SLACK, "{took:?}");
    let mut answered = 0;
    for task in tasks {
        answered += task.await.unwrap();
    }
    eprintln!("under load: {took:.2?}, {answered} calls answered");
    assert!(answered > 0);
}

/// Signs again and again until the server is gone. A call fails for one reason only: it could not be sent.
async fn call_until_refused(channel: BearerChannel) -> usize {
    let mut service = CountersignServiceClient::new(channel);
    let mut answered = 0;
    loop {
        let request = SignRequest {
            secret: "a/b".to_owned(),
            input: Some(Input::Identity(support::user("user-42"))),
            ttl: None,
        };
        match service.sign(request).await {
            Ok(_) => answered += 1,
            Err(status) => {
                let cause = format!("{status:?}");
                let not_sent = [
                    "ConnectionRefused",
                    "Connection refused",
                    "GoAway",
                    "Canceled",
                ];
                let known = not_sent.iter().any(|known| cause.contains(known));
                assert!(known, "{cause}");
                return answered;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_health_tells_who_watches_that_the_end_is_near() {
    let site = site();
    let mut running = site.serve().await;
    let mut health = HealthClient::new(running.channel().await);
    let check = HealthCheckRequest {
        service: "countersign.v1.CountersignService".to_owned(),
    };
    let mut watch = health.watch(check).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    running.signal("TERM");
    let next = watch.message().await.unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::NotServing);
    let (status, took) = running.wait(PATIENCE).await;
    eprintln!("with a watcher of health: {took:.2?}");
    assert_eq!(status.code(), Some(0));
    assert!(took < SLACK, "a watch is not waited for: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let site = site();
        let mut running = site.serve().await;
        let _secrets = prepare(&site, &running).await;
        let hanging = half_sent(&site, running.address()).await;
        running.signal(first);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!running.has_ended());
        running.signal(second);
        let (status, took) = running.wait(PATIENCE).await;
        eprintln!("{first}, then {second}: {took:.2?}");
        assert_eq!(status.code(), Some(0));
        assert!(took < SLACK, "{took:?}");
        drop(hanging);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_a_change_whose_caller_gave_up_is_done_once_or_not_at_all() {
    const CHANGES: u32 = 60;
    let site = site();
    let mut running = site.serve().await;
    let mut secrets = prepare(&site, &running).await;
    let mut given_up = 0;
    for number in 1..=CHANGES {
        let request = support::emergency("a/b");
        let patience = Duration::from_micros(u64::from(number % 12) * 400);
        let call = secrets.rotate_secret(request.clone());
        given_up += u32::from(tokio::time::timeout(patience, call).await.is_err());
        let again = secrets
            .rotate_secret(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(again.version, number + 1);
        let once_more = secrets.rotate_secret(request).await.unwrap().into_inner();
        assert_eq!(once_more.revealed_key, again.revealed_key);
    }
    eprintln!("{given_up} of {CHANGES} calls were given up");
    assert!(given_up > 0);
    running.signal("TERM");
    assert!(running.wait(PATIENCE).await.0.success());
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let rows = |sql: &str| -> u32 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let of_versions = "SELECT count(*) FROM audit WHERE version > 0";
    assert_eq!(rows(of_versions), CHANGES + 1);
    assert_eq!(rows("SELECT count(*) FROM versions"), CHANGES + 1);
    assert_eq!(rows("SELECT count(*) FROM requests"), CHANGES + 1);
}
