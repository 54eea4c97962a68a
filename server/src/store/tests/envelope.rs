//! Data keys, the key-encryption key that wraps them, and stores of before there were any.

use rusqlite::{Connection, params};

use super::*;
use crate::seal::{Domain, KekId, Kind, Place, legacy::LegacyKeys};

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

/// A store as a release before data keys left it, of schema 1 or 2: one sealed key, one answer, one deleted secret.
fn legacy_store(current: u8, schema: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let database = database(dir.path());
    let scripts = [
        include_str!("../schema/0001.sql"),
        include_str!("../schema/0002.sql"),
    ];
    for script in scripts.iter().take(schema as usize) {
        database.execute_batch(script).unwrap();
    }
    database
        .pragma_update(None, "application_id", 0x4353_474e)
        .unwrap();
    database
        .pragma_update(None, "user_version", schema)
        .unwrap();
    let deployment = [5; 16];
    let keys = LegacyKeys::derive(&kek(current), &deployment);
    let facts = "INSERT INTO meta (name, value) VALUES ('deployment', ?1), ('kek_check', ?2)";
    database
        .execute(facts, params![deployment, keys.check_value()])
        .unwrap();
    write_legacy_rows(&database, &keys, deployment);
    dir
}

fn write_legacy_rows(database: &Connection, keys: &LegacyKeys, deployment: [u8; 16]) {
    let seal = crate::seal::Seal::with(
        &crate::seal::Keks {
            current: kek(9),
            previous: None,
        },
        deployment,
        keys.fingerprints.clone(),
    );
    let wrapped = seal.wrap_data_key(1, &keys.sealing).unwrap();
    let sealing = seal.data_key(1, &wrapped).unwrap();
    let name = name("acme/old");
    let place = Place {
        kind: Kind::Key,
        secret_id: 1,
        name: &name,
        version: 1,
        scheme: SCHEME,
    };
    let now = START.unix_millis();
    let sql = "INSERT INTO secrets (id, name, scheme, parameters, labels, create_time, update_time, revision)
               VALUES (1, 'acme/old', ?1, '{}', '{}', ?2, ?2, 1)";
    database.execute(sql, params![SCHEME, now]).unwrap();
    let sql = "INSERT INTO secrets (id, name, scheme, parameters, labels, create_time, update_time, revision, delete_time)
               VALUES (2, 'acme/gone', ?1, '{}', '{}', ?2, ?2, 1, ?2)";
    database.execute(sql, params![SCHEME, now]).unwrap();
    let sql = "INSERT INTO versions (secret_id, number, state, create_time, activate_time, imported, warnings,
                                     sealed_key, fingerprint)
               VALUES (1, 1, 'active', ?1, ?1, 0, '[]', ?2, ?3)";
    let fingerprint = seal.fingerprint(Domain::Key, &[key("old key").block.as_slice()]);
    let sealed = sealing.seal(&place, b"old key").unwrap();
    database
        .execute(sql, params![now, sealed, fingerprint])
        .unwrap();
    let answer_place = Place {
        kind: Kind::Answer,
        ..place
    };
    let sql = "INSERT INTO requests (id, principal, method, args_digest, answer, secret_id, version, create_time)
               VALUES ('create-acme/old', 'alice', 'CreateSecret', ?1, ?2, 1, 1, ?3)";
    let args = request("x", "create").args_digest;
    let answer = sealing.seal(&answer_place, b"the old answer").unwrap();
    database.execute(sql, params![args, answer, now]).unwrap();
    database
        .execute_batch("UPDATE change_counter SET n = 1")
        .unwrap();
    let sql =
        "INSERT INTO audit (n, time, principal, rpc_id, method, secret, version, detail, outcome)
               VALUES (1, ?1, 'alice', 'rpc-0', 'CreateSecret', 'acme/old', 1, 'generated', 'ok')";
    database.execute(sql, [now]).unwrap();
    write_legacy_tag(database, &seal);
}

