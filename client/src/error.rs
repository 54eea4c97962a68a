//! The one error type of the SDK. A refused proof is a verdict, not an error; it becomes one only where the caller
//! asks for it with `into_verified`.

use std::fmt;

use countersign_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::Reason;

/// Why a call gave no verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is not a URL of a host.
    #[error("the endpoint is not a URL: give http://HOST:PORT or https://HOST:PORT")]
    Endpoint,
    /// A bearer token would have crossed the network in the clear.
    #[error(
        "a token is not sent over plain http to {host}: use https://, or connect to a loopback address"
    )]
    TokenOverPlaintext {
        /// The host of the endpoint.
        host: String,
    },
    /// The bearer token holds characters that a header cannot carry.
    #[error(
        "the token is not visible ASCII text, without a line end: check the file or variable that it came from"
    )]
    Token,
    /// A certificate was not accepted, or one was given for an `http://` endpoint.
    #[error(
        "the TLS settings are not usable ({detail}): check the PEM texts and use an https:// endpoint"
    )]
    Tls {
        /// What the TLS library said.
        detail: String,
    },
    /// No connection could be made.
    #[error(
        "cannot connect to {endpoint} ({detail}): is the server running there, and does it speak TLS if the address says https?"
    )]
    Connect {
        /// The endpoint without anything but scheme, host and port.
        endpoint: String,
        /// What the transport said.
        detail: String,
    },
    /// The server, or the transport on the way to it, answered with an error.
    #[error(transparent)]
    Call(CallError),
    /// The server answered something that this client does not know, so nothing was decided.
    #[error(
        "the server answered an unknown {field} ({number}): refuse the request and update this client"
    )]
    UnknownValue {
        /// The enum on the wire.
        field: &'static str,
        /// The number that it has no name for.
        number: i32,
    },
    /// The server's answer lacks a part that it must have, so nothing was decided.
    #[error(
        "the server's answer has no usable {field}: refuse the request and check the server's version"
    )]
    IncompleteAnswer {
        /// The part.
        field: &'static str,
    },
    /// No widget is known of this scheme.
    #[cfg(feature = "widget")]
    #[error("there is no widget of this scheme; there is one of {known}")]
    UnknownWidget {
        /// The schemes that have one.
        known: String,
    },
    /// The widget of this scheme takes another kind of proof, or the proof is empty.
    #[cfg(feature = "widget")]
    #[error(
        "the proof is not of the kind that the scheme's widget takes: sign with a secret of this scheme"
    )]
    WidgetProof,
    /// A verdict was required to be a success and is not.
    #[error("not verified: {}", ReasonText(*reason))]
    NotVerified {
        /// Why, where the service says so.
        reason: Option<Reason>,
    },
}

impl Error {
    /// The gRPC code, if the error came from a call.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Call(call) => Some(call.code),
            Self::Connect { .. } => Some(Code::Unavailable),
            _ => None,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Call(CallError::from(status))
    }
}

struct ReasonText(Option<Reason>);

impl fmt::Display for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => reason.fmt(f),
            None => f.write_str("nothing was checked, the mode of the secret is off"),
        }
    }
}

/// An error that a call was answered with.
#[derive(Debug, Clone)]
pub struct CallError {
    code: Code,
    reason: Option<String>,
    message: String,
    violations: Vec<FieldViolation>,
}

/// A field of the request that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field in the request message.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl CallError {
    pub(crate) fn invalid(field: &str, description: &str) -> Error {
        let violation = FieldViolation {
            field: field.to_owned(),
            description: description.to_owned(),
        };
        Error::Call(Self {
            code: Code::InvalidArgument,
            reason: None,
            message: String::new(),
            violations: vec![violation],
        })
    }

    /// The canonical gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The stable upper-snake reason of `ErrorInfo`, for programs.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The server's words, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields at fault.
    #[must_use]
    pub fn violations(&self) -> &[FieldViolation] {
        &self.violations
    }

    fn advice(&self) -> Option<&'static str> {
        match self.code {
            Code::Unauthenticated => Some("give a valid token"),
            Code::PermissionDenied => Some("use a token that may do this"),
            // Not "try again": a change may have happened all the same.
            Code::Unavailable => Some("check that the server runs and can be reached"),
            Code::DeadlineExceeded => {
                Some("check that the server can be reached, or allow a longer deadline")
            }
            Code::ResourceExhausted => Some("wait a moment and try again"),
            Code::Aborted => Some("somebody else changed it: read it again, then repeat"),
            Code::NotFound => Some("list what there is: secrets, their versions, or schemes"),
            // Every error of the service itself has a reason.
            Code::Internal | Code::Unknown if self.reason.is_none() => Some(
                "this came from the way to the server: check the address, and http:// or https://",
            ),
            _ => None,
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            bad.field_violations
                .iter()
                .map(|violation| FieldViolation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect()
        });
        Self {
            code: status.code(),
            reason: details.error_info().map(|info| info.reason.clone()),
            message: status.message().to_owned(),
            violations,
        }
    }
}

impl From<v1::ItemError> for CallError {
    fn from(item: v1::ItemError) -> Self {
        Self {
            code: Code::from_i32(item.code),
            reason: Some(item.reason).filter(|reason| !reason.is_empty()),
            message: item.message,
            violations: Vec::new(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "{}", self.code.description())?;
        } else {
            f.write_str(&self.message)?;
        }
        for violation in &self.violations {
            if !self.message.contains(&violation.description) {
                write!(f, "; {}: {}", violation.field, violation.description)?;
            }
        }
        if let Some(reason) = &self.reason {
            write!(f, " [{reason}]")?;
        }
        match self.advice() {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_status_gives_its_reason_and_the_fields_at_fault() {
        let mut details = ErrorDetails::with_error_info(
            "BAD_NAME",
            "countersign",
            std::collections::HashMap::new(),
        );
        details.add_bad_request_violation("name", "is too long");
        let status =
            Status::with_error_details(Code::InvalidArgument, "the name is not valid", details);

        let Error::Call(call) = Error::from(status) else {
            panic!("a status is a call error")
        };

        assert_eq!(call.code(), Code::InvalidArgument);
        assert_eq!(call.reason(), Some("BAD_NAME"));
        assert_eq!(call.violations()[0].field, "name");
        assert_eq!(
            call.to_string(),
            "the name is not valid; name: is too long [BAD_NAME]"
        );
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = Error::from(Status::unauthenticated("no token"));
        assert_eq!(error.to_string(), "no token: give a valid token");
        assert_eq!(error.code(), Some(Code::Unauthenticated));
    }
}
