//! One record for every call of the control plane, however it ends.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use countersign_core::{SecretName, access::Permission};
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{self, AuditHead, ListAuditRecordsRequest, VerifyAuditChainRequest},
};
use prost::Message;
use prost_types::FileDescriptorSet;
use support::{
    error_of,
    guarded::{Guarded, token_request},
    new_secret,
    process::Site,
    request_id, rotation,
};

/// A call to make: its rpc, the bytes to send, and the reason that is answered, or OK.
struct Case {
    rpc: &'static str,
    kind: &'static str,
    message: Vec<u8>,
    outcome: &'static str,
}

fn case(rpc: &'static str, kind: &'static str, outcome: &'static str, of: &impl Message) -> Case {
    Case {
        rpc,
        kind,
        message: of.encode_to_vec(),
        outcome,
    }
}

/// The description of an identity scheme of somebody's own.
fn own_scheme() -> String {
    let document = include_str!("../docs/schemes.md");
    let block = document.split("```toml\n").nth(2).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// Good, wrong and failing calls of every rpc of the control plane, in an order in which they work.
fn cases() -> Vec<Case> {
    let name = |text: &str| text.to_owned();
    let create = new_secret("acme/new", "chatwoot.identity");
    let staged = v1::RotateSecretRequest {
        stage: true,
        ending: None,
        ..rotation("acme/chat", 60)
    };
    let update = |name: &str, etag: &str| v1::UpdateSecretRequest {
        secret: Some(v1::Secret {
            name: name.to_owned(),
            labels: [("team".to_owned(), "chat".to_owned())].into(),
            etag: etag.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["labels".to_owned()],
        }),
        validate_only: false,
    };
    let trial = v1::UpdateSecretRequest {
        validate_only: true,
        ..update("acme/old", "")
    };
    let get = |text| v1::GetSecretRequest { name: name(text) };
    let delete = |text| v1::DeleteSecretRequest {
        name: name(text),
        force: true,
    };
    let activate = |text, version| v1::ActivateVersionRequest {
        name: name(text),
        version,
        ..Default::default()
    };
    let revoke = |text, version| v1::RevokeVersionRequest {
        name: name(text),
        version,
        force: false,
    };
    let list = |page_size| v1::ListSecretsRequest {
        page_size,
        ..Default::default()
    };
    let tokens = |page_size| v1::ListTokensRequest {
        page_size,
        ..Default::default()
    };
    let audit = |page_size| ListAuditRecordsRequest {
        page_size,
        ..Default::default()
    };
    let anchored = VerifyAuditChainRequest {
        anchor: Some(AuditHead {
            number: 1,
            hash: vec![1, 2, 3].into(),
        }),
    };
    let explain = |text: &str| v1::ExplainRequest {
        check: Some(v1::explain_request::Check::Verify(Box::new(
            v1::VerifyRequest {
                secret: text.to_owned(),
                claimed: Some(support::user("user_1")),
                proof: Some(v1::verify_request::Proof::Hash("00".repeat(32))),
            },
        ))),
    };
    let scheme = |definition: &str| v1::CreateSchemeRequest {
        definition: definition.to_owned(),
        validate_only: false,
    };
    let own = own_scheme();
    let other = own.replace("chat identities", "other identities");
    let no_scheme = |id: &str| v1::DeleteSchemeRequest { id: id.to_owned() };
    let token = |text| token_request(text, &[Permission::Verify], "acme/*");
    let end = |text: &str| v1::RevokeTokenRequest {
        name: text.to_owned(),
    };
    const BAD: &str = "no name\r\n\u{1b}[31m";
    vec![
        case("SecretService/CreateSecret", "ok", "OK", &create),
        case("SecretService/CreateSecret", "repeat", "OK", &create),
        case(
            "SecretService/CreateSecret",
            "invalid",
            "FIELD_INVALID",
            &v1::CreateSecretRequest {
                name: name(BAD),
                request_id: request_id(),
                ..create.clone()
            },
        ),
        case(
            "SecretService/CreateSecret",
            "failed",
            "SECRET_EXISTS",
            &v1::CreateSecretRequest {
                request_id: request_id(),
                ..create.clone()
            },
        ),
        case("SecretService/GetSecret", "ok", "OK", &get("acme/chat")),
        case(
            "SecretService/GetSecret",
            "invalid",
            "FIELD_INVALID",
            &get(BAD),
        ),
        case(
            "SecretService/GetSecret",
            "failed",
            "SECRET_NOT_FOUND",
            &get("acme/none"),
        ),
        case("SecretService/ListSecrets", "ok", "OK", &list(0)),
        case(
            "SecretService/ListSecrets",
            "invalid",
            "FIELD_INVALID",
            &list(-1),
        ),
        case("SecretService/UpdateSecret", "trial", "OK", &trial),
        case(
            "SecretService/UpdateSecret",
            "ok",
            "OK",
            &update("acme/chat", ""),
        ),
        case(
            "SecretService/UpdateSecret",
            "invalid",
            "FIELD_INVALID",
            &update(BAD, ""),
        ),
        case(
            "SecretService/UpdateSecret",
            "failed",
            "ETAG_MISMATCH",
            &update("acme/chat", "ffffff"),
        ),
        case("SecretService/RotateSecret", "ok", "OK", &staged),
        case("SecretService/RotateSecret", "repeat", "OK", &staged),
        case(
            "SecretService/RotateSecret",
            "invalid",
            "FIELD_INVALID",
            &rotation("acme/chat", -1),
        ),
        case(
            "SecretService/RotateSecret",
            "failed",
            "SECRET_NOT_FOUND",
            &rotation("acme/none", 60),
        ),
        case(
            "SecretService/ActivateVersion",
            "ok",
            "OK",
            &activate("acme/chat", 2),
        ),
        case(
            "SecretService/ActivateVersion",
            "repeat",
            "OK",
            &activate("acme/chat", 2),
        ),
        case(
            "SecretService/ActivateVersion",
            "invalid",
            "FIELD_INVALID",
            &activate("acme/chat", 0),
        ),
        case(
            "SecretService/ActivateVersion",
            "failed",
            "VERSION_NOT_FOUND",
            &activate("acme/chat", 9),
        ),
        case(
            "SecretService/RevokeVersion",
            "ok",
            "OK",
            &revoke("acme/chat", 1),
        ),
        case(
            "SecretService/RevokeVersion",
            "invalid",
            "FIELD_INVALID",
            &revoke("acme/chat", 0),
        ),
        case(
            "SecretService/RevokeVersion",
            "failed",
            "FORCE_REQUIRED",
            &revoke("acme/chat", 2),
        ),
        case(
            "SecretService/DeleteSecret",
            "ok",
            "OK",
            &delete("acme/old"),
        ),
        case(
            "SecretService/DeleteSecret",
            "invalid",
            "FIELD_INVALID",
            &delete(BAD),
        ),
        case(
            "SecretService/DeleteSecret",
            "failed",
            "SECRET_DELETED",
            &delete("acme/old"),
        ),
        case("SchemeService/CreateScheme", "ok", "OK", &scheme(&own)),
        case(
            "SchemeService/CreateScheme",
            "invalid",
            "SCHEME_REFUSED",
            &scheme("x"),
        ),
        case(
            "SchemeService/CreateScheme",
            "failed",
            "SCHEME_EXISTS",
            &scheme(&other),
        ),
        case(
            "SchemeService/DeleteScheme",
            "failed",
            "SCHEME_BUILT_IN",
            &no_scheme("github.webhook"),
        ),
        case(
            "SchemeService/DeleteScheme",
            "invalid",
            "SCHEME_NOT_FOUND",
            &no_scheme(BAD),
        ),
        case(
            "SchemeService/DeleteScheme",
            "ok",
            "OK",
            &no_scheme("parceldesk.identity"),
        ),
        case("TokenService/CreateToken", "ok", "OK", &token("acme/bot")),
        case(
            "TokenService/CreateToken",
            "invalid",
            "FIELD_INVALID",
            &token(BAD),
        ),
        case(
            "TokenService/CreateToken",
            "failed",
            "TOKEN_EXISTS",
            &token("acme/bot"),
        ),
        case("TokenService/ListTokens", "ok", "OK", &tokens(0)),
        case(
            "TokenService/ListTokens",
            "invalid",
            "FIELD_INVALID",
            &tokens(-1),
        ),
        case("TokenService/RevokeToken", "ok", "OK", &end("acme/bot")),
        case("TokenService/RevokeToken", "repeat", "OK", &end("acme/bot")),
        case(
            "TokenService/RevokeToken",
            "invalid",
            "FIELD_INVALID",
            &end(BAD),
        ),
        case(
            "TokenService/RevokeToken",
            "failed",
            "TOKEN_NOT_FOUND",
            &end("acme/none"),
        ),
        case("AuditService/ListAuditRecords", "ok", "OK", &audit(0)),
        case(
            "AuditService/ListAuditRecords",
            "invalid",
            "FIELD_INVALID",
            &audit(-1),
        ),
        case(
            "AuditService/VerifyAuditChain",
            "ok",
            "OK",
            &VerifyAuditChainRequest::default(),
        ),
        case(
            "AuditService/VerifyAuditChain",
            "invalid",
            "FIELD_INVALID",
            &anchored,
        ),
        case(
            "CountersignService/Explain",
            "ok",
            "OK",
            &explain("acme/chat"),
        ),
        case(
            "CountersignService/Explain",
            "invalid",
            "FIELD_INVALID",
            &v1::ExplainRequest::default(),
        ),
        case(
            "CountersignService/Explain",
            "failed",
            "SECRET_NOT_FOUND",
            &explain("acme/none"),
        ),
    ]
}

/// What cannot be: a list that fails but by its store, and arguments of a call that takes none.
const NOT_TO_BE: [&str; 6] = [
    "SecretService/ListSecrets failed",
    "TokenService/ListTokens failed",
    "AuditService/ListAuditRecords failed",
    "AuditService/VerifyAuditChain failed",
    "BackupService/CreateBackup invalid",
    "BackupService/CreateBackup failed",
];

/// Every rpc but those of the data plane and of the public catalogue.
fn control_plane() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let own = set
        .file
        .iter()
        .filter(|file| file.package() == "countersign.v1");
    let rpcs = own.flat_map(|file| &file.service).flat_map(|service| {
        let methods = service.method.iter();
        methods.map(|method| format!("{}/{}", service.name(), method.name()))
    });
    let not_recorded = [
        "CountersignService/Sign",
        "CountersignService/Verify",
        "CountersignService/VerifyWebhook",
        "CountersignService/BatchVerify",
        "SchemeService/ListSchemes",
        "SchemeService/GetScheme",
    ];
    rpcs.filter(|rpc| !not_recorded.contains(&rpc.as_str()))
        .collect()
}

