//! What a call costs the server, over loopback, beside the same call with nothing in it. Servers and client are threads
//! of this process, one runtime thread each; the CPU of a server is what the system says that its threads used. Last, a
//! server with two threads: what its other callers notice of one that brings large bodies.

mod support;

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_core::Key;
use countersign_proto::v1::{
    self, BatchVerifyItem, BatchVerifyRequest, BatchVerifyResponse, CreateSecretRequest, Decision,
    ExplainRequest, ExplainResponse, Identity, Mode, SignRequest, SignResponse, VerifyRequest,
    VerifyResponse, VerifyWebhookRequest, VerifyWebhookResponse,
    batch_verify_item::Check,
    countersign_service_client::CountersignServiceClient,
    countersign_service_server::{CountersignService, CountersignServiceServer},
    secret_service_client::SecretServiceClient,
    sign_request::Input,
    verify_request::Proof,
    verify_webhook_request::Payload,
};
use countersign_server::{Config, Limits, Server};
use support::{median, quantile};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};
use tonic::{
    Request, Response, Status,
    transport::{Channel, server::TcpIncoming},
};
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
const SLICE: Duration = Duration::from_millis(250);
const CONNECTIONS: usize = 2;
/// Calls in flight on each connection while throughput and CPU are measured.
const BUSY: usize = 16;
/// The same while latency is measured.
const QUIET: usize = 1;
const BATCH: usize = 100;
const MIB: usize = 1024 * 1024;
/// Between two calls of those who bring large bodies, and of those who do not.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long either is measured in a round.
const BESIDE_SLICE: Duration = Duration::from_secs(2);
const USER_ID: &str = "5f2b6a9e-0d3c-4a71-9b8e-2c64f1d7a035";

/// A server of this process with connections to it.
struct Peer {
    /// The name of its threads.
    name: &'static str,
    clients: Vec<CountersignServiceClient<Channel>>,
    _runtime: Runtime,
}

/// A call to repeat.
enum Call {
    Verify(VerifyRequest),
    Webhook(VerifyWebhookRequest),
    Batch(BatchVerifyRequest),
}

/// A row of the table.
struct Case {
    name: &'static str,
    peer: Arc<Peer>,
    call: Arc<Call>,
    rates: Vec<f64>,
    cpus: Vec<f64>,
    /// Middle and 99th percentile of each round, in microseconds.
    latencies: Vec<(f64, f64)>,
}

fn main() {
    let client = runtime("client");
    let directory = TempDir::new().unwrap();
    let (ours, _server) = ours(&client, &directory);
    let bare = Arc::new(peer(&client, "bare", |listener| async {
        let limits = Limits::default();
        countersign_server::serve_in_place_of_ours(Nothing, listener, &limits).await;
    }));
    let stock = Arc::new(peer(&client, "stock", |listener| async {
        let served = tonic::transport::Server::builder()
            .add_service(CountersignServiceServer::new(Nothing))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        served.await.unwrap();
    }));

    let hash = client.block_on(identity_secret(&ours, "countersign.identity"));
    let token = client.block_on(identity_secret(&ours, "countersign.token"));
    let webhook = |bytes| client.block_on(webhook_secret(&ours, bytes));
    let (small, large, largest) = (webhook(1024), webhook(64 * 1024), webhook(MIB));
    let item = BatchVerifyItem {
        check: Some(Check::Verify(hash.clone().into())),
    };
    let batch = BatchVerifyRequest {
        items: vec![item; BATCH],
    };
    let nothing = || Call::Verify(VerifyRequest::default());
    let mut cases = [
        case("empty call, this stack", &bare, nothing()),
        case("control: the same again", &bare, nothing()),
        case("empty call, tonic's defaults", &stock, nothing()),
        case("Verify, hash", &ours, Call::Verify(hash)),
        case("Verify, token", &ours, Call::Verify(token)),
        case(
            "empty call with 1 KiB, this stack",
            &bare,
            Call::Webhook(small.clone()),
        ),
        case("VerifyWebhook, 1 KiB", &ours, Call::Webhook(small)),
        case(
            "empty call with 64 KiB, this stack",
            &bare,
            Call::Webhook(large.clone()),
        ),
        case("VerifyWebhook, 64 KiB", &ours, Call::Webhook(large)),
        case(
            "empty call with 1 MiB, this stack",
            &bare,
            Call::Webhook(largest.clone()),
        ),
        case("VerifyWebhook, 1 MiB", &ours, Call::Webhook(largest)),
        case("BatchVerify of 100 hashes", &ours, Call::Batch(batch)),
    ];
    for _ in 0..ROUNDS {
        for case in &mut cases {
            client.block_on(case.measure());
        }
    }
    print(&cases);
    drop(cases);
    beside_large_bodies(&client);
}

