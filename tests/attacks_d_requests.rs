//! Attacks on the control plane by names, enums, graces and page tokens.

mod support;

use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, CreateSecretRequest, Mode, ReplayPolicy, Secret, TimestampUnit, Trust, VersionState,
        sign_request::Input,
    },
};
use prost::Message;
use prost_types::FileDescriptorSet;
use support::{
    NOW, Service,
    calls::importing,
    crypto::key_text,
    emergency, new_secret,
    refusal::{CANARY, failed, invalid, refusal},
    request_id, rotation, user,
};
use tonic::Code;

#[tokio::test]
async fn d16_a_grace_is_more_than_nothing_and_at_most_30_days() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let grace = |seconds, nanos| {
        let mut request = rotation("acme/chat", 0);
        let period = prost_types::Duration { seconds, nanos };
        request.ending = Some(v1::rotate_secret_request::Ending::GracePeriod(period));
        request
    };
    let days_30 = 30 * 86_400;
    for (seconds, nanos) in [
        (0, 0),
        (0, 999_999),
        (-1, 0),
        (0, -1),
        (days_30, 1),
        (days_30 + 1, 0),
        (i64::MAX, i32::MAX),
        (i64::MIN, i32::MIN),
        (i64::MAX, 0),
    ] {
        let refused = service.try_rotate(grace(seconds, nanos)).await;
        assert_eq!(
            refusal(refused, ""),
            invalid("grace_period"),
            "{seconds} {nanos}"
        );
    }
    let unset_emergency = v1::RotateSecretRequest {
        ending: Some(v1::rotate_secret_request::Ending::Emergency(false)),
        ..rotation("acme/chat", 1)
    };
    let refused = service.try_rotate(unset_emergency).await;
    assert_eq!(refusal(refused, ""), invalid("emergency"));
    for ending in [rotation("acme/chat", 1), emergency("acme/chat")] {
        let staged = v1::RotateSecretRequest {
            stage: true,
            ..ending
        };
        let refused = service.try_rotate(staged).await;
        assert_eq!(refusal(refused, ""), invalid("stage"));
    }
    assert_eq!(service.states("acme/chat").await, [VersionState::Active]);

    service.rotate(grace(days_30, 0)).await;
    let absent = v1::RotateSecretRequest {
        ending: None,
        ..rotation("acme/chat", 1)
    };
    service.rotate(absent).await;
    let versions = service.secret("acme/chat").await.versions;
    let ends: Vec<_> = versions
        .iter()
        .map(|version| version.grace_end_time.map(|end| end.seconds - NOW))
        .collect();
    assert_eq!(ends, [Some(days_30), Some(86_400), None]);
}

#[tokio::test]
async fn d21_a_deleted_secret_is_not_rotated_and_its_name_is_free() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let hash = service.hash_of("acme/chat", "user_1").await;
    service.delete("acme/chat", true).await.unwrap();
    let deleted = || failed(Code::FailedPrecondition, "SECRET_DELETED");
    for request in [rotation("acme/chat", 60), emergency("acme/chat")] {
        assert_eq!(refusal(service.try_rotate(request).await, ""), deleted());
    }
    assert_eq!(
        refusal(service.activate("acme/chat", 1).await, ""),
        deleted()
    );
    assert_eq!(
        refusal(service.revoke("acme/chat", 1, true).await, ""),
        deleted()
    );
    assert_eq!(
        refusal(service.delete("acme/chat", true).await, ""),
        deleted()
    );
    service.generate("acme/chat", "chatwoot.identity").await;
    let answer = service.verify_hash("acme/chat", "user_1", &hash).await;
    assert_eq!(
        answer.trust(),
        Trust::Unverified,
        "a new secret of an old name is new"
    );
}

