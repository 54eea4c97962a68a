//! The program is killed again and again under a stream of changes. No acknowledged change is ever lost, none is
//! half there, and a retry of one whose answer was lost gives its one result.
//!
//! `COUNTERSIGN_CRASH_CYCLES` sets how often, `COUNTERSIGN_CRASH_SECRETS` how many further secrets each start loads, and
//! `COUNTERSIGN_CRASH_SEED` repeats a run as far as time allows.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_client::{Check, CheckVerdict, Client, Code, Error, v1};
use hmac::{Hmac, KeyInit, Mac};
use prost_types::FieldMask;
use sha2::Sha256;
use support::{
    process::{Running, Site},
    request_id,
};
use v1::{
    CreateSecretRequest, Mode, RotateSecretRequest, SignRequest, VersionState,
    rotate_secret_request::Ending, verify_request::Proof,
};

mod support;

const WRITERS: u64 = 4;
/// Secrets of a writer that live at the same time.
const SECRETS: usize = 3;
/// Versions after which a secret makes place for a new one.
const VERSIONS: usize = 12;
/// Cycles between two looks into the database.
const LOOK_EVERY: usize = 20;
const USER: &str = "user-42";

/// A change that a writer sends.
#[derive(Clone, Debug)]
enum Change {
    Create(CreateSecretRequest),
    Rotate(RotateSecretRequest),
    Activate(String, u32),
    Revoke(String, u32),
    Update(String, String),
    Delete(String),
}

/// A secret as its acknowledged changes made it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Secret {
    mark: String,
    versions: BTreeMap<u32, Version>,
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    key: String,
    state: VersionState,
}

impl Secret {
    fn live(&self) -> impl Iterator<Item = (u32, &Version)> {
        use VersionState::{Active, Grace, Pending};
        let live = |version: &Version| matches!(version.state, Pending | Active | Grace);
        self.versions
            .iter()
            .map(|(number, version)| (*number, version))
            .filter(move |(_, version)| live(version))
    }

    fn in_state(&self, state: VersionState) -> Option<u32> {
        let mut live = self.live();
        live.find(|(_, version)| version.state == state)
            .map(|(number, _)| number)
    }

    fn active(&self) -> u32 {
        self.in_state(VersionState::Active).unwrap()
    }

    fn set(&mut self, number: u32, state: VersionState) {
        self.versions.get_mut(&number).unwrap().state = state;
    }

    /// The new version of a rotation that was acknowledged.
    fn rotated(&mut self, request: &RotateSecretRequest, number: u32, key: String) {
        assert_eq!(
            number as usize,
            self.versions.len() + 1,
            "one version a request"
        );
        let old = self.active();
        let mut state = VersionState::Active;
        if request.stage {
            state = VersionState::Pending;
        } else if request.ending == Some(Ending::Emergency(true)) {
            let live: Vec<_> = self.live().map(|(number, _)| number).collect();
            live.into_iter()
                .for_each(|number| self.set(number, VersionState::Revoked));
        } else {
            self.set(old, VersionState::Grace);
        }
        self.versions.insert(number, Version { key, state });
    }

    fn activated(&mut self, number: u32) {
        self.set(self.active(), VersionState::Grace);
        self.set(number, VersionState::Active);
    }
}

/// What the service says of a secret, without keys.
fn shape(secret: &v1::Secret) -> (String, Vec<(u32, VersionState)>) {
    let mark = secret.labels.get("mark").cloned().unwrap_or_default();
    let versions = &secret.versions;
    let states = versions
        .iter()
        .map(|version| (version.number, version.state()));
    (mark, states.collect())
}

/// A stream of random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A client with a namespace of its own and a model of what it was told.
struct Writer {
    namespace: String,
    dice: Dice,
    secrets: BTreeMap<String, Secret>,
    /// The change whose answer was not heard.
    unheard: Option<Change>,
    /// Creations and rotations that were acknowledged, with their answers.
    heard: Vec<(Change, u32, String)>,
    /// Changes by method that are in the store for certain.
    changes: BTreeMap<&'static str, usize>,
    created: usize,
    retried: usize,
}

impl Writer {
    fn new(number: u64, seed: u64) -> Self {
        Self {
            namespace: format!("writer{number}"),
            dice: Dice(seed.wrapping_mul(2 * number + 1) | 1),
            secrets: BTreeMap::new(),
            unheard: None,
            heard: Vec::new(),
            changes: BTreeMap::new(),
            created: 0,
            retried: 0,
        }
    }

