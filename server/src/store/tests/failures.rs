use super::*;

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    bench
}

async fn rotate(bench: &Bench, number: u32, ending: Ending) -> Result<(), ChangeError> {
    let rotation = rotation("acme/chat", ending, &format!("key {number}"));
    bench
        .rotate(&format!("r-{number}"), rotation)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_commit_that_fails_publishes_nothing_and_leaves_no_trace() {
    let bench = bench().await;
    let before = bench.shown();
    bench
        .sql(
            "CREATE TABLE trap (x INTEGER REFERENCES secrets (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER spring AFTER INSERT ON audit BEGIN INSERT INTO trap VALUES (-1); END;",
        )
        .await;
    let failed = rotate(&bench, 2, Ending::Grace(DAY)).await;
    assert_eq!(failed, Err(ChangeError::Unavailable));
    assert_eq!(bench.shown(), before);
    bench.sql("DROP TRIGGER spring; DROP TABLE trap;").await;
    assert_eq!(bench.store.change_number().await, Ok(1));
    rotate(&bench, 2, Ending::Grace(DAY)).await.unwrap();
}

#[tokio::test]
async fn f06_a_full_disk_refuses_changes_and_takes_them_again_when_there_is_room() {
    let bench = bench().await;
    bench.sql("PRAGMA max_page_count = 1").await;
    let mut created = 0;
    let refused = loop {
        let text = format!("acme/s{created}");
        match bench.create(&text, key(&text)).await {
            Ok(_) => created += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, ChangeError::DiskFull);
    assert_eq!(bench.memory.lock().unwrap().len(), created + 1);
    bench.sql("PRAGMA max_page_count = 100000").await;
    let text = format!("acme/s{created}");
    bench.create(&text, key(&text)).await.unwrap();
    let followed = bench.shown();
    assert_eq!(bench.reopened().shown(), followed);
}

#[tokio::test]
async fn a_change_that_panics_is_rolled_back_and_the_store_lives() {
    let bench = bench().await;
    let call = bench.store.rotate(
        caller(),
        request("r-2", "rotate"),
        rotation("acme/chat", Ending::Emergency, "key 2"),
        |_| panic!("injected"),
    );
    assert_eq!(call.await.unwrap_err(), ChangeError::Unavailable);
    assert_eq!(bench.store.change_number().await, Ok(1));
    rotate(&bench, 2, Ending::Emergency).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_answers_busy() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = StoreOptions {
        queue: 1,
        ..options(dir.path(), &clock)
    };
    let store = Store::open(options, |_| {}).unwrap().store;
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel::<()>();
    let hanging = store.clone();
    let held = tokio::spawn(async move {
        let work = move |_: &mut Writer| {
            started.send(()).unwrap();
            hold.recv().unwrap();
            Ok(())
        };
        hanging.submit(work).await
    });
    tokio::task::spawn_blocking(move || running.recv().unwrap())
        .await
        .unwrap();
    let queued = tokio::spawn({
        let store = store.clone();
        async move { store.change_number().await }
    });
    tokio::task::yield_now().await;
    assert_eq!(store.change_number().await, Err(ChangeError::Busy));
    release.send(()).unwrap();
    assert_eq!(held.await.unwrap(), Ok(()));
    assert_eq!(queued.await.unwrap(), Ok(0));
}

#[tokio::test]
async fn f08_after_a_disk_error_nothing_is_written_until_the_store_is_opened_anew() {
    let bench = bench().await;
    bench.sql("PRAGMA query_only = ON").await;
    let failed = rotate(&bench, 2, Ending::Grace(DAY)).await;
    assert_eq!(failed, Err(ChangeError::Unavailable));
    bench.sql("PRAGMA query_only = OFF").await;
    let still = rotate(&bench, 2, Ending::Grace(DAY)).await;
    assert_eq!(still, Err(ChangeError::Unavailable));
    let bench = bench.reopened();
    rotate(&bench, 2, Ending::Grace(DAY)).await.unwrap();
}

#[tokio::test]
async fn f07_the_ballast_gives_way_to_what_ends_a_key_and_comes_back() {
    const BALLAST: u64 = 256 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let with_ballast = || StoreOptions {
        ballast_bytes: BALLAST,
        ..options(dir.path(), &clock)
    };
    let store = Store::open(with_ballast(), |_| {}).unwrap().store;
    let length = || std::fs::metadata(dir.path().join("ballast")).map_or(0, |file| file.len());
    assert_eq!(length(), BALLAST);
    let new = secret("acme/chat", SCHEME, key("key 1"));
    let id = request("create-1", "create");
    store.create(caller(), id, new, answer).await.unwrap();
    assert_eq!(length(), BALLAST);
    std::fs::remove_file(dir.path().join("ballast")).unwrap();
    store.sweep().await.unwrap();
    assert_eq!(length(), BALLAST, "made anew");
    store.close();
    let none = StoreOptions {
        ballast_bytes: 0,
        ..with_ballast()
    };
    Store::open(none, |_| {}).unwrap().store.close();
    assert_eq!(length(), 0, "given back when none is wanted");
}
