use super::*;

/// A version in its grace is accepted when memory has its key.
fn is_accepted(bench: &Bench, number: usize) -> bool {
    bench.record("acme/chat").versions[number - 1].key.is_some()
}

/// A secret whose first version is in its grace for a day, an hour after the start of time.
async fn bench() -> Bench {
    let bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    bench.later(HOUR);
    let rotated = rotation("acme/chat", Ending::Grace(DAY), "key 2");
    bench.rotate("r-1", rotated).await.unwrap();
    assert!(is_accepted(&bench, 1));
    bench
}

#[tokio::test]
async fn f20_a_start_whose_clock_is_behind_accepts_no_grace_until_it_has_caught_up() {
    let bench = bench().await;
    let seen = bench.clock.now();
    bench.clock.set(seen.minus_millis(5001));
    let bench = bench.reopened();
    assert!(!is_accepted(&bench, 1) && is_accepted(&bench, 2));
    // Nor after a change of that secret.
    let rotated = rotation("acme/chat", Ending::Grace(DAY), "key 3");
    bench.rotate("r-2", rotated).await.unwrap();
    assert!(!is_accepted(&bench, 1) && !is_accepted(&bench, 2) && is_accepted(&bench, 3));
    bench.store.sweep().await.unwrap();
    assert!(!is_accepted(&bench, 1));
    bench.clock.set(seen);
    bench.store.sweep().await.unwrap();
    assert!(is_accepted(&bench, 1) && is_accepted(&bench, 2));
}

#[tokio::test]
async fn f20_a_clock_that_is_five_seconds_behind_is_as_good_as_any() {
    let bench = bench().await;
    bench.clock.set(bench.clock.now().minus_millis(5000));
    assert!(is_accepted(&bench.reopened(), 1));
}

#[tokio::test]
async fn f19_a_clock_that_is_set_back_or_forth_under_way_revives_nothing_and_lengthens_no_grace() {
    let bench = bench().await;
    let set = bench.clock.now();
    bench.store.sweep().await.unwrap();
    bench.clock.set(set.minus_millis(3_600_000));
    bench.store.sweep().await.unwrap();
    assert!(
        !is_accepted(&bench, 1),
        "an hour longer than it was granted"
    );
    bench.clock.set(set);
    bench.store.sweep().await.unwrap();
    assert!(is_accepted(&bench, 1));
    // Beyond the end and back: what ended then has ended.
    bench.clock.set(set.plus(DAY + HOUR));
    bench.store.sweep().await.unwrap();
    bench.clock.set(set);
    bench.store.sweep().await.unwrap();
    assert_eq!(states(&bench.record("acme/chat"))[0], VersionState::Retired);
    let bench = bench.reopened();
    assert!(!is_accepted(&bench, 1) && is_accepted(&bench, 2));
}

#[tokio::test]
async fn f20_an_hour_of_sweeps_without_a_change_counts_too() {
    let bench = bench().await;
    let rotated = bench.clock.now();
    bench.later(HOUR);
    bench.store.sweep().await.unwrap();
    bench.clock.set(rotated);
    assert!(!is_accepted(&bench.reopened(), 1));
}

#[tokio::test]
async fn f20_a_clock_that_is_to_be_trusted_takes_the_mark_back_for_good() {
    let bench = bench().await;
    let right = bench.clock.now();
    bench.clock.set(right.plus(365 * DAY));
    bench.create("acme/other", key("other")).await.unwrap();
    bench.clock.set(right);
    let bench = bench.reopened();
    assert!(!is_accepted(&bench, 1));
    bench.store.close();
    let trusting = StoreOptions {
        trust_clock: true,
        ..options(bench.dir.path(), &bench.clock)
    };
    let store = Store::open(trusting, |_| {}).unwrap().store;
    store.sweep().await.unwrap();
    store.close();
    assert!(is_accepted(&Bench::open(bench.dir, right), 1));
}
