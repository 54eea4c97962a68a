//! A file with damaged pages: refused, and served as far as it verifies where that is asked for.

use std::{collections::BTreeSet, fs};

use super::*;

const PAGE_BYTES: usize = 4096;
/// As many as fill some pages of each table.
const SECRETS: usize = 120;

/// A closed store of many secrets, and what a sound start loads of it.
async fn closed() -> (TempDir, Vec<String>) {
    let bench = Bench::new();
    for number in 0..SECRETS {
        let (name, key) = (format!("acme/s{number:03}"), key(&format!("key {number}")));
        bench.create(&name, key).await.unwrap();
    }
    bench
        .rotate("r-1", rotation("acme/s007", Ending::Grace(DAY), "key x"))
        .await
        .unwrap();
    let sound = bench.shown();
    bench.store.close();
    (bench.dir, sound)
}

fn open(dir: &Path, degraded: bool) -> Result<Opened, OpenError> {
    let options = StoreOptions {
        degraded,
        ..options(dir, &Clock::manual(START))
    };
    Store::open(options, |_| {})
}

#[tokio::test]
async fn f04_of_a_file_with_any_damaged_page_what_verifies_is_served_and_nothing_is_written() {
    let (dir, sound) = closed().await;
    let path = dir.path().join("countersign.db");
    let file = fs::read(&path).unwrap();
    let (mut without_all, mut at_the_root, mut refused) = (0, 0, Vec::new());
    for page in 0..file.len() / PAGE_BYTES {
        let mut damaged = file.clone();
        damaged[page * PAGE_BYTES..][..PAGE_BYTES].fill(0x5a);
        fs::write(&path, &damaged).unwrap();
        assert_eq!(open(dir.path(), false).unwrap_err(), OpenError::Damaged);
        let Ok(opened) = open(dir.path(), true) else {
            refused.push(page);
            continue;
        };
        let served: BTreeSet<_> = opened.records.iter().map(shown).collect();
        assert!(served.iter().all(|each| sound.contains(each)));
        assert_eq!(
            served.len() + opened.corrupt.len(),
            SECRETS,
            "page {page}: each is served or named"
        );
        at_the_root += usize::from(served.is_empty());
        assert!(served.is_empty() || served.len() > SECRETS / 2);
        without_all += usize::from(!opened.corrupt.is_empty());
        let rotated = opened.store.rotate(
            caller(),
            request("r-2", "rotate"),
            rotation("acme/s001", Ending::Emergency, "key y"),
            answer,
        );
        assert_eq!(rotated.await.unwrap_err(), ChangeError::Unavailable);
        opened.store.sweep().await.unwrap_err();
        opened.store.close();
        assert_eq!(fs::read(&path).unwrap(), damaged, "page {page}");
    }
    assert!(without_all > 3, "{without_all}");
    assert!(
        at_the_root <= 5,
        "one for each table that a secret needs: {at_the_root}"
    );
    assert!(
        refused.len() <= 4,
        "the schema, and the facts of the store: {refused:?}"
    );
}

#[tokio::test]
async fn f04_what_the_log_holds_is_served_and_stays_where_it_is() {
    let (dir, _) = closed().await;
    let opened = open(dir.path(), false).unwrap();
    let rotated = opened.store.rotate(
        caller(),
        request("r-2", "rotate"),
        rotation("acme/s001", Ending::Emergency, "key y"),
        answer,
    );
    rotated.await.unwrap();
    let files = ["countersign.db", "countersign.db-wal"];
    let copy = tempfile::tempdir().unwrap();
    for file in files {
        fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let read = || files.map(|file| fs::read(copy.path().join(file)).unwrap());
    let before = read();
    assert!(!before[1].is_empty());
    let opened = open(copy.path(), true).unwrap();
    let record = opened
        .records
        .iter()
        .find(|each| each.name == name("acme/s001"));
    assert_eq!(
        states(record.unwrap()),
        [VersionState::Revoked, VersionState::Active]
    );
    opened.store.close();
    assert_eq!(read(), before);
}
