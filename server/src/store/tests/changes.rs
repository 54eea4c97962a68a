use countersign_core::{
    key_policy::KeyWarning,
    policy::{Mode, ReplayPolicy, TimestampUnit},
    rotation::RotationError,
};

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
async fn d14_both_old_versions_keep_their_own_end() {
    let bench = bench().await;
    rotate(&bench, 2, Ending::Grace(DAY)).await.unwrap();
    bench.later(HOUR);
    rotate(&bench, 3, Ending::Grace(HOUR)).await.unwrap();
    let expected = [
        grace(START.plus(DAY)),
        grace(START.plus(2 * HOUR)),
        VersionState::Active,
    ];
    assert_eq!(states(&bench.record("acme/chat")), expected);
    assert_eq!(states(&bench.reopened().record("acme/chat")), expected);
}

#[tokio::test]
async fn d15_a_sixth_live_version_is_refused_with_the_next_end() {
    let bench = bench().await;
    for number in 2..=5 {
        rotate(&bench, number, Ending::Grace(number * HOUR))
            .await
            .unwrap();
    }
    let next_end = Some(START.plus(2 * HOUR));
    let refused = rotate(&bench, 6, Ending::Grace(HOUR)).await;
    assert_eq!(refused, Err(RotationError::TooManyLive { next_end }.into()));
    bench.later(2 * HOUR);
    rotate(&bench, 6, Ending::Grace(HOUR)).await.unwrap();
}

#[tokio::test]
async fn d16_a_grace_out_of_range_changes_nothing() {
    let bench = bench().await;
    for bad in [Duration::ZERO, 31 * DAY, Duration::MAX] {
        let refused = rotate(&bench, 2, Ending::Grace(bad)).await;
        assert_eq!(refused, Err(RotationError::GraceOutOfRange.into()));
    }
    assert_eq!(bench.store.change_number().await, Ok(1));
}

#[tokio::test]
async fn d17_after_an_emergency_every_older_key_has_left_memory() {
    let bench = bench().await;
    rotate(&bench, 2, Ending::Grace(DAY)).await.unwrap();
    rotate(&bench, 3, Ending::Staged).await.unwrap();
    rotate(&bench, 4, Ending::Emergency).await.unwrap();
    let record = bench.record("acme/chat");
    let keys: Vec<_> = record.versions.iter().map(|v| v.key.is_some()).collect();
    assert_eq!(keys, [false, false, false, true]);
    let revoked = VersionState::Revoked;
    assert_eq!(
        states(&record),
        [revoked, revoked, revoked, VersionState::Active]
    );
}

#[tokio::test]
async fn d20_a_key_that_the_secret_ever_had_is_refused() {
    let bench = bench().await;
    rotate(&bench, 2, Ending::Emergency).await.unwrap();
    for used in ["key 1", "key 2"] {
        let again = bench
            .rotate("r-9", rotation("acme/chat", Ending::Emergency, used))
            .await;
        assert_eq!(again.unwrap_err(), ChangeError::KeyReused);
    }
}

#[tokio::test]
async fn d07_a_key_of_another_secret_is_refused_unless_the_vendor_issues_one_for_both() {
    let bench = bench().await;
    let sharing = || NewKey {
        may_share_with: vec![SCHEME.to_owned()],
        ..key("key 1")
    };
    let plain = bench
        .create_as("acme/hook", "chatwoot.webhook", key("key 1"))
        .await;
    assert_eq!(plain.unwrap_err(), ChangeError::KeyReused);
    let foreign = bench
        .create_as("globex/hook", "chatwoot.webhook", sharing())
        .await;
    assert_eq!(foreign.unwrap_err(), ChangeError::KeyReused);
    bench
        .create_as("acme/hook", "chatwoot.webhook", sharing())
        .await
        .unwrap();
    let warnings = &bench.record("acme/hook").versions[0].warnings;
    assert_eq!(*warnings, [KeyWarning::KeyShared]);
    let both = bench
        .create_as("acme/third", "chatwoot.third", sharing())
        .await;
    assert_eq!(both.unwrap_err(), ChangeError::KeyReused);
}

