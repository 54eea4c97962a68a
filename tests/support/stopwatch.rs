//! What a stopwatch could learn. The method is that of dudect (Reparaz, Balasch, Verbauwhede 2017): two classes of input
//! in random order, and Welch's t between their times. A comparison that leaks is measured beside ours, so that a blind
//! stopwatch does not pass for a constant time.
//!
//! Without `SAMPLES` in the environment this is a check for a busy machine: noise widens the spread and can hide a
//! difference, or feign one, so the quietest of some short runs counts. With it (`make timing`) every one of three runs
//! of so many samples must show nothing.

use std::{env, hint::black_box, time::Instant};

/// A |t| below this is no difference that dudect would report.
const NO_LEAK: f64 = 5.0;
/// What a comparison that stops at the first difference shows.
const LEAK: f64 = 50.0;

/// Samples of a short run.
const SAMPLES: usize = 30_000;
/// Short runs at most.
const TRIES: usize = 8;
/// Runs that must all be quiet.
const RUNS: usize = 3;

/// How long to look.
pub struct Stopwatch {
    samples: usize,
    every_run_counts: bool,
}

impl Stopwatch {
    pub fn new() -> Self {
        let asked = env::var("SAMPLES").ok().map(|count| count.parse().unwrap());
        Self {
            samples: asked.unwrap_or(SAMPLES),
            every_run_counts: asked.is_some(),
        }
    }

    /// Sees that `timed` takes as long for one input as for the other.
    pub fn assert_constant<T: Clone, A>(
        &self,
        what: &str,
        inputs: [&T; 2],
        mut timed: impl FnMut(&T) -> A,
    ) {
        let mut t = || t_statistic(self.samples, inputs, &mut timed);
        let t = match self.every_run_counts {
            true => (0..RUNS).map(|_| t()).fold(0.0, f64::max),
            false => until(TRIES, &mut t, |t| t < NO_LEAK).fold(f64::INFINITY, f64::min),
        };
        println!("{what}: |t| = {t:.1}");
        assert!(t < NO_LEAK, "{what} leaks: |t| = {t:.1}");
    }

    /// Sees that a comparison that stops at the first difference is found out.
    pub fn assert_sees_a_leak(&self) {
        let tag = [7_u8; 32];
        let [first, last] = wrong_at_either_end(&tag);
        let leaky = |other: &Vec<u8>| tag.iter().zip(other).all(|(a, b)| black_box(a) == b);
        let mut t = || t_statistic(self.samples, [&first, &last], leaky);
        let t = until(TRIES, &mut t, |t| t > LEAK).fold(0.0, f64::max);
        println!("a comparison that leaks: |t| = {t:.1}");
        assert!(t > LEAK, "the stopwatch is blind: |t| = {t:.1}");
    }
}

/// The same bytes with the first, and with the last wrong.
pub fn wrong_at_either_end(right: &[u8]) -> [Vec<u8>; 2] {
    let (mut first, mut last) = (right.to_vec(), right.to_vec());
    first[0] ^= 1;
    *last.last_mut().unwrap() ^= 1;
    [first, last]
}

/// Runs up to the first that is good.
fn until(
    tries: usize,
    mut run: impl FnMut() -> f64,
    is_good: impl Fn(f64) -> bool,
) -> impl Iterator<Item = f64> {
    let mut done = false;
    (0..tries).map_while(move |_| {
        if done {
            return None;
        }
        let t = run();
        done = is_good(t);
        Some(t)
    })
}

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
fn t_statistic<T: Clone, A>(
    samples: usize,
    inputs: [&T; 2],
    mut timed: impl FnMut(&T) -> A,
) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = Vec::with_capacity(samples);
    for _ in 0..samples {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let class = usize::from(state & 1 == 1);
        // Where an input lies must not tell one from the other.
        let input = inputs[class].clone();
        let begin = Instant::now();
        for _ in 0..8 {
            black_box(timed(black_box(&input)));
        }
        taken.push((class, begin.elapsed().as_nanos() as f64));
    }
    // Interrupts make the slowest samples; they belong to no class.
    let mut times: Vec<_> = taken.iter().map(|(_, time)| *time).collect();
    times.sort_by(f64::total_cmp);
    let cut = times[samples * 9 / 10];
    let mut classes = [Moments::default(), Moments::default()];
    for (class, time) in taken.into_iter().filter(|(_, time)| *time <= cut) {
        classes[class].add(time);
    }
    let [one, other] = &classes;
    let spread = (one.variance_of_mean() + other.variance_of_mean()).sqrt();
    ((one.mean - other.mean) / spread).abs()
}
