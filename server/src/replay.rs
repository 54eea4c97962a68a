//! Which verified deliveries were seen before. It is bounded, it never forgets a delivery that could still be
//! accepted to make room, and nothing enters it that was not verified.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{Timestamp, key::Tag};
use sha2::{Digest, Sha256};

const SHARDS: usize = 16;

/// How long a delivery is remembered whose scheme has no time after which it would be refused anyway.
pub(crate) const TIMELESS_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// What was seen of a delivery before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Nothing.
    First,
    /// The same delivery.
    Duplicate,
    /// The same signed id with another body.
    Conflict,
    /// It could not be recorded: the record is full.
    Full,
}

/// What makes a delivery the same as another one.
pub(crate) enum Identity<'a> {
    /// Its id, because the signature covers it; the body tells a retry from a conflict.
    Id {
        /// The id.
        id: &'a str,
        /// The body.
        body: &'a [u8],
    },
    /// Everything that is signed. An id beside it proves nothing, and a replayer would change it.
    Signed(&'a Tag),
}

/// Whose delivery it is.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The namespace of the secret.
    pub namespace: &'a str,
    /// The secret's number in the store.
    pub secret: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    secret: i64,
    digest: [u8; 16],
}

/// What is remembered of a delivery.
struct Seen {
    /// Fingerprint of the body.
    body: u64,
    /// Fingerprint of the namespace.
    namespace: u64,
    /// The minute in which it may be forgotten.
    end: i64,
    /// The call that brought it first.
    call: Call,
}

/// The least that a random id of a call has.
const MIN_CALL_ID_BYTES: usize = 8;

/// One check of one call, if the caller marks its calls. When an answer was lost, the repeat has the same mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call(Option<u64>);

#[derive(Default)]
struct Shard {
    seen: HashMap<Key, Seen>,
    /// How many of them each namespace has.
    of_namespace: HashMap<u64, usize>,
    /// Each delivery once, by the minute in which it may be forgotten unless it was seen again.
    by_end: BTreeMap<i64, Vec<Key>>,
}

/// The record.
pub(crate) struct ReplayRecord {
    /// Keyed, so that nobody can choose bodies that look alike.
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    shard_capacity: usize,
}

impl ReplayRecord {
    /// A record of about `capacity` deliveries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: Default::default(),
            shard_capacity: capacity.div_ceil(SHARDS),
        }
    }

    /// The check at `index` of a call, by the caller's own id of it. One that is too short to be chosen anew for each call
    /// is none.
    pub(crate) fn call_of(&self, caller: &str, id: Option<&[u8]>, index: usize) -> Call {
        let id = id.filter(|id| id.len() >= MIN_CALL_ID_BYTES);
        Call(id.map(|id| self.hasher.hash_one((caller, id, index))))
    }

    /// Notes a verified delivery, to be remembered for `retention`, and says what was known of it. The call that
    /// brought it first is answered alike when it is repeated.
    pub(crate) fn note(
        &self,
        owner: Owner<'_>,
        delivery: Identity<'_>,
        call: Call,
        retention: Duration,
        now: Timestamp,
    ) -> Sighting {
        let (key, body) = self.key(owner.secret, delivery);
        let namespace = self.hasher.hash_one(owner.namespace);
        let mut shard = self.shard(&key);
        shard.forget(now);
        let end = minute(now.plus(retention)) + 1;
        let is_full = shard.is_full_for(namespace, self.shard_capacity);
        match shard.seen.get_mut(&key) {
            Some(seen) => {
                // The sender tried again with a later timestamp, and that delivery can be replayed for longer.
                seen.end = seen.end.max(end);
                let repeated = call.0.is_some() && seen.call == call;
                match (seen.body == body, repeated) {
                    (true, true) => Sighting::First,
                    (true, false) => Sighting::Duplicate,
                    (false, _) => Sighting::Conflict,
                }
            }
            None if is_full => Sighting::Full,
            None => {
                let seen = Seen {
                    body,
                    namespace,
                    end,
                    call,
                };
                shard.seen.insert(key, seen);
                *shard.of_namespace.entry(namespace).or_default() += 1;
                shard.by_end.entry(end).or_default().push(key);
                Sighting::First
            }
        }
    }
}

