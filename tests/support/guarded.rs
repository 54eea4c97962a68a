//! A server that asks who calls, and calls of it with any bytes.

use std::time::Duration;

use countersign_core::{SecretName, access::Permission};
use countersign_proto::v1::{
    self, AuditHead, AuditRecord, CreateTokenRequest, Grant, ListAuditRecordsRequest,
    VerifyAuditChainRequest, VerifyAuditChainResponse, audit_service_client::AuditServiceClient,
    token_service_client::TokenServiceClient,
};
use countersign_server::{Config, Server, init};
use prost::{
    Message,
    bytes::{Buf, BufMut},
};
use rusqlite::Connection;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    service::interceptor::InterceptedService,
    transport::Channel,
};

use super::process::{Bearer, BearerChannel};

/// A server that asks who calls.
pub struct Guarded {
    channel: Channel,
    pub admin: String,
    server: Server,
    directory: TempDir,
}

impl Guarded {
    pub async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let name = SecretName::parse("admin").unwrap();
        let admin = init(config(&directory), name, None).await.unwrap();
        Self::on(directory, admin.expose_secret().to_owned()).await
    }

    pub async fn on(directory: TempDir, admin: String) -> Self {
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
    pub async fn edited(self, sql: &str) -> Self {
        self.server.shutdown().await;
        let file = Connection::open(self.directory.path().join("countersign.db")).unwrap();
        file.execute_batch(sql).unwrap();
        drop(file);
        Self::on(self.directory, self.admin).await
    }

    pub fn shows(&self, token: &str) -> BearerChannel {
        InterceptedService::new(self.channel.clone(), Bearer(token.to_owned()))
    }

    pub async fn token(&self, name: &str, permissions: &[Permission], pattern: &str) -> String {
        let request = token_request(name, permissions, pattern);
        let mut tokens = TokenServiceClient::new(self.shows(&self.admin));
        let made = tokens.create_token(request).await.unwrap();
        made.into_inner().bearer_token
    }

    /// Calls an rpc with bytes, whatever they are.
    pub async fn call(
        &self,
        token: &str,
        path: &str,
        id: &str,
        message: &[u8],
    ) -> Result<(), Status> {
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

    pub async fn send(&self, path: &str, message: &impl Message) {
        let message = message.encode_to_vec();
        let sent = self.call(&self.admin, path, "-", &message);
        sent.await.unwrap();
    }

    pub async fn page(
        &self,
        token: &str,
        request: ListAuditRecordsRequest,
    ) -> Result<v1::ListAuditRecordsResponse, Status> {
        let mut audit = AuditServiceClient::new(self.shows(token));
        let page = audit.list_audit_records(request).await;
        page.map(tonic::Response::into_inner)
    }

    /// All records that the token may read, by pages of this size.
    pub async fn records(&self, token: &str, subject: &str, page_size: i32) -> Vec<AuditRecord> {
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

    pub async fn verify(&self, anchor: Option<AuditHead>) -> VerifyAuditChainResponse {
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

/// A request for a token with one grant.
pub fn token_request(name: &str, permissions: &[Permission], pattern: &str) -> CreateTokenRequest {
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