fn case(name: &'static str, peer: &Arc<Peer>, call: Call) -> Case {
    Case {
        name,
        peer: peer.clone(),
        call: Arc::new(call),
        rates: Vec::new(),
        cpus: Vec::new(),
        latencies: Vec::new(),
    }
}

fn runtime(name: &'static str) -> Runtime {
    runtime_of(name, 1)
}

fn runtime_of(name: &'static str, threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}

/// Starts a server in a runtime of its own.
fn peer<F: Future<Output = ()> + Send + 'static>(
    client: &Runtime,
    name: &'static str,
    serve: impl FnOnce(TcpListener) -> F,
) -> Peer {
    let runtime = runtime(name);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(listener));
    Peer {
        name,
        clients: client.block_on(connect(address)),
        _runtime: runtime,
    }
}

/// The whole service, on a store of its own.
fn ours(client: &Runtime, directory: &TempDir) -> (Arc<Peer>, Server) {
    ours_in(runtime("ours"), client, directory)
}

fn ours_in(runtime: Runtime, client: &Runtime, directory: &TempDir) -> (Arc<Peer>, Server) {
    let config = Config::dev("127.0.0.1:0".parse().unwrap(), directory.path()).unwrap();
    let server = runtime.block_on(Server::start(config)).unwrap();
    let peer = Peer {
        name: "ours",
        clients: client.block_on(connect(server.local_addr())),
        _runtime: runtime,
    };
    client.block_on(create(server.local_addr()));
    (Arc::new(peer), server)
}

async fn connect(address: SocketAddr) -> Vec<CountersignServiceClient<Channel>> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = endpoint.clone().tcp_nodelay(true).connect().await.unwrap();
        clients.push(CountersignServiceClient::new(channel));
    }
    clients
}

/// Makes one secret for each scheme, named after it.
async fn create(address: SocketAddr) {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut secrets = SecretServiceClient::new(endpoint.connect().await.unwrap());
    for (scheme, mode) in [
        ("countersign.identity", Mode::Required),
        ("countersign.token", Mode::Required),
        ("standard.webhook", Mode::Unspecified),
    ] {
        let request = CreateSecretRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            name: scheme.to_owned(),
            scheme: scheme.to_owned(),
            mode: mode.into(),
            ..Default::default()
        };
        secrets.create_secret(request).await.unwrap();
    }
}

async fn sign(ours: &Peer, scheme: &str, input: Input) -> SignResponse {
    let request = SignRequest {
        secret: scheme.to_owned(),
        input: Some(input),
        ttl: None,
    };
    let signed = ours.clients[0].clone().sign(request).await;
    signed.unwrap().into_inner()
}

async fn identity_secret(ours: &Peer, scheme: &str) -> VerifyRequest {
    let identity = Identity {
        id: USER_ID.to_owned(),
        email: "jane@example.com".to_owned(),
        name: "Jane Doe".to_owned(),
        attributes: None,
    };
    let signed = sign(ours, scheme, Input::Identity(identity.clone())).await;
    let (claimed, proof) = match signed.token.is_empty() {
        true => (Some(identity), Proof::Hash(signed.hash)),
        false => (None, Proof::Token(signed.token)),
    };
    VerifyRequest {
        secret: scheme.to_owned(),
        claimed,
        proof: Some(proof),
    }
}

