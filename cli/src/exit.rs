//! Exit codes, and what is said on the way out. The numbers are those of `sysexits.h`.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use countersign_client::{Code, Error};
use countersign_server::{
    ConfigErrors, StartError,
    store::{OpenError, RestoreError},
};

use crate::{change::MayHaveHappened, commands};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Verified, or done.
    Ok = 0,
    /// Not verified. Also where the mode of the secret allows an identity without a proof: trust decides, not
    /// decision.
    NotVerified = 1,
    /// The command, one of its values, or what they refer to is wrong.
    Usage = 64,
    /// The store is not one that this release can open with the key-encryption key that it was given.
    Data = 65,
    /// The server cannot be reached, is overloaded or did not answer in time; or a server cannot start because what it
    /// needs is in use or not there.
    Unavailable = 69,
    /// Anything else.
    Software = 70,
    /// The secret was changed since it was read: read it again, then repeat.
    Conflict = 75,
    /// The caller may not do this.
    NotPermitted = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// For an error of any command.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if is_broken_pipe(error) {
            return Self::Ok;
        }
        if error.is::<MayHaveHappened>() || error.is::<Unreachable>() {
            return Self::Unavailable;
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return Self::of_call(error);
        }
        if let Some(error) = error.downcast_ref::<StartError>() {
            return Self::of_start(error);
        }
        if let Some(error) = error.downcast_ref::<RestoreError>() {
            return Self::of_restore(error);
        }
        let input = error.is::<Usage>() || error.is::<ConfigErrors>() || error.is::<io::Error>();
        if input { Self::Usage } else { Self::Software }
    }

    /// For what the argument parser stopped at; help and version are no errors.
    pub(crate) fn of_arguments(error: &clap::Error) -> Self {
        if error.use_stderr() {
            Self::Usage
        } else {
            Self::Ok
        }
    }

    fn of_start(error: &StartError) -> Self {
        match error {
            StartError::Tls(_) | StartError::NoToken | StartError::AdminExists => Self::Usage,
            StartError::Init(_) => Self::Unavailable,
            StartError::Bind { .. } => Self::Unavailable,
            StartError::Store(store) => Self::of_store(store),
            StartError::Reflection => Self::Software,
        }
    }

    fn of_store(error: &OpenError) -> Self {
        match error {
            OpenError::InUse | OpenError::DataDir | OpenError::DiskFull | OpenError::System => {
                Self::Unavailable
            }
            OpenError::WrongKek
            | OpenError::PreviousKekNeeded { .. }
            | OpenError::UnacceptedCopy
            | OpenError::NewerSchema
            | OpenError::OlderSchema
            | OpenError::NotAStore
            | OpenError::Damaged => Self::Data,
            OpenError::SqliteTooOld => Self::Software,
        }
    }

    fn of_restore(error: &RestoreError) -> Self {
        match error {
            RestoreError::Store(error) => Self::of_store(error),
            RestoreError::Copy | RestoreError::Keep { .. } => Self::Usage,
        }
    }

    fn of_call(error: &Error) -> Self {
        match error {
            // Every error of the service itself has a reason: this is of the way to it.
            Error::Call(call)
                if call.reason().is_none()
                    && matches!(call.code(), Code::Internal | Code::Unknown) =>
            {
                Self::Unavailable
            }
            Error::Call(call) => Self::of_code(call.code()),
            Error::Connect { .. } => Self::Unavailable,
            Error::Endpoint
            | Error::TokenOverPlaintext { .. }
            | Error::Token
            | Error::Tls { .. } => Self::Usage,
            Error::NotVerified { .. } => Self::NotVerified,
            _ => Self::Software,
        }
    }

    fn of_code(code: Code) -> Self {
        match code {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange => Self::Usage,
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => {
                Self::Unavailable
            }
            Code::Aborted => Self::Conflict,
            Code::Unauthenticated | Code::PermissionDenied => Self::NotPermitted,
            _ => Self::Software,
        }
    }
}

/// Something in the command or its input that its author can put right.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A receiver of deliveries that is not there or does not answer.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// Shorthand for an error of the [`Usage`] kind.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Says what went wrong and what to do.
pub(crate) fn report(error: &anyhow::Error, err: &mut dyn Write) {
    if is_broken_pipe(error) {
        return;
    }
    let mut lines = match error.downcast_ref::<ConfigErrors>() {
        Some(ConfigErrors(all)) => all.iter().map(ToString::to_string).collect(),
        None => vec![commands::named(&with_causes(error))],
    };
    for line in &mut lines {
        line.insert_str(0, "error: ");
    }
    let advice = error.downcast_ref::<Error>().and_then(advice);
    for line in lines.iter().map(String::as_str).chain(advice) {
        // Nothing is left to tell if standard error is gone.
        drop(writeln!(err, "{line}"));
    }
}

