//! How every call is made: bearer token, deadline, and a retry where repeating is harmless.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::Error;

/// Attempts of a call that may be repeated, the first one included.
const MAX_ATTEMPTS: u32 = 3;
/// The id of a call, which all its attempts share, so that the service can tell a retry from another delivery.
const CALL_ID: &str = "countersign-call-id";
/// Longest pause before the second attempt; it doubles for each further one.
const BACKOFF: Duration = Duration::from_millis(100);

/// A channel, with what goes along with every call.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
    pub(crate) deadline: Duration,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// Calls once. For everything that changes something: whether a lost answer meant a change is not known here.
    pub(crate) async fn once<Q, A, F>(
        &self,
        message: Q,
        call: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let end = Instant::now() + self.deadline;
        let answer = self.attempt(message, None, end, call).await;
        answer.map_err(Error::from)
    }

    /// Calls, and calls again when the server was not there, all within one deadline.
    pub(crate) async fn retrying<Q: Clone, A, F>(
        &self,
        message: Q,
        call: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let end = Instant::now() + self.deadline;
        let id = request_id();
        let mut attempt = 1;
        loop {
            let status = match self.attempt(message.clone(), Some(&id), end, &call).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let pause = jittered(BACKOFF * 2_u32.pow(attempt - 1));
            let in_time = Instant::now() + pause < end;
            if status.code() != Code::Unavailable || attempt == MAX_ATTEMPTS || !in_time {
                return Err(status.into());
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<Q, A, F>(
        &self,
        message: Q,
        id: Option<&MetadataValue<Ascii>>,
        end: Instant,
        call: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(end.saturating_duration_since(Instant::now()));
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        if let Some(id) = id {
            request.metadata_mut().insert(CALL_ID, id.clone());
        }
        match timeout_at(end, call(request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            // The transport counts the same deadline and calls its end a cancellation.
            Ok(Err(status)) if status.code() == Code::Cancelled && Instant::now() >= end => {
                Err(out_of_time())
            }
            Ok(Err(status)) => Err(status),
            Err(_) => Err(out_of_time()),
        }
    }
}

fn out_of_time() -> Status {
    Status::deadline_exceeded("the server did not answer in time")
}

/// A new id of 128 bits. It must be unique, not secret, so the keys of the standard library's hash maps will do.
fn request_id() -> MetadataValue<Ascii> {
    let half = || RandomState::new().hash_one(());
    let text = format!("{:016x}{:016x}", half(), half());
    text.parse().expect("hex digits are a metadata value")
}

/// Between half of a pause and all of it, so that many clients do not come back in step.
fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(()) % 1024;
    let share = u32::try_from(dice).unwrap_or(0);
    pause / 2 + pause / 2 * share / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_half_and_all_of_its_length() {
        for _ in 0..100 {
            let pause = jittered(BACKOFF);
            assert!(pause >= BACKOFF / 2 && pause <= BACKOFF);
        }
    }
}
