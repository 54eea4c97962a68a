//! Everything that can go wrong in a call, and how the caller is told: one enum, one mapping to gRPC.
//!
//! A message never holds anything of the input, of a key, of a path or of a driver's text.

use std::{borrow::Cow, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "countersign";

/// The stable reasons of `ErrorInfo`, each with its gRPC code. They are never renamed.
macro_rules! error_reasons {
    ($($variant:ident = $text:literal, $code:ident, $meaning:literal;)*) => {
        /// Why a call failed, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorReason {
            $(#[doc = $meaning] $variant,)*
        }

        impl ErrorReason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The text of `ErrorInfo.reason`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The gRPC code that comes with it.
            #[must_use]
            pub fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

error_reasons! {
    FieldInvalid = "FIELD_INVALID", InvalidArgument, "a field is missing or not what it must be";
    MessageMalformed = "MESSAGE_MALFORMED", InvalidArgument, "the request is not a message of this call";
    MessageTooLarge = "MESSAGE_TOO_LARGE", OutOfRange, "the message is longer than max_body_bytes allows; send less in one call, or raise it";
    MethodNotFound = "METHOD_NOT_FOUND", Unimplemented, "there is no such call";
    BodyTooLarge = "BODY_TOO_LARGE", InvalidArgument, "the body is over max_body_bytes";
    EmptyKey = "EMPTY_KEY", InvalidArgument, "the imported key is empty";
    KeyFormat = "KEY_FORMAT", InvalidArgument, "the imported key is not in the scheme's format";
    KeyLength = "KEY_LENGTH", InvalidArgument, "the imported key is too short or too long";
    WeakKey = "WEAK_KEY", InvalidArgument, "the imported key is publicly known or trivial";
    KeyReused = "KEY_REUSED", InvalidArgument, "a version of this or another secret has the same key; have the vendor issue another";
    SigningInputRefused = "SIGNING_INPUT_REFUSED", InvalidArgument, "the text to sign would be a proof of another scheme that has the same key";
    Unauthenticated = "UNAUTHENTICATED", Unauthenticated, "the bearer token or client certificate is missing or wrong";
    PermissionDenied = "PERMISSION_DENIED", PermissionDenied, "there is no such thing, or this caller may not do this with it";
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", PermissionDenied, "the call comes from a web page whose origin is not in allowed_origins";
    SecretNotFound = "SECRET_NOT_FOUND", NotFound, "no such secret, or not for this caller; ListSecrets has the names";
    VersionNotFound = "VERSION_NOT_FOUND", NotFound, "the secret has no such version; GetSecret has the numbers";
    SchemeNotFound = "SCHEME_NOT_FOUND", NotFound, "no such scheme; ListSchemes has the ids";
    SchemeRefused = "SCHEME_REFUSED", InvalidArgument, "the description of the scheme cannot be read, or the linter or one of its own vectors refuses it";
    SchemeExists = "SCHEME_EXISTS", AlreadyExists, "the id of the scheme belongs to another description or its vendor is built in; take another";
    SchemeBuiltIn = "SCHEME_BUILT_IN", FailedPrecondition, "the scheme is built in and cannot be deleted";
    SchemeInUse = "SCHEME_IN_USE", FailedPrecondition, "a secret has this scheme; delete its secrets first";
    TooManySchemes = "TOO_MANY_SCHEMES", ResourceExhausted, "there are as many schemes of your own as limits.max_schemes allows; delete one, or raise it";
    SchemeCorrupt = "SCHEME_CORRUPT", DataLoss, "the stored scheme is damaged; restore a backup, or delete its secrets and then the scheme";
    SecretExists = "SECRET_EXISTS", AlreadyExists, "the name is in use; take another, or rotate the secret that has it";
    RequestIdConflict = "REQUEST_ID_CONFLICT", AlreadyExists, "the request_id was used with other arguments; take a new one for a new change";
    RequestIdExpired = "REQUEST_ID_EXPIRED", FailedPrecondition, "the request_id was used more than 24 hours ago, or its secret was deleted";
    PurposeMismatch = "PURPOSE_MISMATCH", FailedPrecondition, "the secret's scheme has another purpose; GetSecret tells which";
    NoActiveVersion = "NO_ACTIVE_VERSION", FailedPrecondition, "no version may sign; rotate the secret";
    PublicKeyOnly = "PUBLIC_KEY_ONLY", FailedPrecondition, "the secret holds only the public key; import the private key to sign";
    TooManyLiveVersions = "TOO_MANY_LIVE_VERSIONS", FailedPrecondition, "wait for a grace to end, revoke a version, or rotate in an emergency";
    VersionState = "VERSION_STATE", FailedPrecondition, "the version is in a state that does not allow this; GetSecret tells which";
    ForceRequired = "FORCE_REQUIRED", FailedPrecondition, "this ends a live version; say force if it is meant";
    SecretDeleted = "SECRET_DELETED", FailedPrecondition, "the secret was deleted";
    ExpectedVersionMismatch = "EXPECTED_VERSION_MISMATCH", Aborted, "another version is active by now; read the secret again";
    EtagMismatch = "ETAG_MISMATCH", Aborted, "the secret was changed since it was read; read it again";
    TokenNotFound = "TOKEN_NOT_FOUND", NotFound, "no such token; ListTokens has the names and ids";
    TokenExists = "TOKEN_EXISTS", AlreadyExists, "a valid token has this name or certificate; revoke it, or take another name";
    TooManyTokens = "TOO_MANY_TOKENS", ResourceExhausted, "there are as many valid tokens as there may be, in all or in the namespace; revoke one";
    LastAdmin = "LAST_ADMIN", FailedPrecondition, "it is the last token that may do everything; make another one first";
    TooManySecrets = "TOO_MANY_SECRETS", ResourceExhausted, "there are as many secrets as limits.max_secrets or limits.max_secrets_per_namespace allows; delete one, or raise it";
    RateLimited = "RATE_LIMITED", ResourceExhausted, "this caller, or all callers of the namespace together, ask too much in a second; try again";
    Overloaded = "OVERLOADED", ResourceExhausted, "too many calls at once; try again";
    ExplainLimited = "EXPLAIN_LIMITED", ResourceExhausted, "too many explanations of this secret in a minute, or at once; try again later";
    ReplayRecordFull = "REPLAY_RECORD_FULL", ResourceExhausted, "replay must be denied and the record of deliveries is full";
    StorageFull = "STORAGE_FULL", ResourceExhausted, "the disk of the store is full";
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, "the call took longer than its deadline";
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, "the store cannot be written now; try again";
    SecretCorrupt = "SECRET_CORRUPT", DataLoss, "a stored key of the secret does not open; an emergency rotation replaces it";
    Internal = "INTERNAL", Internal, "a bug; please report it with the request id";
}

impl ErrorReason {
    /// Whether it is a number of things that is used up, and not a moment's worth of work.
    fn is_quota(self) -> bool {
        matches!(
            self,
            Self::TooManySchemes | Self::TooManySecrets | Self::TooManyTokens
        )
    }
}

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    reason: ErrorReason,
    message: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    /// What is wrong with the field where it is several things.
    violations: Vec<String>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that its reason explains.
    pub(crate) fn new(reason: ErrorReason) -> Self {
        Self::with_message(reason, reason.meaning())
    }

    /// A failure that needs its own words.
    pub(crate) fn with_message(reason: ErrorReason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
            field: None,
            violations: Vec::new(),
            retry_after: None,
        }
    }

    /// A field that is not what it must be; `expected` says what that is, never what it was.
    pub(crate) fn field(
        field: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_message(ErrorReason::FieldInvalid, expected).at(field)
    }

    /// Names the field at fault.
    #[must_use]
    pub(crate) fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names each thing that is wrong with the field.
    #[must_use]
    pub(crate) fn listing(mut self, violations: Vec<String>) -> Self {
        self.violations = violations;
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// The whole message, with the field.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.clone().into_owned(),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let code = failure.reason.code();
        let mut details = ErrorDetails::with_error_info(failure.reason.as_str(), DOMAIN, []);
        if let Some(field) = &failure.field {
            if failure.violations.is_empty() {
                details.add_bad_request_violation(field.clone(), failure.message.clone());
            }
            for violation in &failure.violations {
                details.add_bad_request_violation(field.clone(), violation.clone());
            }
        }
        match code {
            Code::FailedPrecondition => {
                let kind = failure.reason.as_str();
                details.add_precondition_failure_violation(kind, "", failure.message.clone());
            }
            // Waiting makes no room for another one.
            _ if failure.reason.is_quota() => {}
            Code::ResourceExhausted | Code::Unavailable => {
                let wait = failure.retry_after.unwrap_or(Duration::from_millis(100));
                details.set_retry_info(Some(wait));
            }
            _ => {}
        }
        Status::with_error_details(code, failure.message(), details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_error_info() {
        for reason in ErrorReason::ALL {
            let text = reason.as_str();
            assert!(text.len() <= 63);
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            );
            let status = Status::from(Failure::new(*reason));
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (text, DOMAIN));
        }
    }
}