async fn webhook_secret(ours: &Peer, bytes: usize) -> VerifyWebhookRequest {
    let body = vec![b'x'; bytes];
    let to_sign = v1::WebhookToSign {
        body: body.clone().into(),
        ..Default::default()
    };
    let signed = sign(ours, "standard.webhook", Input::Webhook(to_sign)).await;
    VerifyWebhookRequest {
        secret: "standard.webhook".to_owned(),
        headers: signed.headers,
        payload: Some(Payload::Body(body.into())),
        ..Default::default()
    }
}

impl Call {
    async fn send(&self, client: &mut CountersignServiceClient<Channel>) {
        let deny = i32::from(Decision::Deny);
        let refused = match self {
            Self::Verify(request) => {
                let answered = client.verify(request.clone()).await.unwrap();
                answered.into_inner().decision == deny
            }
            Self::Webhook(request) => {
                let answered = client.verify_webhook(request.clone()).await.unwrap();
                answered.into_inner().decision == deny
            }
            Self::Batch(request) => {
                let answered = client.batch_verify(request.clone()).await.unwrap();
                answered.into_inner().results.len() != request.items.len()
            }
        };
        assert!(!refused);
    }
}

impl Case {
    async fn measure(&mut self) {
        let (used, start) = (cpu(self.peer.name), Instant::now());
        let calls = self.repeat(BUSY).await.len() as f64;
        self.rates.push(calls / start.elapsed().as_secs_f64());
        self.cpus.push((cpu(self.peer.name) - used) / calls);
        let latencies = self.repeat(QUIET).await;
        let quantile = |share| quantile(latencies.iter().copied(), share);
        self.latencies.push((quantile(0.5), quantile(0.99)));
    }

    /// Keeps so many calls in flight on each connection for a slice of time; their latencies in microseconds.
    async fn repeat(&self, in_flight: usize) -> Vec<f64> {
        let mut callers = JoinSet::new();
        let end = Instant::now() + SLICE;
        for client in &self.peer.clients {
            for _ in 0..in_flight {
                let (mut client, call) = (client.clone(), self.call.clone());
                callers.spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < end {
                        let start = Instant::now();
                        call.send(&mut client).await;
                        latencies.push(start.elapsed().as_secs_f64() * 1e6);
                    }
                    latencies
                });
            }
        }
        callers.join_all().await.concat()
    }
}

/// Verifies a hundred times a second, while nobody and while somebody brings a hundred bodies of 1 MiB a second.
fn beside_large_bodies(client: &Runtime) {
    let directory = TempDir::new().unwrap();
    let (ours, _server) = ours_in(runtime_of("ours", 2), client, &directory);
    let verify = client.block_on(identity_secret(&ours, "countersign.identity"));
    let verify = Arc::new(Call::Verify(verify));
    let large = Arc::new(Call::Webhook(client.block_on(webhook_secret(&ours, MIB))));
    let [others, one] = [0, 1].map(|connection| ours.clients[connection].clone());
    let (mut quiet, mut beside) = (Vec::new(), Vec::new());
    let p99 = |latencies: Vec<f64>| quantile(latencies.into_iter(), 0.99);
    for _ in 0..ROUNDS {
        client.block_on(async {
            quiet.push(p99(regularly(others.clone(), verify.clone()).await));
            let (large, verified) = tokio::join!(
                tokio::spawn(regularly(one.clone(), large.clone())),
                regularly(others.clone(), verify.clone())
            );
            large.unwrap();
            beside.push(p99(verified));
        });
    }
    let ratio = median(
        beside
            .iter()
            .zip(&quiet)
            .map(|(beside, quiet)| beside / quiet),
    );
    let [quiet, beside] = [quiet, beside].map(|p99| median(p99.into_iter()));
    println!(
        "  Verify beside a hundred webhooks of 1 MiB a second: p99 {beside:.0} µs, without them {quiet:.0} µs, ratio \
         {ratio:.2}"
    );
}

/// Calls at a steady rate, whether or not answers come; their latencies in microseconds.
async fn regularly(client: CountersignServiceClient<Channel>, call: Arc<Call>) -> Vec<f64> {
    let (mut ticks, mut calls) = (tokio::time::interval(INTERVAL), JoinSet::new());
    let end = Instant::now() + BESIDE_SLICE;
    while Instant::now() < end {
        ticks.tick().await;
        let (mut client, call) = (client.clone(), call.clone());
        calls.spawn(async move {
            let start = Instant::now();
            call.send(&mut client).await;
            start.elapsed().as_secs_f64() * 1e6
        });
    }
    calls.join_all().await
}