    /// Sends one change after another until the process is gone.
    async fn write(&mut self, client: &Client, killed: &AtomicBool) {
        loop {
            let change = self.next();
            self.unheard = Some(change.clone());
            match self.send(client, &change).await {
                Ok(()) => self.unheard = None,
                // The answer may be on its way while the process is killed.
                Err(error) if is_loss(&error) && killed.load(Ordering::SeqCst) => return,
                Err(error) => panic!("{change:?}: {error}"),
            }
        }
    }

    fn next(&mut self) -> Change {
        if self.secrets.len() < SECRETS {
            self.created += 1;
            let name = format!("{}/secret{}", self.namespace, self.created);
            return Change::Create(support::new_secret(&name, "chatwoot.identity"));
        }
        let pick = self.dice.below(SECRETS as u64) as usize;
        let (name, secret) = self.secrets.iter().nth(pick).unwrap();
        let name = name.clone();
        if secret.versions.len() >= VERSIONS {
            return Change::Delete(name);
        }
        let pending = secret.in_state(VersionState::Pending);
        let grace = secret.in_state(VersionState::Grace);
        let active = secret.active();
        let full = secret.live().count() >= 5;
        match (self.dice.below(10), pending, grace) {
            (0..=1, Some(pending), _) if !full => Change::Activate(name, pending),
            (0..=2, _, Some(grace)) => Change::Revoke(name, grace),
            (3..=4, ..) => Change::Update(name, request_id()),
            (5..=6, None, _) if !full => Change::Rotate(RotateSecretRequest {
                stage: true,
                ending: None,
                ..rotation(&name, active)
            }),
            (7..=9, ..) if !full => Change::Rotate(rotation(&name, active)),
            _ => Change::Rotate(RotateSecretRequest {
                ending: Some(Ending::Emergency(true)),
                ..rotation(&name, active)
            }),
        }
    }

    /// Sends a change and takes its answer into the model.
    async fn send(&mut self, client: &Client, change: &Change) -> Result<(), Error> {
        match change.clone() {
            Change::Create(request) => {
                let name = request.name.clone();
                let answer = client.create_secret(request).await?;
                let (number, key) = (answer.version, answer.revealed_key);
                let state = VersionState::Active;
                let version = Version {
                    key: key.clone(),
                    state,
                };
                let secret = Secret {
                    mark: String::new(),
                    versions: BTreeMap::from([(number, version)]),
                };
                self.secrets.insert(name, secret);
                self.heard.push((change.clone(), number, key));
            }
            Change::Rotate(request) => {
                let answer = client.rotate_secret(request.clone()).await?;
                let (number, key) = (answer.version, answer.revealed_key);
                self.secret(&request.name)
                    .rotated(&request, number, key.clone());
                self.heard.push((change.clone(), number, key));
            }
            Change::Activate(name, number) => {
                let request = v1::ActivateVersionRequest {
                    name: name.clone(),
                    version: number,
                    grace_period: None,
                };
                client.activate_version(request).await?;
                self.secret(&name).activated(number);
            }
            Change::Revoke(name, number) => {
                client.revoke_version(&name, number, false).await?;
                self.secret(&name).set(number, VersionState::Revoked);
            }
            Change::Update(name, mark) => {
                client.update_secret(marking(&name, &mark)).await?;
                self.secret(&name).mark = mark;
            }
            Change::Delete(name) => {
                client.delete_secret(&name, true).await?;
                self.secrets.remove(&name);
            }
        }
        self.count(change);
        Ok(())
    }

    fn secret(&mut self, name: &str) -> &mut Secret {
        self.secrets.get_mut(name).unwrap()
    }

    fn count(&mut self, change: &Change) {
        *self.changes.entry(method(change)).or_default() += 1;
    }

    /// Settles the change whose answer was lost. One with a request id is sent again and must be done once, however
    /// often it is sent; of any other it must show that it is done or not begun.
    async fn settle(&mut self, client: &Client) {
        let Some(change) = self.unheard.take() else {
            return;
        };
        self.retried += 1;
        match &change {
            Change::Create(_) | Change::Rotate(_) => {
                self.send(client, &change).await.unwrap();
                let last = self.heard.len() - 1;
                self.repeat(client, last).await;
            }
            Change::Delete(name) => match client.get_secret(name).await {
                Ok(secret) => assert_eq!(shape(&secret), shape_of(&self.secrets[name])),
                Err(error) => {
                    assert_eq!(error.code(), Some(Code::NotFound));
                    self.secrets.remove(name);
                    self.count(&change);
                }
            },
            Change::Activate(name, _) | Change::Revoke(name, _) | Change::Update(name, _) => {
                let before = self.secrets[name].clone();
                let mut after = before.clone();
                match &change {
                    Change::Activate(_, number) => after.activated(*number),
                    Change::Revoke(_, number) => after.set(*number, VersionState::Revoked),
                    Change::Update(_, mark) => after.mark = mark.clone(),
                    _ => unreachable!("matched above"),
                }
                let found = shape(&client.get_secret(name).await.unwrap());
                if found != shape_of(&before) {
                    assert_eq!(found, shape_of(&after), "{change:?} is half done");
                    *self.secret(name) = after;
                    self.count(&change);
                }
            }
        }
    }