/// The error and its causes, without those that it already tells.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::Connect { detail, .. } if detail.contains("certificate") => Some(
            "The authority of the server's certificate, if it is one of your own, is given by --ca.",
        ),
        Error::Connect { .. } => Some(
            "To try things, start one with `countersign dev`; --server or COUNTERSIGN_SERVER says where it is.",
        ),
        Error::Call(call) if call.code() == Code::Unauthenticated => {
            Some("The token comes from --token-file, COUNTERSIGN_TOKEN or --token.")
        }
        Error::Call(call) if call.reason() == Some("FORCE_REQUIRED") => {
            Some("If it is meant, repeat it with --force.")
        }
        Error::Call(call) if call.reason() == Some("PURPOSE_MISMATCH") => Some(
            "Webhooks are for `countersign webhook sign` and `webhook verify`, identities for `countersign sign` and\n\
             `verify`, unguessable ids for `countersign sign --resource-id`; `countersign explain` takes the first two.",
        ),
        _ => None,
    }
}

/// Whoever read the output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use countersign_client::Reason;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn codes_of_the_server_become_exit_codes() {
        let cases = [
            (Code::InvalidArgument, 64),
            (Code::NotFound, 64),
            (Code::FailedPrecondition, 64),
            (Code::Unavailable, 69),
            (Code::DeadlineExceeded, 69),
            (Code::Unauthenticated, 77),
            (Code::PermissionDenied, 77),
            (Code::Internal, 70),
            (Code::Aborted, 75),
        ];
        for (code, number) in cases {
            assert_eq!(Exit::of_code(code) as u8, number, "{code:?}");
        }
    }

    #[test]
    fn errors_of_the_client_become_exit_codes() {
        let unreachable = Error::Connect {
            endpoint: String::new(),
            detail: String::new(),
        };
        assert_eq!(Exit::of(&unreachable.into()), Exit::Unavailable);
        let refused = Error::NotVerified {
            reason: Some(Reason::SignatureMismatch),
        };
        assert_eq!(Exit::of(&refused.into()), Exit::NotVerified);
        assert_eq!(Exit::of(&Error::Endpoint.into()), Exit::Usage);
        assert_eq!(Exit::of(&usage("x")), Exit::Usage);
        let unknown = Error::UnknownValue {
            field: "Decision",
            number: 9,
        };
        assert_eq!(Exit::of(&unknown.into()), Exit::Software);
    }

    #[test]
    fn a_start_that_fails_says_whether_to_wait_or_to_look_at_the_store() {
        for (error, expected) in [
            (OpenError::InUse, Exit::Unavailable),
            (OpenError::DiskFull, Exit::Unavailable),
            (OpenError::WrongKek, Exit::Data),
            (OpenError::NewerSchema, Exit::Data),
            (OpenError::Damaged, Exit::Data),
            (OpenError::SqliteTooOld, Exit::Software),
        ] {
            let exit = Exit::of(&StartError::Store(error).into());
            assert_eq!(exit, expected, "{error:?}");
        }
    }

    #[test]
    fn a_wrong_argument_exits_64_and_help_exits_0() {
        for (line, expected) in [
            ("x frobnicate", Exit::Usage),
            ("x --help", Exit::Ok),
            ("x --version", Exit::Ok),
        ] {
            let Err(error) = Cli::try_parse_from(line.split(' ')) else {
                panic!("{line} parses")
            };
            assert_eq!(Exit::of_arguments(&error), expected, "{line}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("in use")
            .context("cannot listen: in use")
            .context("no start");
        assert_eq!(with_causes(&error), "no start: cannot listen: in use");
    }

    #[test]
    fn a_server_that_is_not_there_is_told_how_to_start() {
        let mut text = Vec::new();
        let error = Error::Connect {
            endpoint: "http://127.0.0.1:1".into(),
            detail: "refused".into(),
        };
        report(&error.into(), &mut text);
        assert!(
            String::from_utf8(text)
                .unwrap()
                .contains("`countersign dev`")
        );
    }
}
