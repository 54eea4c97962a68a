//! The key ring: every secret that serves, in memory. Whoever asks for one takes no lock; a change replaces one entry.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use countersign_core::{
    Secret, SecretName, Timestamp,
    policy::{Policy, ReplayPolicy},
    secret::KeyVersion,
};

use crate::budget::Budget;
use crate::catalogue::Schemes;
use crate::config::Limits;
use crate::refusals::{self, Refusals};
use crate::store::{SecretRecord, Settings, UseTimes, VersionRecord};

/// A change copies one of these, so more of them make changes cheaper.
const SHARDS: usize = 256;

type Shard = HashMap<SecretName, Arc<Entry>>;

/// A secret in memory: what decides, and what is shown.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What decides.
    pub secret: Secret,
    /// What is shown; its keys have gone into `secret`.
    pub record: SecretRecord,
    /// From when on the replay record knows every delivery that was accepted.
    pub replay_since: Timestamp,
    /// What callers may use of the namespace in a second.
    pub budget: Arc<Budget>,
    /// What was refused of it.
    pub refusals: refusals::OfSecret,
    /// When each version was last used, in the order of the record.
    uses: Box<[Arc<Uses>]>,
}

/// When a version last signed and verified, in Unix milliseconds; 0 is never.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    signed: AtomicI64,
    verified: AtomicI64,
    /// The later of the two when they were last written to the store.
    written: AtomicI64,
}

/// Why a secret is not in the ring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// There is none.
    Unknown,
    /// Its stored key does not open.
    Corrupt,
}

/// All secrets by name.
pub(crate) struct KeyRing {
    schemes: Arc<Schemes>,
    /// What was refused, by scheme and reason.
    pub refusals: Refusals,
    namespaces: Namespaces,
    hasher: RandomState,
    shards: Box<[ArcSwap<Shard>]>,
    /// The names in order, for lists alone.
    names: RwLock<BTreeSet<SecretName>>,
    corrupt: RwLock<BTreeSet<SecretName>>,
    /// One writer at a time.
    writing: Mutex<()>,
}

impl KeyRing {
    /// A ring without secrets.
    pub(crate) fn new(schemes: Arc<Schemes>, limits: &Limits) -> Self {
        Self {
            schemes,
            namespaces: Namespaces::new(limits),
            refusals: Refusals::default(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            names: RwLock::default(),
            corrupt: RwLock::default(),
            writing: Mutex::new(()),
        }
    }

    /// Takes in what the store held when it was opened.
    pub(crate) fn load(
        &self,
        records: Vec<SecretRecord>,
        corrupt: Vec<SecretName>,
        now: Timestamp,
    ) {
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::new()).collect();
        let mut names = write(&self.names);
        let mut broken = write(&self.corrupt);
        broken.extend(corrupt);
        for record in records {
            let name = record.name.clone();
            if let Some(entry) = self.entry(record, None, now) {
                shards[self.shard_of(name.as_str())].insert(name.clone(), Arc::new(entry));
                names.insert(name);
            } else {
                tracing::error!(secret = %name, "the scheme or a key of the secret is not understood");
                broken.insert(name);
            }
        }
        for (slot, shard) in self.shards.iter().zip(shards) {
            slot.store(Arc::new(shard));
        }
    }

