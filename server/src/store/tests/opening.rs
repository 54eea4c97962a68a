use std::{fs, os::unix::fs::PermissionsExt};

use rusqlite::Connection;

use super::*;

fn open(dir: &Path, kek_byte: u8) -> Result<Opened, OpenError> {
    let options = StoreOptions {
        kek: kek(kek_byte),
        ..options(dir, &Clock::manual(START))
    };
    Store::open(options, |_| {})
}

/// The database of a closed store.
async fn closed() -> TempDir {
    let bench = Bench::new();
    bench.create("acme/a", key("key a")).await.unwrap();
    bench.create("acme/b", key("key b")).await.unwrap();
    bench.store.close();
    bench.dir
}

fn database(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join("countersign.db")).unwrap()
}

#[tokio::test]
async fn f09_a_second_opener_is_refused_until_the_first_is_gone() {
    let bench = Bench::new();
    let second = open(bench.dir.path(), 1);
    assert_eq!(second.unwrap_err(), OpenError::InUse);
    bench.create("acme/a", key("key a")).await.unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.shown().len(), 1);
}

#[tokio::test]
async fn a23_a_wrong_key_encryption_key_is_refused_and_makes_no_second_store() {
    let dir = closed().await;
    let before = fs::read(dir.path().join("countersign.db")).unwrap();
    assert_eq!(open(dir.path(), 2).unwrap_err(), OpenError::WrongKek);
    assert_eq!(fs::read(dir.path().join("countersign.db")).unwrap(), before);
    let opened = open(dir.path(), 1).unwrap();
    assert_eq!(opened.records.len(), 2);
}

#[tokio::test]
async fn f29_a_newer_schema_is_refused_and_left_alone() {
    let dir = closed().await;
    database(&dir)
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(dir.path().join("countersign.db")).unwrap();
    assert_eq!(open(dir.path(), 1).unwrap_err(), OpenError::NewerSchema);
    assert_eq!(fs::read(dir.path().join("countersign.db")).unwrap(), before);
}

#[test]
fn a_database_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    database(&dir)
        .execute_batch("CREATE TABLE users (id)")
        .unwrap();
    assert_eq!(open(dir.path(), 1).unwrap_err(), OpenError::NotAStore);
    database(&dir)
        .pragma_update(None, "user_version", 1)
        .unwrap();
    assert_eq!(open(dir.path(), 1).unwrap_err(), OpenError::NotAStore);
}

#[test]
fn f04_a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("countersign.db"), [b'x'; 8192]).unwrap();
    assert_eq!(open(dir.path(), 1).unwrap_err(), OpenError::Damaged);
}

