//! A hostile caller: bytes that are no message, messages bent in every way, on every call. Whatever is sent, the
//! answer is an answer or an error of the contract, never a panic, and the service goes on.

mod support;

use std::{collections::BTreeMap, str::FromStr};

use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{self, Trust, explain_request::Check as ExplainCheck},
};
use http::uri::PathAndQuery;
use prost::{
    Message,
    bytes::{Buf, BufMut, Bytes},
};
use prost_types::FileDescriptorSet;
use support::{
    Options, Service,
    bend::{Dice, bend_bytes, bend_fields},
    delivery,
    refusal::{Refusal, failed, refusal},
    user,
};
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Sends and receives bytes as they are.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Paths of all calls.
/// Every call that is asked something; a request for a copy of the store is empty.
fn paths() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files = set
        .file
        .iter()
        .filter(|file| file.package() == "countersign.v1");
    files
        .flat_map(|file| &file.service)
        .flat_map(|service| {
            let method = |method: &prost_types::MethodDescriptorProto| {
                format!("/countersign.v1.{}/{}", service.name(), method.name())
            };
            service.method.iter().map(method)
        })
        .filter(|path| !path.ends_with("/CreateBackup"))
        .collect()
}

async fn send(channel: &Channel, path: &str, bytes: Bytes) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_str(path).unwrap();
    let answered = client.unary(Request::new(bytes), path, Raw).await;
    answered.map(tonic::Response::into_inner)
}

