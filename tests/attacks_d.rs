//! Attacks on secrets: what may be imported, named and seen.

mod support;

use std::collections::BTreeSet;

use countersign_core::access::Permission;
use countersign_proto::v1::{self, KeyWarning, Secret};
use prost::Message;
use sha2::{Digest, Sha256};
use support::{
    Service,
    calls::staging,
    crypto::key_text,
    emergency,
    guarded::Guarded,
    refusal::{invalid_for, refusal},
    rotation,
};
use tonic::Code;

/// Imports a key and reads the error.
async fn import_refused(service: &Service, scheme: &str, key: &str) -> support::refusal::Refusal {
    refusal(service.try_import("acme/new", scheme, key).await, key)
}

fn key_refused(reason: &str) -> support::refusal::Refusal {
    invalid_for(reason, "imported_key")
}

#[tokio::test]
async fn d01_a_key_of_which_nothing_is_left_is_refused() {
    let service = Service::start().await;
    let empty = key_refused("EMPTY_KEY");
    assert_eq!(
        import_refused(&service, "standard.webhook", "whsec_").await,
        empty
    );
    assert_eq!(
        import_refused(&service, "stripe.webhook", "whsec_").await,
        empty
    );
    // An empty field asks for a generated key: it is 32 random bytes and never empty.
    for scheme in v1_schemes(&service).await {
        let name = format!("acme/{scheme}");
        let key = service.generate(&name, &scheme).await;
        assert!(key.len() >= 32, "{scheme}");
    }
}

async fn v1_schemes(service: &Service) -> Vec<String> {
    let request = v1::ListSchemesRequest {};
    let listed = service.schemes.clone().list_schemes(request).await;
    let schemes = listed.unwrap().into_inner().schemes;
    schemes.into_iter().map(|scheme| scheme.id).collect()
}

#[tokio::test]
async fn d02_a_short_key_is_refused_or_remarked_on() {
    let service = Service::start().await;
    let length = key_refused("KEY_LENGTH");
    for (scheme, shortest) in [
        ("chatwoot.identity", 16),
        ("countersign.token", 32),
        ("github.webhook", 8),
        ("kaltalk.token", 8),
    ] {
        let key = key_text(scheme, 64);
        let too_short = &key[..shortest - 1];
        assert_eq!(
            import_refused(&service, scheme, too_short).await,
            length,
            "{scheme}"
        );
        let name = format!("acme/{scheme}");
        let taken = service.import(&name, scheme, &key[..shortest]).await;
        let version = &taken.secret.unwrap().versions[0];
        let short: &[i32] = match shortest {
            8 => &[KeyWarning::ShortKey as i32],
            _ => &[],
        };
        assert_eq!(version.warnings, short, "{scheme}");
        assert!(version.imported);
    }
}

#[tokio::test]
async fn d03_a_known_or_trivial_key_is_refused_even_where_short_ones_are_allowed() {
    let service = Service::start().await;
    for key in [
        "changeme".to_owned(),
        "your-256-bit-secret".to_owned(),
        "secret".repeat(8),
        "a".repeat(64),
        " ".repeat(32),
    ] {
        for scheme in ["github.webhook", "kaltalk.token", "chatwoot.identity"] {
            let weak = key_refused("WEAK_KEY");
            assert_eq!(
                import_refused(&service, scheme, &key).await,
                weak,
                "{key} {scheme}"
            );
        }
    }
    let zeros = "00".repeat(32);
    let weak = key_refused("WEAK_KEY");
    assert_eq!(
        import_refused(&service, "pylon.identity", &zeros).await,
        weak
    );
}

#[tokio::test]
async fn d04_d05_a_key_with_spaces_or_nul_at_its_ends_is_refused() {
    let service = Service::start().await;
    let key = key_text("d04", 40);
    for spaced in [format!("{key}\n"), format!(" {key}"), format!("{key}\0")] {
        let refused = import_refused(&service, "github.webhook", &spaced).await;
        assert_eq!(refused, key_refused("KEY_FORMAT"), "{spaced:?}");
    }
}

