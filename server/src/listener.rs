//! Who is let in, and for how long: the accept loop in front of the calls. It speaks HTTP/2; another protocol on the
//! same port belongs into `connection`, behind the same admission.
//!
//! A connection costs the server something before anybody has shown a token, so nothing here waits without an end:
//! there are caps on connections and on pending handshakes, and every state of a connection has its time.

mod alarm;
mod connection;
mod ends;
mod guarded;
mod patience;
mod reload;
mod sending;
mod tls;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
};
use tonic::body::Body;
use tower::Service;

pub use alarm::ConnectionCounts;
pub(crate) use alarm::Counts;
pub use patience::Patience;
pub(crate) use tls::{Material, PeerSans};

use crate::{
    admission::{Admission, Host, Ticket},
    config::{Limits, Tls},
};
use connection::{Connections, Terms};
use reload::Reloading;

/// Handshakes in progress, over all peers. One that has just begun has some ten kilobytes.
const MAX_HANDSHAKES: usize = 1024;
/// Handshakes in progress with one peer, so that a few peers cannot take every place.
const MAX_HANDSHAKES_PER_PEER: usize = MAX_HANDSHAKES / 16;
/// How long to wait after an error of `accept`, which mostly means that there are no descriptors left.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a listener needs to know.
pub(crate) struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// Certificate, key and the authority of client certificates, all read once; none is plain text.
    pub tls: Option<(Tls, Material)>,
    /// Caps and times that an operator sets.
    pub limits: Limits,
    /// Times that nobody needs to set.
    pub patience: Patience,
    /// Asks for a look at the TLS files.
    pub reload: Arc<Notify>,
    /// What is counted.
    pub counts: Arc<Counts>,
}

impl Listener {
    /// Answers calls until told to stop. Then it listens no more, lets calls in progress end within the drain limit,
    /// and drops what is left.
    pub(crate) async fn serve<S>(self, service: S, until_stop: impl Future<Output = ()>)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let drain = self.limits.drain;
        let (close, closing) = watch::channel(false);
        let reloading = self.tls.map(|(files, material)| {
            Reloading::start(files, material, self.patience.reload, self.reload)
        });
        let admission = Admission::new(
            self.limits.max_connections,
            self.limits.max_connections_per_peer,
        );
        let terms = Terms {
            handshakes: Admission::new(MAX_HANDSHAKES, MAX_HANDSHAKES_PER_PEER),
            tls: reloading.as_ref().map(Reloading::current),
            closing,
            max_age: self.limits.max_connection_age,
            grace: drain,
            patience: self.patience,
            counts: self.counts.clone(),
        };
        let connections = Arc::new(Connections::new(
            service,
            self.limits.max_concurrent_streams,
            terms,
        ));
        let mut open = JoinSet::new();
        tokio::select! {
            () = until_stop => {}
            () = accept(self.socket, &admission, &self.counts, |stream, address, ticket| {
                open.spawn(connections.clone().serve(stream, address, ticket));
                while open.try_join_next().is_some() {}
            }) => {}
        }
        let _ = close.send(true);
        finish(open, drain).await;
    }
}

/// Takes connections for ever.
async fn accept(
    socket: TcpListener,
    admission: &Arc<Admission<Host>>,
    counts: &Counts,
    mut take: impl FnMut(TcpStream, SocketAddr, Ticket<Host>),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match socket.accept().await {
            Ok((stream, address)) => {
                pause = FIRST_PAUSE;
                counts.accepted.fetch_add(1, Ordering::Relaxed);
                match admission.admit(Host::of(address)) {
                    Some(ticket) => take(stream, address, ticket),
                    None => counts.refused.note(|times| {
                        tracing::warn!(
                            times,
                            "connections are refused: limits.max_connections or \
                             limits.max_connections_per_peer is reached"
                        );
                    }),
                }
            }
            // The peer went away before it was accepted.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                counts.accept_errors.note(|times| {
                    tracing::error!(times, %error, "connections cannot be accepted");
                });
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Waits for the end of every connection, but no longer than the drain limit.
async fn finish(mut open: JoinSet<()>, drain: Duration) {
    let ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        let left = open.len();
        tracing::warn!(
            left,
            "the drain limit is over; remaining connections are dropped"
        );
        open.shutdown().await;
    }
}
