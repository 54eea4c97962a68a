//! Data keys, and the key-encryption key that wraps them.

use rusqlite::Connection;

use super::*;
use crate::seal::KekId;

fn start(dir: &Path, current: u8, previous: Option<u8>) -> Result<Opened, OpenError> {
    let options = StoreOptions {
        kek: kek(current),
        previous_kek: previous.map(kek),
        ..options(dir, &Clock::manual(START))
    };
    Store::open(options, |_| {})
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("countersign.db")).unwrap()
}

fn count(dir: &Path, sql: &str) -> u64 {
    let count: i64 = database(dir).query_row(sql, [], |row| row.get(0)).unwrap();
    count.unsigned_abs()
}

fn under(dir: &Path, byte: u8) -> u64 {
    let id = KekId::of(&kek(byte));
    count(
        dir,
        &format!("SELECT count(*) FROM data_keys WHERE hex(kek_id) = upper('{id}')"),
    )
}

/// A closed store with five secrets, and what it shows.
async fn closed() -> (TempDir, Vec<String>) {
    let bench = Bench::new();
    for number in 0..5 {
        let text = format!("acme/s{number}");
        bench.create(&text, key(&text)).await.unwrap();
    }
    let shown = bench.shown();
    bench.store.close();
    (bench.dir, shown)
}

fn shown_by(opened: &Opened) -> Vec<String> {
    assert_eq!(opened.corrupt, []);
    opened.records.iter().map(shown).collect()
}

async fn rewrap_all(store: &Store) -> u64 {
    let mut after = 0;
    loop {
        match store.rewrap_next(after).await.unwrap() {
            Rewrap::After(secret_id) => after = secret_id,
            Rewrap::Done { left } => return left,
        }
    }
}

#[tokio::test]
async fn each_secret_has_a_data_key_that_goes_with_it() {
    let bench = Bench::new();
    bench.create("acme/a", key("key a")).await.unwrap();
    bench.create("acme/b", key("key b")).await.unwrap();
    let delete = bench.store.delete(caller(), name("acme/a"), true);
    delete.await.unwrap();
    bench.store.close();
    assert_eq!(
        count(bench.dir.path(), "SELECT secret_id FROM data_keys"),
        2
    );
    assert_eq!(under(bench.dir.path(), 1), 1);
}

#[tokio::test]
async fn f33_mixed_keks_are_readable_and_every_key_comes_under_the_new_one() {
    let (dir, shown) = closed().await;
    let opened = start(dir.path(), 2, Some(1)).unwrap();
    assert_eq!(shown_by(&opened), shown);
    // Two of five, and then the process is gone.
    assert_eq!(opened.store.rewrap_next(0).await, Ok(Rewrap::After(1)));
    assert_eq!(opened.store.rewrap_next(1).await, Ok(Rewrap::After(2)));
    opened.store.close();
    assert_eq!((under(dir.path(), 1), under(dir.path(), 2)), (3, 2));
    let opened = start(dir.path(), 2, Some(1)).unwrap();
    assert_eq!(shown_by(&opened), shown);
    assert_eq!(rewrap_all(&opened.store).await, 0);
    opened.store.close();
    assert_eq!((under(dir.path(), 1), under(dir.path(), 2)), (0, 5));
    let opened = start(dir.path(), 2, None).unwrap();
    assert_eq!(shown_by(&opened), shown);
    opened.store.close();
    assert_eq!(start(dir.path(), 1, None).unwrap_err(), OpenError::WrongKek);
}

#[tokio::test]
async fn a23_f33_the_previous_kek_cannot_go_while_keys_need_it_and_their_number_is_told() {
    let (dir, _) = closed().await;
    let opened = start(dir.path(), 2, Some(1)).unwrap();
    opened.store.rewrap_next(0).await.unwrap();
    opened.store.close();
    let before = std::fs::read(dir.path().join("countersign.db")).unwrap();
    let needed = OpenError::PreviousKekNeeded { keys: 4 };
    assert_eq!(start(dir.path(), 2, None).unwrap_err(), needed);
    assert!(needed.to_string().starts_with("4 keys"));
    // A third key does not stand in for it either.
    assert_eq!(start(dir.path(), 3, Some(2)).unwrap_err(), needed);
    assert_eq!(start(dir.path(), 3, None).unwrap_err(), OpenError::WrongKek);
    assert_eq!(start(dir.path(), 1, None).unwrap_err(), OpenError::WrongKek);
    let after = std::fs::read(dir.path().join("countersign.db")).unwrap();
    assert_eq!(before, after, "the data is untouched");
    // The way back is open.
    let opened = start(dir.path(), 1, Some(2)).unwrap();
    assert_eq!(opened.records.len(), 5);
    assert_eq!(rewrap_all(&opened.store).await, 0);
    opened.store.close();
    assert_eq!(start(dir.path(), 1, None).unwrap().records.len(), 5);
}