#[tokio::test]
async fn a28_every_call_of_the_control_plane_has_exactly_one_record_however_it_ends() {
    let guarded = Guarded::start().await;
    for name in ["acme/chat", "acme/old"] {
        let created = new_secret(name, "chatwoot.identity");
        guarded.send("SecretService/CreateSecret", &created).await;
    }
    let nobody = guarded
        .token("acme/nobody", &[Permission::Verify], "acme/*")
        .await;
    let mut expected: BTreeMap<String, (String, &str, &str)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut make = async |token: &str, case: &Case, principal| {
        let id = format!("{}-{}", case.rpc.replace('/', "-"), case.kind);
        let answered = guarded.call(token, case.rpc, &id, &case.message).await;
        let outcome = answered.map_or_else(|status| error_of(&status).1, |()| "OK".to_owned());
        if case.outcome != "ANY" {
            assert_eq!(outcome, case.outcome, "{id}");
        }
        seen.insert(format!("{} {}", case.rpc, case.kind));
        expected.insert(
            id,
            (outcome, principal, case.rpc.split('/').nth(1).unwrap()),
        );
    };
    let cases = cases();
    let admin = guarded.admin.clone();
    for case in &cases {
        if case.kind == "ok" {
            let denied = Case {
                kind: "denied",
                message: case.message.clone(),
                outcome: "PERMISSION_DENIED",
                rpc: case.rpc,
            };
            make(&nobody, &denied, "acme/nobody").await;
        }
        make(&admin, case, "admin").await;
    }
    let rpcs = control_plane();
    for rpc in &rpcs {
        let rpc: &'static str = rpc.clone().leak();
        let case = |kind, message: &[u8], outcome| Case {
            rpc,
            kind,
            message: message.to_vec(),
            outcome,
        };
        make(
            &admin,
            &case("malformed", &[0xff; 9], "MESSAGE_MALFORMED"),
            "admin",
        )
        .await;
        if rpc == "BackupService/CreateBackup" {
            make(&nobody, &case("denied", &[], "ANY"), "acme/nobody").await;
            make(&admin, &case("ok", &[], "ANY"), "admin").await;
        }
    }
    for rpc in &rpcs {
        for kind in ["ok", "denied", "invalid", "failed", "malformed"] {
            let made = format!("{rpc} {kind}");
            assert!(
                seen.contains(&made) || NOT_TO_BE.contains(&made.as_str()),
                "{made}"
            );
        }
    }
    for rpc in ["SchemeService/ListSchemes", "CountersignService/Verify"] {
        let _ = guarded.call(&admin, rpc, "no-record", &[]).await;
    }
    let records = guarded.records(&admin, "", 1000).await;
    for (id, (outcome, principal, method)) in &expected {
        let own: Vec<_> = records
            .iter()
            .filter(|record| record.rpc_id == *id)
            .collect();
        let [record] = own.as_slice() else {
            panic!("{id} has {} records", own.len());
        };
        assert_eq!(record.outcome, *outcome, "{id}");
        assert_eq!(record.principal, *principal, "{id}");
        assert_eq!(record.method, *method, "{id}");
        let nothing = record.detail == "nothing changed";
        assert_eq!(
            nothing,
            id.ends_with("-repeat") || id.ends_with("-trial"),
            "{id}"
        );
        let bad = id.ends_with("-invalid") || id.ends_with("-malformed");
        let is_name = SecretName::is_valid(&record.subject);
        assert!(is_name || record.subject.is_empty(), "{id}");
        let is_list = record.method.starts_with("List") || record.method == "VerifyAuditChain";
        if !bad && !is_list && record.method != "CreateBackup" {
            assert!(is_name || outcome == "PERMISSION_DENIED", "{id}");
        }
    }
    assert!(records.iter().all(|record| record.rpc_id != "no-record"));
    assert!(expected.len() >= 80, "{}", expected.len());
    let whole: Vec<u64> = records.iter().map(|record| record.number).collect();
    assert_eq!(whole, (1..=whole.len() as u64).collect::<Vec<_>>());
    assert!(guarded.verify(None).await.intact);
}

