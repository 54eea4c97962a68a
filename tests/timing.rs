//! What a stopwatch could learn from a refused hash. The method is that of dudect (Reparaz, Balasch, Verbauwhede 2017):
//! two classes of input in random order, and Welch's t between their times. A comparison that leaks is measured beside
//! ours, so that a blind stopwatch does not pass for a constant time.

use std::{hint::black_box, time::Instant};

use countersign_core::{Catalogue, Identity, Key, Rules};
use zeroize::Zeroizing;

const SAMPLES: usize = 40_000;

/// A |t| below this is no difference that dudect would report, one above it is.
const NO_LEAK: f64 = 5.0;
const LEAK: f64 = 20.0;

/// Noise of the machine widens the spread and can only hide a difference or, rarely, feign one: one quiet run of these
/// is enough.
const RUNS: usize = 5;

#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Welford's update.
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// |t| between the times of a function on two inputs.
fn t_statistic<T>(inputs: [&T; 2], mut timed: impl FnMut(&T) -> bool) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let class = usize::from(state & 1 == 1);
        let begin = Instant::now();
        for _ in 0..8 {
            assert!(!black_box(timed(black_box(inputs[class]))));
        }
        samples.push((class, begin.elapsed().as_nanos() as f64));
    }
    // Interrupts make the slowest samples; they belong to no class.
    let mut times: Vec<_> = samples.iter().map(|(_, time)| *time).collect();
    times.sort_by(f64::total_cmp);
    let cut = times[SAMPLES * 9 / 10];
    let mut classes = [Moments::default(), Moments::default()];
    for (class, time) in samples.into_iter().filter(|(_, time)| *time <= cut) {
        classes[class].add(time);
    }
    let [one, other] = &classes;
    let spread = (one.variance_of_mean() + other.variance_of_mean()).sqrt();
    ((one.mean - other.mean) / spread).abs()
}

fn least_of_runs(mut t: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| t()).fold(f64::INFINITY, f64::min)
}

/// The same hash with its first, and with its last byte wrong.
fn wrong_at_either_end(right: [u8; 32]) -> [[u8; 32]; 2] {
    let (mut first, mut last) = (right, right);
    first[0] ^= 1;
    last[31] ^= 1;
    [first, last]
}

fn leaky(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| black_box(a) == b)
}

#[test]
fn h20_where_a_hash_differs_does_not_show_in_time() {
    let key = Key::new(Zeroizing::new(vec![7; 32]));
    let tag = key.tag(&[b"user_1"]);
    let [first, last] = wrong_at_either_end(tag.expose_bytes().try_into().unwrap());

    let control =
        least_of_runs(|| t_statistic([&first, &last], |hash| leaky(tag.expose_bytes(), hash)));
    assert!(control > LEAK, "the stopwatch is blind: |t| = {control:.1}");

    let compare = least_of_runs(|| t_statistic([&first, &last], |hash| tag.matches(hash)));
    assert!(
        compare < NO_LEAK,
        "the comparison leaks: |t| = {compare:.1}"
    );

    let scheme = Catalogue::builtin().scheme("chatwoot.identity").unwrap();
    let Rules::IdentityHash(rules) = &scheme.rules else {
        panic!("it is a scheme of hashes");
    };
    let user = Identity {
        id: "user_1".to_owned(),
        ..Identity::default()
    };
    let texts = [hex::encode(first), hex::encode(last)];
    let verify = |hash: &String| {
        let keys = std::iter::once((1, &key));
        rules.verify(&user, hash, keys).is_ok()
    };
    let whole = least_of_runs(|| t_statistic([&texts[0], &texts[1]], verify));
    assert!(whole < NO_LEAK, "the check leaks: |t| = {whole:.1}");
    println!("|t|: comparison {compare:.1}, whole check {whole:.1}, leaky control {control:.1}");
}
