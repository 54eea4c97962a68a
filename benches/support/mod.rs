//! What the benchmarks share: interleaved rounds, medians, and a table. A figure counts beside the others of its table
//! and run only, so every table has a control row: the first thing measured a second time.

#![allow(dead_code, unreachable_pub)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Rounds of a table. An odd number, so that the median is one of them.
pub const ROUNDS: usize = 31;

/// How long one measurement of one round lasts.
const SLICE: Duration = Duration::from_millis(3);

/// Something to measure.
pub struct Row<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
}

/// A row that runs `work`, whose result is used as far as the compiler can tell.
pub fn row<'a, T>(name: impl Into<String>, mut work: impl FnMut() -> T + 'a) -> Row<'a> {
    Row {
        name: name.into(),
        run: Box::new(move || {
            black_box(work());
        }),
    }
}

/// Measures the rows in turn, round after round, and prints nanoseconds and the ratio to the first row. The ratio is
/// the median of the ratios within each round: what slows a whole round down does not touch it.
pub fn compare(title: &str, mut rows: Vec<Row<'_>>) {
    let counts: Vec<u32> = rows.iter_mut().map(calibrate).collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((row, count), nanos) in rows.iter_mut().zip(&counts).zip(&mut nanos) {
            nanos.push(time(row, *count).as_nanos() as f64 / f64::from(*count));
        }
    }
    println!("\n{title:<58} {:>10} {:>7}", "ns", "ratio");
    for (row, own) in rows.iter().zip(&nanos) {
        let ratios = own.iter().zip(&nanos[0]).map(|(own, first)| own / first);
        let (own, ratio) = (median(own.iter().copied()), median(ratios));
        println!("  {:<56} {own:>10.0} {ratio:>7.2}", row.name);
    }
}

/// How many runs fill a slice; warms up on the way.
fn calibrate(row: &mut Row<'_>) -> u32 {
    let mut count = 1;
    loop {
        let taken = time(row, count);
        if taken >= SLICE {
            return count;
        }
        count *= 2;
    }
}

fn time(row: &mut Row<'_>, count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        (row.run)();
    }
    start.elapsed()
}

/// The middle value.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of the values lies.
pub fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
