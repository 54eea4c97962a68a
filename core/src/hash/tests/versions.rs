//! Rows about which versions verify and sign.

use super::*;

#[test]
fn h17_a_grace_ends_at_its_instant() {
    let user = of_id("user_1");
    let hash = signed(&active("chatwoot.identity"), &user);
    for (millis, holds) in [(-1, false), (0, false), (1, true)] {
        let until = Timestamp::from_unix_millis(NOW.unix_millis() + millis);
        let secret = secret(
            "chatwoot.identity",
            &[
                (1, VersionState::Grace { until }, KEY),
                (2, VersionState::Active, OTHER_KEY),
            ],
        );
        let expect = (!holds).then_some(Reason::SignatureMismatch);
        assert_eq!(reason(&secret, &user, &hash), expect, "{millis}");
    }
}

#[test]
fn h18_the_version_that_verified_is_named_with_its_state() {
    let until = NOW.plus(Duration::from_secs(60));
    let grace = VersionState::Grace { until };
    let rotated = secret(
        "chatwoot.identity",
        &[(3, grace, KEY), (7, VersionState::Active, OTHER_KEY)],
    );
    let user = of_id("user_1");
    let by_old = signed(&active("chatwoot.identity"), &user);
    let by_new = signed(&rotated, &user);
    for (hash, number, state) in [(&by_old, 3, grace), (&by_new, 7, VersionState::Active)] {
        let verdict = verified(&rotated, &user, hash);
        assert_eq!(verdict.version, Some(VersionUse { number, state }));
    }
}

#[test]
fn a_pending_version_verifies_and_does_not_sign() {
    let staged = secret(
        "chatwoot.identity",
        &[
            (1, VersionState::Active, OTHER_KEY),
            (2, VersionState::Pending, KEY),
        ],
    );
    let user = of_id("user_1");
    let by_pending = signed(&active("chatwoot.identity"), &user);
    assert_eq!(reason(&staged, &user, &by_pending), None);
    assert_ne!(signed(&staged, &user), by_pending);
}

#[test]
fn dead_versions_neither_verify_nor_sign() {
    let user = of_id("user_1");
    let hash = signed(&active("chatwoot.identity"), &user);
    for state in [VersionState::Retired, VersionState::Revoked] {
        let alone = secret("chatwoot.identity", &[(1, state, KEY)]);
        assert_eq!(reason(&alone, &user, &hash), Some(Reason::NoLiveVersion));
        assert_eq!(
            alone.sign_identity(&user, None, NOW).err(),
            Some(SignError::NoActiveVersion)
        );
        let replaced = secret(
            "chatwoot.identity",
            &[(1, state, KEY), (2, VersionState::Active, OTHER_KEY)],
        );
        assert_eq!(
            reason(&replaced, &user, &hash),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn of_two_versions_with_one_key_the_older_is_named() {
    let twice = secret(
        "chatwoot.identity",
        &[
            (1, VersionState::Pending, KEY),
            (2, VersionState::Active, KEY),
        ],
    );
    let user = of_id("user_1");
    let verdict = verified(&twice, &user, &signed(&twice, &user));
    assert_eq!(verdict.version.map(|version| version.number), Some(1));
}