#[tokio::test]
async fn a28_a_call_that_its_client_gives_up_has_one_record() {
    let guarded = Guarded::start().await;
    let created = new_secret("acme/chat", "chatwoot.identity");
    guarded.send("SecretService/CreateSecret", &created).await;
    let mut given_up = 0;
    for number in 0..60_u64 {
        let id = format!("given-up-{number}");
        let rotate = v1::RotateSecretRequest {
            ending: Some(v1::rotate_secret_request::Ending::Emergency(true)),
            ..rotation("acme/chat", 60)
        };
        let message = rotate.encode_to_vec();
        let call = guarded.call(&guarded.admin, "SecretService/RotateSecret", &id, &message);
        // From before it is read to after it is committed.
        let patience = Duration::from_micros(number * 150);
        given_up += u32::from(tokio::time::timeout(patience, call).await.is_err());
    }
    assert!(given_up > 0);
    // What came in ends before the server does.
    let guarded = guarded.edited("").await;
    let records = guarded.records(&guarded.admin, "", 1000).await;
    let rotations = records
        .iter()
        .filter(|record| record.method == "RotateSecret");
    let mut ids: Vec<_> = rotations.map(|record| &record.rpc_id).collect();
    let number = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), number);
    let highest = records.iter().map(|record| record.version).max();
    let made = records.iter().filter(|record| record.version > 1).count();
    assert_eq!(highest, Some(u32::try_from(made).unwrap() + 1));
    assert!(guarded.verify(None).await.intact);
}

