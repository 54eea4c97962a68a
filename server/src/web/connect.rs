//! The Connect protocol, unary calls alone: <https://connectrpc.com/docs/protocol>.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use prost::{
    Message as _,
    bytes::{BufMut, Bytes, BytesMut},
};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt};

use super::{
    CALL_ID,
    json::{Messages, Method as Rpc},
};
use crate::{
    failure::{ErrorReason, Failure},
    gate::REQUEST_ID,
};

const DATA_PLANE: &str = "/countersign.v1.CountersignService/";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const KINDS: HeaderValue = HeaderValue::from_static("application/json, application/proto");
/// Flags and length before a message of gRPC.
const PREFIX_BYTES: usize = 5;
/// A timeout of gRPC has no more digits, and a longer one is cut by the longest deadline anyway.
const MAX_TIMEOUT_MILLIS: u64 = 99_999_999;
/// What is read of a body that nobody wanted, so that its sender, who may still be sending, sees the answer.
const MAX_DRAINED_BYTES: usize = 64 * 1024;
const DRAIN: Duration = Duration::from_secs(1);

/// Translates calls.
pub(super) struct Connect {
    messages: Messages,
    max_bytes: MaxBytes,
}

/// How long a message may be.
pub(crate) struct MaxBytes {
    /// Of the data plane, which takes bodies of deliveries.
    pub data_plane: usize,
    /// Of all other services.
    pub others: usize,
}

/// How a message is written.
#[derive(Clone, Copy)]
enum Codec {
    Json,
    Proto,
}

impl Codec {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match &*kind.split(';').next()?.trim().to_ascii_lowercase() {
            "application/json" => Some(Self::Json),
            "application/proto" => Some(Self::Proto),
            _ => None,
        }
    }

    fn kind(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        })
    }
}

impl Connect {
    pub(super) fn new(max_bytes: MaxBytes) -> Self {
        Self {
            messages: Messages::new(),
            max_bytes,
        }
    }

    /// Answers a call.
    pub(super) async fn answer<S>(&self, inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        if request.method() != Method::POST {
            let allow = [(header::ALLOW, HeaderValue::from_static("POST"))];
            return empty(StatusCode::METHOD_NOT_ALLOWED, allow);
        }
        let Some(codec) = Codec::of(request.headers()) else {
            return empty(StatusCode::UNSUPPORTED_MEDIA_TYPE, [(ACCEPT_POST, KINDS)]);
        };
        let rpc = self.messages.rpc(request.uri().path());
        let version = request.version();
        let unread = Arc::new(Mutex::new(None));
        let call = self.call(request, codec, rpc.clone(), unread.clone());
        let Ok(answer) = inner.oneshot(call).await;
        let request_id = answer.headers().get(REQUEST_ID).cloned();
        let mut response = match answered(answer).await {
            Ok(message) => success(message, codec, rpc),
            Err(status) => refusal(&status),
        };
        if let Some(id) = request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        match take(&unread) {
            Some(body) => after(body, version, response).await,
            None => response,
        }
    }

    /// The call as gRPC, with a body that is read and translated when the handler asks for it. What is wrong with the
    /// call is found then too: who asks is looked at first, as always. Until then the body is in `unread`.
    fn call(
        &self,
        request: Request<Body>,
        codec: Codec,
        rpc: Option<Rpc>,
        unread: Arc<Mutex<Option<Body>>>,
    ) -> Request<Body> {
        let (mut parts, body) = request.into_parts();
        let limit = self.max_body_bytes(parts.uri.path());
        let checked = check(&parts.headers, rpc.as_ref());
        let (headers, timed) = metadata(&parts.headers);
        parts.headers = headers;
        parts.version = Version::HTTP_2;
        *lock(&unread) = Some(body);
        let message = async move {
            checked.and(timed)?;
            let body = take(&unread).unwrap_or_default();
            let body = Limited::new(body, limit).collect().await;
            let body = body.map_err(broken)?.to_bytes();
            let message = match (rpc, codec) {
                (None, _) => Bytes::new(),
                (Some(_), Codec::Proto) => body,
                (Some(rpc), Codec::Json) => rpc.request_from_json(&body)?,
            };
            Ok::<_, Status>(Frame::data(framed(&message)))
        };
        let body = Body::new(StreamBody::new(stream::once(message)));
        Request::from_parts(parts, body)
    }

    /// Of JSON, where bytes stand as base64, a third more than of the message.
    fn max_body_bytes(&self, path: &str) -> usize {
        let message = match path.starts_with(DATA_PLANE) {
            true => self.max_bytes.data_plane,
            false => self.max_bytes.others,
        };
        message.div_ceil(3) * 4
    }
}

fn lock(unread: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    unread.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(unread: &Mutex<Option<Body>>) -> Option<Body> {
    lock(unread).take()
}

/// An answer to a call whose body nobody wanted, once that was thrown away. If there is too much of it, a connection of
/// HTTP/1.1 ends with the answer.
pub(super) async fn after(
    mut body: Body,
    version: Version,
    mut answer: Response<Body>,
) -> Response<Body> {
    let drained = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.ok()?.data_ref().map_or(0, Bytes::len);
            if bytes > MAX_DRAINED_BYTES {
                return None;
            }
        }
        Some(())
    };
    let is_drained = matches!(timeout(DRAIN, drained).await, Ok(Some(())));
    if !is_drained && version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

