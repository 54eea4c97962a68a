//! What the fuzz targets reach and nobody else: the service without a transport, and the sealing of the store. Behind the
//! feature `fuzzing`, which no program has.

use std::{convert::Infallible, path::Path};

use countersign_core::{SecretName, Timestamp};
use http::{HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tokio::runtime::{Builder, Runtime};
use tonic::{Code, Status, body::Body};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{
    Clock, Config, Limits,
    config::DEFAULT_LISTEN,
    init,
    listener::PeerSans,
    seal::{KekId, Keks, Kind, Place, Seal, Wrapped},
    server::in_process,
};

/// Every service behind the gate, over a store of its own.
pub struct InProcess {
    runtime: Runtime,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
    token: SecretString,
}

/// What was answered to a call.
pub struct Answer {
    /// The gRPC code.
    pub code: i32,
    /// The message and the details of the status.
    pub status: Vec<u8>,
    /// The first message, without its frame.
    pub message: Vec<u8>,
}

impl InProcess {
    /// Opens a store in an empty folder.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(folder: &Path, now: Timestamp) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let config = || {
            let mut config = Config::dev(DEFAULT_LISTEN, folder).expect("settings for development");
            config.open = false;
            config.limits = limits();
            config
        };
        let name = SecretName::parse("fuzz").expect("a name");
        let token = runtime.block_on(init(config(), name, None));
        let service = runtime.block_on(async { in_process(config(), Clock::manual(now)) });
        Self {
            runtime,
            service: service.expect("the store opens"),
            token: token.expect("the first token is made"),
        }
    }

    /// Calls an rpc. Without an `authorization` of its own the call has a good one; `peer-san` is a name in the client's
    /// certificate. `None` for metadata that no transport would bring.
    #[must_use]
    pub fn call(&self, path: &str, metadata: &[(&str, &[u8])], message: &[u8]) -> Option<Answer> {
        let mut request = Request::post(format!("http://fuzz/{path}"))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .body(Body::new(Full::from(framed(message)?)))
            .ok()?;
        let mut sans = Vec::new();
        for (name, value) in metadata {
            if *name == "peer-san" {
                sans.push(String::from_utf8(value.to_vec()).ok()?);
                continue;
            }
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = HeaderValue::from_bytes(value).ok()?;
            request.headers_mut().append(name, value);
        }
        let headers = request.headers_mut();
        if !sans.is_empty() {
            request.extensions_mut().insert(PeerSans(sans.into()));
        } else if !headers.contains_key("authorization") {
            let value = format!("Bearer {}", self.token.expose_secret());
            headers.insert("authorization", value.parse().expect("a token is ASCII"));
        }
        Some(self.runtime.block_on(self.answer(request)))
    }

    /// Calls an rpc as programs without gRPC do, with a good credential: the HTTP status and the body of the answer. `None`
    /// for a path that no transport would bring.
    #[must_use]
    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let bearer = format!("Bearer {}", self.token.expose_secret());
        let request = Request::post(format!("http://fuzz/{path}"))
            .header("content-type", kind)
            .header("authorization", bearer)
            .body(Body::new(Full::from(body.to_vec())))
            .ok()?;
        let Ok(response) = self.runtime.block_on(self.service.clone().oneshot(request));
        let status = response.status().as_u16();
        let body = self.runtime.block_on(response.into_body().collect());
        let body = body.map_or(Vec::new(), |body| body.to_bytes().to_vec());
        Some((status, body))
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.service.clone().oneshot(request).await;
        let Ok(response) = response;
        let in_headers = Status::from_header_map(response.headers());
        let body = response.into_body().collect().await;
        let (status, bytes) = match body {
            Ok(body) => {
                let in_trailers = body.trailers().and_then(Status::from_header_map);
                (in_headers.or(in_trailers), body.to_bytes().to_vec())
            }
            Err(status) => (Some(status), Vec::new()),
        };
        let status = status.unwrap_or_else(|| Status::new(Code::Unknown, "no status"));
        Answer {
            code: status.code().into(),
            status: [status.message().as_bytes(), status.details()].concat(),
            message: bytes.get(5..).unwrap_or_default().to_vec(),
        }
    }
}

