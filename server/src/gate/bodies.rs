//! What the bodies of calls in progress hold in memory. A call has its place before its body is there, and may take its
//! time to send it: a long body in every place would be more than a server has. So a body takes room as it comes, before
//! anything translates it, and the call has that room to its end.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use http::{Request, header::CONTENT_TYPE};
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, codegen::Bytes};

use super::{Holder, overloaded};
use crate::{
    admission::{Admission, Ticket},
    config::Limits,
};

/// Room for all bodies.
const BODIES_BYTES: usize = 256 * 1024 * 1024;
/// There is room for that many of the longest in any case, and for a quarter of them from one caller.
const MIN_BODIES: usize = 16;
/// So much of a body is not counted: there is room for it in every place.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// More than the longest message of any service.
const MAX_MESSAGE_BYTES: usize = 17 * 1024 * 1024;

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
    let kind = request.headers().get(CONTENT_TYPE);
    let announces = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    request.extensions_mut().insert(scale.clone());
    request.map(|body| {
        Body::new(Weighed {
            body,
            scale,
            announces,
            bytes: 0,
            counted: 0,
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
    /// Whether it begins with the length of a message, as in gRPC, which makes room for all of it at once.
    announces: bool,
    bytes: usize,
    counted: usize,
}

impl Weighed {
    /// Takes room for the next bytes, if there is.
    fn take(&mut self, data: &Bytes) -> bool {
        let announced = match self.bytes {
            0 if self.announces => announced(data),
            _ => 0,
        };
        self.bytes += data.len();
        let weight = self.bytes.max(announced).saturating_sub(UNCOUNTED_BYTES);
        let more = weight.saturating_sub(self.counted);
        self.counted += more;
        more == 0 || self.scale.take(more)
    }
}

/// How long a body of gRPC is to be, by its first bytes. What is longer than any may be is refused before it has room.
fn announced(data: &Bytes) -> usize {
    let prefix = data.get(1..).and_then(|rest| rest.first_chunk());
    let length = prefix.map_or(0, |length| u32::from_be_bytes(*length));
    usize::try_from(length).map_or(0, |length| match length {
        ..=MAX_MESSAGE_BYTES => length,
        _ => 0,
    })
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
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref(),
            _ => None,
        };
        Poll::Ready(match data.is_none_or(|data| me.take(data)) {
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
    fn t17_a_body_of_grpc_has_room_for_all_that_it_announces() {
        let room = room(&Limits::DEFAULT);
        let call = |announced: u32| {
            let data = [&[0], &announced.to_be_bytes()[..], b"x"].concat();
            let body = Body::new(http_body_util::Full::from(data));
            let mut request = Request::new(body);
            let kind = http::HeaderValue::from_static("application/grpc");
            request.headers_mut().insert(CONTENT_TYPE, kind);
            let request = weighed(request);
            let scale = request.extensions().get::<Scale>().unwrap().clone();
            scale.weigh_for(room.ticket(Holder::Caller("acme".into())));
            comes(&mut request.into_body()).then_some(scale)
        };
        let long = 16 * MIB as u32;
        let held = [call(long), call(long), call(long), call(long)];
        assert!(held.iter().all(Option::is_some));
        assert!(call(long).is_none());
        assert!(call(1000).is_some() && call(u32::MAX).is_some());
        drop(held);
        assert!(call(long).is_some());
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
        assert_eq!(first.len(), 64, "a quarter of all");
        let others = ["second", "third", "fourth"].map(|name| calls(name, 100));
        assert!(others.iter().all(|calls| calls.len() == 64));
        assert!(calls("fifth", 1).is_empty());
        let (scale, mut body) = call(UNCOUNTED_BYTES);
        scale.weigh_for(room.ticket(of("first")));
        assert!(comes(&mut body), "short ones come always");
        drop(first);
        assert_eq!(calls("fifth", 1).len(), 1);
    }
}
