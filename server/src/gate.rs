//! What every call passes before its handler: a request id, authentication, the caller's rate, a place among the calls in
//! progress, a deadline, and a net under panics. Health and reflection pass without a caller.

mod bodies;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tonic::{Code, Status, body::Body, transport::server::TcpConnectInfo};
use tonic_types::StatusExt;
use tower::{Layer, Service};

use bodies::Scale;
pub(crate) use bodies::weighed;

use crate::{
    access::{Access, Admitted, access_of},
    admission::{Admission, Host, Ticket},
    callers::{Callers, Principal},
    clock::Clock,
    config::Limits,
    failure::{ErrorReason, Failure},
    listener::PeerSans,
    recorder::{self, Call, Recorder},
};

/// Header of the request id, taken from a caller who sends a sane one, answered always.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Our own services; others (health, reflection) are open.
const OWN_SERVICES: &str = "/countersign.";

/// The time for a question to health or reflection, which holds a place that nobody had to show a credential for.
const OPEN_DEADLINE: Duration = Duration::from_secs(1);

/// A deadline below this is over before anything can be done.
const SHORTEST_DEADLINE: Duration = Duration::from_micros(10);

/// The longest path in characters that a log line repeats.
const MAX_LOGGED_PATH: usize = 128;

/// The id of one call, for logs and bug reports.
#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a call that passed the gate.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        Self::of_extensions(request.extensions())
    }

    fn of_extensions(extensions: &Extensions) -> Self {
        let id = extensions.get::<Self>();
        id.cloned().unwrap_or(Self(HeaderValue::from_static("-")))
    }

    /// The caller's own id if it is 1 to 64 plain characters, else the next of ours.
    fn from_headers(headers: &HeaderMap, next: &AtomicU64) -> Self {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        match headers.get(REQUEST_ID) {
            Some(id) if (1..=64).contains(&id.len()) && id.as_bytes().iter().all(plain) => {
                Self(id.clone())
            }
            _ => Self(next.fetch_add(1, Ordering::Relaxed).into()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or("-"))
    }
}

/// Puts a [`Gate`] before a service.
#[derive(Clone)]
pub(crate) struct GateLayer(Arc<Rules>);

struct Rules {
    callers: Arc<Callers>,
    clock: Clock,
    recorder: Option<Arc<Recorder>>,
    in_progress: Arc<Admission<Holder>>,
    /// The bytes of their bodies.
    bodies: Arc<Admission<Holder>>,
    /// Calls of health and reflection, which a server that is full still answers.
    open_in_progress: Arc<Admission<Holder>>,
    default_deadline: Duration,
    max_deadline: Duration,
    /// Begins anywhere, so that the ids of two runs differ. Nothing rests on nobody guessing them.
    next_request_id: AtomicU64,
}

/// For whom a call in progress is counted. A call is in progress before its body is there, so whoever sends slowly holds
/// places, and must not hold those of others.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Holder {
    Caller(Arc<str>),
    /// Who shows no credential.
    Host(Option<Host>),
}

impl Holder {
    fn of(principal: &Principal, extensions: &Extensions) -> Self {
        match principal.is_anonymous() {
            false => Self::Caller(principal.name.clone()),
            true => Self::host(extensions),
        }
    }

    fn host(extensions: &Extensions) -> Self {
        let peer = extensions.get::<TcpConnectInfo>();
        Self::Host(peer.and_then(TcpConnectInfo::remote_addr).map(Host::of))
    }
}

/// What a call has while it is in progress.
struct Place {
    _call: Ticket<Holder>,
    body: Option<Scale>,
}