    /// Sends an acknowledged request again: the same version, the same key, no further change.
    async fn repeat(&self, client: &Client, index: usize) {
        let (change, number, key) = &self.heard[index];
        let (again, revealed) = match change.clone() {
            Change::Create(request) => {
                let answer = client.create_secret(request).await.unwrap();
                (answer.version, answer.revealed_key)
            }
            Change::Rotate(request) => {
                let answer = client.rotate_secret(request).await.unwrap();
                (answer.version, answer.revealed_key)
            }
            _ => unreachable!("only these have a request id"),
        };
        assert_eq!((again, &revealed), (*number, key));
    }

    /// Compares everything that the service holds with the model.
    async fn check(&mut self, client: &Client) {
        let listed = client.list_secrets(&self.namespace).await.unwrap();
        let found: BTreeMap<_, _> = listed
            .iter()
            .map(|secret| (secret.name.clone(), shape(secret)))
            .collect();
        let known: BTreeMap<_, _> = self
            .secrets
            .iter()
            .map(|(name, secret)| (name.clone(), shape_of(secret)))
            .collect();
        assert_eq!(found, known, "acknowledged and stored differ");
        self.check_keys(client).await;
        for name in self.secrets.keys() {
            let active = &self.secrets[name].versions[&self.secrets[name].active()];
            let signed = client.sign(signing(name)).await.unwrap();
            assert_eq!(
                signed.hash,
                hash(&active.key),
                "{name} signs with its active key"
            );
        }
        let repeatable: Vec<_> = (0..self.heard.len())
            .filter(|index| self.secrets.contains_key(name_of(&self.heard[*index].0)))
            .collect();
        if !repeatable.is_empty() {
            let pick = self.dice.below(repeatable.len() as u64) as usize;
            self.repeat(client, repeatable[pick]).await;
        }
    }

    /// Every live key verifies what this test signs with it, and no ended one does.
    async fn check_keys(&self, client: &Client) {
        let mut expected = Vec::new();
        let mut checks = Vec::new();
        for (name, secret) in &self.secrets {
            let live: Vec<_> = secret.live().map(|(number, _)| number).collect();
            for (number, version) in &secret.versions {
                expected.push((name, *number, live.contains(number)));
                checks.push(Check::Identity(v1::VerifyRequest {
                    secret: name.clone(),
                    claimed: Some(support::user(USER)),
                    proof: Some(Proof::Hash(hash(&version.key))),
                }));
            }
        }
        if checks.is_empty() {
            return;
        }
        let verdicts = client.batch_verify(checks).await.unwrap();
        for ((name, number, live), verdict) in expected.into_iter().zip(verdicts) {
            let CheckVerdict::Identity(verdict) = verdict.unwrap() else {
                panic!("{name} {number}: a verdict on something else")
            };
            assert_eq!(verdict.is_verified(), live, "{name} {number}");
            let used = verdict.version.map(|version| version.number);
            assert_eq!(used, live.then_some(number), "{name}");
        }
    }
}

fn method(change: &Change) -> &'static str {
    match change {
        Change::Create(_) => "CreateSecret",
        Change::Rotate(_) => "RotateSecret",
        Change::Activate(..) => "ActivateVersion",
        Change::Revoke(..) => "RevokeVersion",
        Change::Update(..) => "UpdateSecret",
        Change::Delete(_) => "DeleteSecret",
    }
}

fn name_of(change: &Change) -> &str {
    match change {
        Change::Create(request) => &request.name,
        Change::Rotate(request) => &request.name,
        Change::Activate(name, _) | Change::Revoke(name, _) => name,
        Change::Update(name, _) | Change::Delete(name) => name,
    }
}

fn shape_of(secret: &Secret) -> (String, Vec<(u32, VersionState)>) {
    let states = secret.versions.iter();
    let states = states.map(|(number, version)| (*number, version.state));
    (secret.mark.clone(), states.collect())
}

