//! The wire contract: its golden text, batches, reflection, health, and messages that show nothing in a log.

mod support;

use std::{env, fs, path::Path};

use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, BatchVerifyItem, BatchVerifyRequest, VerifyRequest, VerifyWebhookRequest,
        batch_verify_item::Check, batch_verify_result::Outcome,
    },
};
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use support::{
    Service,
    refusal::{CANARY, invalid, refusal},
    user,
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const PACKAGE: &str = "countersign.v1";
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/contract.txt");

#[test]
fn the_contract_is_the_golden_one() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut lines = Vec::new();
    for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
        for service in &file.service {
            for method in &service.method {
                let stream = |streams| if streams { "stream " } else { "" };
                lines.push(format!(
                    "rpc {}.{}({}{}) returns ({}{})",
                    service.name(),
                    method.name(),
                    stream(method.client_streaming()),
                    short(method.input_type()),
                    stream(method.server_streaming()),
                    short(method.output_type()),
                ));
            }
        }
        for message in &file.message_type {
            describe_message(message.name(), message, &mut lines);
        }
        for each in &file.enum_type {
            describe_enum(each.name(), each, &mut lines);
        }
    }
    lines.sort();
    let text = lines.join("\n") + "\n";
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        fs::write(GOLDEN, &text).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    for line in golden.lines() {
        assert!(
            lines.iter().any(|new| new == line),
            "gone from the wire: {line}"
        );
    }
    for line in &lines {
        assert!(
            golden.lines().any(|old| old == line),
            "new on the wire: {line}; run with UPDATE_GOLDEN=1"
        );
    }
}

fn short(name: &str) -> &str {
    let name = name.trim_start_matches('.');
    name.strip_prefix("countersign.v1.").unwrap_or(name)
}

fn describe_message(name: &str, message: &DescriptorProto, lines: &mut Vec<String>) {
    for field in &message.field {
        let oneof = field
            .oneof_index
            .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
            .map_or_else(String::new, |oneof| format!(" oneof {}", oneof.name()));
        let label = match field.label() {
            Label::Repeated => "repeated ",
            _ => "",
        };
        lines.push(format!(
            "field {name}.{} = {}: {label}{}{oneof}",
            field.name(),
            field.number(),
            kind(field)
        ));
    }
    for nested in &message.nested_type {
        describe_message(&format!("{name}.{}", nested.name()), nested, lines);
    }
    for nested in &message.enum_type {
        describe_enum(&format!("{name}.{}", nested.name()), nested, lines);
    }
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => short(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().replace("TYPE_", "").to_lowercase(),
    }
}

fn describe_enum(name: &str, each: &EnumDescriptorProto, lines: &mut Vec<String>) {
    for value in &each.value {
        lines.push(format!("enum {name}.{} = {}", value.name(), value.number()));
    }
}

fn check(secret: &str, id: &str, hash: &str) -> BatchVerifyItem {
    BatchVerifyItem {
        check: Some(Check::Verify(Box::new(VerifyRequest {
            secret: secret.to_owned(),
            claimed: Some(user(id)),
            proof: Some(v1::verify_request::Proof::Hash(hash.to_owned())),
        }))),
    }
}

async fn batch(
    service: &Service,
    items: Vec<BatchVerifyItem>,
) -> Result<Vec<Outcome>, tonic::Status> {
    let request = BatchVerifyRequest { items };
    let answered = service.proofs.clone().batch_verify(request).await?;
    let results = answered.into_inner().results;
    Ok(results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect())
}

#[test]
fn an_empty_item_of_a_batch_takes_little_room() {
    assert!(size_of::<BatchVerifyItem>() <= 16);
}

#[tokio::test]
async fn a_batch_answers_in_order_and_a_bad_item_fails_alone() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    service.generate("acme/hook", "github.webhook").await;
    let hash = service.hash_of("acme/chat", "user_1").await;
    let headers = service
        .sign("acme/hook", support::delivery(b"x"))
        .await
        .headers;
    let webhook = BatchVerifyItem {
        check: Some(Check::VerifyWebhook(Box::new(VerifyWebhookRequest {
            secret: "acme/hook".to_owned(),
            headers,
            payload: Some(v1::verify_webhook_request::Payload::BodyText(
                "x".to_owned(),
            )),
            ..Default::default()
        }))),
    };
    let items = vec![
        check("acme/chat", "user_1", &hash),
        check("acme/chat", "user_2", &hash),
        check("acme/none", "user_1", &hash),
        webhook,
        check(&format!("{CANARY}!"), "user_1", &hash),
        BatchVerifyItem { check: None },
        check("acme/hook", "user_1", &hash),
        check("acme/chat", "", &hash),
        check("acme/chat", "user_1", &hash),
    ];
    let outcomes = batch(&service, items).await.unwrap();
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Verify(answer) => answer.trust().as_str_name().to_owned(),
            Outcome::VerifyWebhook(answer) => answer.decision().as_str_name().to_owned(),
            Outcome::Error(error) => {
                assert!(!error.message.contains(CANARY));
                assert!(!error.message.is_empty());
                format!("{:?} {}", Code::from_i32(error.code), error.reason)
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "TRUST_VERIFIED",
            "TRUST_UNVERIFIED",
            "NotFound SECRET_NOT_FOUND",
            "DECISION_ALLOW",
            "InvalidArgument FIELD_INVALID",
            "InvalidArgument FIELD_INVALID",
            "FailedPrecondition PURPOSE_MISMATCH",
            "InvalidArgument FIELD_INVALID",
            "TRUST_VERIFIED",
        ]
    );
}

