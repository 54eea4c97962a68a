//! Who did what: one record for every call of the control plane, who may read them, and what shows that one is missing
//! or was edited.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use countersign_core::{SecretName, access::Permission};
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, AuditHead, AuditRecord, CreateTokenRequest, Grant, ListAuditRecordsRequest,
        VerifyAuditChainRequest, VerifyAuditChainResponse,
        audit_service_client::AuditServiceClient, token_service_client::TokenServiceClient,
    },
};
use countersign_server::{Config, Server, init};
use prost::{Message, bytes::Buf, bytes::BufMut};
use prost_types::FileDescriptorSet;
use rusqlite::Connection;
use secrecy::ExposeSecret;
use support::{
    error_of, new_secret,
    process::{Bearer, BearerChannel, PATIENCE, Site, command, finish},
    refusal::{invalid, refusal},
    request_id, rotation,
};
use tempfile::TempDir;
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    service::interceptor::InterceptedService,
    transport::Channel,
};

/// A server that asks who calls.
struct Guarded {
    channel: Channel,
    admin: String,
    server: Server,
    directory: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let name = SecretName::parse("admin").unwrap();
        let admin = init(config(&directory), name, None).await.unwrap();
        Self::on(directory, admin.expose_secret().to_owned()).await
    }

    async fn on(directory: TempDir, admin: String) -> Self {
        let server = Server::start(config(&directory)).await.unwrap();
        let channel = Channel::from_shared(format!("http://{}", server.local_addr()));
        Self {
            channel: channel.unwrap().connect().await.unwrap(),
            admin,
            server,
            directory,
        }
    }

    /// Edits the file while no server holds it.
    async fn edited(self, sql: &str) -> Self {
        self.server.shutdown().await;
        let file = Connection::open(self.directory.path().join("countersign.db")).unwrap();
        file.execute_batch(sql).unwrap();
        drop(file);
        Self::on(self.directory, self.admin).await
    }

    fn shows(&self, token: &str) -> BearerChannel {
        InterceptedService::new(self.channel.clone(), Bearer(token.to_owned()))
    }

    async fn token(&self, name: &str, permissions: &[Permission], pattern: &str) -> String {
        let request = token_request(name, permissions, pattern);
        let mut tokens = TokenServiceClient::new(self.shows(&self.admin));
        let made = tokens.create_token(request).await.unwrap();
        made.into_inner().bearer_token
    }

    /// Calls an rpc with bytes, whatever they are.
    async fn call(&self, token: &str, path: &str, id: &str, message: &[u8]) -> Result<(), Status> {
        let mut grpc = tonic::client::Grpc::new(self.shows(token));
        grpc.ready().await.unwrap();
        let mut request = Request::new(message.to_vec());
        request
            .metadata_mut()
            .insert("x-request-id", id.parse().unwrap());
        let path = format!("/countersign.v1.{path}").parse().unwrap();
        let answered = grpc.server_streaming(request, path, Raw).await?;
        let mut answers = answered.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    }

    async fn send(&self, path: &str, message: &impl Message) {
        let message = message.encode_to_vec();
        let sent = self.call(&self.admin, path, "-", &message);
        sent.await.unwrap();
    }

    async fn page(
        &self,
        token: &str,
        request: ListAuditRecordsRequest,
    ) -> Result<v1::ListAuditRecordsResponse, Status> {
        let mut audit = AuditServiceClient::new(self.shows(token));
        let page = audit.list_audit_records(request).await;
        page.map(tonic::Response::into_inner)
    }

    /// All records that the token may read, by pages of this size.
    async fn records(&self, token: &str, subject: &str, page_size: i32) -> Vec<AuditRecord> {
        let mut request = ListAuditRecordsRequest {
            subject: subject.to_owned(),
            page_size,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.page(token, request.clone()).await.unwrap();
            assert!(i32::try_from(page.records.len()).unwrap() <= page_size);
            all.extend(page.records);
            // Every page is a record itself, so the list is followed no further than it was at first.
            if page.next_page_token.is_empty() || all.len() > 500 {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn verify(&self, anchor: Option<AuditHead>) -> VerifyAuditChainResponse {
        let mut audit = AuditServiceClient::new(self.shows(&self.admin));
        let request = VerifyAuditChainRequest { anchor };
        audit
            .verify_audit_chain(request)
            .await
            .unwrap()
            .into_inner()
    }
}

fn config(directory: &TempDir) -> Config {
    let mut config = Config::dev("127.0.0.1:0".parse().unwrap(), directory.path()).unwrap();
    config.open = false;
    config.limits.drain = Duration::from_secs(2);
    config
}

fn token_request(name: &str, permissions: &[Permission], pattern: &str) -> CreateTokenRequest {
    let permissions = permissions.iter().map(|permission| {
        let name = permission.name().replace('.', "_").to_uppercase();
        let known = v1::Permission::from_str_name(&format!("PERMISSION_{name}"));
        known.unwrap().into()
    });
    CreateTokenRequest {
        name: name.to_owned(),
        grants: vec![Grant {
            permissions: permissions.collect(),
            pattern: pattern.to_owned(),
        }],
        ..Default::default()
    }
}

/// Messages as bytes; answers are read and dropped.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
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
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}

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

#[tokio::test]
async fn a_caller_reads_the_records_of_the_names_that_it_may_read_the_audit_of() {
    let guarded = Guarded::start().await;
    for name in ["acme/chat", "acme/hooks", "other/chat"] {
        let created = new_secret(name, "chatwoot.identity");
        guarded.send("SecretService/CreateSecret", &created).await;
    }
    let read = &[Permission::AuditRead];
    let acme = guarded.token("acme/auditor", read, "acme/*").await;
    let subjects = |records: &[AuditRecord]| -> BTreeSet<String> {
        records
            .iter()
            .map(|record| record.subject.clone())
            .collect()
    };
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let seen = guarded.records(&acme, "", 2).await;
    let own: BTreeSet<String> = of(&["acme/chat", "acme/hooks", "acme/auditor"]);
    assert_eq!(subjects(&seen), own);
    let seen = guarded.records(&acme, "acme/chat", 1).await;
    assert_eq!(subjects(&seen), of(&["acme/chat"]));
    let all = subjects(&guarded.records(&guarded.admin, "", 1000).await);
    assert!(all.is_superset(&own) && all.contains("other/chat") && all.contains(""));

    // Of a name of others nothing is told, be there records or not.
    for name in ["other/chat", "other/none"] {
        let request = ListAuditRecordsRequest {
            subject: name.to_owned(),
            ..Default::default()
        };
        let refused = guarded.page(&acme, request).await.unwrap_err();
        assert_eq!(error_of(&refused).1, "PERMISSION_DENIED");
    }
    let mut audit = AuditServiceClient::new(guarded.shows(&acme));
    let refused = audit.verify_audit_chain(VerifyAuditChainRequest::default());
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn d30_a_page_token_opens_no_other_list_and_nobody_elses_view() {
    let guarded = Guarded::start().await;
    for number in 0..4 {
        for name in ["acme", "other"] {
            let created = new_secret(&format!("{name}/s{number}"), "chatwoot.identity");
            guarded.send("SecretService/CreateSecret", &created).await;
        }
    }
    let read = &[Permission::AuditRead];
    let acme = guarded.token("acme/auditor", read, "acme/*").await;
    let other = guarded.token("other/auditor", read, "other/*").await;
    let request = |subject: &str, page_token: &str| ListAuditRecordsRequest {
        subject: subject.to_owned(),
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let admin = guarded.admin.clone();
    let all = guarded.page(&admin, request("", "")).await.unwrap();
    let of_acme = guarded.page(&acme, request("", "")).await.unwrap();
    let secrets = {
        let list = v1::ListSecretsRequest {
            page_size: 1,
            ..Default::default()
        };
        let shown = guarded.shows(&admin);
        let mut secrets = v1::secret_service_client::SecretServiceClient::new(shown);
        let page = secrets.list_secrets(list).await.unwrap();
        page.into_inner().next_page_token
    };
    let flipped = {
        let mut token = all.next_page_token.clone().into_bytes();
        token[3] = if token[3] == b'A' { b'B' } else { b'A' };
        String::from_utf8(token).unwrap()
    };
    for (caller, subject, token) in [
        (&admin, "acme/s1", all.next_page_token.as_str()),
        (&acme, "", &all.next_page_token),
        (&other, "", &of_acme.next_page_token),
        (&admin, "", &of_acme.next_page_token),
        (&acme, "acme/s1", &of_acme.next_page_token),
        (&admin, "", &secrets),
        (&admin, "", &flipped),
        (&admin, "", "5"),
        (&admin, "", "\u{0}"),
    ] {
        let refused = guarded.page(caller, request(subject, token)).await;
        assert_eq!(refusal(refused, token), invalid("page_token"));
    }
    for (caller, token) in [(&admin, &all), (&acme, &of_acme)] {
        let next = guarded.page(caller, request("", &token.next_page_token));
        let next = next.await.unwrap();
        assert!(next.records[0].number > token.records[0].number);
    }
}

#[tokio::test]
async fn a29_what_was_done_to_the_records_behind_the_servers_back_is_told() {
    let guarded = Guarded::start().await;
    for number in 0..4 {
        let created = new_secret(&format!("acme/s{number}"), "chatwoot.identity");
        guarded.send("SecretService/CreateSecret", &created).await;
    }
    let sound = guarded.verify(None).await;
    assert!(sound.intact && sound.finding.is_empty() && sound.first_bad_number == 0);
    let anchor = sound.head.clone().unwrap();
    assert_eq!(anchor.number, 5);
    let forged = AuditHead {
        hash: vec![7; 32].into(),
        ..anchor.clone()
    };
    let wrong = guarded.verify(Some(forged)).await;
    assert_eq!((wrong.intact, wrong.first_bad_number), (false, 5));

    let guarded = guarded.edited("").await;
    let still = guarded.verify(Some(anchor.clone())).await;
    assert!(still.intact, "{}", still.finding);
    let guarded = guarded
        .edited("UPDATE audit SET principal = 'mallory' WHERE n = 3")
        .await;
    // What is recorded later does not cover it.
    guarded.records(&guarded.admin, "", 1000).await;
    for anchor in [None, Some(anchor)] {
        let told = guarded.verify(anchor).await;
        assert_eq!((told.intact, told.first_bad_number), (false, 3));
        assert!(
            told.finding.contains("record 3 was edited"),
            "{}",
            told.finding
        );
    }
}

fn countersign(site: &Site, address: &str, arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(arguments);
    if !address.is_empty() {
        let server = format!("http://{address}");
        command.args(["--server", &server, "--token-file"]);
        command.arg(site.path("token"));
    }
    finish(&mut command, PATIENCE).0
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The checker of the document.
fn checked(export: &Path) -> Output {
    let document = include_str!("../docs/audit.md");
    let checker = document.split("```python\n").nth(1).unwrap();
    let checker = checker.split("```").next().unwrap();
    let mut python = Command::new("python3");
    finish(python.arg("-c").arg(checker).arg(export), PATIENCE).0
}

#[tokio::test]
async fn a29_an_export_is_checked_without_a_server_and_without_countersign() {
    let site = Site::new();
    let running = site.serve().await;
    let address = running.address().to_string();
    let ask = |arguments: &[&str]| countersign(&site, &address, arguments);
    let create = [
        "secret",
        "create",
        "acme/chat",
        "--scheme",
        "chatwoot.identity",
    ];
    assert!(ask(&create).status.success());
    assert!(
        ask(&["secret", "rotate", "acme/chat", "--emergency"])
            .status
            .success()
    );
    assert!(!ask(&["secret", "get", "acme/none"]).status.success());

    let listed = said(&ask(&["audit", "list", "--subject", "acme/chat"]));
    assert!(listed.contains("emergency generated") && listed.contains("acme/chat version 2"));
    let listed = said(&ask(&["audit", "list", "--after", "3", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["records"][0]["number"], 4);
    assert_eq!(listed["records"][0]["outcome"], "SECRET_NOT_FOUND");

    let export = site.path("audit.jsonl");
    let export_path = export.to_str().unwrap();
    let exported = ask(&["audit", "export", "--out", export_path]);
    assert!(exported.status.success());
    let head = said(&exported)
        .trim()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        !ask(&["audit", "export", "--out", export_path])
            .status
            .success(),
        "it is there"
    );
    let straight = said(&ask(&["audit", "export"]));
    let text = fs::read_to_string(&export).unwrap();
    assert!(straight.starts_with(&text));

    let verified = ask(&["audit", "verify", "--anchor", &head]);
    assert!(verified.status.success() && said(&verified).starts_with("Intact up to "));
    let verify = |file: &str, anchor: &str| {
        let mut arguments = vec!["audit", "verify", "--file", file];
        if !anchor.is_empty() {
            arguments.extend(["--anchor", anchor]);
        }
        countersign(&site, "", &arguments)
    };
    for anchor in ["", &head] {
        let verified = verify(export_path, anchor);
        assert!(verified.status.success());
        assert_eq!(said(&verified).trim(), format!("Intact up to {head}"));
    }
    assert_eq!(said(&checked(&export)).trim(), head);

    let number = text.lines().count();
    for line in 0..number {
        for edit in ["deleted", "edited", "swapped"] {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            match edit {
                "deleted" => drop(lines.remove(line)),
                "edited" => lines[line] = lines[line].replace("\"outcome\":\"", "\"outcome\":\"X"),
                _ if line == 0 => continue,
                _ => lines.swap(line - 1, line),
            }
            fs::write(&export, lines.join("\n") + "\n").unwrap();
            let verified = verify(export_path, &head);
            assert_eq!(verified.status.code(), Some(1), "line {line} {edit}");
            assert!(said(&verified).starts_with("NOT INTACT: "));
            // Without an anchor nobody misses the last line.
            let is_cut = edit == "deleted" && line + 1 == number;
            assert_eq!(
                checked(&export).status.success(),
                is_cut,
                "line {line} {edit}"
            );
        }
    }
    running.kill();
    let file = Connection::open(site.database()).unwrap();
    file.execute_batch("DELETE FROM audit WHERE n = 2").unwrap();
    drop(file);
    let running = site.serve().await;
    let address = running.address().to_string();
    let verified = countersign(&site, &address, &["audit", "verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_str(&said(&verified)).unwrap();
    assert_eq!(
        (&told["intact"], &told["first_bad_number"]),
        (&false.into(), &2.into())
    );
    assert!(site.log().contains("the audit is not intact"));
}

/// The log has every head, from outside of the store.
#[tokio::test]
async fn a29_every_line_of_the_log_about_a_record_is_an_anchor() {
    let site = Site::new();
    let running = site.serve().await;
    let address = running.address().to_string();
    let ask = |arguments: &[&str]| countersign(&site, &address, arguments);
    for name in ["acme/a", "acme/b", "acme/c"] {
        let create = ["secret", "create", name, "--scheme", "chatwoot.identity"];
        assert!(ask(&create).status.success());
    }
    let anchors = |log: String| -> Vec<String> {
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let lines = lines.filter(|line: &serde_json::Value| line["message"] == "audit");
        lines
            .map(|line| format!("{}:{}", line["change"], line["hash"].as_str().unwrap()))
            .collect()
    };
    let anchors = anchors(site.log());
    assert!(anchors.len() >= 3);
    for anchor in &anchors {
        assert!(
            ask(&["audit", "verify", "--anchor", anchor])
                .status
                .success()
        );
    }
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