impl GateLayer {
    /// The gate of a server; without a recorder no call leaves a record.
    pub(crate) fn new(
        callers: Arc<Callers>,
        clock: Clock,
        recorder: Option<Arc<Recorder>>,
        limits: &Limits,
    ) -> Self {
        let (places, share) = (
            limits.max_concurrent_requests,
            limits.max_concurrent_requests_per_caller,
        );
        Self(Arc::new(Rules {
            callers,
            clock,
            recorder,
            in_progress: Admission::new(places, share),
            bodies: bodies::room(limits),
            open_in_progress: Admission::new(places, share),
            default_deadline: limits.default_deadline,
            max_deadline: limits.max_deadline,
            next_request_id: RandomState::new().hash_one(()).into(),
        }))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            rules: self.0.clone(),
            inner,
        }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    rules: Arc<Rules>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let rules = self.rules.clone();
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let id = RequestId::from_headers(request.headers(), &rules.next_request_id);
        request.extensions_mut().insert(id.clone());
        let access = access_of(request.uri().path());
        Box::pin(async move {
            let access_recorded = access.filter(|access| access.is_recorded());
            let mut response = match (access_recorded, rules.recorder.clone()) {
                (Some(access), Some(recorder)) => {
                    let open = recorder.begin();
                    let recorded = rules.recorded(recorder, inner, request, access, id.clone());
                    // In a task of its own, so that a caller that hangs up leaves its record all the same.
                    let task = tokio::spawn(async move {
                        let _open = open;
                        recorded.await
                    });
                    task.await.unwrap_or_else(|_| answer(internal()))
                }
                _ => {
                    let own = is_own(&request);
                    let mut place = None;
                    let logged = rules.logged(&mut inner, request, access, None, &mut place);
                    let response = logged.await;
                    match own {
                        true => response,
                        // What nobody had to show a credential for may be a stream without an end.
                        false => response.map(|body| held(body, place)),
                    }
                }
            };
            response.headers_mut().insert(REQUEST_ID, id.0);
            Ok(response)
        })
    }
}

impl Rules {
    /// Answers a call and writes its record before the answer goes out.
    async fn recorded<S>(
        self: Arc<Self>,
        recorder: Arc<Recorder>,
        mut handler: S,
        request: Request<Body>,
        access: Access,
        id: RequestId,
    ) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (path, call) = (request.uri().path().to_owned(), Arc::new(Call::default()));
        // Held until the record is written: what waits for the store is no more than what may be in progress.
        let mut place = None;
        let response = self.logged(&mut handler, request, Some(access), Some(&call), &mut place);
        let response = response.await;
        let method = path.rsplit('/').next().unwrap_or_default();
        let outcome = outcome(response.headers());
        match recorder.record(&call, &id, method, outcome).await {
            Err(failure) if recorder::needs_record(method) => answer(failure),
            _ => response,
        }
    }

    async fn logged<S>(
        &self,
        handler: &mut S,
        request: Request<Body>,
        access: Option<Access>,
        call: Option<&Arc<Call>>,
        place: &mut Option<Place>,
    ) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (uri, id) = (
            request.uri().clone(),
            RequestId::of_extensions(request.extensions()),
        );
        let answered = self.answer(handler, request, access, call, place).await;
        let response = answered.unwrap_or_else(answer);
        log_failure(&id, uri.path(), response.headers());
        response
    }

    /// What the handler answers to a call that may come in, or why there is no such answer.
    async fn answer<S>(
        &self,
        handler: &mut S,
        mut request: Request<Body>,
        access: Option<Access>,
        call: Option<&Arc<Call>>,
        place: &mut Option<Place>,
    ) -> Result<Response<Body>, Failure>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let own = is_own(&request);
        if own {
            self.admit(&mut request, access, call, place)?;
        } else {
            let host = Holder::host(request.extensions());
            *place = Some(self.place(&self.open_in_progress, host, request.extensions())?);
        }
        let mut deadline = self.deadline(request.headers());
        if !own {
            deadline = deadline.min(OPEN_DEADLINE);
        }
        // A timer knows no such time, and would let a handler answer that need not wait.
        if deadline < SHORTEST_DEADLINE {
            return Err(Failure::new(ErrorReason::DeadlineExceeded));
        }
        let handled = AssertUnwindSafe(async { handler.call(request).await }).catch_unwind();
        let Ok(response) = tokio::time::timeout(deadline, handled)
            .await
            .map_err(|_| Failure::new(ErrorReason::DeadlineExceeded))?
            // The panic hook has logged the place.
            .map_err(|_| internal())?;
        let body = place.as_ref().and_then(|place| place.body.as_ref());
        if body.is_some_and(Scale::has_refused) {
            return Err(overloaded());
        }
        match own.then(|| unread(&response)).flatten() {
            Some(failure) => Err(failure),
            None => Ok(response),
        }
    }

    /// Lets a call in and gives it a place, or says why not.
    fn admit(
        &self,
        request: &mut Request<Body>,
        access: Option<Access>,
        call: Option<&Arc<Call>>,
        place: &mut Option<Place>,
    ) -> Result<(), Failure> {
        let sans = request.extensions().get::<PeerSans>();
        let principal = self
            .callers
            .authenticate(request.headers(), sans, self.clock.now());
        let principal = principal.map_err(|_| Failure::new(ErrorReason::Unauthenticated))?;
        if let Some(call) = call {
            call.is_by(&principal.name);
        }
        let access = access.ok_or_else(|| Failure::new(ErrorReason::MethodNotFound))?;
        if let Some(budget) = &principal.budget {
            budget.take_call()?;
        }
        let holder = Holder::of(&principal, request.extensions());
        *place = Some(self.place(&self.in_progress, holder, request.extensions())?);
        let admitted = Admitted::new(principal, access, self.clock.clone(), call.cloned())?;
        request.extensions_mut().insert(admitted);
        Ok(())
    }

    /// A place for a call and, as it comes, for its body.
    fn place(
        &self,
        places: &Arc<Admission<Holder>>,
        holder: Holder,
        extensions: &Extensions,
    ) -> Result<Place, Failure> {
        let call = places.admit(holder.clone()).ok_or_else(overloaded)?;
        let body = extensions.get::<Scale>().cloned();
        if let Some(scale) = &body {
            scale.weigh_for(self.bodies.ticket(holder));
        }
        Ok(Place { _call: call, body })
    }

    /// The caller's deadline within ours.
    fn deadline(&self, headers: &HeaderMap) -> Duration {
        headers
            .get("grpc-timeout")
            .and_then(|value| grpc_timeout(value.as_bytes()))
            .unwrap_or(self.default_deadline)
            .min(self.max_deadline)
    }
}

