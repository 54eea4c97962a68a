use countersign_core::audit::{Check, Finding, Head, Record};
use rusqlite::{Connection, params};

use super::*;
use crate::seal::Domain;

/// A store with records of every kind.
async fn bench() -> Bench {
    let bench = Bench::new();
    bench.create("acme/a", key("key a")).await.unwrap();
    bench.create("acme/b", key("key b")).await.unwrap();
    for number in 2..6 {
        let ending = match number % 2 {
            0 => Ending::Emergency,
            _ => Ending::Grace(HOUR),
        };
        let rotation = rotation("acme/a", ending, &format!("key {number}"));
        bench
            .rotate(&format!("r-{number}"), rotation)
            .await
            .unwrap();
        read(&bench, "acme/b").await;
    }
    bench
}

/// The record of a read.
async fn read(bench: &Bench, subject: &str) {
    bench.store.note(caller(), noted(subject)).await.unwrap();
}

fn noted(subject: &str) -> Noted {
    Noted {
        method: "GetSecret".to_owned(),
        subject: subject.to_owned(),
        detail: String::new(),
        outcome: "OK".to_owned(),
    }
}

async fn check(bench: &Bench, anchor: Option<Head>) -> (Head, Option<Finding>) {
    bench.store.check_audit(anchor).await.unwrap()
}

/// A closed store's directory, and its number of records.
async fn closed() -> (TempDir, u64) {
    let bench = bench().await;
    let (head, finding) = check(&bench, None).await;
    assert_eq!(finding, None);
    bench.store.close();
    (bench.dir, head.number)
}

/// What a check finds in a copy of the store after an edit behind its back.
async fn found_after(dir: &TempDir, edit: impl FnOnce(&Connection)) -> Option<Finding> {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("countersign.db");
    std::fs::copy(dir.path().join("countersign.db"), &file).unwrap();
    edit(&Connection::open(&file).unwrap());
    let bench = Bench::open(copy, START);
    let (_, first) = check(&bench, None).await;
    // Whatever is found is found for ever: what is recorded later heals nothing.
    read(&bench, "acme/b").await;
    read(&bench, "acme/b").await;
    let (_, later) = check(&bench, None).await;
    assert_eq!(first.is_some(), later.is_some(), "{first:?} {later:?}");
    first
}

async fn found(dir: &TempDir, sql: &str) -> Option<Finding> {
    found_after(dir, |database| database.execute_batch(sql).unwrap()).await
}

#[tokio::test]
async fn every_record_has_the_next_number_and_the_hash_of_the_document() {
    let bench = bench().await;
    let rows = bench.store.audit_rows(None, 0, 100).await.unwrap();
    let mut head = Head::START;
    for (row, number) in rows.iter().zip(1..) {
        assert_eq!(row.record.number, number);
        head = head.after(&row.record);
        assert_eq!(row.hash, head.hash);
    }
    assert_eq!(check(&bench, None).await, (head, None));
    assert_eq!(bench.store.change_number().await, Ok(head.number));
    let methods: Vec<_> = rows.iter().map(|row| row.record.method.as_str()).collect();
    assert_eq!(
        methods[..4],
        ["CreateSecret", "CreateSecret", "RotateSecret", "GetSecret"]
    );
    let of_b = bench.store.audit_rows(Some("acme/b".into()), 2, 100).await;
    let of_b = of_b.unwrap();
    assert_eq!(of_b.len(), 4);
    assert!(of_b.iter().all(|row| row.record.subject == "acme/b"));
}

