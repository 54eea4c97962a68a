//! A tower layer that lets only genuine deliveries through, for axum and everything else that speaks tower.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use countersign_proto::v1::{VerifyWebhookRequest, verify_webhook_request::Payload};
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_layer::Layer;
use tower_service::Service;

use crate::{CallError, Client, Error, Handshake, WebhookVerdict, headers};

/// The longest body unless set otherwise, which is what the service takes by default.
const MAX_BODY_BYTES: usize = 1024 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Url = dyn Fn(&Parts) -> String + Send + Sync;

/// Verifies each request as a webhook delivery before it goes on. See [`WebhookLayer::new`].
#[derive(Clone)]
pub struct WebhookLayer(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    client: Client,
    secret: String,
    max_body_bytes: usize,
    with_authorization: bool,
    url: Arc<Url>,
}

impl fmt::Debug for WebhookLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookLayer")
            .field("secret", &self.0.secret)
            .finish_non_exhaustive()
    }
}

impl WebhookLayer {
    /// Lets through what the secret verifies. The handler gets the body as it was received and finds the
    /// [`WebhookVerdict`] in the request's extensions.
    ///
    /// A refused delivery is answered with 401 and `{"error":"webhook_refused","reason":"…"}`, a body over the limit with
    /// 413, a URL, method or headers that no vendor sends with 400; a vendor's handshake is answered as the vendor wants
    /// it. Where there is no verdict the answer is 503, and a `tracing` event of level ERROR says why. None of these
    /// reaches the handler.
    pub fn new(client: Client, secret: impl Into<String>) -> Self {
        Self(Arc::new(Settings {
            client,
            secret: secret.into(),
            max_body_bytes: MAX_BODY_BYTES,
            with_authorization: false,
            url: Arc::new(public_url),
        }))
    }

    /// The longest body that is read, in bytes. 1 MiB unless set; the service has a limit of its own.
    #[must_use]
    pub fn max_body_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_body_bytes = bytes)
    }

    /// The URL as the vendor knows it, for schemes that sign it. Unless set, `https`, the `Host` header, path and query;
    /// behind a proxy that changes one of these, say what it was.
    #[must_use]
    pub fn url(self, url: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.url = Arc::new(url))
    }

    /// Sends the `authorization` header along, for the vendor that has its proof there (`monday.webhook`).
    #[must_use]
    pub fn with_authorization(self) -> Self {
        self.with(|settings| settings.with_authorization = true)
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Arc::unwrap_or_clone(self.0);
        change(&mut settings);
        Self(Arc::new(settings))
    }
}

impl<S> Layer<S> for WebhookLayer {
    type Service = WebhookService<S>;

    fn layer(&self, inner: S) -> WebhookService<S> {
        WebhookService {
            inner,
            settings: self.0.clone(),
        }
    }
}

/// A service that gets genuine deliveries alone. Made by [`WebhookLayer`].
#[derive(Clone)]
pub struct WebhookService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S: fmt::Debug> fmt::Debug for WebhookService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, A> Service<Request<B>> for WebhookService<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    A: From<Bytes>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Response<A>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was ready goes along, and its clone stays.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        Box::pin(async move {
            match settings.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(answer) => Ok(answer.map(A::from)),
            }
        })
    }
}

impl Settings {
    /// The request with its verdict, or what to answer in its place.
    async fn admit<B>(&self, request: Request<B>) -> Result<Request<B>, Response<Bytes>>
    where
        B: Body + From<Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let body = Limited::new(body, self.max_body_bytes).collect().await;
        let body = body.map_err(|error| unreadable(&*error))?.to_bytes();
        let verdict = self
            .client
            .verify_webhook_request(self.question(&parts, &body));
        let verdict = verdict.await.map_err(|error| no_verdict(&error))?;
        if let Some(handshake) = verdict.handshake {
            return Err(handshaken(handshake));
        }
        if !verdict.is_verified() {
            return Err(refused(&verdict));
        }
        parts.extensions.insert(verdict);
        Ok(Request::from_parts(parts, B::from(body)))
    }

    fn question(&self, parts: &Parts, body: &Bytes) -> VerifyWebhookRequest {
        let mut headers = headers::to_wire(&parts.headers);
        if self.with_authorization {
            headers.extend(headers::of_name(&header::AUTHORIZATION, &parts.headers));
        }
        VerifyWebhookRequest {
            secret: self.secret.clone(),
            headers,
            payload: Some(Payload::Body(body.clone())),
            method: parts.method.to_string(),
            url: (self.url)(parts),
        }
    }
}

fn public_url(parts: &Parts) -> String {
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.or(parts.uri.authority().map(|authority| authority.as_str()));
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    format!("https://{}{path}", host.unwrap_or_default())
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Response<Bytes> {
    match error.is::<LengthLimitError>() {
        true => too_large(),
        false => json(StatusCode::BAD_REQUEST, r#"{"error":"body_incomplete"}"#),
    }
}

/// Nothing is let through. What the sender did wrong is the sender's to know, and no outage.
fn no_verdict(error: &Error) -> Response<Bytes> {
    if let Error::Call(call) = error {
        if call.reason() == Some("BODY_TOO_LARGE") {
            return too_large();
        }
        if let Some(field) = malformed(call) {
            let body = format!(r#"{{"error":"webhook_malformed","field":"{field}"}}"#);
            return json(StatusCode::BAD_REQUEST, body);
        }
    }
    tracing::error!(%error, "no verdict on a webhook");
    unavailable()
}

/// The part of a delivery that the service does not take, whoever sent it.
fn malformed(call: &CallError) -> Option<&'static str> {
    let [fault] = call.violations() else {
        return None;
    };
    let mut parts = ["headers", "method", "url"].into_iter();
    parts.find(|part| call.reason() == Some("FIELD_INVALID") && fault.field == *part)
}

/// Vendors deliver again.
fn unavailable() -> Response<Bytes> {
    let unavailable = r#"{"error":"verification_unavailable"}"#;
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, unavailable);
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, soon);
    response
}

fn too_large() -> Response<Bytes> {
    let body = r#"{"error":"body_too_large"}"#;
    json(StatusCode::PAYLOAD_TOO_LARGE, body)
}

fn refused(verdict: &WebhookVerdict) -> Response<Bytes> {
    let reason = verdict.reason.map_or("UNSPECIFIED", |reason| {
        let name = reason.as_str_name();
        name.strip_prefix("REASON_").unwrap_or(name)
    });
    let body = format!(r#"{{"error":"webhook_refused","reason":"{reason}"}}"#);
    json(StatusCode::UNAUTHORIZED, body)
}

fn handshaken(handshake: Handshake) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(handshake.body));
    let status = StatusCode::from_u16(handshake.status);
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    *response.headers_mut() = handshake.headers;
    response
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