/// Good messages of every call, to be bent.
async fn good_messages(service: &Service) -> BTreeMap<String, Vec<Vec<u8>>> {
    let hash = service.hash_of("acme/chat", "user_1").await;
    let token = service.token_of("acme/token", "user_1").await;
    let headers = service.sign("acme/hook", delivery(b"body")).await.headers;
    let verify = v1::VerifyRequest {
        secret: "acme/chat".to_owned(),
        claimed: Some(user("user_1")),
        proof: Some(v1::verify_request::Proof::Hash(hash)),
    };
    let verify_token = v1::VerifyRequest {
        secret: "acme/token".to_owned(),
        claimed: None,
        proof: Some(v1::verify_request::Proof::Token(token)),
    };
    let webhook = v1::VerifyWebhookRequest {
        secret: "acme/hook".to_owned(),
        headers,
        payload: Some(v1::verify_webhook_request::Payload::Body("body".into())),
        ..Default::default()
    };
    let sign = |secret: &str, input| v1::SignRequest {
        secret: secret.to_owned(),
        input: Some(input),
        ttl: None,
    };
    let attributes = prost_types::Struct {
        fields: [("plan".to_owned(), prost_types::Value::from("pro"))].into(),
    };
    let vouched = v1::Identity {
        attributes: Some(attributes),
        ..user("user_1")
    };
    let sign_token = v1::SignRequest {
        ttl: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..sign("acme/token", v1::sign_request::Input::Identity(vouched))
    };
    let signs = vec![
        sign_token.encode_to_vec(),
        sign("acme/hook", delivery(b"body")).encode_to_vec(),
    ];
    let explain = |check| v1::ExplainRequest { check: Some(check) }.encode_to_vec();
    let item = v1::BatchVerifyItem {
        check: Some(v1::batch_verify_item::Check::Verify(verify.clone().into())),
    };
    let items = vec![item; 3];
    let spare = "acme/spare".to_owned();
    let create = v1::CreateSecretRequest {
        tolerance: Some(prost_types::Duration {
            seconds: 5,
            nanos: 0,
        }),
        ..support::new_secret("acme/new", "kaltalk.token")
    };
    let update = v1::UpdateSecretRequest {
        secret: Some(service.secret("acme/spare").await),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["labels".to_owned()],
        }),
        validate_only: false,
    };
    let activate = v1::ActivateVersionRequest {
        name: spare.clone(),
        version: 1,
        grace_period: Some(prost_types::Duration::default()),
    };
    let revoke = v1::RevokeVersionRequest {
        name: spare.clone(),
        version: 1,
        force: false,
    };
    let delete = v1::DeleteSecretRequest {
        name: spare.clone(),
        force: false,
    };
    let list = v1::ListSecretsRequest {
        namespace: "acme".to_owned(),
        page_size: 1,
        page_token: "AAAA".to_owned(),
    };
    let get = v1::GetSecretRequest {
        name: spare.clone(),
    };
    let scheme = v1::GetSchemeRequest {
        id: "kaltalk.token".to_owned(),
    };
    let create_scheme = v1::CreateSchemeRequest {
        definition: own_scheme(),
        validate_only: false,
    };
    let delete_scheme = v1::DeleteSchemeRequest {
        id: "parceldesk.webhook".to_owned(),
    };
    let create_token = v1::CreateTokenRequest {
        name: "acme/caller".to_owned(),
        grants: vec![v1::Grant {
            permissions: vec![v1::Permission::Verify.into()],
            pattern: "acme/*".to_owned(),
        }],
        certificate_san: "dns:caller.example".to_owned(),
        ..Default::default()
    };
    let list_tokens = v1::ListTokensRequest {
        page_size: 1,
        page_token: "AAAA".to_owned(),
    };
    let revoke_token = v1::RevokeTokenRequest {
        name: "acme/caller".to_owned(),
    };
    let list_audit = v1::ListAuditRecordsRequest {
        subject: "acme/chat".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let verify_audit = v1::VerifyAuditChainRequest {
        anchor: Some(v1::AuditHead {
            number: 1,
            hash: vec![0; 32].into(),
        }),
    };
    [
        (
            "Verify",
            vec![verify.encode_to_vec(), verify_token.encode_to_vec()],
        ),
        ("VerifyWebhook", vec![webhook.encode_to_vec()]),
        (
            "Explain",
            vec![
                explain(ExplainCheck::Verify(verify.clone().into())),
                explain(ExplainCheck::Verify(verify_token.clone().into())),
                explain(ExplainCheck::Webhook(webhook.clone().into())),
            ],
        ),
        ("Sign", signs),
        (
            "BatchVerify",
            vec![v1::BatchVerifyRequest { items }.encode_to_vec()],
        ),
        ("CreateSecret", vec![create.encode_to_vec()]),
        (
            "RotateSecret",
            vec![support::rotation(&spare, 60).encode_to_vec()],
        ),
        ("UpdateSecret", vec![update.encode_to_vec()]),
        ("ActivateVersion", vec![activate.encode_to_vec()]),
        ("RevokeVersion", vec![revoke.encode_to_vec()]),
        ("DeleteSecret", vec![delete.encode_to_vec()]),
        ("ListSecrets", vec![list.encode_to_vec()]),
        ("GetSecret", vec![get.encode_to_vec()]),
        ("GetScheme", vec![scheme.encode_to_vec()]),
        ("ListSchemes", vec![Vec::new()]),
        ("CreateScheme", vec![create_scheme.encode_to_vec()]),
        ("DeleteScheme", vec![delete_scheme.encode_to_vec()]),
        ("CreateToken", vec![create_token.encode_to_vec()]),
        ("ListTokens", vec![list_tokens.encode_to_vec()]),
        ("RevokeToken", vec![revoke_token.encode_to_vec()]),
        ("ListAuditRecords", vec![list_audit.encode_to_vec()]),
        ("VerifyAuditChain", vec![verify_audit.encode_to_vec()]),
    ]
    .into_iter()
    .map(|(name, messages)| (name.to_owned(), messages))
    .collect()
}

/// The worked example of the document.
fn own_scheme() -> String {
    let document = include_str!("../docs/schemes.md");
    let (_, example) = document.split_once("```toml\n").unwrap();
    example.split("```").next().unwrap().to_owned()
}