#[tokio::test]
async fn h13_w32_a_key_that_does_not_decode_is_refused() {
    let service = Service::start().await;
    let hex = key_text("h13", 63);
    for (scheme, key) in [
        ("pylon.identity", hex.as_str()),
        ("pylon.identity", "zz11c4f1a9037be25d6881e02f94d7ab"),
        (
            "pylon.identity",
            "aa bb cc dd ee ff 00 11 22 33 44 55 66 77",
        ),
        ("standard.webhook", "whsec_not base64 at all, not at all"),
        (
            "standard.webhook",
            "whsec_whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
        ("standard.webhook", "whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7_D"),
    ] {
        let refused = import_refused(&service, scheme, key).await;
        assert_eq!(refused, key_refused("KEY_FORMAT"), "{key}");
    }
}

#[tokio::test]
async fn d06_a_long_key_and_its_digest_are_the_same_key() {
    let service = Service::start().await;
    let long = key_text("d06", 160);
    service.import("acme/long", "pylon.identity", &long).await;
    let folded = hex::encode(Sha256::digest(hex::decode(&long).unwrap()));
    let refused = import_refused(&service, "pylon.identity", &folded).await;
    assert_eq!(refused, key_refused("KEY_REUSED"));
    let padded = format!("{folded}00");
    let refused = import_refused(&service, "pylon.identity", &padded).await;
    assert_eq!(
        refused,
        key_refused("KEY_REUSED"),
        "HMAC does not see the NUL"
    );
    let longest = key_text("d06 longest", 512);
    service
        .import("acme/longest", "github.webhook", &longest)
        .await;
    let over = key_text("d06 over", 513);
    let refused = import_refused(&service, "github.webhook", &over).await;
    assert_eq!(refused, key_refused("KEY_LENGTH"));
}

#[tokio::test]
async fn d07_a_key_serves_one_secret_unless_its_vendor_issues_it_for_both() {
    let service = Service::start().await;
    let key = key_text("d07", 64);
    let reused = || key_refused("KEY_REUSED");
    let first = service.import("acme/hook", "talkjs.webhook", &key).await;
    assert!(first.secret.unwrap().versions[0].warnings.is_empty());
    let elsewhere = service
        .try_import("other/token", "talkjs.token", &key)
        .await;
    assert_eq!(refusal(elsewhere, &key), reused(), "another namespace");
    let shared = service.import("acme/token", "talkjs.token", &key).await;
    let warnings: Vec<_> = shared.secret.unwrap().versions[0].warnings().collect();
    assert_eq!(warnings, [KeyWarning::KeyShared]);

    for (name, scheme) in [
        ("acme/hook2", "talkjs.webhook"),
        ("acme/chat", "chatwoot.identity"),
        ("acme/rooms", "talkjs.conversation-id"),
        ("acme/kaltalk", "kaltalk.token"),
    ] {
        let imported = service.try_import(name, scheme, &key).await;
        assert_eq!(refusal(imported, &key), reused(), "{name} {scheme}");
    }
    // As hexadecimal text for other bytes it is another key.
    service.import("acme/pylon", "pylon.identity", &key).await;
}

#[tokio::test]
async fn d20_a_secret_never_has_the_same_key_twice() {
    let service = Service::start().await;
    let key = service.generate("acme/chat", "chatwoot.identity").await;
    let again = |ending| v1::RotateSecretRequest {
        imported_key: key.clone(),
        ..ending
    };
    let reused = || key_refused("KEY_REUSED");
    let rotated = service.try_rotate(again(rotation("acme/chat", 60))).await;
    assert_eq!(refusal(rotated, &key), reused());
    service.rotate(emergency("acme/chat")).await;
    let rotated = service.try_rotate(again(emergency("acme/chat"))).await;
    assert_eq!(refusal(rotated, &key), reused(), "nor one that was revoked");
    assert_eq!(service.states("acme/chat").await.len(), 2);
}

#[tokio::test]
async fn d08_d09_no_answer_but_the_first_carries_a_key() {
    let service = Service::start().await;
    let generated = service.generate("acme/chat", "chatwoot.identity").await;
    let imported = key_text("d09", 64);
    let answer = service
        .import("acme/hook", "github.webhook", &imported)
        .await;
    assert_eq!(answer.revealed_key, "", "the caller has it");
    let rotated = service.rotate(rotation("acme/chat", 60)).await.revealed_key;
    service.hash_of("acme/chat", "user_1").await;

    let mut answers = vec![
        service.list("", 0, "").await.unwrap().encode_to_vec(),
        service.secret("acme/chat").await.encode_to_vec(),
        service.secret("acme/hook").await.encode_to_vec(),
        answer.encode_to_vec(),
    ];
    let staged = service.rotate(staging("acme/chat")).await;
    answers.push(
        service
            .activate("acme/chat", 3)
            .await
            .unwrap()
            .encode_to_vec(),
    );
    answers.push(
        service
            .revoke("acme/chat", 1, false)
            .await
            .unwrap()
            .encode_to_vec(),
    );
    let labels = Secret {
        name: "acme/chat".to_owned(),
        labels: [("team".to_owned(), "chat".to_owned())].into(),
        ..Secret::default()
    };
    answers.push(
        service
            .try_update(labels, &["labels"])
            .await
            .unwrap()
            .encode_to_vec(),
    );
    for key in [generated, imported, rotated, staged.revealed_key] {
        let digest = hex::encode(Sha256::digest(&key));
        for part in [&key[..8], &key[key.len() - 8..], &digest[..8]] {
            for answer in &answers {
                let text = String::from_utf8_lossy(answer);
                assert!(!text.contains(part), "{text}");
            }
        }
    }
}

/// Whoever may replace the keys of one namespace is no help against another.
#[tokio::test]
async fn d19_an_emergency_in_another_namespace_is_denied_and_ends_nothing() {
    let guarded = Guarded::start().await;
    guarded.secret("other/chat").await;
    let may = [Permission::SecretsRotate, Permission::SecretsRead];
    let token = guarded.token("acme/operator", &may, "acme/*").await;
    let mut shapes = BTreeSet::new();
    for name in ["other/chat", "other/none"] {
        let refused = guarded.secrets(&token).rotate_secret(emergency(name)).await;
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{name}");
        shapes.insert((status.message().to_owned(), status.details().to_vec()));
    }
    assert_eq!(shapes.len(), 1);
    let request = v1::GetSecretRequest {
        name: "other/chat".to_owned(),
    };
    let secret = guarded.secrets(&guarded.admin).get_secret(request).await;
    let versions = secret.unwrap().into_inner().secret.unwrap().versions;
    let states: Vec<_> = versions.iter().map(v1::Version::state).collect();
    assert_eq!(states, [v1::VersionState::Active]);
}
