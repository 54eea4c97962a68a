//! Answers that somebody must take. A peer that keeps its window shut would else hold every answer in memory for ever:
//! hyper waits for room without a limit, so the limit is set on the task in which hyper sends.
//!
//! Whether the peer owes us something is seen from the body: it does from the moment in which hyper takes a piece until
//! it asks for the next one. Two things make that exact. A piece is at most [`MAX_PIECE_BYTES`], since h2 keeps the whole
//! of a piece for whose first byte there is room. And the last byte of a longer answer is a piece of its own, since
//! hyper waits for room for a piece but not for what follows it, the trailers.

use std::{
    cell::Cell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};
use tonic::codegen::Bytes;

/// The most of an answer that a peer is trusted with at once.
const MAX_PIECE_BYTES: usize = 16 * 1024;
/// An answer that may be left in h2 without anybody watching.
const UNWATCHED_BYTES: usize = 1024;

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

pin_project! {
    /// The body of an answer.
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        // What is left of a frame that was cut.
        rest: Bytes,
    }
}

impl<B> Answer<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            rest: Bytes::new(),
        }
    }
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
        if me.rest.is_empty() {
            let frame = match ready!(me.body.poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => *me.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = me.rest.split_to(piece_bytes(me.rest.len()));
        handed_over();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
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
}

impl Sending {
    pub(super) fn new(time: Duration) -> Self {
        Self(Arc::new(Limit {
            time,
            stalled: Notify::new(),
        }))
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
            waiting: None,
            limit: self.0.clone(),
        });
    }
}

pin_project! {
    /// A call from its handler to the last byte of its answer.
    struct Call<F> {
        #[pin]
        call: F,
        owed: Owed,
        waiting: Option<Waiting>,
        limit: Arc<Limit>,
    }
}

/// Since when the peer has not taken a piece.
struct Waiting {
    piece: u32,
    until: Pin<Box<Sleep>>,
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
        if !me.owed.due {
            *me.waiting = None;
            return Poll::Pending;
        }
        let deadline = Instant::now() + me.limit.time;
        let waiting = me.waiting.get_or_insert_with(|| Waiting {
            piece: me.owed.piece,
            until: Box::pin(sleep_until(deadline)),
        });
        if waiting.piece != me.owed.piece {
            waiting.piece = me.owed.piece;
            waiting.until.as_mut().reset(deadline);
        }
        ready!(waiting.until.as_mut().poll(context));
        me.limit.stalled.notify_one();
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
