//! The other ways in on the same port: gRPC-Web, and the Connect protocol, which is a plain POST of JSON. A call that
//! comes so becomes a gRPC call before anything looks at it, and its answer is translated back. So callers, limits,
//! deadlines and the audit are the same for all, and a body is read no sooner than by the handler.

mod connect;
mod json;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header};
use tonic::{Status, body::Body, codegen::BoxFuture};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use crate::{
    failure::{ErrorReason, Failure},
    gate::{REQUEST_ID, weighed},
    service,
};
pub(crate) use connect::MaxBytes;

use connect::Connect;

/// How long a browser may remember what a page may do here.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// What a page may send along.
const SENT: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    REQUEST_ID,
    CALL_ID,
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];
/// What a page may read of an answer beside its body.
const ANSWERED: [HeaderName; 4] = [
    REQUEST_ID,
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// The id of a call, which all its attempts share.
const CALL_ID: HeaderName = HeaderName::from_static(service::CALL_ID);

/// Takes calls in other protocols than gRPC as well.
#[derive(Clone)]
pub(crate) struct WebLayer(Arc<Web>);

struct Web {
    connect: Connect,
    origins: Vec<HeaderValue>,
    /// None where no page may call.
    cors: Option<CorsLayer>,
}

impl WebLayer {
    /// Pages of these origins may call; others may not, and whoever sends no origin is no page.
    pub(crate) fn new(origins: &[HeaderValue], max_bytes: MaxBytes) -> Self {
        Self(Arc::new(Web {
            connect: Connect::new(max_bytes),
            origins: origins.to_vec(),
            cors: (!origins.is_empty()).then(|| cors(origins)),
        }))
    }
}

impl<S> Layer<S> for WebLayer {
    type Service = Ways<S>;

    fn layer(&self, inner: S) -> Ways<S> {
        Ways {
            inner,
            web: self.0.clone(),
        }
    }
}

/// All ways in.
#[derive(Clone)]
pub(crate) struct Ways<S> {
    inner: S,
    web: Arc<Web>,
}

impl<S> Service<Request<Body>> for Ways<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let request = weighed(request);
        let of_page = request.headers().contains_key(header::ORIGIN);
        if Protocol::of(&request) == Protocol::Grpc && !of_page {
            return Either::Left(self.inner.call(request));
        }
        let (web, inner) = (self.web.clone(), self.inner.clone());
        Either::Right(Box::pin(
            async move { Ok(web.answer(inner, request).await) },
        ))
    }
}

/// What a caller speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Grpc,
    GrpcWeb,
    /// Or nothing that is known.
    Connect,
}

impl Protocol {
    fn of(request: &Request<Body>) -> Self {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
        match kind.strip_prefix(b"application/grpc") {
            Some(b"-web" | b"-web+proto" | b"-web-text" | b"-web-text+proto") => Self::GrpcWeb,
            // Over HTTP/1.1 most clients see no trailers, and so would miss what became of the call.
            Some(b"" | [b'+' | b';', ..]) if request.version() == Version::HTTP_2 => Self::Grpc,
            _ => Self::Connect,
        }
    }
}

impl Web {
    /// Answers what is not plain gRPC.
    async fn answer<S>(self: Arc<Self>, inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        if !self.admits(request.headers()) {
            let reason = ErrorReason::OriginNotAllowed;
            tracing::info!(reason = reason.as_str(), "call refused");
            let refusal = connect::refusal(&Status::from(Failure::new(reason)));
            let version = request.version();
            return connect::after(request.into_body(), version, refusal).await;
        }
        let cors = self.cors.clone();
        let call = service_fn(move |request| self.clone().translated(inner.clone(), request));
        let Ok(response) = match cors {
            Some(cors) => cors.layer(call).oneshot(request).await,
            None => call.oneshot(request).await,
        };
        response
    }

    async fn translated<S>(
        self: Arc<Self>,
        inner: S,
        request: Request<Body>,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        match Protocol::of(&request) {
            Protocol::Grpc => inner.oneshot(request).await,
            Protocol::GrpcWeb => GrpcWebLayer::new().layer(inner).oneshot(request).await,
            Protocol::Connect => Ok(self.connect.answer(inner, request).await),
        }
    }

    /// Browsers say which page a call is from. A page that nobody allowed gets nothing, even where it claims to be of
    /// this very host: by its own name server it can (DNS rebinding).
    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        origins.all(|origin| self.origins.contains(origin))
    }
}

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::POST])
        .allow_headers(SENT)
        .expose_headers(ANSWERED)
        .max_age(PREFLIGHT_AGE)
}