/// One message that is not compressed.
fn framed(message: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    Some([&[0][..], &length, message].concat())
}

/// Small tables, and no pace that would end a run.
fn limits() -> Limits {
    Limits {
        replay_capacity: 1024,
        max_secrets: 64,
        max_secrets_per_namespace: 64,
        max_schemes: 16,
        explain_per_minute: 1_000_000,
        caller_calls_per_second: 1_000_000_000,
        caller_body_bytes_per_second: 1_000_000_000_000,
        namespace_calls_per_second: 1_000_000_000,
        namespace_body_bytes_per_second: 1_000_000_000_000,
        ..Limits::DEFAULT
    }
}

/// Sealing in one deployment under one key-encryption key.
pub struct Envelope(Seal);

/// Where a sealed text belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Whether it is the answer to a request and no key.
    pub is_answer: bool,
    /// Id of the secret.
    pub secret_id: i64,
    /// Name of the secret.
    pub name: SecretName,
    /// Number of the version.
    pub version: u32,
    /// Id of the scheme.
    pub scheme: String,
}

/// What the store has of a sealed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Id of the key-encryption key.
    pub kek: Vec<u8>,
    /// The wrapped data key.
    pub wrapped: Vec<u8>,
    /// The sealed text.
    pub text: Vec<u8>,
}

impl Envelope {
    /// Under this key, perhaps in place of another one.
    ///
    /// # Panics
    /// The system gives no random bytes.
    #[must_use]
    pub fn new(kek: [u8; 32], previous: Option<[u8; 32]>, deployment: [u8; 16]) -> Self {
        let keks = Keks {
            current: SecretBox::new(Box::new(kek)),
            previous: previous.map(|kek| SecretBox::new(Box::new(kek))),
        };
        Self(Seal::create(&keks, deployment).expect("random bytes"))
    }

    /// Seals a text under a new data key.
    ///
    /// # Panics
    /// The system gives no random bytes.
    #[must_use]
    pub fn seal(&self, at: &At, text: &[u8]) -> Row {
        let (key, wrapped) = self.0.new_data_key(at.secret_id).expect("random bytes");
        let text = key.seal(&at.place(), text).expect("random bytes");
        Row {
            kek: wrapped.kek.as_bytes().to_vec(),
            wrapped: wrapped.text,
            text,
        }
    }

    /// Opens a row.
    #[must_use]
    pub fn open(&self, at: &At, row: &Row) -> Option<Vec<u8>> {
        let key = self.0.data_key(at.secret_id, &row.wrapped()?).ok()?;
        let text = key.open(&at.place(), &row.text).ok()?;
        Some(text.to_vec())
    }

    /// The row under the key-encryption key of now.
    #[must_use]
    pub fn rewrap(&self, at: &At, row: &Row) -> Option<Row> {
        let wrapped = self.0.rewrap(at.secret_id, &row.wrapped()?).ok()?;
        Some(Row {
            kek: wrapped.kek.as_bytes().to_vec(),
            wrapped: wrapped.text,
            text: row.text.clone(),
        })
    }
}

impl At {
    fn place(&self) -> Place<'_> {
        Place {
            kind: if self.is_answer {
                Kind::Answer
            } else {
                Kind::Key
            },
            secret_id: self.secret_id,
            name: &self.name,
            version: self.version,
            scheme: &self.scheme,
            request: &[],
        }
    }
}

impl Row {
    fn wrapped(&self) -> Option<Wrapped> {
        Some(Wrapped {
            kek: KekId::from_bytes(&self.kek)?,
            text: self.wrapped.clone(),
        })
    }
}
