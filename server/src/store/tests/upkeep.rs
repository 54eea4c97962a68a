use super::*;

#[tokio::test]
async fn a_sweep_retires_ended_graces_for_good_and_takes_their_keys_from_memory() {
    let bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    bench.create("acme/idle", key("key i")).await.unwrap();
    let rotated = rotation("acme/chat", Ending::Grace(HOUR), "key 2");
    bench.rotate("r-1", rotated).await.unwrap();
    bench.later(HOUR);
    bench.store.sweep().await.unwrap();
    let record = bench.record("acme/chat");
    assert_eq!(
        states(&record),
        [VersionState::Retired, VersionState::Active]
    );
    assert!(record.versions[0].key.is_none() && record.versions[1].key.is_some());
    assert_eq!(record.revision, 3);
    assert_eq!(bench.store.change_number().await, Ok(3));
    // The clock goes back: what ended does not come back.
    bench.clock.set(START);
    let bench = bench.reopened();
    assert_eq!(states(&bench.record("acme/chat"))[0], VersionState::Retired);
}

#[tokio::test]
async fn f21_times_beyond_2038_are_kept() {
    let far = Timestamp::from_unix_secs(253_402_300_799);
    for now in [Timestamp::from_unix_secs((1 << 31) + 1), far] {
        let bench = Bench::open(tempfile::tempdir().unwrap(), now);
        bench.create("acme/chat", key("key 1")).await.unwrap();
        let rotated = rotation("acme/chat", Ending::Grace(DAY), "key 2");
        bench.rotate("r-1", rotated).await.unwrap();
        let record = bench.reopened().record("acme/chat");
        assert_eq!(states(&record)[0], grace(now.plus(DAY)));
    }
}

#[tokio::test]
async fn a_version_that_ended_keeps_its_sealed_key_for_a_later_diagnosis() {
    let bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    let emergency = rotation("acme/chat", Ending::Emergency, "key 2");
    bench.rotate("r-1", emergency).await.unwrap();
    let sql = "SELECT count(sealed_key) FROM versions";
    let count = bench.store.submit(move |writer: &mut Writer| {
        writer.read(|connection| connection.query_row(sql, [], |row| row.get::<_, i64>(0)))
    });
    assert_eq!(count.await, Ok(2));
}

#[tokio::test]
async fn times_of_last_use_move_forward_only_and_survive() {
    let bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    let secret_id = bench.record("acme/chat").id;
    let used = |sign, verify| UseTimes {
        secret_id,
        version: 1,
        last_sign: sign,
        last_verify: verify,
    };
    let unknown = UseTimes {
        secret_id: 99,
        ..used(Some(START), None)
    };
    let later = START.plus(HOUR);
    bench
        .store
        .record_use(vec![used(Some(later), None), unknown])
        .await
        .unwrap();
    bench
        .store
        .record_use(vec![used(Some(START), Some(START))])
        .await
        .unwrap();
    assert_eq!(bench.store.change_number().await, Ok(1));
    let bench = bench.reopened();
    let version = &bench.record("acme/chat").versions[0];
    assert_eq!(version.last_sign, Some(later));
    assert_eq!(version.last_verify, Some(START));
}