/// What callers call things reaches a terminal or a log only as a name, or escaped.
#[tokio::test]
async fn a17_control_characters_in_what_callers_send_reach_neither_the_audit_nor_the_log() {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    const EVIL: &str = "acme/\u{1b}[31mred\r\nlevel=ERROR forged";
    let _ = client.get_secret(EVIL).await.unwrap_err();
    let _ = client.delete_secret(EVIL, true).await.unwrap_err();
    let _ = client.delete_scheme(EVIL).await.unwrap_err();
    let _ = client.revoke_token(EVIL).await.unwrap_err();
    let _ = client.list_audit_records(EVIL, 0).await.unwrap_err();
    let created = new_secret(EVIL, "chatwoot.identity");
    let _ = client.create_secret(created).await.unwrap_err();
    let _ = client
        .create_secret(new_secret("acme/chat", EVIL))
        .await
        .unwrap_err();
    let records = client.list_audit_records("", 0).await.unwrap();
    assert!(records.len() >= 7);
    for record in &records {
        let text = format!("{record:?}");
        assert!(
            !text.contains("forged") && !text.contains("u{1b}"),
            "{text}"
        );
    }
    let log = site.log();
    assert!(!log.contains("forged") && !log.contains('\u{1b}') && !log.contains('\r'));
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}
