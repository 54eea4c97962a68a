//! Calls of every rpc, over the secrets that the target's service has.

use std::io;

use countersign_core::{
    Identity, Timestamp,
    audit::{Head, Record},
    webhook::{DeliveryToSign, Headers},
};
use countersign_fuzz::calls::{NOW, creation, secret as secret_of};
use countersign_proto::v1::{
    self, batch_verify_item, explain_request, rotate_secret_request::Ending, sign_request::Input,
    verify_request::Proof, verify_webhook_request::Payload,
};
use prost::Message;

pub(crate) fn write_all() -> io::Result<()> {
    audit()?;
    verifying()?;
    signing()?;
    changing()?;
    reading()?;
    let request = v1::GetSecretRequest {
        name: "fuzz/hash".to_owned(),
    };
    let mut text =
        b"countersign.v1.SecretService/GetSecret\nx-request-id abc\ngrpc-timeout 5S\n".to_vec();
    text.extend_from_slice(b"authorization Bearer cst_0123456789abcdef_AAAA\n\n");
    text.extend_from_slice(&request.encode_to_vec());
    super::write("wire", "metadata", &text)
}

fn write(method: &str, name: &str, message: &impl Message) -> io::Result<()> {
    let mut text = format!("countersign.v1.{method}\n\n").into_bytes();
    text.extend_from_slice(&message.encode_to_vec());
    super::write("wire", name, &text)
}

