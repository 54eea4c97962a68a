//! Table T where the process itself is what matters: its descriptors, its memory, its log, its end.

use std::time::{Duration, Instant};

use countersign_proto::v1::{
    self, VerifyRequest, countersign_service_client::CountersignServiceClient,
    countersign_service_server::CountersignService,
};
use countersign_server::{Limits, serve_in_place_of_ours};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use support::{
    bystander::{alone, resident_kib},
    process::{Running, Site},
    wire::{ATTACKER, PREFACE, dial_from, settings},
};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

mod support;

fn descriptors(running: &Running) -> u64 {
    let folder = format!("/proc/{}/fd", running.pid());
    std::fs::read_dir(folder).unwrap().count() as u64
}

/// The time for which it ran on a core.
fn cpu(running: &Running) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    let nanos = threads.filter_map(|thread| {
        let times = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

async fn answers(channel: &Channel) -> bool {
    let question = HealthCheckRequest::default();
    let answered = HealthClient::new(channel.clone()).check(question).await;
    answered.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_without_descriptors_it_waits_says_so_and_recovers() {
    let _alone = alone().await;
    let site = Site::new();
    let running = site.serve().await;
    let open = running.channel().await;
    assert!(answers(&open).await);
    let most = Some(descriptors(&running) + 20);
    let few = Rlimit {
        current: most,
        maximum: most,
    };
    let pid = Pid::from_raw(running.pid().cast_signed());
    prlimit(pid, Resource::Nofile, few).unwrap();
    let attackers: Vec<_> = (0..100)
        .map(|_| {
            let stream = dial_from(ATTACKER, running.address()).unwrap();
            let opening = [PREFACE, &settings(&[])].concat();
            std::io::Write::write_all(&mut &stream, &opening).unwrap();
            stream
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (used, begin) = (cpu(&running), Instant::now());
    for _ in 0..30 {
        assert!(answers(&open).await, "who is in is served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let share = (cpu(&running) - used).as_secs_f64() / begin.elapsed().as_secs_f64();
    let alarms = site.log().matches("connections cannot be accepted").count();
    eprintln!("T16: {:.1} % of a core, {alarms} lines", 100.0 * share);
    assert!(share < 0.05, "{share}");
    assert!((1..=2).contains(&alarms), "{alarms}");
    drop(attackers);
    let begin = Instant::now();
    assert!(
        answers(&running.channel().await).await,
        "it takes connections again"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
}

/// A data plane with a fault.
struct Faulty;

#[tonic::async_trait]
impl CountersignService for Faulty {
    async fn sign(
        &self,
        _: Request<v1::SignRequest>,
    ) -> Result<Response<v1::SignResponse>, Status> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Response::new(Default::default()))
    }

    async fn verify(
        &self,
        _: Request<VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        panic!("injected");
    }

    async fn verify_webhook(
        &self,
        _: Request<v1::VerifyWebhookRequest>,
    ) -> Result<Response<v1::VerifyWebhookResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn batch_verify(
        &self,
        _: Request<v1::BatchVerifyRequest>,
    ) -> Result<Response<v1::BatchVerifyResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn explain(
        &self,
        _: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_f40_a_thousand_panics_end_a_call_each_and_nothing_else() {
    let _alone = alone().await;
    // The server's own hook prints the place alone; a trace of each would be what is measured.
    std::panic::set_hook(Box::new(|_| {}));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits::DEFAULT;
    tokio::spawn(async move { serve_in_place_of_ours(Faulty, listener, &limits).await });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    // One connection, so that the neighbours of a panic are as near as can be.
    let client = CountersignServiceClient::new(endpoint.connect().await.unwrap());
    let panics = async |count| {
        for _ in 0..count {
            let verified = client.clone().verify(VerifyRequest::default()).await;
            assert_eq!(verified.unwrap_err().code(), Code::Internal);
        }
    };
    panics(200).await;
    let before = resident_kib();
    let neighbours = tokio::spawn({
        let mut client = client.clone();
        async move {
            for _ in 0..20 {
                client.sign(v1::SignRequest::default()).await.unwrap();
            }
        }
    });
    panics(1000).await;
    neighbours.await.unwrap();
    let _ = std::panic::take_hook();
    let grown = resident_kib().saturating_sub(before);
    eprintln!("T18: {grown} KiB more after 1000 panics");
    assert!(grown <= 1024, "{grown} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a17_a_path_is_cut_and_escaped_before_it_is_logged() {
    let site = Site::new();
    let running = site.serve().await;
    let path = format!("/countersign.v1.Nothing/{}", "x".repeat(300));
    let path = http::uri::PathAndQuery::try_from(path).unwrap();
    let bearer = support::process::Bearer(site.token.clone());
    let channel =
        tonic::service::interceptor::InterceptedService::new(running.channel().await, bearer);
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let unknown = client
        .unary(Request::new(()), path, codec)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    let log = site.log();
    let line = log
        .lines()
        .find(|line| line.contains("countersign.v1.Nothing"))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["method"].as_str().unwrap().len(), 128, "{line}");
    assert!(!log.contains(&"x".repeat(129)));
}

#[tokio::test]
async fn t29_a_credential_shown_twice_is_none() {
    let site = Site::new();
    let running = site.serve().await;
    let mut proofs = CountersignServiceClient::new(running.channel().await);
    for (times, code) in [(1, Code::InvalidArgument), (2, Code::Unauthenticated)] {
        let mut request = Request::new(VerifyRequest::default());
        for _ in 0..times {
            let value = format!("Bearer {}", site.token).parse().unwrap();
            request.metadata_mut().append("authorization", value);
        }
        let refused = proofs.verify(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "shown {times} times");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a19_another_program_of_the_same_user_cannot_look_into_it_and_it_leaves_no_core() {
    let site = Site::new();
    let mut running = spawn_as_nobody(&site);
    running.until_logged();
    running.until_serving().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let values: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    // A program that forbids nothing shows that the looking works.
    let mut other = as_nobody("sleep").arg("60").spawn().unwrap();
    for file in ["environ", "maps", "mem"] {
        let look = |pid: u32| {
            let path = format!("/proc/{pid}/{file}");
            let mut look = as_nobody("dd");
            look.arg(format!("if={path}"))
                .args(["of=/dev/null", "count=0"]);
            look.output().unwrap().status.success()
        };
        assert!(look(other.id()), "{file}");
        assert!(!look(running.pid()), "{file}");
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn a20_swap_is_warned_of_at_the_start_and_its_absence_is_not() {
    let site = Site::new();
    let _running = site.serve().await;
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap();
    let swap_is_on = swaps.lines().count() > 1;
    assert_eq!(site.log().contains("swap is on"), swap_is_on);
}

/// A command that runs as a user without privileges; as ours if we have none.
fn as_nobody(program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut command = support::process::cleaned(program.as_ref().as_ref());
    if rustix::process::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        std::os::unix::process::CommandExt::gid(&mut command, NOBODY);
    }
    command
}

const NOBODY: u32 = 65534;

/// `serve` as a user without privileges, over a folder that is given to it.
fn spawn_as_nobody(site: &Site) -> Running {
    let program = site.path("countersign");
    std::fs::copy(support::process::program(), &program).unwrap();
    if rustix::process::geteuid().is_root() {
        let folders = [site.path(""), site.data_dir()];
        let inside = folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let files = inside.map(|file| file.unwrap().path());
        for path in folders.iter().cloned().chain(files) {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let mut serve = as_nobody(&program);
    serve
        .arg("serve")
        .arg("--config")
        .arg(site.path("countersign.toml"));
    Running::spawn(serve, &site.path("log"))
}

#[tokio::test]
async fn t16_too_few_descriptors_for_the_connections_are_raised_or_told_at_the_start() {
    let needed = Limits::DEFAULT.max_connections as u64;
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
    for (hard, is_told) in [(200, true), (most, most < needed)] {
        let site = Site::new();
        let serve = site.serve_command();
        let mut command = std::process::Command::new("sh");
        command
            .arg("-c")
            .arg(format!(
                "ulimit -Sn 100 && ulimit -Hn {hard} && exec \"$@\""
            ))
            .arg("sh")
            .arg(serve.get_program())
            .args(serve.get_args());
        let mut running = Running::spawn(command, &site.path("log"));
        running.until_logged();
        let says = "fewer files than limits.max_connections needs";
        assert_eq!(site.log().contains(says), is_told, "{}", site.log());
    }
}
