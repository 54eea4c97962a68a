//! A well-behaved client beside an attack: a hundred calls a second, none of which may fail or wait for long.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use countersign_proto::v1::{
    SignRequest, countersign_service_client::CountersignServiceClient, sign_request::Input,
};
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    task::JoinSet,
};
use tonic::transport::Channel;

use super::{Options, Service, user};

/// Between two calls.
const INTERVAL: Duration = Duration::from_millis(10);
/// A machine that does other things as well is no attack, nor is code that was not optimised; below this nothing is said
/// about ratios.
const FLOOR: Duration = Duration::from_millis(30);
/// What the memory of the process may grow by, client and attacker included.
const MOST_GROWTH_KIB: u64 = 64 * 1024;
const SECRET: &str = "acme/chat";

/// What the client met.
#[derive(Debug, Default)]
pub struct Calls {
    pub latencies: Vec<Duration>,
    pub failures: Vec<String>,
}

impl Calls {
    /// The middle of the 99th percentiles of slices, so that one pause of the machine does not decide.
    pub fn p99(&self) -> Duration {
        let mut slices: Vec<_> = self.latencies.chunks(100).map(percentile_99).collect();
        slices.sort_unstable();
        slices[slices.len() / 2]
    }
}

fn percentile_99(latencies: &[Duration]) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)]
}

/// Measurements disturb each other, so there is one at a time.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// Attacks a server of its own with `attack`, which runs on a thread of its own, and sees that nobody else notices.
pub async fn attacked<T: Send + 'static>(
    name: &str,
    options: Options,
    attack: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (T, Service) {
    disturbed(name, options, 3, attack).await
}

/// The same, where nobody else waits longer than so many times as long as without it.
pub async fn disturbed<T: Send + 'static>(
    name: &str,
    options: Options,
    times: u32,
    attack: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (T, Service) {
    let service = Service::with(options).await;
    service.generate(SECRET, "chatwoot.identity").await;
    let address = service.address;
    let client = CountersignServiceClient::new(
        Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap(),
    );
    let quiet = measure(&client, tokio::time::sleep(Duration::from_secs(2)))
        .await
        .1;
    let before = resident_kib();
    let (enough, peak) = watch_memory();
    let attack = tokio::task::spawn_blocking(move || attack(address));
    let ((attack, ()), attacked) = measure(&client, async {
        tokio::join!(attack, tokio::time::sleep(Duration::from_secs(2)))
    })
    .await;
    let _ = enough.send(());
    let grown = peak.await.unwrap().saturating_sub(before);
    let quiet_after = measure(&client, tokio::time::sleep(Duration::from_secs(1)))
        .await
        .1;
    let attack = attack.unwrap();
    let (quiet, attacked_p99) = (quiet.p99().max(quiet_after.p99()), attacked.p99());
    eprintln!(
        "{name}: p99 {quiet:.1?} quiet, {attacked_p99:.1?} attacked, {} calls, {grown} KiB more",
        attacked.latencies.len()
    );
    assert!(attacked.failures.is_empty(), "{:?}", attacked.failures);
    assert!(
        attacked_p99 <= times * quiet.max(FLOOR),
        "{quiet:?} became {attacked_p99:?}"
    );
    assert!(grown <= MOST_GROWTH_KIB, "{grown} KiB more");
    (attack, service)
}

/// Calls until something is over.
async fn measure<T>(
    client: &CountersignServiceClient<Channel>,
    until: impl Future<Output = T>,
) -> (T, Calls) {
    let (stop, stopped) = watch::channel(false);
    let calling = tokio::spawn(call(client.clone(), stopped));
    let output = until.await;
    let _ = stop.send(true);
    (output, calling.await.unwrap())
}

async fn call(client: CountersignServiceClient<Channel>, stopped: watch::Receiver<bool>) -> Calls {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut calls = JoinSet::new();
    while !*stopped.borrow() {
        ticks.tick().await;
        let mut client = client.clone();
        calls.spawn(async move {
            let begin = Instant::now();
            let request = SignRequest {
                secret: SECRET.to_owned(),
                input: Some(Input::Identity(user("user-42"))),
                ttl: None,
            };
            let answered = client.sign(request).await;
            (answered.map(|_| ()), begin.elapsed())
        });
    }
    let mut met = Calls::default();
    for (answered, took) in calls.join_all().await {
        met.latencies.push(took);
        met.failures
            .extend(answered.err().map(|status| status.to_string()));
    }
    met
}

/// The resident memory of this process.
pub fn resident_kib() -> u64 {
    resident_kib_of(std::process::id())
}

/// The resident memory of a process.
pub fn resident_kib_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Looks at the memory of this process until told to stop; answers the most that it saw.
fn watch_memory() -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<u64>) {
    let (enough, told) = std::sync::mpsc::channel();
    let peak = tokio::task::spawn_blocking(move || {
        let mut peak = resident_kib();
        while told.recv_timeout(Duration::from_millis(20)).is_err() {
            peak = peak.max(resident_kib());
        }
        peak
    });
    (enough, peak)
}