/// Un-delete is not offered: a deleted secret is gone at once, for good, whoever asks and whenever.
#[tokio::test]
async fn d22_nothing_brings_a_deleted_secret_back() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let mut rpcs = services.flat_map(|service| &service.method);
    let revives = |rpc: &str| {
        ["Undelete", "Restore", "Recover"]
            .iter()
            .any(|it| rpc.contains(it))
    };
    assert!(!rpcs.any(|rpc| revives(rpc.name())));

    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    service.delete("acme/chat", true).await.unwrap();
    let gone = || failed(Code::FailedPrecondition, "SECRET_DELETED");
    for days in [0, 1, 29, 31, 3650] {
        service.at(days * 86_400);
        let secret = Secret {
            name: "acme/chat".to_owned(),
            mode: Mode::Optional.into(),
            ..Secret::default()
        };
        let updated = service.try_update(secret, &["mode"]).await;
        assert_eq!(refusal(updated, ""), gone());
        let activated = service.activate("acme/chat", 1).await;
        assert_eq!(refusal(activated, ""), gone());
        let listed = service.list("acme", 10, "").await.unwrap();
        assert!(listed.secrets.is_empty());
    }
    // Its name can be had again, and is then another secret.
    let again = service.create(new_secret("acme/chat", "chatwoot.identity"));
    let versions = again.await.secret.unwrap().versions;
    assert_eq!(versions.iter().map(|it| it.number).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn d23_the_last_live_version_ends_only_with_force() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let force = || failed(Code::FailedPrecondition, "FORCE_REQUIRED");
    assert_eq!(
        refusal(service.delete("acme/chat", false).await, ""),
        force()
    );
    assert_eq!(
        refusal(service.revoke("acme/chat", 1, false).await, ""),
        force()
    );
    assert_eq!(service.states("acme/chat").await, [VersionState::Active]);

    service.revoke("acme/chat", 1, true).await.unwrap();
    assert_eq!(service.states("acme/chat").await, [VersionState::Revoked]);
    let signed = service
        .try_sign("acme/chat", Input::Identity(user("user_1")))
        .await;
    let none = failed(Code::FailedPrecondition, "NO_ACTIVE_VERSION");
    assert_eq!(refusal(signed, ""), none);
    service.rotate(rotation("acme/chat", 60)).await;
    service.hash_of("acme/chat", "user_1").await;
    service.revoke("acme/chat", 2, true).await.unwrap();
    service.delete("acme/chat", false).await.unwrap();
}

#[tokio::test]
async fn d26_a_name_is_one_to_four_plain_segments() {
    let service = Service::start().await;
    let long_segment = "a".repeat(64);
    let long = format!("a/{}", "b".repeat(300));
    for name in [
        "",
        "..",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a/b/c/d/e",
        "A/b",
        ".a",
        "-a",
        "_a",
        "a/.b",
        "a b",
        "a\0b",
        "a\nb",
        "\u{430}cme/chat",
        "acme/ch\u{e1}t",
        "a/b?c",
        "a/%2e%2e",
        "a\\b",
        "a/b'--",
        long_segment.as_str(),
        long.as_str(),
    ] {
        let created = service
            .try_create(new_secret(name, "chatwoot.identity"))
            .await;
        assert_eq!(refusal(created, name), invalid("name"), "{name:?}");
        let rotated = service.try_rotate(rotation(name, 60)).await;
        assert_eq!(refusal(rotated, name), invalid("name"), "{name:?}");
        let signed = service.try_sign(name, Input::Identity(user("u"))).await;
        assert_eq!(refusal(signed, name), invalid("secret"), "{name:?}");
        let verified = service.try_verify(name, user("u"), None).await;
        assert_eq!(refusal(verified, name), invalid("secret"), "{name:?}");
        let verified = service.try_verify_webhook(name, vec![], b"").await;
        assert_eq!(refusal(verified, name), invalid("secret"), "{name:?}");
        assert_eq!(
            refusal(service.delete(name, true).await, name),
            invalid("name")
        );
    }
    let longest = "a".repeat(63);
    for name in ["a", "a/b/c/d", "0.-_/x", longest.as_str()] {
        service.create(new_secret(name, "chatwoot.identity")).await;
    }
    assert_eq!(service.list("", 0, "").await.unwrap().secrets.len(), 4);
}

#[tokio::test]
async fn d27_sql_is_text_like_any_other() {
    let service = Service::start().await;
    service.generate("acme/keep", "chatwoot.identity").await;
    let sql = "'); DROP TABLE secrets; --";
    let labels = CreateSecretRequest {
        labels: [("note".to_owned(), sql.to_owned())].into(),
        parameters: [("app_id".to_owned(), sql.to_owned())].into(),
        ..new_secret("acme/sql", "talkjs.token")
    };
    service.create(labels).await;
    let kid = CreateSecretRequest {
        key_id: "'--;DROP/**/TABLE/**/x".to_owned(),
        ..new_secret("acme/kid", "zendesk.token")
    };
    service.create(kid).await;
    let chat = new_secret("acme/x", "chatwoot.identity");
    for (request, field) in [
        (
            CreateSecretRequest {
                name: sql.to_owned(),
                ..chat.clone()
            },
            "name",
        ),
        (
            CreateSecretRequest {
                scheme: sql.to_owned(),
                ..chat.clone()
            },
            "scheme",
        ),
        (
            CreateSecretRequest {
                request_id: sql.to_owned(),
                ..chat.clone()
            },
            "request_id",
        ),
        (
            CreateSecretRequest {
                labels: [(sql.to_owned(), String::new())].into(),
                ..chat
            },
            "labels",
        ),
    ] {
        assert_eq!(
            refusal(service.try_create(request).await, sql),
            invalid(field)
        );
    }
    assert_eq!(
        refusal(service.list(sql, 0, "").await, sql),
        invalid("namespace")
    );
    assert_eq!(
        refusal(service.list("", 0, sql).await, sql),
        invalid("page_token")
    );
    let service = service.restart().await;
    assert_eq!(service.secret("acme/sql").await.labels["note"], sql);
    assert_eq!(service.secret("acme/sql").await.parameters["app_id"], sql);
    assert_eq!(service.list("", 0, "").await.unwrap().secrets.len(), 3);
}