/// The identity that the seeds are about.
fn person() -> v1::Identity {
    v1::Identity {
        id: "user-1".to_owned(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        attributes: None,
    }
}

fn proof(secret: &str) -> v1::VerifyRequest {
    let identity = Identity {
        id: "user-1".to_owned(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        ..Identity::default()
    };
    let now = Timestamp::from_unix_secs(NOW);
    let signed = secret_of(secret).sign_identity(&identity, None, now);
    let text = signed.expect("an identity of the scheme").value;
    v1::VerifyRequest {
        secret: secret.to_owned(),
        claimed: Some(person()),
        proof: Some(match text.contains('.') {
            true => Proof::Token(text),
            false => Proof::Hash(text),
        }),
    }
}

fn delivery(secret: &str) -> v1::VerifyWebhookRequest {
    let (body, url) = (br#"{"type":"user.created"}"#, "https://example.com/hook");
    let kind = countersign_core::webhook::Header {
        name: "Content-Type",
        value: "application/json",
    };
    let signed = secret_of(secret).sign_webhook(DeliveryToSign {
        id: "msg_1",
        body,
        headers: Headers(&[kind]),
        method: "POST",
        url,
        time: Timestamp::from_unix_secs(NOW),
    });
    let signed = signed.expect("a delivery of the scheme").value;
    let own = signed.headers.into_iter();
    let headers = own.chain([(kind.name.to_owned(), kind.value.to_owned())]);
    v1::VerifyWebhookRequest {
        secret: secret.to_owned(),
        headers: headers
            .map(|(name, value)| v1::Header { name, value })
            .collect(),
        payload: Some(Payload::Body(
            signed.body.unwrap_or_else(|| body.to_vec()).into(),
        )),
        method: "POST".to_owned(),
        url: signed.url.unwrap_or_else(|| url.to_owned()),
    }
}

fn verifying() -> io::Result<()> {
    for secret in ["fuzz/hash", "fuzz/token"] {
        write(
            "CountersignService/Verify",
            &format!("verify-{}", &secret[5..]),
            &proof(secret),
        )?;
    }
    for secret in ["fuzz/jws", "fuzz/twilio", "fuzz/webhook"] {
        let name = format!("verify-webhook-{}", &secret[5..]);
        write("CountersignService/VerifyWebhook", &name, &delivery(secret))?;
    }
    let checks = [
        batch_verify_item::Check::Verify(Box::new(proof("fuzz/hash"))),
        batch_verify_item::Check::VerifyWebhook(Box::new(delivery("fuzz/webhook"))),
    ];
    let items = checks.map(|check| v1::BatchVerifyItem { check: Some(check) });
    let batch = v1::BatchVerifyRequest {
        items: items.to_vec(),
    };
    write("CountersignService/BatchVerify", "batch", &batch)?;
    let mut forged = delivery("fuzz/webhook");
    forged.payload = Some(Payload::BodyText("{ }".to_owned()));
    let questions = [
        explain_request::Check::Verify(Box::new(proof("fuzz/token"))),
        explain_request::Check::Webhook(Box::new(forged)),
    ];
    for (index, check) in questions.into_iter().enumerate() {
        let question = v1::ExplainRequest { check: Some(check) };
        write(
            "CountersignService/Explain",
            &format!("explain-{index}"),
            &question,
        )?;
    }
    Ok(())
}

fn signing() -> io::Result<()> {
    let inputs = [
        ("fuzz/hash", Input::Identity(person())),
        ("fuzz/token", Input::Identity(person())),
        ("fuzz/id", Input::ResourceId("conversation-1".to_owned())),
        (
            "fuzz/webhook",
            Input::Webhook(v1::WebhookToSign {
                id: "msg_1".to_owned(),
                body: b"{}".as_slice().into(),
                ..v1::WebhookToSign::default()
            }),
        ),
    ];
    for (secret, input) in inputs {
        let request = v1::SignRequest {
            secret: secret.to_owned(),
            input: Some(input),
            ttl: None,
        };
        write(
            "CountersignService/Sign",
            &format!("sign-{}", &secret[5..]),
            &request,
        )?;
    }
    Ok(())
}

fn changing() -> io::Result<()> {
    let service = |method: &str| format!("SecretService/{method}");
    let mut create = creation(5);
    create.name = "fuzz/new".to_owned();
    create.imported_key = String::new();
    create.labels = [("team".to_owned(), "chat".to_owned())].into();
    write(&service("CreateSecret"), "create-secret", &create)?;
    let hour = prost_types::Duration {
        seconds: 3600,
        nanos: 0,
    };
    for (name, ending) in [
        ("grace", Ending::GracePeriod(hour)),
        ("emergency", Ending::Emergency(true)),
    ] {
        let rotate = v1::RotateSecretRequest {
            request_id: format!("rotation-{name}"),
            name: "fuzz/webhook".to_owned(),
            ending: Some(ending),
            validate_only: true,
            ..v1::RotateSecretRequest::default()
        };
        write(&service("RotateSecret"), &format!("rotate-{name}"), &rotate)?;
    }
    let update = v1::UpdateSecretRequest {
        secret: Some(v1::Secret {
            name: "fuzz/webhook".to_owned(),
            tolerance: Some(hour),
            ..v1::Secret::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["tolerance".to_owned()],
        }),
        validate_only: true,
    };
    write(&service("UpdateSecret"), "update", &update)?;
    let activate = v1::ActivateVersionRequest {
        name: "fuzz/webhook".to_owned(),
        version: 1,
        grace_period: Some(hour),
    };
    write(&service("ActivateVersion"), "activate", &activate)?;
    let revoke = v1::RevokeVersionRequest {
        name: "fuzz/new".to_owned(),
        version: 1,
        force: true,
    };
    write(&service("RevokeVersion"), "revoke", &revoke)?;
    let delete = v1::DeleteSecretRequest {
        name: "fuzz/new".to_owned(),
        force: true,
    };
    write(&service("DeleteSecret"), "delete", &delete)?;
    let definition = countersign_core::catalogue::definition("pylon.identity");
    let scheme = v1::CreateSchemeRequest {
        definition: definition.expect("a built-in scheme").replacen(
            "vendor = \"",
            "vendor = \"own-",
            1,
        ),
        validate_only: true,
    };
    write("SchemeService/CreateScheme", "create-scheme", &scheme)?;
    let delete = v1::DeleteSchemeRequest {
        id: "own-pylon.identity".to_owned(),
        ..Default::default()
    };
    write("SchemeService/DeleteScheme", "delete-scheme", &delete)?;
    let token = v1::CreateTokenRequest {
        name: "fuzz/caller".to_owned(),
        grants: vec![v1::Grant {
            permissions: vec![v1::Permission::Sign.into(), v1::Permission::Verify.into()],
            pattern: "fuzz/*".to_owned(),
        }],
        certificate_san: "dns:caller.example.com".to_owned(),
        expire_time: None,
    };
    write("TokenService/CreateToken", "create-token", &token)?;
    let revoke = v1::RevokeTokenRequest {
        name: "fuzz/caller".to_owned(),
    };
    write("TokenService/RevokeToken", "revoke-token", &revoke)
}

fn reading() -> io::Result<()> {
    let list = v1::ListSecretsRequest {
        namespace: "fuzz".to_owned(),
        page_size: 2,
        page_token: "AAAAAAAAAAAAAAAAAAAAAGZ1enovaGFzaA".to_owned(),
    };
    write("SecretService/ListSecrets", "list-secrets", &list)?;
    let get = v1::GetSecretRequest {
        name: "fuzz/hash".to_owned(),
    };
    write("SecretService/GetSecret", "get-secret", &get)?;
    write(
        "SchemeService/ListSchemes",
        "list-schemes",
        &v1::ListSchemesRequest {},
    )?;
    let get = v1::GetSchemeRequest {
        id: "chatwoot.identity".to_owned(),
    };
    write("SchemeService/GetScheme", "get-scheme", &get)?;
    write(
        "TokenService/ListTokens",
        "list-tokens",
        &v1::ListTokensRequest::default(),
    )?;
    write(
        "BackupService/CreateBackup",
        "backup",
        &v1::CreateBackupRequest {},
    )?;
    let list = v1::ListAuditRecordsRequest::default();
    write("AuditService/ListAuditRecords", "list-audit", &list)?;
    let check = v1::VerifyAuditChainRequest::default();
    write("AuditService/VerifyAuditChain", "verify-audit", &check)
}

/// An export of a few records.
fn audit() -> io::Result<()> {
    let mut head = Head::START;
    let mut lines = String::new();
    for (number, method) in [(1, "CreateSecret"), (2, "RotateSecret"), (3, "ListSecrets")] {
        let record = Record {
            number,
            time: Timestamp::from_unix_secs(NOW),
            principal: "fuzz/ops".to_owned(),
            rpc_id: format!("rpc-{number}"),
            method: method.to_owned(),
            subject: "fuzz/webhook".to_owned(),
            version: 0,
            detail: "generated".to_owned(),
            outcome: "OK".to_owned(),
        };
        head = head.after(&record);
        let hash = head.to_string();
        let (_, hash) = hash.split_once(':').expect("number and hash");
        let line = serde_json::json!({
            "number": number, "time": "2023-11-14T22:13:20Z", "principal": record.principal,
            "rpc_id": record.rpc_id, "method": method, "subject": record.subject,
            "detail": record.detail, "outcome": record.outcome, "hash": hash,
        });
        lines.push_str(&format!("{line}\n"));
    }
    super::write("audit", "export", lines.as_bytes())?;
    super::write("audit", "head", head.to_string().as_bytes())
}
