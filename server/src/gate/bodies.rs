//! What the bodies of calls in progress hold in memory. A call has its place before its body is there, and may take its
//! time to send it: a long body in every place would be more than a server has. So a body takes room as it comes, before
//! anything translates it, and the call has that room to its end.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use http::Request;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, codegen::Bytes};

use super::{Holder, overloaded};
use crate::{
    admission::{Admission, Ticket},
    config::Limits,
};

/// Room for all bodies.
const BODIES_BYTES: usize = 128 * 1024 * 1024;
/// There is room for that many of the longest in any case, and for a quarter of them from one caller.
const MIN_BODIES: usize = 16;
/// So much of a body is not counted: there is room for it in every place.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// Room for bodies, of which a caller may have the same share as of the places.
pub(super) fn room(limits: &Limits) -> Arc<Admission<Holder>> {
    let longest = limits.max_body_bytes;
    let in_all = BODIES_BYTES.max(MIN_BODIES * longest);
    let of_a_place = in_all / limits.max_concurrent_requests.max(1);
    let share = of_a_place.saturating_mul(limits.max_concurrent_requests_per_caller);
    Admission::new(in_all, share.clamp(MIN_BODIES / 4 * longest, in_all))
}

/// Puts the body of a call on a [`Scale`].
pub(crate) fn weighed(mut request: Request<Body>) -> Request<Body> {
    let scale = Scale::default();
    request.extensions_mut().insert(scale.clone());
    request.map(|body| {
        Body::new(Weighed {
            body,
            scale,
            bytes: 0,
        })
    })
}

/// Where a body is weighed: for nobody until it is known who calls.
#[derive(Clone, Default)]
pub(super) struct Scale(Arc<Mutex<Weight>>);

#[derive(Default)]
struct Weight {
    ticket: Option<Ticket<Holder>>,
    refused: bool,
}

impl Scale {
    /// Has the ticket grow with the body.
    pub(super) fn weigh_for(&self, ticket: Ticket<Holder>) {
        self.lock().ticket = Some(ticket);
    }

    /// Whether there was no room for the whole body. What came of that is not told from its answer: on the way through
    /// other libraries it becomes a broken stream.
    pub(super) fn has_refused(&self) -> bool {
        self.lock().refused
    }

    fn take(&self, bytes: usize) -> bool {
        let mut weight = self.lock();
        let ticket = weight.ticket.as_mut();
        let fits = ticket.is_none_or(|ticket| ticket.grow(bytes));
        weight.refused |= !fits;
        fits
    }

    fn lock(&self) -> MutexGuard<'_, Weight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body on a scale.
struct Weighed {
    body: Body,
    scale: Scale,
    bytes: usize,
}

impl Weighed {
    /// Takes room for the next bytes, if there is.
    fn take(&mut self, bytes: usize) -> bool {
        let counted = self.bytes.saturating_sub(UNCOUNTED_BYTES);
        self.bytes += bytes;
        match self.bytes.saturating_sub(UNCOUNTED_BYTES) - counted {
            0 => true,
            more => self.scale.take(more),
        }
    }
}

impl http_body::Body for Weighed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = self.get_mut();
        let frame = ready!(Pin::new(&mut me.body).poll_frame(context));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        Poll::Ready(match me.take(bytes) {
            true => frame,
            false => Some(Err(overloaded().into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A call with so long a body, whose first bytes are there.
    fn call(bytes: usize) -> (Scale, Body) {
        let frames =
            futures_util::stream::iter([Ok::<_, Status>(Frame::data(vec![0; bytes].into()))]);
        let body = Body::new(http_body_util::StreamBody::new(frames));
        let request = weighed(Request::new(body));
        let scale = request.extensions().get::<Scale>().unwrap().clone();
        (scale, request.into_body())
    }

    fn comes(body: &mut Body) -> bool {
        body.frame().now_or_never().flatten().unwrap().is_ok()
    }

    #[test]
    fn t17_bodies_take_room_as_they_come_and_give_it_back_with_their_calls() {
        let room = room(&Limits::DEFAULT);
        let of = |name: &str| Holder::Caller(name.into());
        let calls = |name: &str, number: usize| -> Vec<_> {
            let come = |_| {
                let (scale, mut body) = call(MIB + UNCOUNTED_BYTES);
                scale.weigh_for(room.ticket(of(name)));
                comes(&mut body).then_some(scale)
            };
            (0..number).filter_map(come).collect()
        };
        let first = calls("first", 100);
        assert_eq!(first.len(), 32, "a quarter of all");
        let others = ["second", "third", "fourth"].map(|name| calls(name, 100));
        assert!(others.iter().all(|calls| calls.len() == 32));
        assert!(calls("fifth", 1).is_empty());
        let (scale, mut body) = call(UNCOUNTED_BYTES);
        scale.weigh_for(room.ticket(of("first")));
        assert!(comes(&mut body), "short ones come always");
        drop(first);
        assert_eq!(calls("fifth", 1).len(), 1);
    }
}
