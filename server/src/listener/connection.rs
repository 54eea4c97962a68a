//! One connection from its first byte to its last.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use pin_project_lite::pin_project;
use rustls::pki_types::CertificateDer;
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;
use tonic::{body::Body, transport::server::TcpConnectInfo};
use tower::{Service, ServiceExt, util::Oneshot};

use super::{
    Counts, Material, Patience, PeerSans,
    guarded::Guarded,
    sending::{Answer, Sending, Waiting},
};
use crate::admission::{Admission, Host, Ticket};

/// Streams that we had to reset before the connection is given up; hyper's own figure is 1024.
const MAX_LOCAL_RESETS: usize = 128;
/// What most gRPC servers take.
const MAX_HEADER_LIST_BYTES: u32 = 8 * 1024;
/// Request line and headers of HTTP/1.1; one call at a time is read ahead in it.
const MAX_HTTP1_HEAD_BYTES: usize = 16 * 1024;
/// A body of 1 MiB needs four round trips.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// What a connection may send us before anybody reads it.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What may wait to be sent on one stream.
const MAX_SEND_BUFFER_BYTES: usize = 16 * 1024;

/// What all connections share.
pub(super) struct Connections<S> {
    service: S,
    max_streams: u32,
    terms: Terms,
    /// Of answers, on all connections.
    waiting: Arc<Waiting>,
    /// Chooses which connection lives how long.
    jitter: RandomState,
}

/// What a connection is held to.
pub(super) struct Terms {
    pub handshakes: Arc<Admission<Host>>,
    pub tls: Option<watch::Receiver<Material>>,
    /// Becomes true when the server ends.
    pub closing: watch::Receiver<bool>,
    pub max_age: Duration,
    /// How long calls in progress may take to end once the connection has to.
    pub grace: Duration,
    pub patience: Patience,
    pub counts: Arc<Counts>,
}

/// A stream with what TLS told about its peer.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl<S> Connections<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(service: S, max_streams: u32, terms: Terms) -> Self {
        Self {
            service,
            max_streams,
            terms,
            waiting: Arc::default(),
            jitter: RandomState::new(),
        }
    }

    /// Serves a connection until its end.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        _ticket: Ticket<Host>,
    ) {
        let _ = stream.set_nodelay(true);
        let peer = TcpConnectInfo {
            local_addr: stream.local_addr().ok(),
            remote_addr: Some(address),
        };
        let (stream, chain) = match &self.terms.tls {
            None => (Either::Left(stream), Vec::new()),
            Some(tls) => match self.handshake(tls, stream, address).await {
                Some(stream) => {
                    let chain = stream.get_ref().1.peer_certificates();
                    let chain = chain.map_or(Vec::new(), <[_]>::to_vec);
                    (Either::Right(Box::new(stream)), chain)
                }
                None => return self.count_failed_handshake(),
            },
        };
        let sans = chain.first().map(PeerSans::of);
        self.answer(stream, chain, Peer { peer, sans }).await;
    }

    /// The stream behind the handshake; none if the server ends meanwhile.
    async fn handshake(
        &self,
        tls: &watch::Receiver<Material>,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let _place = self.terms.handshakes.admit(Host::of(address))?;
        let config = tls.borrow().config.clone();
        let handshake = TlsAcceptor::from(config).accept(stream);
        tokio::select! {
            ended = timeout(self.terms.patience.handshake, handshake) => ended.ok()?.ok(),
            () = closing(&self.terms.closing) => None,
        }
    }

    fn count_failed_handshake(&self) {
        self.terms.counts.handshakes_failed.note(|times| {
            tracing::info!(times, "TLS handshakes failed");
        });
    }

    /// Answers the calls of a connection until one side ends it.
    async fn answer(&self, stream: Stream, chain: Vec<CertificateDer<'static>>, peer: Peer) {
        let terms = &self.terms;
        let sending = Sending::new(terms.patience.send, self.waiting.clone());
        let opened = Arc::new(AtomicBool::new(false));
        let calls = Calls {
            service: self.service.clone(),
            peer,
            sending: sending.clone(),
            opened: opened.clone(),
        };
        let preface = terms.patience.preface;
        let io = Guarded::new(stream, preface, sending.clone(), opened.clone());
        let builder = self.builder(sending.clone());
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), calls));
        tokio::select! {
            ended = connection.as_mut() => {
                if ended.is_err() && !opened.load(Ordering::Relaxed) {
                    terms.counts.never_opened.note(|times| {
                        tracing::info!(times, "connections did not speak HTTP in time");
                    });
                }
                return;
            }
            // Whoever showed a certificate that holds no more is not asked politely.
            () = refused(terms.tls.clone(), chain) => return,
            () = sending.stalled() => {
                terms.counts.stalled.note(|times| tracing::info!(times, "answers were not taken"));
            }
            () = tokio::time::sleep(self.age()) => {}
            () = closing(&terms.closing) => {}
        }
        // Without a preface there is no call to wait for.
        if opened.load(Ordering::Relaxed) {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(terms.grace, connection).await;
        }
    }

    fn builder(&self, sending: Sending) -> Builder<Sending> {
        let mut builder = Builder::new(sending);
        // Without a head in time, the first or the next, the connection ends.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.terms.patience.preface)
            .max_buf_size(MAX_HTTP1_HEAD_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
            .keep_alive_interval(self.terms.patience.keepalive_interval)
            .keep_alive_timeout(self.terms.patience.keepalive_timeout);
        builder
    }

    /// The age that the next connection may reach: a tenth more or less, so that those of one moment do not all end in
    /// one moment.
    fn age(&self) -> Duration {
        let dice = self.jitter.hash_one(std::time::Instant::now());
        let share = 0.9 + 0.2 * (dice % 1000) as f64 / 1000.0;
        self.terms.max_age.mul_f64(share)
    }
}

/// Waits for the end of the server.
async fn closing(closing: &watch::Receiver<bool>) {
    let mut closing = closing.clone();
    // Who would say so being gone is the end as well.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits until a client that showed these certificates would be let in no more.
async fn refused(tls: Option<watch::Receiver<Material>>, chain: Vec<CertificateDer<'static>>) {
    if let Some(mut tls) = tls {
        while tls.changed().await.is_ok() {
            if !tls.borrow_and_update().would_admit(&chain) {
                tracing::info!("a connection was closed: its client certificate holds no more");
                return;
            }
        }
    }
    std::future::pending().await
}

/// Who is at the other end.
#[derive(Clone)]
struct Peer {
    peer: TcpConnectInfo,
    sans: Option<PeerSans>,
}

/// The calls of one connection.
struct Calls<S> {
    service: S,
    peer: Peer,
    sending: Sending,
    opened: Arc<AtomicBool>,
}

impl<S> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    type Response = Response<Answer<Body>>;
    type Error = Infallible;
    type Future = Answered<Oneshot<S, Request<Body>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.opened.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        let Peer { peer, sans } = self.peer.clone();
        request.extensions_mut().insert(peer);
        if let Some(sans) = sans {
            request.extensions_mut().insert(sans);
        }
        Answered {
            call: self.service.clone().oneshot(request),
            sending: self.sending.clone(),
        }
    }
}

pin_project! {
    /// A call whose answer is watched on its way out.
    struct Answered<F> {
        #[pin]
        call: F,
        sending: Sending,
    }
}

impl<F> Future for Answered<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Answer<Body>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let answered = me.call.poll(context);
        answered.map_ok(|response| response.map(|body| me.sending.answer(body)))
    }
}
