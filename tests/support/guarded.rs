//! A server that asks who calls, and calls of it with any bytes.

use std::time::Duration;

use countersign_core::{SecretName, access::Permission};
use countersign_proto::v1::{
    self, AuditHead, AuditRecord, CreateTokenRequest, Grant, ListAuditRecordsRequest,
    RevokeTokenRequest, VerifyAuditChainRequest, VerifyAuditChainResponse,
    audit_service_client::AuditServiceClient, countersign_service_client::CountersignServiceClient,
    secret_service_client::SecretServiceClient, token_service_client::TokenServiceClient,
};
use countersign_server::{Clock, Config, KeyPolicy, Server, init};
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

use super::{
    new_secret,
    process::{Bearer, BearerChannel},
    started,
};

/// A server that asks who calls, and its first token.
pub struct Guarded {
    pub channel: Channel,
    pub admin: String,
    pub server: Server,
    pub directory: TempDir,
}

pub fn config(directory: &TempDir, edit: fn(&mut Config)) -> Config {
    let listen = "127.0.0.1:0".parse().unwrap();
    let mut config = Config::dev(listen, directory.path()).unwrap();
    config.open = false;
    config.limits.drain = Duration::from_secs(2);
    edit(&mut config);
    config
}

impl Guarded {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(edit: fn(&mut Config)) -> Self {
        let directory = TempDir::new().unwrap();
        let name = SecretName::parse("admin").unwrap();
        let admin = init(config(&directory, edit), name, None).await.unwrap();
        Self::on(directory, admin.expose_secret().to_owned(), edit).await
    }

    async fn on(directory: TempDir, admin: String, edit: fn(&mut Config)) -> Self {
        let config = || config(&directory, edit);
        let server = started(config, Clock::System, KeyPolicy::Enforced).await;
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
        Self::on(self.directory, self.admin, |_| {}).await
    }

    pub fn shows(&self, token: &str) -> BearerChannel {
        InterceptedService::new(self.channel.clone(), Bearer(token.to_owned()))
    }

    pub fn secrets(&self, token: &str) -> SecretServiceClient<BearerChannel> {
        SecretServiceClient::new(self.shows(token))
    }

    pub fn proofs(&self, token: &str) -> CountersignServiceClient<BearerChannel> {
        CountersignServiceClient::new(self.shows(token))
    }

    pub fn tokens(&self, token: &str) -> TokenServiceClient<BearerChannel> {
        TokenServiceClient::new(self.shows(token))
    }

    pub async fn secret(&self, name: &str) {
        let request = new_secret(name, "chatwoot.identity");
        self.secrets(&self.admin)
            .create_secret(request)
            .await
            .unwrap();
    }

    pub async fn try_token(
        &self,
        by: &str,
        name: &str,
        permissions: &[Permission],
        pattern: &str,
    ) -> Result<v1::CreateTokenResponse, Status> {
        let request = token_request(name, permissions, pattern);
        let made = self.tokens(by).create_token(request).await;
        made.map(tonic::Response::into_inner)
    }

    /// The text of a new token.
    pub async fn token(&self, name: &str, permissions: &[Permission], pattern: &str) -> String {
        let made = self
            .try_token(&self.admin, name, permissions, pattern)
            .await;
        made.unwrap().bearer_token
    }

    pub async fn revoke(&self, by: &str, name: &str) -> Result<v1::Token, Status> {
        let request = RevokeTokenRequest {
            name: name.to_owned(),
        };
        let revoked = self.tokens(by).revoke_token(request).await;
        revoked.map(|revoked| revoked.into_inner().token.unwrap())
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

/// A request for a token with one grant.
pub fn token_request(name: &str, permissions: &[Permission], pattern: &str) -> CreateTokenRequest {
    CreateTokenRequest {
        name: name.to_owned(),
        grants: vec![grant(permissions, pattern)],
        ..Default::default()
    }
}

pub fn grant(permissions: &[Permission], pattern: &str) -> Grant {
    let permissions = permissions.iter().map(|permission| {
        let name = permission.name().replace('.', "_").to_uppercase();
        let known = v1::Permission::from_str_name(&format!("PERMISSION_{name}"));
        known.unwrap().into()
    });
    Grant {
        permissions: permissions.collect(),
        pattern: pattern.to_owned(),
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
