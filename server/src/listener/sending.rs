//! Answers that somebody must take. A peer that keeps its window shut would else hold every answer in memory for ever:
//! hyper waits for room without a limit, so the limit is set on the task in which hyper sends.
//!
//! Whether the peer owes us something is seen from the body: it does from the moment in which hyper takes a piece until
//! it asks for the next one. Two things make that exact. A piece is at most [`MAX_PIECE_BYTES`], since h2 keeps the whole
//! of a piece for whose first byte there is room. And the last byte of a longer answer is a piece of its own, since
//! hyper waits for room for a piece but not for what follows it, the trailers.
//!
//! What waits is counted as well. An answer for which there is no place any more is not sent, and its call fails; while
//! there are few places left, nobody may wait for long.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};
use tonic::{Status, codegen::Bytes};

use crate::failure::{ErrorReason, Failure};

/// The most of an answer that a peer is trusted with at once.
const MAX_PIECE_BYTES: usize = 16 * 1024;
/// An answer that may be left in h2 without anybody watching, and is not counted.
const UNWATCHED_BYTES: usize = 1024;
/// What may wait to be taken by all peers. The largest answer has 16 MiB.
const MAX_WAITING_BYTES: usize = 24 * 1024 * 1024;
/// What may wait to be taken on one connection, but for a single answer.
const MAX_WAITING_BYTES_PER_CONNECTION: usize = 8 * 1024 * 1024;
/// How long a piece may wait while half of the places are taken.
const CROWDED: Duration = Duration::from_secs(1);

/// What the peer has to take of one answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owed {
    /// The number of the piece that was handed over last.
    piece: u32,
    /// Whether it was not taken yet.
    due: bool,
}

const NOTHING: Owed = Owed {
    piece: 0,
    due: false,
};

thread_local! {
    /// Of the call that runs on this thread.
    static OWED: Cell<Owed> = const { Cell::new(NOTHING) };
}

/// Notes that hyper asks for the next piece, which it does when the one before was taken.
fn taken() {
    let Owed { piece, .. } = OWED.get();
    OWED.set(Owed { piece, due: false });
}

/// Notes that hyper has another piece.
fn handed_over() {
    let Owed { piece, .. } = OWED.get();
    OWED.set(Owed {
        piece: piece.wrapping_add(1),
        due: true,
    });
}

/// What waits to be taken, in bytes.
#[derive(Default)]
pub(super) struct Waiting(AtomicUsize);

impl Waiting {
    /// Takes places for so many bytes, if there are.
    fn take(&self, bytes: usize, most: usize) -> bool {
        let more = |waiting: usize| match waiting {
            0 => Some(bytes),
            _ => waiting.checked_add(bytes).filter(|sum| *sum <= most),
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, fetch, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn is_crowded(&self) -> bool {
        self.0.load(Ordering::Relaxed) > MAX_WAITING_BYTES / 2
    }
}

/// A frame of an answer in its places. Wherever a part of it is, in hyper, in h2 or in a queue of theirs, it has them: they
/// are free when the last part was written to the socket or thrown away.
struct Held {
    data: Bytes,
    limit: Arc<Limit>,
}

impl Held {
    /// Gives a frame its places, if there are.
    fn hold(data: Bytes, limit: &Arc<Limit>) -> Option<Bytes> {
        let (bytes, of_connection) = (data.len(), &limit.waiting);
        if bytes <= UNWATCHED_BYTES {
            return Some(data);
        }
        if !of_connection.take(bytes, MAX_WAITING_BYTES_PER_CONNECTION) {
            return None;
        }
        if !limit.in_all.take(bytes, MAX_WAITING_BYTES) {
            of_connection.give_back(bytes);
            return None;
        }
        let limit = limit.clone();
        Some(Bytes::from_owner(Self { data, limit }))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.limit.waiting.give_back(self.data.len());
        self.limit.in_all.give_back(self.data.len());
    }
}

pin_project! {
    /// The body of an answer.
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        // What is left of a frame that was cut.
        rest: Bytes,
        limit: Arc<Limit>,
        refused: bool,
    }
}

/// What ends an answer for which there is no place.
fn refusal() -> Frame<Bytes> {
    let status = Status::from(Failure::new(ErrorReason::Overloaded));
    let mut trailers = HeaderMap::new();
    // It has no text that a header would not take.
    let _ = status.add_header(&mut trailers);
    Frame::trailers(trailers)
}

impl<B: Body<Data = Bytes>> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let me = self.project();
        taken();
        if *me.refused {
            return Poll::Ready(None);
        }
        if me.rest.is_empty() {
            let frame = match ready!(me.body.poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            match Held::hold(data, me.limit) {
                Some(data) => *me.rest = data,
                None => {
                    *me.refused = true;
                    return Poll::Ready(Some(Ok(refusal())));
                }
            }
        }
        let piece = me.rest.split_to(piece_bytes(me.rest.len()));
        handed_over();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.refused || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.is_empty() {
            true => self.body.size_hint(),
            false => SizeHint::default(),
        }
    }
}

/// How much of what is left goes next.
fn piece_bytes(left: usize) -> usize {
    match left {
        ..=UNWATCHED_BYTES => left,
        _ => (left - 1).min(MAX_PIECE_BYTES),
    }
}