async fn service_with_secrets() -> (Service, Channel) {
    let service = Service::with(Options {
        // Bent messages are many, and each is to be looked at.
        edit: |config| config.limits.explain_per_minute = 100_000,
        ..Options::default()
    })
    .await;
    for (name, scheme) in [
        ("acme/chat", "chatwoot.identity"),
        ("acme/token", "kaltalk.token"),
        ("acme/hook", "standard.webhook"),
        ("acme/spare", "kaltalk.token"),
    ] {
        service.generate(name, scheme).await;
    }
    let endpoint = Channel::from_shared(format!("http://{}", service.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    (service, channel)
}

/// An error that a caller may cause. INTERNAL would be a panic or a broken invariant.
#[track_caller]
fn assert_contractual(path: &str, sent: &[u8], answered: &Result<Bytes, Status>) {
    let Err(status) = answered else { return };
    let allowed = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
    ];
    assert!(
        allowed.contains(&status.code()),
        "{path} {status:?} for {}",
        hex::encode(sent)
    );
}

#[tokio::test]
async fn t28_bent_messages_are_answered_or_refused_and_never_crash_a_call() {
    let (service, channel) = service_with_secrets().await;
    let good = good_messages(&service).await;
    let paths = paths();
    assert_eq!(paths.len(), good.len(), "every call has a message to bend");
    let mut dice = Dice(0x5eed_c0de_5eed_c0de);
    let (mut read, mut answered) = (0, 0);
    for round in 0..8000 {
        let path = &paths[round % paths.len()];
        let (_, call) = path.rsplit_once('/').unwrap();
        let messages = &good[call];
        let message = &messages[dice.below(messages.len())];
        let bytes = match dice.below(10) {
            0 => {
                let len = dice.below(200);
                dice.bytes(len)
            }
            1 | 2 => bend_bytes(message.clone(), &mut dice),
            _ => bend_fields(message, &mut dice),
        };
        let answer = send(&channel, path, bytes.clone().into()).await;
        assert_contractual(path, &bytes, &answer);
        let malformed = |status: &Status| status.message().contains("not a message");
        read += usize::from(!answer.as_ref().is_err_and(malformed));
        answered += usize::from(answer.is_ok());
    }
    assert!(
        read > 3000 && answered > 500,
        "{read} read, {answered} answered"
    );
    service.generate("fresh/chat", "chatwoot.identity").await;
    let hash = service.hash_of("fresh/chat", "user_1").await;
    let answer = service.verify_hash("fresh/chat", "user_1", &hash).await;
    assert_eq!(answer.trust(), Trust::Verified, "the service goes on");
}

fn malformed() -> Refusal {
    failed(Code::InvalidArgument, "MESSAGE_MALFORMED")
}

/// One length-delimited field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
    bytes.extend(content);
    bytes
}

#[tokio::test]
async fn h03_t28_text_that_is_not_utf8_is_an_invalid_argument() {
    let (_service, channel) = service_with_secrets().await;
    let mut bytes = field(1, b"acme/chat");
    bytes.extend(field(2, &field(1, b"canary-4d61c7\xff\xfe")));
    for call in ["Verify", "Sign"] {
        let path = format!("/countersign.v1.CountersignService/{call}");
        let answer = send(&channel, &path, bytes.clone().into()).await;
        assert_eq!(refusal(answer, "canary-4d61c7"), malformed());
    }
}

#[tokio::test]
async fn t28_messages_nested_without_end_are_refused() {
    let (_service, channel) = service_with_secrets().await;
    // Value { list_value { values { Value … } } } within Identity.attributes of Verify.
    let mut value = field(3, b"x");
    for _ in 0..5000 {
        value = field(6, &field(1, &value));
    }
    let entry = [field(1, b"deep"), field(2, &value)].concat();
    let identity = field(4, &field(1, &entry));
    let bytes = [field(1, b"acme/chat"), field(2, &identity)].concat();
    let path = "/countersign.v1.CountersignService/Verify";
    let answer = send(&channel, path, bytes.into()).await;
    assert_eq!(refusal(answer, "ListValue"), malformed());
}

#[tokio::test]
async fn t27_an_unknown_call_is_unimplemented() {
    let (_service, channel) = service_with_secrets().await;
    for path in [
        "/countersign.v1.SecretService/RevealKey",
        "/countersign.v1.Canary4d61c7/Sign",
    ] {
        let answer = send(&channel, path, Bytes::new()).await;
        let unknown = failed(Code::Unimplemented, "METHOD_NOT_FOUND");
        assert_eq!(refusal(answer, path), unknown);
    }
}
