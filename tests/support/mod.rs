//! A real server on port 0 over a real store in a temporary directory, with a clock that the test sets.

#![allow(dead_code, unreachable_pub)]

pub mod bend;
pub mod bystander;
pub mod calls;
pub mod canary;
pub mod crypto;
pub mod deliveries;
pub mod guarded;
pub mod pki;
pub mod process;
pub mod refusal;
pub mod stopwatch;
pub mod wire;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use countersign_core::{Catalogue, Purpose, Timestamp};
use countersign_proto::v1::{
    self, CreateSecretRequest, Identity, Mode, RotateSecretRequest, SignRequest, SignResponse,
    VerifyRequest, VerifyResponse, VerifyWebhookRequest, VerifyWebhookResponse,
    countersign_service_client::CountersignServiceClient, rotate_secret_request::Ending,
    scheme_service_client::SchemeServiceClient, secret_service_client::SecretServiceClient,
    sign_request::Input, verify_request::Proof, verify_webhook_request::Payload,
};
use countersign_server::{Clock, Config, ConnectionCounts, KeyPolicy, Server};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

/// The time at which every test starts, in Unix seconds.
pub const NOW: i64 = 1_700_000_000;

/// A running service and clients of it.
pub struct Service {
    pub clock: Clock,
    pub address: SocketAddr,
    pub proofs: CountersignServiceClient<Channel>,
    pub secrets: SecretServiceClient<Channel>,
    pub schemes: SchemeServiceClient<Channel>,
    server: Option<Server>,
    directory: Option<TempDir>,
}

/// How a test's server differs from the default.
pub struct Options {
    pub key_policy: KeyPolicy,
    pub edit: fn(&mut Config),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            key_policy: KeyPolicy::Enforced,
            edit: |_| {},
        }
    }
}

impl Service {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_secs(NOW));
        Self::on(directory, clock, options).await
    }

    /// On a directory that may hold a store already.
    pub async fn on(directory: TempDir, clock: Clock, options: Options) -> Self {
        let server = start_server(directory.path(), clock.clone(), &options).await;
        let address = server.local_addr();
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            clock,
            address,
            proofs: CountersignServiceClient::new(channel.clone()),
            secrets: SecretServiceClient::new(channel.clone()),
            schemes: SchemeServiceClient::new(channel),
            server: Some(server),
            directory: Some(directory),
        }
    }

    /// Stops the server and starts another one on the same store.
    pub async fn restart(mut self) -> Self {
        self.server.take().unwrap().shutdown().await;
        let directory = self.directory.take().unwrap();
        Self::on(directory, self.clock.clone(), Options::default()).await
    }

    /// Stops the server and gives back its directory.
    pub async fn stop(mut self) -> TempDir {
        self.server.take().unwrap().shutdown().await;
        self.directory.take().unwrap()
    }

    /// What happened to connections since the start.
    pub fn connections(&self) -> ConnectionCounts {
        self.server.as_ref().unwrap().connections()
    }

    /// Ends it; answers how long that took.
    pub async fn shutdown(mut self) -> Duration {
        let begin = std::time::Instant::now();
        self.server.take().unwrap().shutdown().await;
        begin.elapsed()
    }

    /// The directory of the store.
    pub fn directory(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }

    /// Moves the clock to this many seconds after [`NOW`].
    pub fn at(&self, secs: i64) {
        self.clock.set(Timestamp::from_unix_secs(NOW + secs));
    }

    /// Moves the clock to this many milliseconds after [`NOW`].
    pub fn at_millis(&self, millis: i64) {
        self.clock
            .set(Timestamp::from_unix_millis(NOW * 1000 + millis));
    }

    pub async fn create(&self, request: CreateSecretRequest) -> v1::CreateSecretResponse {
        self.try_create(request).await.unwrap()
    }

    pub async fn try_create(
        &self,
        request: CreateSecretRequest,
    ) -> Result<v1::CreateSecretResponse, Status> {
        let answered = self.secrets.clone().create_secret(request).await;
        answered.map(tonic::Response::into_inner)
    }

    pub async fn rotate(&self, request: RotateSecretRequest) -> v1::RotateSecretResponse {
        self.try_rotate(request).await.unwrap()
    }

    pub async fn try_rotate(
        &self,
        request: RotateSecretRequest,
    ) -> Result<v1::RotateSecretResponse, Status> {
        let answered = self.secrets.clone().rotate_secret(request).await;
        answered.map(tonic::Response::into_inner)
    }

    pub async fn sign(&self, secret: &str, input: Input) -> SignResponse {
        self.try_sign(secret, input).await.unwrap()
    }

    pub async fn try_sign(&self, secret: &str, input: Input) -> Result<SignResponse, Status> {
        let request = sign_request(secret, input);
        let answered = self.proofs.clone().sign(request).await;
        answered.map(tonic::Response::into_inner)
    }

    pub async fn verify(
        &self,
        secret: &str,
        claimed: Identity,
        proof: Option<Proof>,
    ) -> VerifyResponse {
        self.try_verify(secret, claimed, proof).await.unwrap()
    }

    pub async fn try_verify(
        &self,
        secret: &str,
        claimed: Identity,
        proof: Option<Proof>,
    ) -> Result<VerifyResponse, Status> {
        let request = VerifyRequest {
            secret: secret.to_owned(),
            claimed: Some(claimed),
            proof,
        };
        let answered = self.proofs.clone().verify(request).await;
        answered.map(tonic::Response::into_inner)
    }

    pub async fn verify_webhook(
        &self,
        secret: &str,
        headers: Vec<v1::Header>,
        body: &[u8],
    ) -> VerifyWebhookResponse {
        self.try_verify_webhook(secret, headers, body)
            .await
            .unwrap()
    }

    pub async fn try_verify_webhook(
        &self,
        secret: &str,
        headers: Vec<v1::Header>,
        body: &[u8],
    ) -> Result<VerifyWebhookResponse, Status> {
        let request = VerifyWebhookRequest {
            secret: secret.to_owned(),
            headers,
            payload: Some(Payload::Body(body.to_vec().into())),
            ..Default::default()
        };
        let answered = self.proofs.clone().verify_webhook(request).await;
        answered.map(tonic::Response::into_inner)
    }

    pub async fn secret(&self, name: &str) -> v1::Secret {
        let request = v1::GetSecretRequest {
            name: name.to_owned(),
        };
        let answered = self.secrets.clone().get_secret(request).await;
        answered.unwrap().into_inner().secret.unwrap()
    }
}