fn is_own(request: &Request<Body>) -> bool {
    request.uri().path().starts_with(OWN_SERVICES)
}

/// The body with the place of its call, which it gives back when it is gone.
fn held(body: Body, place: Option<Place>) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _ = &place;
        frame
    }))
}

fn overloaded() -> Failure {
    Failure::new(ErrorReason::Overloaded)
}

fn internal() -> Failure {
    Failure::new(ErrorReason::Internal)
}

fn answer(failure: Failure) -> Response<Body> {
    Status::from(failure).into_http()
}

/// How a call ended, as its record says it: the reason that its caller was answered.
fn outcome(headers: &HeaderMap) -> String {
    let failed = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok);
    let Some(status) = failed else {
        return recorder::OK.to_owned();
    };
    match status.get_details_error_info() {
        Some(info) => info.reason,
        // What the transport says itself, such as of a body that breaks off.
        None => ErrorReason::MessageMalformed.as_str().to_owned(),
    }
}

/// A failed call is worth a line: the reason is in it, the input is not.
fn log_failure(id: &RequestId, path: &str, headers: &HeaderMap) {
    if !path.starts_with(OWN_SERVICES) || !headers.contains_key("grpc-status") {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    let code = status.code();
    if code == Code::Ok {
        return;
    }
    let method: String = path.chars().take(MAX_LOGGED_PATH).collect();
    let reason = status.get_details_error_info().map(|info| info.reason);
    match code {
        Code::Internal => tracing::error!(request_id = %id, method, ?code, reason, "call failed"),
        _ => tracing::info!(request_id = %id, method, ?code, reason, "call failed"),
    }
}

/// What to say of a call that tonic refused before its handler: unlike ours, its errors have no details, they call
/// unreadable bytes an internal error, and they tell how far the reading came.
fn unread(response: &Response<Body>) -> Option<Failure> {
    let headers = response.headers();
    if headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    let reason = match Code::from_bytes(headers.get("grpc-status")?.as_bytes()) {
        Code::Internal => ErrorReason::MessageMalformed,
        Code::OutOfRange => ErrorReason::MessageTooLarge,
        Code::Unimplemented => ErrorReason::MethodNotFound,
        _ => return None,
    };
    Some(Failure::new(reason))
}

/// Reads `grpc-timeout`: up to 8 digits and a unit. Anything else is as if it were not there.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
