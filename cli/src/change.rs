//! Changes whose answer may be lost. A caller that only hears nothing cannot know whether the change was made, and the
//! key of a new version is shown just once.

use std::{fmt, io::Write};

use countersign_client::{CallError, Client, Code, Error};
use serde_json::json;

use crate::{args::Connection, json};

/// Makes a change that has a request id. Without an answer it is sent once more with the same id, over a new
/// connection; the server then answers what it did the first time.
///
/// # Errors
/// [`MayHaveHappened`] if there is no answer either. With `--json` the request id is printed for programs, too.
pub(crate) async fn with_request_id<A, F>(
    connection: &Connection,
    request_id: &str,
    out: &mut dyn Write,
    change: impl Fn(Client) -> F,
) -> anyhow::Result<A>
where
    F: Future<Output = Result<A, Error>>,
{
    let error = match change(connection.connect().await?).await {
        Err(error) if is_lost(&error) => error,
        answer => return Ok(answer?),
    };
    let again = match connection.connect().await {
        Ok(client) => change(client).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match again {
        Err(second) if !is_refusal(&second) => {
            let unsure = MayHaveHappened::repeat(request_id);
            if connection.json {
                let value =
                    json!({ "error": format!("{error}; {unsure}"), "request_id": request_id });
                json::print(&value, out)?;
                out.flush()?;
            }
            Err(anyhow::Error::from(error).context(unsure))
        }
        answer => answer,
    }
}

/// Explains the lost answer to a change of this secret that has no request id.
pub(crate) fn without_request_id(error: Error, name: &str) -> anyhow::Error {
    let lost = is_lost(&error);
    let error = anyhow::Error::from(error);
    if lost {
        error.context(MayHaveHappened::look(name))
    } else {
        error
    }
}

/// What to do about a change that may have been made.
#[derive(Debug)]
pub(crate) struct MayHaveHappened(String);

impl MayHaveHappened {
    fn repeat(request_id: &str) -> Self {
        Self(format!(
            "it may have happened: repeat the command with --request-id {request_id}, which never does it twice"
        ))
    }

    fn look(name: &str) -> Self {
        Self(format!(
            "it may have happened: look with `countersign secret get {name}` before you repeat it"
        ))
    }
}

impl fmt::Display for MayHaveHappened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MayHaveHappened {}

/// Whether no answer of the service came back.
fn is_lost(error: &Error) -> bool {
    let Error::Call(call) = error else {
        return false;
    };
    match call.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        // A connection that breaks; every error of the service itself has a reason.
        Code::Unknown | Code::Internal | Code::Cancelled => call.reason().is_none(),
        _ => false,
    }
}

/// Whether the service looked at the repeated request and found that it was not and cannot be done.
fn is_refusal(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref().and_then(|error| match error {
        Error::Call(call) => Some(CallError::code(call)),
        _ => None,
    });
    matches!(
        code,
        Some(
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::Aborted
        )
    )
}