/// Runs the calls of one connection, each as a task that ends when its answer is not taken.
#[derive(Clone)]
pub(super) struct Sending(Arc<Limit>);

struct Limit {
    time: Duration,
    stalled: Notify,
    /// On this connection.
    waiting: Waiting,
    in_all: Arc<Waiting>,
}

impl Sending {
    pub(super) fn new(time: Duration, in_all: Arc<Waiting>) -> Self {
        Self(Arc::new(Limit {
            time,
            stalled: Notify::new(),
            waiting: Waiting::default(),
            in_all,
        }))
    }

    /// The body of an answer on this connection.
    pub(super) fn answer<B>(&self, body: B) -> Answer<B> {
        Answer {
            body,
            rest: Bytes::new(),
            limit: self.0.clone(),
            refused: false,
        }
    }

    /// Waits until an answer was not taken.
    pub(super) async fn stalled(&self) {
        self.0.stalled.notified().await;
    }
}

impl<F> Executor<F> for Sending
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        tokio::spawn(Call {
            call,
            owed: NOTHING,
            unmoved: None,
            sending: self.clone(),
        });
    }
}

pin_project! {
    /// A call from its handler to the last byte of its answer.
    struct Call<F> {
        #[pin]
        call: F,
        owed: Owed,
        unmoved: Option<Unmoved>,
        sending: Sending,
    }
}

/// A piece that the peer has not taken.
struct Unmoved {
    piece: u32,
    stall: Stall,
}

/// How long something has waited for the peer.
pub(super) struct Stall {
    since: Instant,
    look: Pin<Box<Sleep>>,
}

impl Stall {
    /// One that begins.
    pub(super) fn begin(sending: &Sending) -> Self {
        let since = Instant::now();
        Self {
            since,
            look: Box::pin(sleep_until(since + sending.0.time.min(CROWDED))),
        }
    }

    /// Waits until it has been too long: longer than the limit, or longer than [`CROWDED`] with places of which there
    /// are few left.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, sending: &Sending) -> Poll<()> {
        let limit = &sending.0;
        loop {
            ready!(self.look.as_mut().poll(context));
            let waited = self.since.elapsed();
            let in_the_way = limit.in_all.is_crowded() && !limit.waiting.is_empty();
            if waited >= limit.time || in_the_way {
                return Poll::Ready(());
            }
            let next = CROWDED.min(limit.time - waited);
            self.look.as_mut().reset(Instant::now() + next);
        }
    }
}

impl<F: Future<Output = ()>> Future for Call<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let me = self.project();
        OWED.set(*me.owed);
        let polled = me.call.poll(context);
        *me.owed = OWED.get();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Owed { piece, due: true } = *me.owed else {
            *me.unmoved = None;
            return Poll::Pending;
        };
        let unmoved = me.unmoved.take().filter(|unmoved| unmoved.piece == piece);
        let unmoved = me.unmoved.insert(unmoved.unwrap_or_else(|| Unmoved {
            piece,
            stall: Stall::begin(me.sending),
        }));
        ready!(unmoved.stall.poll(context, me.sending));
        me.sending.0.stalled.notify_one();
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t17_f25_answers_that_wait_have_their_places_and_give_them_back() {
        const MIB: usize = 1024 * 1024;
        let in_all = Arc::new(Waiting::default());
        let connections: Vec<_> = (0..6)
            .map(|_| Sending::new(CROWDED, in_all.clone()))
            .collect();
        let hold = |of: usize, bytes: usize| {
            let Sending(limit): &Sending = &connections[of];
            Held::hold(Bytes::from(vec![0; bytes]), limit)
        };
        let single = hold(0, 16 * MIB);
        assert!(single.is_some(), "alone it may be as large as it is");
        assert!(hold(0, 2 * MIB).is_none(), "beside it none may");
        assert!(hold(0, UNWATCHED_BYTES).is_some(), "but a short one");
        let others = hold(1, 8 * MIB).unwrap();
        assert!(in_all.is_crowded());
        assert!(hold(4, MIB).is_none(), "there are none for anybody");
        drop(single);
        let mut held = hold(4, MIB).unwrap();
        drop(others);
        let last = held.split_off(MIB - 1);
        drop(held);
        assert!(!in_all.is_empty(), "a piece of it waits still");
        drop(last);
        assert!(in_all.is_empty());
        assert!(
            connections
                .iter()
                .all(|Sending(limit)| limit.waiting.is_empty())
        );
    }

    #[test]
    fn t17_a_long_answer_goes_in_pieces_whose_last_is_one_byte() {
        let pieces = |mut left: usize| {
            let mut pieces = Vec::new();
            while left > 0 {
                pieces.push(piece_bytes(left));
                left -= pieces[pieces.len() - 1];
            }
            pieces
        };
        assert_eq!(pieces(1024), [1024]);
        assert_eq!(pieces(1025), [1024, 1]);
        assert_eq!(pieces(16 * 1024 + 1), [16 * 1024, 1]);
        assert_eq!(pieces(40_000), [16 * 1024, 16 * 1024, 7231, 1]);
    }
}
