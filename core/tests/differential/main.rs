//! Our verdict against that of crate jsonwebtoken over generated tokens. It is no judge: it accepts what the rows J08 to
//! J65 refuse. So whatever only one of the two accepts must have a property that a row names, and any other disagreement
//! fails.
//!
//! The tokens depend on their number alone, so a failure repeats. `TOKENS` says how many; `make differential` asks for
//! ten million.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic and tell"
)]

mod json;
mod kinds;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::SystemTime,
};

use countersign_core::{
    Key, Timestamp,
    token::{self, TokenKey, TokenRules},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use zeroize::Zeroizing;

use kinds::{Kind, only_it_accepts, only_we_accept};
use tokens::{Dice, KEY, Token};

const TOKENS: u64 = 200_000;

/// Tokens of one seed.
const BATCH: u64 = 10_000;

/// Both verifiers, ready to judge.
struct Judges {
    rules: TokenRules,
    key: Key,
    now: Timestamp,
    their_key: DecodingKey,
    validation: Validation,
}

impl Judges {
    fn new() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        Self {
            rules: toml::from_str("subject = \"sub\"\nmax_lifetime_secs = 4200000000").unwrap(),
            key: Key::new(Zeroizing::new(KEY.to_vec())),
            now: machine_time(),
            their_key: DecodingKey::from_secret(KEY),
            validation,
        }
    }

    fn ours(&self, token: &str) -> bool {
        let keys = std::iter::once(TokenKey {
            version: 1,
            key_id: None,
            key: &self.key,
        });
        token::verify(&self.rules, &BTreeMap::new(), keys, token, 0, self.now).is_ok()
    }

    fn theirs(&self, token: &str) -> bool {
        jsonwebtoken::decode::<Value>(token, &self.their_key, &self.validation).is_ok()
    }
}

/// Its clock is the machine's, so ours is too.
#[expect(clippy::disallowed_methods, reason = "the other verifier reads it")]
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_unix_secs(since.unwrap().as_secs().try_into().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "how long to look is asked for")]
fn tokens_asked_for() -> u64 {
    std::env::var("TOKENS").map_or(TOKENS, |count| count.parse().unwrap())
}

/// What was found in some batches.
#[derive(Default)]
struct Found {
    both: u64,
    neither: u64,
    /// How often a kind explained a disagreement alone.
    alone: BTreeMap<Kind, u64>,
    disagreements: u64,
}

impl Found {
    fn judge(&mut self, judges: &Judges, token: &Token) {
        let kinds = match (judges.ours(&token.text), judges.theirs(&token.text)) {
            (true, true) => {
                self.both += 1;
                return;
            }
            (false, false) => {
                self.neither += 1;
                return;
            }
            (true, false) => only_we_accept(&token.text),
            (false, true) => only_it_accepts(&token.text, judges.now),
        };
        assert!(!kinds.is_empty(), "no row names this: {token:?}");
        self.disagreements += 1;
        if let [kind] = kinds[..] {
            *self.alone.entry(kind).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.both += other.both;
        self.neither += other.neither;
        self.disagreements += other.disagreements;
        for (kind, count) in other.alone {
            *self.alone.entry(kind).or_default() += count;
        }
    }
}

fn look(judges: &Judges, batches: impl Iterator<Item = u64>) -> Found {
    let mut found = Found::default();
    for batch in batches {
        let mut dice = Dice::new(batch);
        for _ in 0..BATCH {
            found.judge(judges, &Token::generate(&mut dice));
        }
    }
    found
}

#[test]
fn jsonwebtoken_disagrees_only_where_a_row_says_so() {
    let judges = Judges::new();
    let batches = tokens_asked_for().div_ceil(BATCH);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let found = thread::scope(|scope| {
        let workers = (0..threads as u64).map(|first| {
            let judges = &judges;
            scope.spawn(move || look(judges, (first..batches).step_by(threads)))
        });
        let mut all = Found::default();
        for worker in workers.collect::<Vec<_>>() {
            all.add(worker.join().unwrap());
        }
        all
    });
    // Neither side won by refusing everything.
    assert!(found.both > batches * BATCH / 40, "{}", found.both);
    assert!(found.neither > batches * BATCH / 40, "{}", found.neither);
    // Each kind explained a disagreement alone at least once, so none of them is an idle excuse.
    let alone: BTreeSet<Kind> = found.alone.keys().copied().collect();
    assert_eq!(alone, kinds::ALL.into_iter().collect());
    println!(
        "{} tokens: both accept {}, neither {}, one of them {}; by row, where it is the only one: {:?}",
        batches * BATCH,
        found.both,
        found.neither,
        found.disagreements,
        found.alone
    );
}