async fn start_server(directory: &Path, clock: Clock, options: &Options) -> Server {
    let config = || {
        let mut config = Config::dev("127.0.0.1:0".parse().unwrap(), directory).unwrap();
        config.limits.drain = Duration::from_secs(2);
        (options.edit)(&mut config);
        config
    };
    started(config, clock, options.key_policy).await
}

/// A server, once its store is free. A child that another test of this process is just starting has a copy of the lock
/// of the server before, until it becomes the program that it is to be.
pub async fn started(config: impl Fn() -> Config, clock: Clock, policy: KeyPolicy) -> Server {
    for _ in 0..100 {
        match Server::start_with(config(), clock.clone(), policy).await {
            Err(error) if error.to_string().contains("another process") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            started => return started.unwrap(),
        }
    }
    panic!("the store is in use");
}

/// A request to sign for as long as the scheme says.
pub fn sign_request(secret: &str, input: Input) -> SignRequest {
    SignRequest {
        secret: secret.to_owned(),
        input: Some(input),
        ttl: None,
    }
}

pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A request to create a secret with a generated key; identity secrets are REQUIRED.
pub fn new_secret(name: &str, scheme: &str) -> CreateSecretRequest {
    let purpose = Catalogue::builtin().scheme(scheme).map(|it| it.purpose());
    let mode = match purpose {
        Some(Purpose::IdentityHash | Purpose::IdentityToken) => Mode::Required,
        Some(Purpose::Webhook | Purpose::ResourceId) => Mode::Unspecified,
        None if scheme.ends_with(".webhook") => Mode::Unspecified,
        None => Mode::Required,
    };
    let parameters = match scheme {
        "talkjs.token" => BTreeMap::from([("app_id".to_owned(), "app".to_owned())]),
        "userjot.token" => BTreeMap::from([("project_id".to_owned(), "app".to_owned())]),
        _ => BTreeMap::new(),
    };
    let key_id = match scheme {
        "zendesk.token" => "app_key".to_owned(),
        _ => String::new(),
    };
    CreateSecretRequest {
        request_id: request_id(),
        name: name.to_owned(),
        scheme: scheme.to_owned(),
        mode: mode.into(),
        parameters,
        key_id,
        ..Default::default()
    }
}

/// A rotation of a secret, with a grace in seconds.
pub fn rotation(name: &str, grace_secs: i64) -> RotateSecretRequest {
    RotateSecretRequest {
        request_id: request_id(),
        name: name.to_owned(),
        ending: Some(Ending::GracePeriod(prost_types::Duration {
            seconds: grace_secs,
            nanos: 0,
        })),
        ..Default::default()
    }
}

/// An emergency rotation.
pub fn emergency(name: &str) -> RotateSecretRequest {
    RotateSecretRequest {
        ending: Some(Ending::Emergency(true)),
        ..rotation(name, 1)
    }
}

pub fn user(id: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        ..Default::default()
    }
}

pub fn delivery(body: &[u8]) -> Input {
    Input::Webhook(v1::WebhookToSign {
        body: body.to_vec().into(),
        ..Default::default()
    })
}

/// The code of an error and the reason of its `ErrorInfo`.
pub fn error_of(status: &Status) -> (tonic::Code, String) {
    let info = status.get_details_error_info();
    (
        status.code(),
        info.map_or_else(String::new, |info| info.reason),
    )
}
