//! Resident bytes of a secret, and the time from start to ready with many of them: the same server is started in a new
//! process on a store with one secret and on a store with many.

mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_proto::v1::{
    CreateSecretRequest, Mode, secret_service_client::SecretServiceClient,
};
use countersign_server::{Config, Server};
use support::median;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::transport::Channel;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Secrets in the large store, unless `BENCH_SECRETS` says otherwise.
const SECRETS: usize = 100_000;

/// Starts of each store.
const STARTS: usize = 5;

/// The argument with which this program starts itself.
const START: &str = "--start-on";

/// What a started server reports of itself.
struct Started {
    resident_bytes: f64,
    ready_millis: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, start, directory] = &arguments[..]
        && start == START
    {
        return report(Path::new(directory));
    }
    let secrets = std::env::var("BENCH_SECRETS").ok();
    let secrets = secrets.map_or(SECRETS, |text| text.parse().unwrap());
    let (small, large) = (store(1), store(secrets));
    let mut starts = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        starts.0.push(start(small.path()));
        starts.1.push(start(large.path()));
    }
    let resident = |starts: &[Started]| median(starts.iter().map(|start| start.resident_bytes));
    let ready = |starts: &[Started]| median(starts.iter().map(|start| start.ready_millis));
    println!(
        "\n{:<36} {:>14} {:>14}",
        "a new process", "resident MiB", "ready after ms"
    );
    for (count, starts) in [(1, &starts.0), (secrets, &starts.1)] {
        let name = format!("secrets: {count}");
        let mib = resident(starts) / (1024.0 * 1024.0);
        println!("  {name:<34} {mib:>14.1} {:>14.1}", ready(starts));
    }
    let each = (resident(&starts.1) - resident(&starts.0)) / (secrets - 1) as f64;
    println!("  resident bytes of a secret: {each:.0}");
}

/// A store with so many secrets. In memory where there is such a file system: each creation waits for the disk.
fn store(secrets: usize) -> TempDir {
    let in_memory = TempDir::new_in("/dev/shm");
    let directory = in_memory.or_else(|_| TempDir::new()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(directory.path(), secrets));
    directory
}

async fn fill(directory: &Path, secrets: usize) {
    let config = Config::dev("127.0.0.1:0".parse().unwrap(), directory).unwrap();
    let server = Server::start(config).await.unwrap();
    let endpoint = Channel::from_shared(format!("http://{}", server.local_addr()));
    let client = SecretServiceClient::new(endpoint.unwrap().connect().await.unwrap());
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        callers.spawn(create(client.clone(), next.clone(), secrets));
    }
    callers.join_all().await;
    server.shutdown().await;
}

async fn create(mut client: SecretServiceClient<Channel>, next: Arc<AtomicUsize>, secrets: usize) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= secrets {
            return;
        }
        let request = CreateSecretRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            name: format!("tenant-{number:06}/chat"),
            scheme: "countersign.identity".to_owned(),
            mode: Mode::Required.into(),
            ..Default::default()
        };
        client.create_secret(request).await.unwrap();
    }
}

fn start(directory: &Path) -> Started {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg(START).arg(directory).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let (resident, ready) = text.trim().split_once(' ').unwrap();
    Started {
        resident_bytes: resident.parse().unwrap(),
        ready_millis: ready.parse().unwrap(),
    }
}

/// Starts a server and prints resident bytes and milliseconds to ready.
fn report(directory: &Path) {
    let start = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::dev("127.0.0.1:0".parse().unwrap(), directory).unwrap();
    let server = runtime.block_on(Server::start(config)).unwrap();
    let ready = start.elapsed().as_secs_f64() * 1e3;
    // The allocator gives back what loading needed a moment later.
    std::thread::sleep(Duration::from_millis(500));
    println!("{} {ready}", resident_bytes());
    runtime.block_on(server.shutdown());
}

/// `VmRSS` of this process; 0 where there is no such thing.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