/// Binds the old secret's rows, which needs a table that the first schema does not have.
fn write_legacy_tag(database: &Connection, seal: &crate::seal::Seal) {
    let has_schemes = "SELECT count(*) FROM sqlite_schema WHERE name = 'schemes'";
    let has_schemes: u32 = database
        .query_row(has_schemes, [], |row| row.get(0))
        .unwrap();
    if has_schemes == 0 {
        let stand_in = "CREATE TEMP TABLE schemes (id TEXT, tag BLOB)";
        database.execute_batch(stand_in).unwrap();
    }
    let rows = super::super::rows::Rows {
        connection: database,
        seal,
        now: START,
        graces_hold: true,
    };
    rows.bind(1).unwrap();
}

async fn assert_legacy_store_works(store: &Store, records: &[SecretRecord]) {
    assert_eq!(records.len(), 1);
    let text = records[0].versions[0].key.as_ref().unwrap();
    assert_eq!(text.expose_secret(), "old key");
    // Its answers, its fingerprints and its tags still hold.
    let again = secret("acme/old", SCHEME, key("old key"));
    let id = request("create-acme/old", "create");
    let answered = store.create(caller(), id, again, answer).await.unwrap();
    assert_eq!(answered.as_slice(), b"the old answer");
    let reused = secret("acme/other", SCHEME, key("old key"));
    let id = request("reuse-it", "create");
    let refused = store.create(caller(), id, reused, answer).await;
    assert_eq!(refused.unwrap_err(), ChangeError::KeyReused);
}

#[tokio::test]
async fn f27_a_store_of_before_data_keys_opens_without_sealing_a_row_anew() {
    let sealed = |path: &Path| -> String {
        let sql = "SELECT hex(sealed_key) || hex(fingerprint) FROM versions";
        database(path).query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for schema in [1, 2] {
        let dir = legacy_store(1, schema);
        let before = sealed(dir.path());
        let opened = start(dir.path(), 1, None).unwrap();
        assert!(opened.corrupt.is_empty() && opened.schemes.is_empty());
        assert_legacy_store_works(&opened.store, &opened.records).await;
        let audit = opened.store.audit_rows(None, 0, 10).await.unwrap();
        let audit: Vec<_> = audit.iter().map(|row| &row.record).collect();
        assert_eq!((audit.len(), &*audit[0].subject), (1, "acme/old"));
        let checked = opened.store.check_audit(None).await.unwrap();
        assert_eq!((checked.0.number, checked.1), (1, None));
        opened.store.close();
        assert_eq!(sealed(dir.path()), before);
        assert_eq!(count(dir.path(), "SELECT count(*) FROM data_keys"), 1);
        let facts = "SELECT count(*) FROM meta WHERE name = 'kek_check'";
        assert_eq!(count(dir.path(), facts), 0);
        let opened = start(dir.path(), 1, None).unwrap();
        assert_legacy_store_works(&opened.store, &opened.records).await;
    }
}

#[tokio::test]
async fn a23_a_store_of_before_data_keys_refuses_another_kek_and_takes_a_new_one_with_it() {
    let dir = legacy_store(1, 2);
    let before = std::fs::read(dir.path().join("countersign.db")).unwrap();
    assert_eq!(start(dir.path(), 2, None).unwrap_err(), OpenError::WrongKek);
    let after = std::fs::read(dir.path().join("countersign.db")).unwrap();
    assert_eq!(count(dir.path(), "PRAGMA user_version"), 2);
    assert_eq!(before.len(), after.len());
    let opened = start(dir.path(), 2, Some(1)).unwrap();
    assert_legacy_store_works(&opened.store, &opened.records).await;
    assert_eq!(rewrap_all(&opened.store).await, 0);
    opened.store.close();
    let opened = start(dir.path(), 2, None).unwrap();
    assert_legacy_store_works(&opened.store, &opened.records).await;
}