#[tokio::test]
async fn a_batch_has_1_to_1000_items() {
    let service = Service::start().await;
    service.generate("acme/chat", "chatwoot.identity").await;
    let hash = service.hash_of("acme/chat", "user_1").await;
    let most = vec![check("acme/chat", "user_1", &hash); 1000];
    assert_eq!(batch(&service, most.clone()).await.unwrap().len(), 1000);
    for items in [
        Vec::new(),
        [most, vec![check("acme/chat", "u", &hash)]].concat(),
    ] {
        let refused = batch(&service, items).await;
        assert_eq!(refusal(refused, &hash), invalid("items"));
    }
}

#[tokio::test]
async fn health_says_that_each_service_serves() {
    let service = Service::start().await;
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", service.address));
    let mut health = HealthClient::new(endpoint.unwrap().connect().await.unwrap());
    for name in [
        "",
        "countersign.v1.CountersignService",
        "countersign.v1.SecretService",
        "countersign.v1.SchemeService",
        "countersign.v1.BackupService",
    ] {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{name}");
    }
    let unknown = HealthCheckRequest {
        service: CANARY.to_owned(),
    };
    let status = health.check(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    support::refusal::assert_silent(&status, CANARY);
}

/// The services that reflection lists in one of its versions.
macro_rules! reflected {
    ($service:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let endpoint = format!("http://{}", $service.address);
        let endpoint = tonic::transport::Channel::from_shared(endpoint).unwrap();
        let mut client = ServerReflectionClient::new(endpoint.connect().await.unwrap());
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let answered = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let mut answers = answered.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("not a list of services");
        };
        list.service
            .into_iter()
            .map(|service| service.name)
            .collect::<Vec<_>>()
    }};
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let service = Service::start().await;
    for listed in [reflected!(service, v1), reflected!(service, v1alpha)] {
        for name in ["CountersignService", "SecretService", "SchemeService"] {
            let name = format!("{PACKAGE}.{name}");
            assert!(listed.contains(&name), "{name} is not in {listed:?}");
        }
    }
}

#[test]
fn a15_no_message_shows_a_key_a_proof_or_a_body_in_debug() {
    let text = || CANARY.to_owned();
    let identity = || v1::Identity {
        id: text(),
        email: text(),
        name: text(),
        attributes: None,
    };
    let header = || v1::Header {
        name: "x".to_owned(),
        value: text(),
    };
    let delivery = || v1::WebhookToSign {
        headers: Vec::new(),
        method: String::new(),
        url: String::new(),
        id: text(),
        timestamp: None,
        body: CANARY.into(),
    };
    let sign = |input| v1::SignRequest {
        input: Some(input),
        ..Default::default()
    };
    let verify = |proof| VerifyRequest {
        claimed: Some(identity()),
        proof: Some(proof),
        ..Default::default()
    };
    let webhook = |payload| VerifyWebhookRequest {
        headers: vec![header()],
        payload: Some(payload),
        url: text(),
        ..Default::default()
    };
    use v1::{sign_request::Input, verify_request::Proof, verify_webhook_request::Payload};
    let item = BatchVerifyItem {
        check: Some(Check::Verify(verify(Proof::Hash(text())).into())),
    };
    let shown = [
        format!("{:?}", header()),
        format!("{:?}", delivery()),
        format!("{:?}", sign(Input::Identity(identity()))),
        format!("{:?}", sign(Input::Webhook(delivery()))),
        format!("{:?}", sign(Input::ResourceId(text()))),
        format!("{:?}", sign(Input::ResourceId(text())).input),
        format!("{:?}", verify(Proof::Hash(text()))),
        format!("{:?}", verify(Proof::Token(text())).proof),
        format!("{:?}", webhook(Payload::Body(CANARY.into()))),
        format!("{:?}", webhook(Payload::BodyText(text())).payload),
        format!("{:?}", BatchVerifyRequest { items: vec![item] }),
        format!(
            "{:?}",
            v1::SignResponse {
                hash: text(),
                token: text(),
                headers: vec![header()],
                resource_id: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:?}",
            v1::CreateSecretRequest {
                imported_key: text(),
                request_id: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:?}",
            v1::RotateSecretRequest {
                imported_key: text(),
                request_id: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:#?}",
            v1::CreateSecretResponse {
                revealed_key: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:#?}",
            v1::RotateSecretResponse {
                revealed_key: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:?}",
            v1::CreateTokenResponse {
                bearer_token: text(),
                ..Default::default()
            }
        ),
        format!(
            "{:?}",
            v1::CreateBackupResponse {
                data: CANARY.into(),
            }
        ),
    ];
    for shown in shown {
        assert!(!shown.contains(CANARY), "{shown}");
        // Bytes are shown as numbers by some.
        assert!(!shown.contains("99, 97, 110"), "{shown}");
    }
}
