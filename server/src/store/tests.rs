//! The store's claims, each on a real file in a temp dir.

mod at_rest;
mod audit;
mod changes;
mod clock;
mod degraded;
mod envelope;
mod failures;
mod latest;
mod opening;
mod requests;
mod schemes;
mod upkeep;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_core::{
    Key, SecretName, Timestamp,
    rotation::{Ending, RotationLimits, VersionState},
};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::{Clock, Kek};

const START: Timestamp = Timestamp::from_unix_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SCHEME: &str = "chatwoot.identity";

type Memory = Arc<Mutex<BTreeMap<SecretName, Arc<SecretRecord>>>>;

/// An open store, and the memory of a service that follows what it publishes.
struct Bench {
    dir: TempDir,
    clock: Clock,
    memory: Memory,
    store: Store,
    corrupt: Vec<SecretName>,
}

impl Bench {
    fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), START)
    }

    fn open(dir: TempDir, now: Timestamp) -> Self {
        let clock = Clock::manual(now);
        let memory = Memory::default();
        let opened = Store::open(options(dir.path(), &clock), follow(&memory)).unwrap();
        let load = |record: SecretRecord| (record.name.clone(), Arc::new(record));
        memory
            .lock()
            .unwrap()
            .extend(opened.records.into_iter().map(load));
        Self {
            dir,
            clock,
            memory,
            store: opened.store,
            corrupt: opened.corrupt,
        }
    }

    fn reopened(self) -> Self {
        let now = self.clock.now();
        self.store.close();
        Self::open(self.dir, now)
    }

    fn later(&self, time: Duration) {
        self.clock.set(self.clock.now().plus(time));
    }

    fn record(&self, text: &str) -> Arc<SecretRecord> {
        Arc::clone(&self.memory.lock().unwrap()[&name(text)])
    }

    fn shown(&self) -> Vec<String> {
        self.memory
            .lock()
            .unwrap()
            .values()
            .map(|r| shown(r))
            .collect()
    }

    async fn create(&self, text: &str, key: NewKey) -> Result<Vec<u8>, ChangeError> {
        self.create_as(text, SCHEME, key).await
    }

    async fn create_as(
        &self,
        text: &str,
        scheme: &str,
        key: NewKey,
    ) -> Result<Vec<u8>, ChangeError> {
        let new = secret(text, scheme, key);
        let request = request(&format!("create-{text}"), "create");
        self.store
            .create(caller(), request, new, answer)
            .await
            .map(|bytes| bytes.to_vec())
    }

    async fn rotate(&self, id: &str, rotation: Rotate) -> Result<Vec<u8>, ChangeError> {
        let request = request(id, "rotate");
        self.store
            .rotate(caller(), request, rotation, answer)
            .await
            .map(|bytes| bytes.to_vec())
    }

    /// Runs SQL behind the store's back.
    async fn sql(&self, sql: &'static str) {
        let work =
            move |writer: &mut Writer| writer.read(|connection| connection.execute_batch(sql));
        self.store.submit(work).await.unwrap();
    }
}

fn options(dir: &Path, clock: &Clock) -> StoreOptions {
    StoreOptions {
        data_dir: dir.to_owned(),
        kek: kek(1),
        previous_kek: None,
        clock: clock.clone(),
        limits: RotationLimits::default(),
        trust_clock: false,
        degraded: false,
        ballast_bytes: 0,
        queue: 256,
    }
}

fn follow(memory: &Memory) -> impl FnMut(Published) + Send + 'static {
    let memory = Arc::clone(memory);
    move |published| {
        let mut memory = memory.lock().unwrap();
        match published {
            Published::Changed(record) => memory.insert(record.name.clone(), record),
            Published::Deleted(name) => memory.remove(&name),
            Published::SchemeCreated(_)
            | Published::SchemeDeleted(_)
            | Published::TokenChanged(_) => None,
        };
    }
}

fn kek(byte: u8) -> Kek {
    SecretBox::new(Box::new([byte; 32]))
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn caller() -> Caller {
    caller_named("alice")
}

fn caller_named(principal: &str) -> Caller {
    Caller {
        principal: principal.to_owned(),
        rpc_id: "rpc-1".to_owned(),
        recorded: Recorded::default(),
        revoked: Revoked::default(),
    }
}

fn request(id: &str, arguments: &str) -> RequestId {
    let mut args_digest = [0; 32];
    args_digest[..arguments.len()].copy_from_slice(arguments.as_bytes());
    RequestId {
        id: id.to_owned(),
        args_digest,
    }
}

fn key(text: &str) -> NewKey {
    let bytes = Zeroizing::new(text.as_bytes().to_vec());
    NewKey {
        text: SecretString::from(text),
        block: Key::new(bytes).effective_block(),
        imported: false,
        key_id: None,
        warnings: Vec::new(),
        may_share_with: Vec::new(),
    }
}

fn secret(text: &str, scheme: &str, key: NewKey) -> NewSecret {
    NewSecret {
        name: name(text),
        scheme: scheme.to_owned(),
        scheme_revision: None,
        settings: Settings::default(),
        key,
        max_secrets: usize::MAX,
        max_of_namespace: usize::MAX,
    }
}

fn rotation(text: &str, ending: Ending, new: &str) -> Rotate {
    Rotate {
        name: name(text),
        scheme: SCHEME.to_owned(),
        ending,
        expected_version: None,
        key: key(new),
        validate_only: false,
    }
}

/// An answer that tells all it was given, the key too.
fn answer(outcome: &Outcome<'_>) -> Zeroizing<Vec<u8>> {
    let text = outcome.key.text.expose_secret();
    let all = format!("{} {text} {}", outcome.version, shown(outcome.record));
    Zeroizing::new(all.into_bytes())
}

/// Everything in a record, the keys too.
fn shown(record: &SecretRecord) -> String {
    let keys: Vec<_> = record
        .versions
        .iter()
        .map(|version| version.key.as_ref().map(|key| key.expose_secret()))
        .collect();
    format!("{record:?} {keys:?}")
}

fn states(record: &SecretRecord) -> Vec<VersionState> {
    record.versions.iter().map(|v| v.life.state).collect()
}

fn grace(end: Timestamp) -> VersionState {
    VersionState::Grace { until: end }
}