/// The CPU time that the threads of this name have used, in microseconds.
fn cpu(name: &str) -> f64 {
    let named = |task: &fs::DirEntry| {
        let comm = fs::read_to_string(task.path().join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    let nanos = |task: fs::DirEntry| -> Option<f64> {
        let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse().ok()
    };
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return f64::NAN;
    };
    let tasks = tasks.flatten().filter(named);
    tasks.filter_map(nanos).sum::<f64>() / 1e3
}

fn print(cases: &[Case]) {
    println!(
        "\n{:<36} {:>8} {:>6} {:>8} {:>8} {:>6} {:>8} {:>7} {:>7}",
        format!("over loopback, {CONNECTIONS} connections"),
        "calls/s",
        "ratio",
        "to stock",
        "CPU µs",
        "ratio",
        "to stock",
        "p50 µs",
        "p99 µs"
    );
    let ratio = |own: &[f64], other: &[f64]| median(own.iter().zip(other).map(|(a, b)| a / b));
    let [empty, _, stock, ..] = cases else { return };
    for case in cases {
        let middle = |values: &[f64]| median(values.iter().copied());
        println!(
            "  {:<34} {:>8.0} {:>6.2} {:>8.2} {:>8.1} {:>6.2} {:>8.2} {:>7.0} {:>7.0}",
            case.name,
            middle(&case.rates),
            ratio(&case.rates, &empty.rates),
            ratio(&case.rates, &stock.rates),
            middle(&case.cpus),
            ratio(&case.cpus, &empty.cpus),
            ratio(&case.cpus, &stock.cpus),
            median(case.latencies.iter().map(|latency| latency.0)),
            median(case.latencies.iter().map(|latency| latency.1)),
        );
    }
    let [.., empty_64, webhook_64, empty_1024, webhook_1024, batch] = cases else {
        return;
    };
    let cpu = |case: &Case| median(case.cpus.iter().copied());
    let (short, long) = (hmac_micros(36), hmac_micros(64 * 1024));
    println!(
        "  BatchVerify, an item: {:.2} µs of CPU, {:.2} of an empty call; raw HMAC rate kept: {:.2}",
        cpu(batch) / BATCH as f64,
        cpu(batch) / BATCH as f64 / cpu(empty),
        short * BATCH as f64 / cpu(batch)
    );
    println!(
        "  VerifyWebhook, 64 KiB: {:.2} of the empty call with that body and the raw HMAC of {long:.0} µs",
        cpu(webhook_64) / (cpu(empty_64) + long)
    );
    let hash = hmac_micros(MIB);
    println!(
        "  VerifyWebhook, 1 MiB: {:.2} of the raw HMAC of {hash:.0} µs, {:.2} of it and the empty call with that body",
        cpu(webhook_1024) / hash,
        cpu(webhook_1024) / (cpu(empty_1024) + hash)
    );
    println!("  rates and CPU with {BUSY} calls in flight on a connection, latencies with {QUIET}");
}

/// One HMAC of so many bytes, in microseconds.
fn hmac_micros(bytes: usize) -> f64 {
    let key = Key::new(Zeroizing::new(vec![7; 32]));
    let message = vec![b'x'; bytes];
    let count = 8 * 1024 * 1024 / (bytes + 200);
    median((0..ROUNDS).map(|_| {
        let start = Instant::now();
        for _ in 0..count {
            std::hint::black_box(key.tag(&[&message]));
        }
        start.elapsed().as_secs_f64() * 1e6 / count as f64
    }))
}

/// A data plane that answers at once.
struct Nothing;

#[tonic::async_trait]
impl CountersignService for Nothing {
    async fn sign(&self, _: Request<SignRequest>) -> Result<Response<SignResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn verify_webhook(
        &self,
        _: Request<VerifyWebhookRequest>,
    ) -> Result<Response<VerifyWebhookResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn batch_verify(
        &self,
        _: Request<BatchVerifyRequest>,
    ) -> Result<Response<BatchVerifyResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