#[tokio::test]
async fn changes_go_on_while_keys_are_rewrapped() {
    let (dir, _) = closed().await;
    let store = start(dir.path(), 2, Some(1)).unwrap().store;
    store.rewrap_next(0).await.unwrap();
    for number in [0, 4] {
        let rotation = rotation(
            &format!("acme/s{number}"),
            Ending::Grace(HOUR),
            &format!("new {number}"),
        );
        let request = request(&format!("rotate-{number}"), "rotate");
        let rotated = store.rotate(caller(), request, rotation, answer).await;
        rotated.unwrap();
    }
    let new = secret("acme/new", SCHEME, key("new"));
    let request = request("create-new", "create");
    store.create(caller(), request, new, answer).await.unwrap();
    assert_eq!(rewrap_all(&store).await, 0);
    store.close();
    let opened = start(dir.path(), 2, None).unwrap();
    assert_eq!((opened.records.len(), opened.corrupt.len()), (6, 0));
    assert_eq!(opened.records[1].versions.len(), 2);
}

#[tokio::test]
async fn a25_a_key_that_does_not_open_stops_neither_the_rewrap_nor_the_other_secrets() {
    let (dir, _) = closed().await;
    database(dir.path())
        .execute(
            "UPDATE data_keys SET wrapped = zeroblob(72) WHERE secret_id = 3",
            [],
        )
        .unwrap();
    let opened = start(dir.path(), 2, Some(1)).unwrap();
    assert_eq!(opened.corrupt, [name("acme/s2")]);
    let store = opened.store;
    assert_eq!(rewrap_all(&store).await, 1);
    // The emergency gives the secret a data key of its own again.
    let emergency = rotation("acme/s2", Ending::Emergency, "after the loss");
    let request = request("emergency", "rotate");
    let planned = rotation("acme/s2", Ending::Grace(HOUR), "planned");
    let refused = store.rotate(caller(), request.clone(), planned, answer);
    assert_eq!(refused.await.unwrap_err(), ChangeError::Corrupt);
    let rotated = store.rotate(caller(), request, emergency, answer).await;
    rotated.unwrap();
    assert_eq!(rewrap_all(&store).await, 0);
    store.close();
    let opened = start(dir.path(), 2, None).unwrap();
    assert_eq!((opened.records.len(), opened.corrupt.len()), (5, 0));
}

#[tokio::test]
async fn a25_a27_no_swap_and_no_flip_among_wrapped_keys_opens_a_secret() {
    for damage in [
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE secret_id = 2) WHERE secret_id = 1",
        "UPDATE data_keys SET wrapped = (SELECT value FROM meta WHERE name = 'integrity_key') WHERE secret_id = 1",
        "UPDATE data_keys SET wrapped = substr(wrapped, 1, 71) WHERE secret_id = 1",
        "UPDATE data_keys SET wrapped = x'' WHERE secret_id = 1",
        "UPDATE data_keys SET kek_id = x'00' WHERE secret_id = 1",
        "UPDATE data_keys SET kek_id = zeroblob(8) WHERE secret_id = 1",
        "DELETE FROM data_keys WHERE secret_id = 1",
    ] {
        let (dir, _) = closed().await;
        database(dir.path()).execute_batch(damage).unwrap();
        let opened = start(dir.path(), 1, None).unwrap();
        assert_eq!(opened.corrupt, [name("acme/s0")], "{damage}");
        assert_eq!(opened.records.len(), 4);
    }
    for damage in [
        "UPDATE meta SET value = zeroblob(72) WHERE name = 'integrity_key'",
        "UPDATE meta SET value = (SELECT wrapped FROM data_keys LIMIT 1) WHERE name = 'integrity_key'",
        "UPDATE meta SET value = zeroblob(16) WHERE name = 'deployment'",
        "DELETE FROM meta WHERE name = 'deployment'",
        "DELETE FROM meta WHERE name = 'integrity_key'",
    ] {
        let (dir, _) = closed().await;
        database(dir.path()).execute_batch(damage).unwrap();
        let refused = start(dir.path(), 1, None).unwrap_err();
        assert_eq!(refused, OpenError::Damaged, "{damage}");
    }
}