#[tokio::test]
async fn a25_a_damaged_secret_is_named_and_the_others_serve() {
    for damage in [
        "UPDATE versions SET sealed_key = zeroblob(60) WHERE secret_id = 1",
        "UPDATE versions SET sealed_key = NULL WHERE secret_id = 1",
        "UPDATE versions SET sealed_key = (SELECT sealed_key FROM versions WHERE secret_id = 2) WHERE secret_id = 1",
        "UPDATE versions SET state = 'pending' WHERE secret_id = 1",
        "UPDATE secrets SET scheme = 'chatwoot.webhook' WHERE id = 1",
        "UPDATE secrets SET labels = '{' WHERE id = 1",
        "UPDATE secrets SET revision = -1 WHERE id = 1",
        "UPDATE secrets SET mode = 'off' WHERE id = 1",
        "UPDATE secrets SET tag = (SELECT tag FROM secrets WHERE id = 2) WHERE id = 1",
        "UPDATE versions SET create_time = create_time + 1 WHERE secret_id = 1",
        "UPDATE versions SET imported = 1 WHERE secret_id = 1",
    ] {
        let dir = closed().await;
        database(&dir).execute_batch(damage).unwrap();
        let bench = Bench::open(dir, START);
        assert_eq!(bench.corrupt, [name("acme/a")], "{damage}");
        let names: Vec<_> = bench.memory.lock().unwrap().keys().cloned().collect();
        assert_eq!(names, [name("acme/b")]);
        let rotated = rotation("acme/b", Ending::Grace(DAY), "key c");
        bench.rotate("r-1", rotated).await.unwrap();
        bench
            .store
            .delete(caller(), name("acme/a"), true)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a25_a_flipped_byte_of_the_file_never_changes_what_is_served() {
    let dir = closed().await;
    let sound: Vec<_> = open(dir.path(), 1)
        .unwrap()
        .records
        .iter()
        .map(shown)
        .collect();
    let file = fs::read(dir.path().join("countersign.db")).unwrap();
    let mut detected = 0;
    for at in (0..file.len()).step_by(211) {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("countersign.db"), damaged).unwrap();
        match open(copy.path(), 1) {
            Ok(opened) => {
                detected += usize::from(!opened.corrupt.is_empty());
                let served: Vec<_> = opened.records.iter().map(shown).collect();
                assert!(served.iter().all(|each| sound.contains(each)), "byte {at}");
            }
            Err(_) => detected += 1,
        }
    }
    assert!(detected > 0);
}

#[tokio::test]
async fn a25_an_emergency_repairs_a_secret_whose_key_does_not_open() {
    let dir = closed().await;
    let damage = "UPDATE versions SET sealed_key = zeroblob(60) WHERE secret_id = 1";
    database(&dir).execute_batch(damage).unwrap();
    let bench = Bench::open(dir, START);
    let planned = rotation("acme/a", Ending::Grace(DAY), "key c");
    assert_eq!(
        bench.rotate("r-1", planned).await.unwrap_err(),
        ChangeError::Corrupt
    );
    let emergency = rotation("acme/a", Ending::Emergency, "key c");
    bench.rotate("r-1", emergency).await.unwrap();
    let bench = bench.reopened();
    assert!(bench.corrupt.is_empty());
    assert_eq!(bench.shown().len(), 2);
}

#[tokio::test]
async fn a25_editing_a_row_brings_no_revoked_version_back_and_lengthens_no_grace() {
    for edit in [
        "UPDATE versions SET state = 'pending', activate_time = NULL, grace_end_time = NULL WHERE number = 1",
        "UPDATE versions SET grace_end_time = grace_end_time + 1 WHERE number = 2",
        "UPDATE versions SET grace_end_time = 0 WHERE number = 2",
    ] {
        let bench = Bench::new();
        bench.create("acme/a", key("key 1")).await.unwrap();
        for (id, ending) in [("r-2", Ending::Emergency), ("r-3", Ending::Grace(HOUR))] {
            bench
                .rotate(id, rotation("acme/a", ending, id))
                .await
                .unwrap();
        }
        bench.sql(edit).await;
        // A sweep must not bind what it did not write.
        bench.store.sweep().await.unwrap();
        assert_eq!(states(&bench.record("acme/a"))[1], grace(START.plus(HOUR)));
        let revoked = bench.store.revoke(caller(), name("acme/a"), 2, false).await;
        assert_eq!(revoked.unwrap_err(), ChangeError::Corrupt, "{edit}");
        let bench = bench.reopened();
        assert_eq!(bench.corrupt, [name("acme/a")], "{edit}");
    }
}

#[test]
fn a_database_that_a_tool_holds_is_in_use_and_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let tool = database(&dir);
    tool.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    assert_eq!(open(dir.path(), 1).unwrap_err(), OpenError::InUse);
}

#[tokio::test]
async fn the_files_are_for_this_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let opened = open(&dir, 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let new = secret("acme/a", SCHEME, key("key a"));
    opened
        .store
        .create(caller(), request("c-1", "create"), new, answer)
        .await
        .unwrap();
    let files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 3);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn the_connection_is_set_to_lose_and_leak_nothing() {
    let bench = Bench::new();
    for (pragma, expected) in [
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("temp_store", 2),
    ] {
        let work = move |writer: &mut Writer| {
            writer.read(|connection| connection.pragma_query_value(None, pragma, |row| row.get(0)))
        };
        let value: i64 = bench.store.submit(work).await.unwrap_or(0);
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn a_closed_store_answers_unavailable() {
    let bench = Bench::new();
    let other = bench.store.clone();
    bench.store.close();
    assert_eq!(other.change_number().await, Err(ChangeError::Unavailable));
}

#[tokio::test]
async fn dropping_the_last_handle_releases_the_directory() {
    let bench = Bench::new();
    bench.create("acme/a", key("key a")).await.unwrap();
    let thread = bench.store.thread.lock().unwrap().take().unwrap();
    drop(bench.store);
    thread.join().unwrap();
    assert_eq!(open(bench.dir.path(), 1).unwrap().records.len(), 1);
}

#[test]
fn every_refusal_is_one_line_that_says_what_to_do() {
    for error in [
        OpenError::DataDir,
        OpenError::InUse,
        OpenError::SqliteTooOld,
        OpenError::NewerSchema,
        OpenError::WrongKek,
        OpenError::PreviousKekNeeded { keys: 7 },
        OpenError::UnacceptedCopy,
        OpenError::NotAStore,
        OpenError::Damaged,
        OpenError::DiskFull,
        OpenError::System,
    ] {
        let line = error.to_string();
        assert!(line.contains(": ") && !line.contains('\n'), "{line}");
    }
}