impl ReplayRecord {
    /// What [`ReplayRecord::note`] would say of a delivery that no call brought before, without noting it.
    pub(crate) fn look(
        &self,
        owner: Owner<'_>,
        delivery: Identity<'_>,
        now: Timestamp,
    ) -> Sighting {
        let (key, body) = self.key(owner.secret, delivery);
        let namespace = self.hasher.hash_one(owner.namespace);
        let mut shard = self.shard(&key);
        shard.forget(now);
        match shard.seen.get(&key) {
            Some(seen) if seen.body == body => Sighting::Duplicate,
            Some(_) => Sighting::Conflict,
            None if shard.is_full_for(namespace, self.shard_capacity) => Sighting::Full,
            None => Sighting::First,
        }
    }

    /// Where a delivery is remembered, and the fingerprint of its body.
    fn key(&self, secret: i64, delivery: Identity<'_>) -> (Key, u64) {
        let (digest, body) = match delivery {
            Identity::Id { id, body } => {
                (first_half(&Sha256::digest(id)), self.hasher.hash_one(body))
            }
            // The shortest tag, of HMAC-SHA1, has 20 bytes.
            Identity::Signed(tag) => (first_half(tag.expose_bytes()), 0),
        };
        (Key { secret, digest }, body)
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(key.digest[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Whether there is no place for another delivery of a namespace. The last quarter is kept for those that have less
    /// than a quarter, so that no namespace can take every place.
    fn is_full_for(&self, namespace: u64, capacity: usize) -> bool {
        let (taken, quarter) = (self.seen.len(), capacity / 4);
        let has = || self.of_namespace.get(&namespace).copied().unwrap_or(0);
        taken >= capacity || (taken >= capacity - quarter && has() >= quarter)
    }

    fn remove(&mut self, key: &Key) {
        let Some(seen) = self.seen.remove(key) else {
            return;
        };
        match self.of_namespace.get_mut(&seen.namespace) {
            Some(has) if *has > 1 => *has -= 1,
            _ => drop(self.of_namespace.remove(&seen.namespace)),
        }
    }

    /// Drops what may be forgotten by now, and looks again later at what was seen again.
    fn forget(&mut self, now: Timestamp) {
        let now = minute(now);
        while let Some(oldest) = self.by_end.first_entry()
            && *oldest.key() <= now
        {
            for key in oldest.remove() {
                match self.seen.get(&key) {
                    Some(seen) if seen.end > now => {
                        self.by_end.entry(seen.end).or_default().push(key);
                    }
                    _ => self.remove(&key),
                }
            }
        }
    }
}

fn minute(time: Timestamp) -> i64 {
    time.unix_secs().div_euclid(60)
}

fn first_half(digest: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use countersign_core::Key;
    use zeroize::Zeroizing;

    use super::*;

    const RETENTION: Duration = Duration::from_secs(600);
    const OWNER: Owner<'_> = Owner {
        namespace: "acme",
        secret: 1,
    };

    fn note(record: &ReplayRecord, id: &str, body: &[u8], now: i64) -> Sighting {
        let now = Timestamp::from_unix_secs(now);
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = Call(Some(CALLS.fetch_add(1, Ordering::Relaxed)));
        record.note(OWNER, Identity::Id { id, body }, call, RETENTION, now)
    }

    #[test]
    fn an_id_of_a_call_is_its_callers_and_long_enough_to_be_new() {
        let record = ReplayRecord::new(1000);
        let call = |caller, id: &str| record.call_of(caller, Some(id.as_bytes()), 0);
        assert!(call("a", "01234567") == call("a", "01234567"));
        assert!(call("a", "01234567") != call("b", "01234567"));
        for short in ["", "1", "0123456"] {
            assert!(call("a", short) == Call(None), "{short}");
        }
    }

    #[test]
    fn the_call_whose_answer_was_lost_is_answered_alike() {
        let record = ReplayRecord::new(1000);
        let now = Timestamp::from_unix_secs(0);
        let note = |call, body: &[u8]| {
            let delivery = Identity::Id { id: "a", body };
            record.note(OWNER, delivery, Call(call), RETENTION, now)
        };
        assert_eq!(note(Some(1), b"1"), Sighting::First);
        assert_eq!(note(Some(1), b"1"), Sighting::First);
        assert_eq!(note(Some(1), b"2"), Sighting::Conflict);
        assert_eq!(note(Some(2), b"1"), Sighting::Duplicate);
        assert_eq!(note(None, b"1"), Sighting::Duplicate);
        assert_eq!(note(None, b"1"), Sighting::Duplicate);
    }

    #[test]
    fn w26_the_same_delivery_is_a_duplicate_and_another_body_a_conflict() {
        let record = ReplayRecord::new(1000);
        assert_eq!(note(&record, "a", b"1", 0), Sighting::First);
        assert_eq!(note(&record, "a", b"1", 599), Sighting::Duplicate);
        assert_eq!(note(&record, "a", b"2", 599), Sighting::Conflict);
        assert_eq!(note(&record, "b", b"1", 599), Sighting::First);
    }

    #[test]
    fn w28_a_delivery_is_remembered_until_its_window_is_over() {
        let record = ReplayRecord::new(1000);
        for id in ["a", "b"] {
            assert_eq!(note(&record, id, b"1", 59), Sighting::First);
        }
        assert_eq!(note(&record, "a", b"1", 59 + 600), Sighting::Duplicate);
        assert_eq!(note(&record, "b", b"1", 59 + 600 + 61), Sighting::First);
    }

    #[test]
    fn w28_a_retry_is_remembered_as_long_as_it_could_be_replayed_itself() {
        let record = ReplayRecord::new(1000);
        assert_eq!(note(&record, "a", b"1", 0), Sighting::First);
        assert_eq!(note(&record, "a", b"1", 590), Sighting::Duplicate);
        assert_eq!(note(&record, "a", b"2", 590 + 600), Sighting::Conflict);
        assert_eq!(note(&record, "a", b"1", 1190 + 600), Sighting::Duplicate);
        assert_eq!(note(&record, "a", b"1", 1790 + 661), Sighting::First);
    }

    #[test]
    fn w29_a_full_record_says_so_and_forgets_nothing() {
        let record = ReplayRecord::new(SHARDS);
        let sightings: Vec<_> = (0..200)
            .map(|n| note(&record, &n.to_string(), b"", 0))
            .collect();
        assert!(sightings.contains(&Sighting::Full));
        for (n, first) in sightings.iter().enumerate() {
            let again = note(&record, &n.to_string(), b"", 0);
            match first {
                Sighting::First => assert_eq!(again, Sighting::Duplicate),
                _ => assert_eq!(again, Sighting::Full),
            }
        }
    }

    #[test]
    fn w29_one_namespace_cannot_take_every_place() {
        let record = ReplayRecord::new(8000);
        let note = |namespace, id: usize, now| {
            let owner = Owner {
                namespace,
                secret: 1,
            };
            let (id, now) = (id.to_string(), Timestamp::from_unix_secs(now));
            let delivery = Identity::Id { id: &id, body: b"" };
            record.note(owner, delivery, Call(None), RETENTION, now)
        };
        let first = (0..10_000)
            .filter(|id| note("evil", *id, 0) == Sighting::First)
            .count();
        assert!((5000..7000).contains(&first), "{first}");
        for id in 10_000..11_000 {
            assert_eq!(note("acme", id, 0), Sighting::First);
        }
        // What is forgotten makes room again.
        assert_eq!(note("evil", 20_000, 0), Sighting::Full);
        assert_eq!(note("evil", 20_000, 2000), Sighting::First);
    }

    #[test]
    fn secrets_do_not_share_their_records() {
        let record = ReplayRecord::new(1000);
        let tag = Key::new(Zeroizing::new(vec![1; 32])).tag(&[b"text"]);
        let now = Timestamp::from_unix_secs(0);
        for secret in [1, 2] {
            let owner = Owner { secret, ..OWNER };
            let seen = record.note(owner, Identity::Signed(&tag), Call(None), RETENTION, now);
            assert_eq!(seen, Sighting::First);
        }
    }
}