#[tokio::test]
async fn d28_an_enum_that_is_unknown_or_missing_is_refused() {
    let service = Service::start().await;
    let chat = || new_secret("acme/x", "chatwoot.identity");
    let hook = || new_secret("acme/x", "talkjs.webhook");
    for number in [99, -1, i32::MIN, 4] {
        for (request, field) in [
            (
                CreateSecretRequest {
                    mode: number,
                    ..chat()
                },
                "mode",
            ),
            (
                CreateSecretRequest {
                    replay_policy: number,
                    ..hook()
                },
                "replay_policy",
            ),
            (
                CreateSecretRequest {
                    timestamp_unit: number,
                    ..hook()
                },
                "timestamp_unit",
            ),
        ] {
            assert_eq!(
                refusal(service.try_create(request).await, ""),
                invalid(field)
            );
        }
    }
    let off = ReplayPolicy::Off.into();
    let millis = TimestampUnit::Milliseconds.into();
    for (request, field) in [
        (CreateSecretRequest { mode: 0, ..chat() }, "mode"),
        (
            CreateSecretRequest {
                mode: Mode::Off.into(),
                ..hook()
            },
            "mode",
        ),
        (
            CreateSecretRequest {
                replay_policy: off,
                ..chat()
            },
            "replay_policy",
        ),
        (
            CreateSecretRequest {
                timestamp_unit: millis,
                ..chat()
            },
            "timestamp_unit",
        ),
        (
            CreateSecretRequest {
                scheme: String::new(),
                ..chat()
            },
            "scheme",
        ),
        (
            CreateSecretRequest {
                scheme: CANARY.to_owned(),
                ..chat()
            },
            "scheme",
        ),
    ] {
        assert_eq!(
            refusal(service.try_create(request).await, ""),
            invalid(field)
        );
    }
    service.create(chat()).await;
    for (mode, field) in [(99, "secret.mode"), (0, "mode")] {
        let secret = Secret {
            name: "acme/x".to_owned(),
            mode,
            ..Secret::default()
        };
        let updated = service.try_update(secret, &["mode"]).await;
        assert_eq!(refusal(updated, ""), invalid(field));
    }
}

#[tokio::test]
async fn d30_a_page_token_serves_its_own_namespace_only() {
    let service = Service::start().await;
    for name in ["acme/1", "acme/2", "acme/3", "evil/1", "evil/2"] {
        service.generate(name, "chatwoot.identity").await;
    }
    let first = service.list("acme", 1, "").await.unwrap();
    let second = service
        .list("acme", 1, &first.next_page_token)
        .await
        .unwrap();
    assert_eq!(second.secrets[0].name, "acme/2");
    let last = service
        .list("acme", 5, &second.next_page_token)
        .await
        .unwrap();
    assert_eq!((last.secrets.len(), last.next_page_token.as_str()), (1, ""));
    let mut tampered = first.next_page_token.clone();
    tampered.replace_range(..1, if tampered.starts_with('A') { "B" } else { "A" });
    for (namespace, token) in [
        ("evil", first.next_page_token.as_str()),
        ("", &first.next_page_token),
        ("acme", &tampered),
        ("acme", "AAAA"),
        ("acme", "*"),
        ("acme", "YWNtZS8x"),
    ] {
        let refused = service.list(namespace, 1, token).await;
        assert_eq!(
            refusal(refused, token),
            invalid("page_token"),
            "{namespace}"
        );
    }
    let refused = service.list("acme", -1, "").await;
    assert_eq!(refusal(refused, ""), invalid("page_size"));
    let request = importing("acme/4", "chatwoot.identity", &key_text("d30", 64));
    let named = CreateSecretRequest {
        request_id: request_id(),
        ..request
    };
    service.create(named).await;
    assert_eq!(
        service
            .list("acme", i32::MAX, "")
            .await
            .unwrap()
            .secrets
            .len(),
        4
    );
}