/// A rotation that keeps the old version for a day.
fn rotation(name: &str, active: u32) -> RotateSecretRequest {
    RotateSecretRequest {
        expected_version: active,
        ..support::rotation(name, 86_400)
    }
}

fn marking(name: &str, mark: &str) -> v1::UpdateSecretRequest {
    let secret = v1::Secret {
        name: name.to_owned(),
        mode: Mode::Optional.into(),
        labels: [("mark".to_owned(), mark.to_owned())].into(),
        ..Default::default()
    };
    v1::UpdateSecretRequest {
        secret: Some(secret),
        update_mask: Some(FieldMask {
            paths: vec!["mode".to_owned(), "labels".to_owned()],
        }),
        validate_only: false,
    }
}

fn signing(name: &str) -> SignRequest {
    SignRequest {
        secret: name.to_owned(),
        input: Some(v1::sign_request::Input::Identity(support::user(USER))),
        ttl: None,
    }
}

/// What chatwoot.identity makes with a key, computed without the product.
fn hash(key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(USER.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// An error that says nothing about whether the change was made.
fn is_loss(error: &Error) -> bool {
    use Code::{Cancelled, Internal, Unavailable, Unknown};
    matches!(
        error.code(),
        Some(Unavailable | Unknown | Cancelled | Internal)
    )
}

/// What the database says of itself while no process holds it.
#[derive(Debug, PartialEq)]
struct Book {
    methods: BTreeMap<String, usize>,
}

/// The records of changes of secrets: others are of reads, of failures, and of what changed nothing.
const CHANGES: &str = "SELECT method, count(*) FROM audit
    WHERE outcome = 'OK' AND detail <> 'nothing changed'
    AND method NOT LIKE 'Get%' AND method NOT LIKE 'List%' AND method <> 'CreateToken'
    GROUP BY method";

/// Looks into the database: whole, and each change with its audit row, its version row and its request row.
fn look(site: &Site) -> Book {
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let count = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let check: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let changes = count("SELECT n FROM change_counter");
    assert_eq!(count("SELECT count(*) FROM audit"), changes);
    assert_eq!(count("SELECT coalesce(max(n), 0) FROM audit"), changes);
    // A creation or rotation makes one version, one request row and one audit row, and nothing else makes any.
    let versions = "SELECT name, number FROM versions JOIN secrets ON secrets.id = secret_id";
    let requests = "SELECT name, version FROM requests JOIN secrets ON secrets.id = secret_id";
    let audit = "SELECT subject, version FROM audit WHERE method IN ('CreateSecret', 'RotateSecret') AND version > 0";
    let made = count("SELECT count(*) FROM versions");
    for other in [requests, audit] {
        assert_eq!(count(&format!("SELECT count(*) FROM ({other})")), made);
        let missing = format!("SELECT count(*) FROM ({versions} EXCEPT {other})");
        assert_eq!(count(&missing), 0, "{missing}");
    }
    for half in [
        "SELECT count(*) FROM secrets WHERE delete_time IS NULL AND 1 != (
           SELECT count(*) FROM versions WHERE secret_id = secrets.id AND state = 'active')",
        "SELECT count(*) FROM versions JOIN secrets ON secrets.id = secret_id
         WHERE (delete_time IS NULL) != (sealed_key IS NOT NULL)",
        "SELECT count(*) FROM secrets WHERE (delete_time IS NULL) != EXISTS (
           SELECT 1 FROM data_keys WHERE secret_id = secrets.id)",
    ] {
        assert_eq!(count(half), 0, "{half}");
    }
    let mut methods = database.prepare(CHANGES).unwrap();
    let methods = methods
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, u32>(1)? as usize)))
        .unwrap();
    Book {
        methods: methods.map(Result::unwrap).collect(),
    }
}

/// All changes that the writers know to be stored, by method.
fn known(writers: &[Writer]) -> BTreeMap<String, usize> {
    let mut sum = BTreeMap::new();
    for (method, count) in writers.iter().flat_map(|writer| &writer.changes) {
        *sum.entry((*method).to_owned()).or_default() += count;
    }
    sum
}

/// Everything known is in the book, and besides it at most what was not heard of yet.
fn compare(book: &Book, writers: &[Writer]) {
    let known = known(writers);
    let mut unheard = BTreeMap::<_, usize>::new();
    for change in writers.iter().filter_map(|writer| writer.unheard.as_ref()) {
        *unheard.entry(method(change).to_owned()).or_default() += 1;
    }
    for (method, count) in &book.methods {
        let least = known.get(method).copied().unwrap_or_default();
        let most = least + unheard.get(method).copied().unwrap_or_default();
        assert!(
            (least..=most).contains(count),
            "{method}: {count} of {least} to {most}"
        );
    }
    let missing = known
        .keys()
        .find(|method| !book.methods.contains_key(*method));
    assert_eq!(missing, None);
}