#[tokio::test]
async fn d07_keys_that_sign_alike_are_the_same_key() {
    let bench = Bench::new();
    bench.create("acme/one", key("key")).await.unwrap();
    let padded = bench.create("acme/two", key("key\0\0")).await;
    assert_eq!(padded.unwrap_err(), ChangeError::KeyReused);
}

#[tokio::test]
async fn d21_a_deleted_secret_takes_no_change_and_an_unknown_one_is_not_found() {
    let bench = bench().await;
    bench
        .store
        .delete(caller(), name("acme/chat"), true)
        .await
        .unwrap();
    assert!(bench.memory.lock().unwrap().is_empty());
    for (text, expected) in [
        ("acme/chat", ChangeError::Deleted),
        ("acme/none", ChangeError::NotFound),
    ] {
        let store = &bench.store;
        let rotated = bench
            .rotate("r-2", rotation(text, Ending::Emergency, "key 2"))
            .await;
        assert_eq!(rotated.unwrap_err(), expected);
        let activated = store.activate(caller(), name(text), 1, HOUR).await;
        assert_eq!(activated.unwrap_err(), expected);
        let revoked = store.revoke(caller(), name(text), 1, true).await;
        assert_eq!(revoked.unwrap_err(), expected);
        let updated = store
            .update(caller(), name(text), None, Settings::default(), false)
            .await;
        assert_eq!(updated.unwrap_err(), expected);
        let deleted = store.delete(caller(), name(text), true).await;
        assert_eq!(deleted.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn the_name_and_the_key_of_a_deleted_secret_are_free_again() {
    let bench = bench().await;
    let old = bench.record("acme/chat").id;
    bench
        .store
        .delete(caller(), name("acme/chat"), true)
        .await
        .unwrap();
    let new = secret("acme/chat", SCHEME, key("key 1"));
    bench
        .store
        .create(caller(), request("c-2", "create"), new, answer)
        .await
        .unwrap();
    let taken = bench.store.create(
        caller(),
        request("c-3", "create"),
        secret("acme/chat", SCHEME, key("key 2")),
        answer,
    );
    assert_eq!(taken.await.unwrap_err(), ChangeError::NameTaken);
    assert_ne!(bench.record("acme/chat").id, old);
}

#[tokio::test]
async fn d23_the_last_live_version_ends_only_with_force() {
    let bench = bench().await;
    let refused = bench.store.delete(caller(), name("acme/chat"), false).await;
    assert_eq!(refused, Err(ChangeError::LiveVersionsNeedForce));
    let refused = bench
        .store
        .revoke(caller(), name("acme/chat"), 1, false)
        .await;
    assert_eq!(refused.unwrap_err(), RotationError::ActiveNeedsForce.into());
    bench
        .store
        .revoke(caller(), name("acme/chat"), 1, true)
        .await
        .unwrap();
    assert!(bench.record("acme/chat").versions[0].key.is_none());
    bench
        .store
        .delete(caller(), name("acme/chat"), false)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_rotation_for_another_scheme_is_refused() {
    let bench = bench().await;
    let other = Rotate {
        scheme: "talkjs.token".to_owned(),
        ..rotation("acme/chat", Ending::Emergency, "key 2")
    };
    let refused = bench.rotate("r-2", other).await;
    assert_eq!(refused.unwrap_err(), ChangeError::SchemeMismatch);
}

#[tokio::test]
async fn a_repeated_step_takes_no_number_and_leaves_no_audit_row() {
    let bench = bench().await;
    rotate(&bench, 2, Ending::Staged).await.unwrap();
    for _ in 0..2 {
        let active = bench
            .store
            .activate(caller(), name("acme/chat"), 2, HOUR)
            .await
            .unwrap();
        assert_eq!(
            states(&active),
            [grace(START.plus(HOUR)), VersionState::Active]
        );
        assert_eq!(active.revision, 3);
    }
    for _ in 0..2 {
        let revoked = bench
            .store
            .revoke(caller(), name("acme/chat"), 1, false)
            .await
            .unwrap();
        assert_eq!(revoked.revision, 4);
    }
    let audit = bench.store.audit_rows(None, 1, 10).await.unwrap();
    let told: Vec<_> = audit
        .iter()
        .map(|row| &row.record)
        .map(|record| (record.number, record.method.as_str(), record.version))
        .collect();
    let expected = [
        (2, "RotateSecret", 2),
        (3, "ActivateVersion", 2),
        (4, "RevokeVersion", 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (
            audit[0].record.principal.as_str(),
            audit[0].record.subject.as_str()
        ),
        ("alice", "acme/chat")
    );
}

#[tokio::test]
async fn a_version_staged_before_the_active_one_can_still_be_activated() {
    let bench = bench().await;
    rotate(&bench, 2, Ending::Staged).await.unwrap();
    rotate(&bench, 3, Ending::Grace(DAY)).await.unwrap();
    let active = bench
        .store
        .activate(caller(), name("acme/chat"), 2, HOUR)
        .await
        .unwrap();
    let expected = [
        grace(START.plus(DAY)),
        VersionState::Active,
        grace(START.plus(HOUR)),
    ];
    assert_eq!(states(&active), expected);
}

#[tokio::test]
async fn d27_settings_with_sql_in_them_come_back_verbatim() {
    let bench = bench().await;
    let evil = "'); DROP TABLE secrets; --\"\\\u{0}%_";
    let settings = Settings {
        mode: Some(Mode::Required),
        tolerance: Some(Duration::from_millis(1_500)),
        timestamp_unit: Some(TimestampUnit::Milliseconds),
        replay: Some(ReplayPolicy::Deny),
        parameters: BTreeMap::from([("app_id".to_owned(), evil.to_owned())]),
        labels: BTreeMap::from([(evil.to_owned(), evil.to_owned())]),
    };
    let (caller, new) = (caller_named(evil), settings.clone());
    let updated = bench
        .store
        .update(caller, name("acme/chat"), Some(1), new, false)
        .await;
    assert_eq!(updated.unwrap().settings, settings);
    let bench = bench.reopened();
    assert_eq!(bench.record("acme/chat").settings, settings);
    let audit = bench.store.audit_rows(None, 1, 1).await.unwrap();
    assert_eq!(audit[0].record.principal, evil);
}

#[tokio::test]
async fn an_update_of_an_older_revision_and_a_trial_change_nothing() {
    let bench = bench().await;
    let update = |revision, trial| {
        let settings = Settings {
            mode: Some(Mode::Optional),
            ..bench.record("acme/chat").settings.clone()
        };
        bench
            .store
            .update(caller(), name("acme/chat"), revision, settings, trial)
    };
    assert_eq!(
        update(Some(7), false).await.unwrap_err(),
        ChangeError::RevisionMismatch
    );
    let trial = update(None, true).await.unwrap();
    assert_eq!(trial.settings.mode, Some(Mode::Optional));
    assert_eq!(bench.record("acme/chat").settings.mode, None);
    assert_eq!(update(Some(1), false).await.unwrap().revision, 2);
    assert_eq!(update(Some(2), false).await.unwrap().revision, 2);
}

#[tokio::test]
async fn memory_that_follows_the_published_changes_equals_a_fresh_load() {
    let bench = bench().await;
    for text in ["acme/b", "acme/c", "acme/d"] {
        bench.create(text, key(text)).await.unwrap();
    }
    rotate(&bench, 2, Ending::Grace(HOUR)).await.unwrap();
    rotate(&bench, 3, Ending::Staged).await.unwrap();
    bench
        .store
        .delete(caller(), name("acme/b"), true)
        .await
        .unwrap();
    bench
        .store
        .revoke(caller(), name("acme/c"), 1, true)
        .await
        .unwrap();
    bench.later(2 * HOUR);
    bench
        .store
        .activate(caller(), name("acme/chat"), 3, DAY)
        .await
        .unwrap();
    let followed = bench.shown();
    assert_eq!(bench.reopened().shown(), followed);
}
