use super::*;

fn rotate_to_b() -> Rotate {
    rotation("acme/chat", Ending::Grace(DAY), "key b")
}

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.create("acme/chat", key("key a")).await.unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_a_hundred_parallel_retries_make_one_version_and_get_equal_bytes() {
    let bench = bench().await;
    let retries: Vec<_> = (0..100)
        .map(|attempt| {
            let store = bench.store.clone();
            // Each retry brings another generated key; only the first one's counts.
            let rotation = rotation("acme/chat", Ending::Grace(DAY), &format!("key {attempt}"));
            tokio::spawn(async move {
                store
                    .rotate(caller(), request("r-1", "rotate"), rotation, answer)
                    .await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for retry in retries {
        answers.push(retry.await.unwrap().unwrap().to_vec());
    }
    assert!(answers.iter().all(|bytes| *bytes == answers[0]));
    assert_eq!(bench.record("acme/chat").versions.len(), 2);
    assert_eq!(bench.store.change_number().await, Ok(2));
}

#[tokio::test]
async fn d12_the_same_id_for_another_request_is_a_conflict_and_changes_nothing() {
    let bench = bench().await;
    bench.rotate("r-1", rotate_to_b()).await.unwrap();
    let before = bench.shown();
    let other = |caller, arguments| {
        let request = request("r-1", arguments);
        bench.store.rotate(
            caller,
            request,
            rotation("acme/chat", Ending::Staged, "key c"),
            answer,
        )
    };
    let other_arguments = other(caller(), "other").await;
    assert_eq!(other_arguments.unwrap_err(), ChangeError::RequestIdConflict);
    let other_principal = other(caller_named("mallory"), "rotate").await;
    assert_eq!(other_principal.unwrap_err(), ChangeError::RequestIdConflict);
    let new = secret("acme/other", SCHEME, key("key d"));
    let other_method = bench
        .store
        .create(caller(), request("r-1", "rotate"), new, answer)
        .await;
    assert_eq!(other_method.unwrap_err(), ChangeError::RequestIdConflict);
    assert_eq!(bench.shown(), before);
    assert_eq!(bench.store.change_number().await, Ok(2));
}

#[tokio::test]
async fn d13_of_two_rotations_of_the_same_expected_version_one_wins() {
    let bench = bench().await;
    let expecting = |new| Rotate {
        expected_version: Some(1),
        ..rotation("acme/chat", Ending::Grace(DAY), new)
    };
    let (one, two) = tokio::join!(
        bench.rotate("r-1", expecting("key b")),
        bench.rotate("r-2", expecting("key c")),
    );
    let lost = ChangeError::Rotation(countersign_core::rotation::RotationError::ExpectedVersion);
    assert!(one.is_ok() != two.is_ok());
    assert_eq!(one.and(two).unwrap_err(), lost);
    assert_eq!(bench.record("acme/chat").versions.len(), 2);
}

#[tokio::test]
async fn d18_an_emergency_retried_after_a_lost_reply_gets_the_same_answer() {
    let bench = bench().await;
    let emergency = || rotation("acme/chat", Ending::Emergency, "key b");
    let first = bench.rotate("r-1", emergency()).await.unwrap();
    assert_eq!(bench.rotate("r-1", emergency()).await.unwrap(), first);
    assert_eq!(bench.store.change_number().await, Ok(2));
    let bench = bench.reopened();
    assert_eq!(bench.rotate("r-1", emergency()).await.unwrap(), first);
    assert_eq!(
        states(&bench.record("acme/chat")),
        [VersionState::Revoked, VersionState::Active]
    );
}

#[tokio::test]
async fn d25_a_retry_after_a_day_is_refused_whether_or_not_a_sweep_ran() {
    let bench = bench().await;
    let first = bench.rotate("r-1", rotate_to_b()).await.unwrap();
    bench.later(DAY - Duration::from_millis(1));
    assert_eq!(bench.rotate("r-1", rotate_to_b()).await.unwrap(), first);
    bench.later(Duration::from_millis(1));
    for _ in 0..2 {
        let late = bench.rotate("r-1", rotate_to_b()).await;
        assert_eq!(late.unwrap_err(), ChangeError::RequestIdExpired);
        bench.store.sweep().await.unwrap();
    }
    assert_eq!(bench.record("acme/chat").versions.len(), 2);
}

#[tokio::test]
async fn f38_a_damaged_request_row_is_a_conflict_and_not_absent() {
    for damage in [
        "UPDATE requests SET answer = zeroblob(60) WHERE id = 'r-1'",
        "UPDATE requests SET args_digest = x'00' WHERE id = 'r-1'",
        "UPDATE requests SET version = 1 WHERE id = 'r-1'",
        "UPDATE requests SET answer = (SELECT answer FROM requests WHERE id = 'create-acme/chat') WHERE id = 'r-1'",
    ] {
        let bench = bench().await;
        bench.rotate("r-1", rotate_to_b()).await.unwrap();
        bench.sql(damage).await;
        let retry = bench.rotate("r-1", rotate_to_b()).await;
        assert_eq!(
            retry.unwrap_err(),
            ChangeError::RequestIdConflict,
            "{damage}"
        );
        assert_eq!(bench.record("acme/chat").versions.len(), 2);
    }
}

#[tokio::test]
async fn f39_the_creator_reads_the_key_again_within_a_day_and_nobody_else_does() {
    let bench = Bench::new();
    let create = |caller| {
        let new = secret("acme/chat", SCHEME, key("key a"));
        bench
            .store
            .create(caller, request("c-1", "create"), new, answer)
    };
    let first = create(caller()).await.unwrap();
    assert!(first.windows(5).any(|bytes| bytes == b"key a"));
    assert_eq!(create(caller()).await.unwrap().as_slice(), first.as_slice());
    let other = create(caller_named("mallory")).await;
    assert_eq!(other.unwrap_err(), ChangeError::RequestIdConflict);
}

#[tokio::test]
async fn a_request_of_a_deleted_secret_is_never_repeated() {
    let bench = bench().await;
    bench
        .store
        .delete(caller(), name("acme/chat"), true)
        .await
        .unwrap();
    let retry = bench.create("acme/chat", key("key a")).await;
    assert_eq!(retry.unwrap_err(), ChangeError::RequestIdExpired);
}

#[tokio::test]
async fn a_trial_run_checks_everything_and_writes_nothing() {
    let bench = bench().await;
    let before = bench.shown();
    let trial = || Rotate {
        validate_only: true,
        ..rotate_to_b()
    };
    let answer = bench.rotate("r-1", trial()).await.unwrap();
    assert!(answer.starts_with(b"2 "));
    assert_eq!(bench.shown(), before);
    assert_eq!(bench.store.change_number().await, Ok(1));
    let reused = Rotate {
        key: key("key a"),
        ..trial()
    };
    assert_eq!(
        bench.rotate("r-1", reused).await.unwrap_err(),
        ChangeError::KeyReused
    );
    bench.rotate("r-1", rotate_to_b()).await.unwrap();
    let used = bench.rotate("r-1", trial()).await;
    assert_eq!(used.unwrap_err(), ChangeError::RequestIdConflict);
    let bench = bench.reopened();
    assert_eq!(bench.record("acme/chat").versions.len(), 2);
}

#[tokio::test]
async fn a_change_whose_caller_hangs_up_still_happens() {
    let bench = bench().await;
    let call = bench
        .store
        .rotate(caller(), request("r-1", "rotate"), rotate_to_b(), answer);
    let mut call = Box::pin(call);
    // The first poll queues the change; the caller does not wait for more.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = std::future::Future::poll(call.as_mut(), &mut context);
    drop(call);
    assert_eq!(bench.store.change_number().await, Ok(2));
    assert_eq!(bench.record("acme/chat").versions.len(), 2);
}