fn check(headers: &HeaderMap, rpc: Option<&Rpc>) -> Result<(), Failure> {
    if rpc.is_some_and(Rpc::is_streaming) {
        let words = "this call answers with a stream: call it with gRPC or gRPC-Web";
        return Err(Failure::with_message(ErrorReason::MethodNotFound, words));
    }
    let other = |name, expected| headers.get(name).is_some_and(|value| value != expected);
    if other(header::CONTENT_ENCODING, "identity") {
        let words = "content-encoding: only identity is taken, send the body uncompressed";
        return Err(Failure::with_message(ErrorReason::MethodNotFound, words));
    }
    if other(PROTOCOL_VERSION, "1") {
        return Err(Failure::field("connect-protocol-version", "must be 1"));
    }
    Ok(())
}

/// What of the headers is for us, nothing else goes on; and whether the timeout is one.
fn metadata(headers: &HeaderMap) -> (HeaderMap, Result<(), Failure>) {
    let mut metadata = HeaderMap::with_capacity(6);
    metadata.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    metadata.insert(header::TE, HeaderValue::from_static("trailers"));
    for name in [header::AUTHORIZATION, REQUEST_ID, CALL_ID] {
        for value in headers.get_all(&name) {
            metadata.append(&name, value.clone());
        }
    }
    let Some(timeout) = headers.get(TIMEOUT) else {
        return (metadata, Ok(()));
    };
    let digits = timeout.to_str().unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let expected = "must be a whole number of milliseconds";
        return (
            metadata,
            Err(Failure::field("connect-timeout-ms", expected)),
        );
    }
    let millis = digits.parse().unwrap_or(u64::MAX).min(MAX_TIMEOUT_MILLIS);
    let timeout = HeaderValue::from_str(&format!("{millis}m"));
    metadata.insert("grpc-timeout", timeout.expect("digits are a header"));
    (metadata, Ok(()))
}

/// Why a body did not come whole: it is too long, we say so ourselves, or its sender broke off.
fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    if error.is::<LengthLimitError>() {
        return Failure::new(ErrorReason::MessageTooLarge).into();
    }
    match error.downcast::<Status>() {
        Ok(status) if !status.details().is_empty() => *status,
        _ => Failure::new(ErrorReason::MessageMalformed).into(),
    }
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("the limit is far below");
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.freeze()
}

/// The message of an answer of gRPC.
async fn answered(answer: Response<Body>) -> Result<Bytes, Status> {
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return message(status, Bytes::new());
    }
    let collected = answer.into_body().collect().await?;
    let trailers = collected.trailers().and_then(Status::from_header_map);
    let status = trailers.unwrap_or_else(|| Status::from(Failure::new(ErrorReason::Internal)));
    message(status, collected.to_bytes())
}

fn message(status: Status, mut body: Bytes) -> Result<Bytes, Status> {
    if status.code() != Code::Ok {
        return Err(status);
    }
    if body.len() < PREFIX_BYTES {
        return Err(Failure::new(ErrorReason::Internal).into());
    }
    Ok(body.split_off(PREFIX_BYTES))
}

fn success(message: Bytes, codec: Codec, rpc: Option<Rpc>) -> Response<Body> {
    let body = match (codec, rpc) {
        (Codec::Json, Some(rpc)) => match rpc.answer_to_json(&message) {
            Ok(json) => json.into(),
            Err(status) => return refusal(&status),
        },
        _ => message,
    };
    with_body(StatusCode::OK, codec.kind(), body)
}

/// An error, in the JSON that Connect has for it.
pub(super) fn refusal(status: &Status) -> Response<Body> {
    let (code, http) = code(status.code());
    let details = tonic_types::pb::Status::decode(status.details()).unwrap_or_default();
    // What is no path of ours is refused without a word.
    let message = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    let error = Refusal {
        code,
        message,
        details: details.details.iter().map(Detail::of).collect(),
    };
    let body = serde_json::to_vec(&error).unwrap_or_default();
    with_body(http, Codec::Json.kind(), body.into())
}

#[derive(Serialize)]
struct Refusal<'s> {
    code: &'static str,
    message: &'s str,
    details: Vec<Detail>,
}

#[derive(Serialize)]
struct Detail {
    #[serde(rename = "type")]
    name: String,
    /// The message in base64, for programs.
    value: String,
    /// The same, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Value>,
}

impl Detail {
    fn of(any: &prost_types::Any) -> Self {
        let name = any.type_url.rsplit('/').next().unwrap_or_default();
        Self {
            name: name.to_owned(),
            value: STANDARD_NO_PAD.encode(&any.value),
            debug: super::json::detail(name, &any.value),
        }
    }
}

/// The name and HTTP status of a code in Connect.
fn code(code: Code) -> (&'static str, StatusCode) {
    let (name, status) = match code {
        Code::Cancelled => ("canceled", 499),
        Code::InvalidArgument => ("invalid_argument", 400),
        Code::DeadlineExceeded => ("deadline_exceeded", 504),
        Code::NotFound => ("not_found", 404),
        Code::AlreadyExists => ("already_exists", 409),
        Code::PermissionDenied => ("permission_denied", 403),
        Code::ResourceExhausted => ("resource_exhausted", 429),
        Code::FailedPrecondition => ("failed_precondition", 400),
        Code::Aborted => ("aborted", 409),
        Code::OutOfRange => ("out_of_range", 400),
        Code::Unimplemented => ("unimplemented", 501),
        Code::Internal => ("internal", 500),
        Code::Unavailable => ("unavailable", 503),
        Code::DataLoss => ("data_loss", 500),
        Code::Unauthenticated => ("unauthenticated", 401),
        Code::Ok | Code::Unknown => ("unknown", 500),
    };
    let status = StatusCode::from_u16(status).expect("it has three digits");
    (name, status)
}

fn with_body(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = empty(status, [(header::CONTENT_TYPE, kind)]);
    *response.body_mut() = Body::new(http_body_util::Full::new(body));
    response
}

fn empty<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, HeaderValue); N],
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    response
}