    /// One secret.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn secret(&self, name: &str) -> Result<Arc<Entry>, Absent> {
        let shard = self.shards[self.shard_of(name)].load();
        match shard.get(name) {
            Some(entry) => Ok(entry.clone()),
            None if read(&self.corrupt).contains(name) => Err(Absent::Corrupt),
            None => Err(Absent::Unknown),
        }
    }

    /// Puts the new state of a secret in the place of the old one. The times of use go on. A state that is not
    /// understood ends the old one all the same: it may have ended a key.
    pub(crate) fn publish(&self, record: SecretRecord) {
        let name = record.name.clone();
        let old = self.secret(name.as_str()).ok();
        let since = record.update_time;
        let Some(entry) = self.entry(record, old.as_deref(), since) else {
            tracing::error!(secret = %name, "the scheme or a key of the secret is not understood");
            self.remove(&name);
            write(&self.corrupt).insert(name);
            return;
        };
        self.change(&name, |shard| {
            shard.insert(name.clone(), Arc::new(entry));
        });
        write(&self.corrupt).remove(&name);
        write(&self.names).insert(name);
    }

    /// Takes a secret out.
    pub(crate) fn remove(&self, name: &SecretName) {
        self.change(name, |shard| {
            shard.remove(name);
        });
        write(&self.corrupt).remove(name);
        write(&self.names).remove(name);
    }

    /// At most `limit` secrets by name that are to be shown, after `after`, of a namespace if one is named; and whether
    /// more follow.
    pub(crate) fn page(
        &self,
        namespace: Option<&str>,
        after: Option<SecretName>,
        limit: usize,
        shown: impl Fn(&str) -> bool,
    ) -> (Vec<Arc<Entry>>, bool) {
        let names = read(&self.names);
        let prefix = namespace.unwrap_or_default();
        let start = match &after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix),
        };
        let mut rest = names
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|name| name.as_str().starts_with(prefix))
            .filter(|name| namespace.is_none_or(|namespace| name.namespace() == namespace))
            .filter(|name| shown(name.as_str()));
        let page = rest
            .by_ref()
            .filter_map(|name| self.secret(name.as_str()).ok())
            .take(limit)
            .collect();
        (page, rest.next().is_some())
    }

    /// The times of use that are not written yet.
    pub(crate) fn pending_uses(&self) -> Vec<UseTimes> {
        let mut pending = Vec::new();
        self.each_use(|secret_id, version, uses| pending.extend(uses.pending(secret_id, version)));
        pending
    }

    /// Notes that all uses up to a time are written.
    pub(crate) fn uses_written(&self, until: Timestamp) {
        self.each_use(|_, _, uses| uses.written_until(until));
    }

    fn each_use(&self, mut each: impl FnMut(i64, u32, &Uses)) {
        for shard in &self.shards {
            for entry in shard.load().values() {
                for (version, uses) in entry.record.versions.iter().zip(&entry.uses) {
                    each(entry.record.id, version.life.number, uses);
                }
            }
        }
    }

    /// `SecretName` borrows as `str`, so both hash alike.
    fn shard_of(&self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name);
        usize::try_from(hash % SHARDS as u64).unwrap_or(0)
    }

    /// Prepares the keys of a record, whose deliveries the replay record knows from `since` unless it knew them
    /// before. `None` when its scheme is unknown or a key does not decode.
    fn entry(
        &self,
        mut record: SecretRecord,
        old: Option<&Entry>,
        since: Timestamp,
    ) -> Option<Entry> {
        let scheme = self.schemes.scheme(&record.scheme)?.scheme;
        let mut keys = Vec::with_capacity(record.versions.len());
        for version in &record.versions {
            let Some(text) = &version.key else { continue };
            keys.push(KeyVersion {
                number: version.life.number,
                state: version.life.state,
                key: scheme.decode_key(text).ok()?,
                key_id: version.key_id.as_deref().map(Into::into),
            });
        }
        keys.shrink_to_fit();
        let same = old.filter(|old| old.record.id == record.id);
        let uses = record
            .versions
            .iter()
            .map(|version| {
                let known = same.and_then(|old| old.uses_of(version.life.number));
                known
                    .cloned()
                    .unwrap_or_else(|| Arc::new(Uses::stored(version)))
            })
            .collect();
        for version in &mut record.versions {
            version.key = None;
        }
        let settings = &record.settings;
        let replay_since = match same {
            Some(old) if old.tracks_as(settings) => old.replay_since,
            _ => since,
        };
        let secret = Secret {
            name: record.name.clone(),
            scheme,
            policy: Policy {
                mode: settings.mode,
                tolerance: settings.tolerance,
                timestamp_unit: settings.timestamp_unit,
                replay: settings.replay,
                parameters: settings.parameters.clone(),
            },
            versions: keys,
        };
        Some(Entry {
            budget: self.namespaces.budget(secret.name.namespace()),
            refusals: refusals::OfSecret::new(self.refusals.of_scheme(&secret.scheme.id)),
            secret,
            record,
            replay_since,
            uses,
        })
    }

    fn change(&self, name: &SecretName, change: impl FnOnce(&mut Shard)) {
        let _one_writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let shard = &self.shards[self.shard_of(name.as_str())];
        let mut copy = Shard::clone(&shard.load());
        change(&mut copy);
        shard.store(Arc::new(copy));
    }
}