#[tokio::test]
async fn a29_an_edit_of_any_field_of_any_record_is_found() {
    let (dir, records) = closed().await;
    assert_eq!(found(&dir, "").await, None);
    for edit in [
        "time = time + 1",
        "principal = principal || 'x'",
        "rpc_id = ''",
        "method = 'GetSecret '",
        "subject = 'acme/c'",
        "version = version + 1",
        "detail = detail || ' imported'",
        "outcome = 'DENIED'",
        "hash = zeroblob(32)",
        "hash = x''",
        "principal = CAST(x'ff' AS TEXT)",
    ] {
        for number in 1..=records {
            let sql = format!("UPDATE audit SET {edit} WHERE n = {number}");
            let expected = Some(Finding::Edited(number));
            assert_eq!(found(&dir, &sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn a29_a_deleted_swapped_inserted_or_cut_off_record_is_found() {
    let (dir, records) = closed().await;
    let columns = "time, principal, rpc_id, method, subject, version, detail, outcome, hash";
    for number in 1..=records {
        let missing = Some(Finding::Missing(number));
        let sql = format!("DELETE FROM audit WHERE n = {number}");
        assert_eq!(found(&dir, &sql).await, missing);
        // The others close up.
        let close_up = format!(
            "{sql}; UPDATE audit SET n = -n WHERE n > {number}; UPDATE audit SET n = -n - 1 WHERE n < 0"
        );
        let expected = match number {
            last if last == records => missing,
            _ => Some(Finding::Edited(number)),
        };
        assert_eq!(found(&dir, &close_up).await, expected);
        let cut = format!("DELETE FROM audit WHERE n >= {number}");
        assert_eq!(found(&dir, &cut).await, missing);
        let cut = format!("{cut}; UPDATE change_counter SET n = {number} - 1");
        assert_eq!(found(&dir, &cut).await, missing);
        let doubled = format!(
            "UPDATE audit SET n = -n WHERE n > {number}; UPDATE audit SET n = -n + 1 WHERE n < 0;
             INSERT INTO audit (n, {columns}) SELECT n + 1, {columns} FROM audit WHERE n = {number}"
        );
        assert_eq!(
            found(&dir, &doubled).await,
            Some(Finding::Edited(number + 1))
        );
        if number < records {
            let swap = format!(
                "UPDATE audit SET n = -1 WHERE n = {number}; UPDATE audit SET n = n - 1 WHERE n = {number} + 1;
                 UPDATE audit SET n = {number} + 1 WHERE n = -1"
            );
            assert_eq!(found(&dir, &swap).await, Some(Finding::Edited(number)));
        }
    }
    for (n, expected) in [
        (0, Finding::Inserted(1)),
        (-5, Finding::Inserted(1)),
        (i64::MIN, Finding::Inserted(1)),
        (i64::MAX - 9, Finding::Missing(records + 1)),
        (i64::MAX, Finding::Missing(records + 1)),
    ] {
        let insert = format!(
            "INSERT INTO audit (n, {columns}) SELECT {n}, {columns} FROM audit WHERE n = 1"
        );
        assert_eq!(found(&dir, &insert).await, Some(expected), "{n}");
    }
}

/// Computes all hashes anew, as anybody can, and writes the head that they need, without the seal's key.
fn recompute(database: &Connection, with_head: bool) {
    let rows = super::super::audit::rows(database, None, 0, 1000).unwrap();
    let mut head = Head::START;
    for row in rows {
        head = head.after(&row.record);
        let sql = "UPDATE audit SET hash = ?2 WHERE n = ?1";
        let n = i64::try_from(head.number).unwrap();
        database.execute(sql, params![n, head.hash]).unwrap();
    }
    if with_head {
        let sql = "UPDATE meta SET value = CAST(?1 || ?2 || substr(value, 41) AS BLOB) WHERE name = 'audit_head'";
        let number = head.number.to_be_bytes();
        database.execute(sql, params![number, head.hash]).unwrap();
    }
}

#[tokio::test]
async fn a29_a_chain_that_was_computed_anew_does_not_meet_its_head() {
    let (dir, records) = closed().await;
    for number in 1..=records {
        for edit in [
            format!("UPDATE audit SET principal = 'mallory' WHERE n = {number}"),
            format!("UPDATE audit SET subject = 'acme/z', detail = '' WHERE n = {number}"),
        ] {
            for with_head in [false, true] {
                let finding = found_after(&dir, |database| {
                    database.execute_batch(&edit).unwrap();
                    recompute(database, with_head);
                });
                let expected = match with_head {
                    false => Finding::OffHead(records),
                    true => Finding::ForgedHead(records),
                };
                assert_eq!(finding.await, Some(expected));
            }
        }
    }
    for edit in [
        "UPDATE meta SET value = x'' WHERE name = 'audit_head'",
        "DELETE FROM meta WHERE name = 'audit_head'",
        "UPDATE meta SET value = zeroblob(72) WHERE name = 'audit_head'",
    ] {
        assert!(found(&dir, edit).await.is_some(), "{edit}");
    }
}

/// The head of an earlier moment bears a good seal. What was changed since is bound to its number all the same.
#[tokio::test]
async fn a29_an_audit_that_was_taken_back_is_found_by_what_was_changed_since_or_against_an_anchor()
{
    let bench = bench().await;
    let (early, _) = check(&bench, None).await;
    let old: Vec<u8> = fact(&bench).await;
    read(&bench, "acme/a").await;
    let (anchor, finding) = check(&bench, Some(early)).await;
    assert_eq!((anchor.number, finding), (early.number + 1, None));
    take_back(&bench, &old, early).await;
    assert_eq!(check(&bench, None).await, (early, None), "nobody can know");
    let (_, finding) = check(&bench, Some(anchor)).await;
    assert_eq!(finding, Some(Finding::Missing(anchor.number)));

    let emergency = rotation("acme/a", Ending::Emergency, "key 9");
    bench.rotate("r-9", emergency).await.unwrap();
    take_back(&bench, &old, early).await;
    let (_, finding) = check(&bench, None).await;
    assert_eq!(finding, Some(Finding::Behind(early.number + 1)));
}

async fn fact(bench: &Bench) -> Vec<u8> {
    let sql = "SELECT value FROM meta WHERE name = 'audit_head'";
    let work = move |writer: &mut Writer| {
        writer.read(|connection| connection.query_row(sql, [], |row| row.get(0)))
    };
    bench.store.submit(work).await.unwrap()
}

async fn take_back(bench: &Bench, head: &[u8], to: Head) {
    let (head, to) = (head.to_vec(), i64::try_from(to.number).unwrap());
    let work = move |writer: &mut Writer| {
        writer.read(|connection| {
            connection.execute("DELETE FROM audit WHERE n > ?1", [to])?;
            connection.execute("UPDATE change_counter SET n = ?1", [to])?;
            let sql = "UPDATE meta SET value = ?1 WHERE name = 'audit_head'";
            connection.execute(sql, [head])
        })
    };
    bench.store.submit(work).await.unwrap();
}

#[tokio::test]
async fn a29_an_anchor_speaks_for_all_records_before_it() {
    let bench = bench().await;
    let rows = bench.store.audit_rows(None, 0, 100).await.unwrap();
    for row in &rows {
        let hash = row.hash.clone().try_into().unwrap();
        let number = row.record.number;
        assert_eq!(check(&bench, Some(Head { number, hash })).await.1, None);
        let wrong = Head {
            number,
            hash: [7; 32],
        };
        let finding = check(&bench, Some(wrong)).await.1;
        assert_eq!(finding, Some(Finding::OffAnchor(number)));
    }
}

#[tokio::test]
async fn a_change_whose_record_cannot_be_written_is_not_made() {
    let bench = bench().await;
    let (before, head) = (bench.shown(), check(&bench, None).await);
    for trap in [
        "CREATE TRIGGER trap BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER trap BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'x'); END",
    ] {
        bench.sql(trap).await;
        let rotation = rotation("acme/a", Ending::Emergency, "key 9");
        let failed = bench.rotate("r-9", rotation).await;
        assert_eq!(failed, Err(ChangeError::Unavailable));
        bench.sql("DROP TRIGGER trap").await;
        assert_eq!(
            (bench.shown(), check(&bench, None).await),
            (before.clone(), head)
        );
    }
    let unrecorded = bench.store.submit(|writer: &mut Writer| {
        writer.change(|change| {
            change.rows.connection.execute("DELETE FROM requests", [])?;
            Ok(writer::Done::Commit {
                answer: (),
                publish: Vec::new(),
            })
        })
    });
    assert_eq!(unrecorded.await, Err(ChangeError::Unavailable));
    assert_eq!(check(&bench, None).await, head);
}

#[tokio::test]
async fn a29_nobody_has_an_audit_made_anew_by_writing_an_earlier_schema() {
    for number in 1..=6 {
        let bench = bench().await;
        bench.store.close();
        let database = Connection::open(bench.dir.path().join("countersign.db")).unwrap();
        database
            .pragma_update(None, "user_version", number)
            .unwrap();
        drop(database);
        let opened = Store::open(options(bench.dir.path(), &bench.clock), |_| {});
        assert_eq!(opened.unwrap_err(), OpenError::OlderSchema);
    }
}

/// However many calls are to be recorded, a change has but a few of them before it; and none goes without its record.
#[tokio::test]
async fn changes_do_not_wait_behind_all_that_is_to_be_recorded() {
    let bench = Bench::new();
    let notes = (0..300).map(|_| {
        let (store, noted) = (bench.store.clone(), noted("acme/a"));
        tokio::spawn(async move { store.note(caller(), noted).await })
    });
    let notes: Vec<_> = notes.collect();
    tokio::task::yield_now().await;
    bench.create("acme/a", key("k")).await.unwrap();
    let before = notes.iter().filter(|note| note.is_finished()).count();
    assert!(before < 100, "{before}");
    for note in notes {
        note.await.unwrap().unwrap();
    }
    assert_eq!(bench.store.change_number().await, Ok(301));
}

/// A check of a long chain reads a page, lets the others in, and reads the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_get_their_turn_while_a_long_chain_is_checked() {
    let records = 20_000;
    let bench = Bench::new();
    lengthen(&bench, records).await;
    let store = bench.store.clone();
    let checked = tokio::spawn(async move { store.check_audit(None).await });
    let mut turns = 0;
    while !checked.is_finished() {
        read(&bench, "acme/a").await;
        turns += 1;
    }
    let (head, finding) = checked.await.unwrap().unwrap();
    assert_eq!(finding, None);
    assert!(head.number >= records && turns >= 3, "{turns}");
}

/// Adds many records in one transaction.
async fn lengthen(bench: &Bench, records: u64) {
    let work = move |writer: &mut Writer| {
        writer.upkeep(|rows| {
            let mut head = Head::START;
            let sql = "INSERT INTO audit VALUES (?1, ?2, 'alice', 'rpc-1', 'GetSecret', 'acme/a', 0, '', 'OK', ?3)";
            let mut insert = rows.connection.prepare(sql)?;
            for number in 1..=records {
                let record = Record {
                    number,
                    time: rows.now,
                    principal: "alice".to_owned(),
                    rpc_id: "rpc-1".to_owned(),
                    method: "GetSecret".to_owned(),
                    subject: "acme/a".to_owned(),
                    version: 0,
                    detail: String::new(),
                    outcome: "OK".to_owned(),
                };
                head = head.after(&record);
                insert.execute(params![number.cast_signed(), rows.now.unix_millis(), head.hash])?;
            }
            let number = head.number.to_be_bytes();
            let seal = rows.seal.fingerprint(Domain::AuditHead, &[&number, &head.hash]);
            let value = [number.as_slice(), &head.hash, &seal].concat();
            let sql = "UPDATE meta SET value = ?1 WHERE name = 'audit_head'";
            rows.connection.execute(sql, [value])?;
            let sql = "UPDATE change_counter SET n = ?1";
            rows.connection.execute(sql, [records.cast_signed()])?;
            Ok(writer::Done::Commit {
                answer: (),
                publish: Vec::new(),
            })
        })
    };
    bench.store.submit(work).await.unwrap();
}

#[test]
fn an_empty_chain_has_its_head() {
    assert_eq!(Check::new(None).finish_at(&Head::START), None);
}