/// Settles and checks what the life before left, all writers at once.
async fn settle(clients: &[Client], writers: Vec<Writer>) -> Vec<Writer> {
    let tasks = clients.iter().cloned().zip(writers);
    let tasks = tasks.map(|(client, mut writer)| {
        tokio::spawn(async move {
            writer.settle(&client).await;
            writer.check(&client).await;
            writer
        })
    });
    gather(tasks.collect()).await
}

/// All writers write; the process is killed among them.
async fn write_until_killed(
    clients: &[Client],
    writers: Vec<Writer>,
    running: Running,
    length: Duration,
) -> Vec<Writer> {
    let killed = Arc::new(AtomicBool::new(false));
    let tasks = clients.iter().cloned().zip(writers);
    let tasks = tasks.map(|(client, mut writer)| {
        let killed = killed.clone();
        tokio::spawn(async move {
            writer.write(&client, &killed).await;
            writer
        })
    });
    let tasks = tasks.collect();
    tokio::time::sleep(length).await;
    killed.store(true, Ordering::SeqCst);
    running.kill();
    gather(tasks).await
}

async fn clients(site: &Site, running: &Running) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..WRITERS {
        clients.push(site.client(running).await);
    }
    clients
}

async fn gather(tasks: Vec<tokio::task::JoinHandle<Writer>>) -> Vec<Writer> {
    let mut writers = Vec::new();
    for task in tasks {
        writers.push(task.await.unwrap());
    }
    writers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_f02_no_kill_loses_or_halves_a_change() {
    let cycles: usize = setting("COUNTERSIGN_CRASH_CYCLES").map_or(300, |cycles| cycles as usize);
    let seed = setting("COUNTERSIGN_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut dice = Dice(seed | 1);
    let site = Site::new();
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|number| Writer::new(number, seed))
        .collect();
    let further = setting("COUNTERSIGN_CRASH_SECRETS").unwrap_or_default();
    fill(&site, further).await;
    *writers[0].changes.entry("CreateSecret").or_default() += further as usize;
    let (mut starts, mut early) = (Vec::new(), 0);
    let begin = Instant::now();
    for cycle in 1..=cycles {
        if cycle % 5 == 0 {
            // A crash in the midst of recovery.
            let running = site.spawn();
            tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
            running.kill();
            early += 1;
        }
        let running = site.serve().await;
        starts.push(running.start().elapsed());
        let clients = clients(&site, &running).await;
        writers = settle(&clients, writers).await;
        let length = Duration::from_millis(20 + dice.below(150));
        writers = write_until_killed(&clients, writers, running, length).await;
        if cycle % LOOK_EVERY == 0 {
            compare(&look(&site), &writers);
            eprintln!("{}", told(cycle, begin, &writers, &starts));
        }
    }
    let running = site.serve().await;
    writers = settle(&clients(&site, &running).await, writers).await;
    running.kill();
    assert_eq!(
        look(&site).methods,
        known(&writers),
        "audit rows are changes"
    );
    eprintln!(
        "seed {seed}, {early} more kills during a start; {}",
        told(cycles, begin, &writers, &starts)
    );
}

/// Makes secrets that nobody writes to, so that a start has more to load.
async fn fill(site: &Site, count: u64) {
    let running = site.serve().await;
    let mut tasks = Vec::new();
    for lane in 0..32 {
        let client = site.client(&running).await;
        tasks.push(tokio::spawn(async move {
            for number in (lane..count).step_by(32) {
                let new = support::new_secret(&format!("more/secret{number}"), "chatwoot.identity");
                client.create_secret(new).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    running.kill();
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn told(cycles: usize, begin: Instant, writers: &[Writer], starts: &[Duration]) -> String {
    let changes: usize = known(writers).values().sum();
    let retried: usize = writers.iter().map(|writer| writer.retried).sum();
    let mut starts = starts.to_vec();
    starts.sort();
    let at = |percent: usize| starts[(starts.len() - 1) * percent / 100];
    format!(
        "{cycles} cycles in {:.0?}: {changes} changes, {retried} of them unheard and settled; \
         restart to ready p50 {:.0?}, p99 {:.0?}, max {:.0?}",
        begin.elapsed(),
        at(50),
        at(99),
        at(100),
    )
}