/// The budget of each namespace that has a secret; the secrets hold it, so that no check has to look for it.
struct Namespaces {
    limits: Limits,
    budgets: Mutex<HashMap<Box<str>, Weak<Budget>>>,
}

impl Namespaces {
    fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            budgets: Mutex::default(),
        }
    }

    fn budget(&self, namespace: &str) -> Arc<Budget> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get(namespace).and_then(Weak::upgrade) {
            return budget;
        }
        let budget = Arc::new(Budget::of_namespace(&self.limits));
        if budgets.len() == budgets.capacity() {
            // Before it grows, those go whose last secret is gone.
            budgets.retain(|_, budget| budget.strong_count() > 0);
        }
        budgets.insert(namespace.into(), Arc::downgrade(&budget));
        budget
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// Whether the replay record was kept so far as these settings need it.
    fn tracks_as(&self, settings: &Settings) -> bool {
        let old = &self.record.settings;
        old.replay.is_some_and(|replay| replay != ReplayPolicy::Off)
            && (old.tolerance, old.timestamp_unit) == (settings.tolerance, settings.timestamp_unit)
    }

    /// Notes that a version signed.
    pub(crate) fn signed(&self, number: u32, now: Timestamp) {
        if let Some(uses) = self.uses(number) {
            uses.signed.fetch_max(now.unix_millis(), Ordering::Relaxed);
        }
    }

    /// Notes that a version verified.
    pub(crate) fn verified(&self, number: u32, now: Timestamp) {
        if let Some(uses) = self.uses(number) {
            uses.verified
                .fetch_max(now.unix_millis(), Ordering::Relaxed);
        }
    }

    /// When a version was last used.
    pub(crate) fn uses(&self, number: u32) -> Option<&Uses> {
        self.uses_of(number).map(|uses| &**uses)
    }

    fn uses_of(&self, number: u32) -> Option<&Arc<Uses>> {
        let numbers = self
            .record
            .versions
            .iter()
            .map(|version| version.life.number);
        let (_, uses) = numbers
            .zip(&self.uses)
            .find(|(known, _)| *known == number)?;
        Some(uses)
    }
}

impl Uses {
    fn stored(version: &VersionRecord) -> Self {
        let millis = |time: Option<Timestamp>| time.map_or(0, Timestamp::unix_millis);
        let (signed, verified) = (millis(version.last_sign), millis(version.last_verify));
        Self {
            signed: signed.into(),
            verified: verified.into(),
            written: signed.max(verified).into(),
        }
    }

    /// When it last signed.
    pub(crate) fn last_sign(&self) -> Option<Timestamp> {
        time(self.signed.load(Ordering::Relaxed))
    }

    /// When it last verified.
    pub(crate) fn last_verify(&self) -> Option<Timestamp> {
        time(self.verified.load(Ordering::Relaxed))
    }

    fn latest(&self) -> i64 {
        let [signed, verified] = [&self.signed, &self.verified];
        signed
            .load(Ordering::Relaxed)
            .max(verified.load(Ordering::Relaxed))
    }

    fn pending(&self, secret_id: i64, version: u32) -> Option<UseTimes> {
        (self.latest() > self.written.load(Ordering::Relaxed)).then(|| UseTimes {
            secret_id,
            version,
            last_sign: self.last_sign(),
            last_verify: self.last_verify(),
        })
    }

    /// A use after that time is still to be written, and the earlier one with it once more.
    fn written_until(&self, until: Timestamp) {
        let latest = self.latest();
        if latest <= until.unix_millis() {
            self.written.fetch_max(latest, Ordering::Relaxed);
        }
    }
}

fn time(millis: i64) -> Option<Timestamp> {
    (millis != 0).then(|| Timestamp::from_unix_millis(millis))
}
