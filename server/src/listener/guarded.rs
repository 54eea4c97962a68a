//! A stream that gives up on its peer: on one that does not open the connection in time, and on one that takes nothing
//! of what it is sent. The times run in here because neither hyper nor h2 has one for either.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::sending::{Sending, Stall};

const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;

/// A stream whose patience has an end.
pub(super) struct Guarded<IO> {
    io: IO,
    opening: Option<Opening>,
    opened: Arc<AtomicBool>,
    sending: Sending,
    /// Runs while the peer takes nothing.
    blocked: Option<Stall>,
}

/// A connection that is not open yet. With HTTP/2 it is once the preface and the first frame are there; that they are what
/// they should be is h2's to say. What begins in another way is HTTP/1.1 or nothing, and for its head hyper has a time.
struct Opening {
    deadline: Pin<Box<Sleep>>,
    seen_bytes: usize,
    frame_bytes: usize,
}

/// What a connection turns out to be.
enum Opened {
    ToHttp2,
    ToSomethingElse,
}

impl Opening {
    /// Takes the next bytes; what the connection is, if they are the last that were missing.
    fn ends_with(&mut self, bytes: &[u8]) -> Option<Opened> {
        // A frame begins with its length in three bytes.
        let length = PREFACE_BYTES..PREFACE_BYTES + 3;
        for (position, byte) in (self.seen_bytes..length.end).zip(bytes) {
            if PREFACE
                .get(position)
                .is_some_and(|expected| expected != byte)
            {
                return Some(Opened::ToSomethingElse);
            }
            if length.contains(&position) {
                self.frame_bytes = self.frame_bytes << 8 | usize::from(*byte);
            }
        }
        self.seen_bytes += bytes.len();
        let all = PREFACE_BYTES + FRAME_HEADER_BYTES + self.frame_bytes;
        (self.seen_bytes >= all).then_some(Opened::ToHttp2)
    }
}

impl<IO> Guarded<IO> {
    /// Guards a stream; `opened` is set once a connection of HTTP/2 is open. Of HTTP/1.1 the first call tells.
    pub(super) fn new(
        io: IO,
        preface: Duration,
        sending: Sending,
        opened: Arc<AtomicBool>,
    ) -> Self {
        Self {
            io,
            opening: Some(Opening {
                deadline: Box::pin(sleep(preface)),
                seen_bytes: 0,
                frame_bytes: 0,
            }),
            opened,
            sending,
            blocked: None,
        }
    }

    /// Passes on what became of a write, unless the peer has taken nothing for too long.
    fn sent<T>(
        &mut self,
        context: &mut Context<'_>,
        sent: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.blocked = None;
            return sent;
        }
        let sending = &self.sending;
        let blocked = self.blocked.get_or_insert_with(|| Stall::begin(sending));
        match blocked.poll(context, sending) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guarded<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut me.io).poll_read(context, buffer);
        let Some(opening) = &mut me.opening else {
            return polled;
        };
        match opening.ends_with(&buffer.filled()[before..]) {
            Some(Opened::ToHttp2) => {
                me.opening = None;
                me.opened.store(true, Ordering::Relaxed);
            }
            Some(Opened::ToSomethingElse) => me.opening = None,
            None if polled.is_pending() && opening.deadline.as_mut().poll(context).is_ready() => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            None => {}
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guarded<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let written = Pin::new(&mut me.io).poll_write(context, bytes);
        me.sent(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let flushed = Pin::new(&mut me.io).poll_flush(context);
        me.sent(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let shut = Pin::new(&mut me.io).poll_shutdown(context);
        me.sent(context, shut)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let written = Pin::new(&mut me.io).poll_write_vectored(context, slices);
        me.sent(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{super::Patience, *};

    /// The preface and a SETTINGS frame with one setting.
    const OPENING: &[u8] =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64";

    fn guarded<IO>(io: IO) -> (Guarded<IO>, Arc<AtomicBool>) {
        let opened = Arc::new(AtomicBool::new(false));
        let Patience { preface, send, .. } = Patience::DEFAULT;
        let sending = Sending::new(send, Arc::default());
        let guarded = Guarded::new(io, preface, sending, opened.clone());
        (guarded, opened)
    }

    #[tokio::test(start_paused = true)]
    async fn t13_a_connection_is_open_with_the_last_byte_of_its_first_frame() {
        for step in [1, 7, OPENING.len() - 1, OPENING.len()] {
            let (mut peer, io) = duplex(64);
            let (mut guarded, opened) = guarded(io);
            let (most, last) = OPENING.split_at(OPENING.len() - 1);
            let mut buffer = [0; 64];
            for bytes in most.chunks(step) {
                peer.write_all(bytes).await.unwrap();
                guarded
                    .read_exact(&mut buffer[..bytes.len()])
                    .await
                    .unwrap();
            }
            assert!(!opened.load(Ordering::Relaxed), "{step}");
            peer.write_all(last).await.unwrap();
            guarded.read_exact(&mut buffer[..1]).await.unwrap();
            assert!(opened.load(Ordering::Relaxed), "{step}");
            let idle = tokio::time::timeout(10 * Patience::DEFAULT.preface, guarded.read_u8());
            assert!(idle.await.is_err(), "an open connection may be idle");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t13_whoever_does_not_open_a_connection_in_time_is_given_up() {
        for sent in [0, 1, 24, OPENING.len() - 1] {
            let (mut peer, io) = duplex(64);
            let (mut guarded, _) = guarded(io);
            peer.write_all(&OPENING[..sent]).await.unwrap();
            let begin = tokio::time::Instant::now();
            let error = guarded.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let took = begin.elapsed().as_secs_f64();
            assert!((took - 10.0).abs() < 0.1, "{sent} bytes: {took}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t17_a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (mut peer, io) = duplex(16);
        let (mut guarded, _) = guarded(io);
        let slow = async {
            for _ in 0..4 {
                tokio::time::sleep(Patience::DEFAULT.send * 3 / 4).await;
                peer.read_exact(&mut [0; 16]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(guarded.write_all(&[0; 80]), slow);
        assert!(written.is_ok());
        let begin = tokio::time::Instant::now();
        let error = guarded.write_all(&[0; 80]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let took = begin.elapsed().as_secs_f64();
        assert!((took - 20.0).abs() < 0.1, "{took}");
    }
}
