//! What an error says, and that it repeats nothing of what was sent.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Text that no answer may repeat.
pub const CANARY: &str = "canary-4d61c7";

/// Code, reason and field of an error.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
    pub field: String,
}

/// INVALID_ARGUMENT for a field.
pub fn invalid(field: &str) -> Refusal {
    invalid_for("FIELD_INVALID", field)
}

/// INVALID_ARGUMENT for a field, with a reason of its own.
pub fn invalid_for(reason: &str, field: &str) -> Refusal {
    Refusal {
        code: Code::InvalidArgument,
        reason: reason.to_owned(),
        field: field.to_owned(),
    }
}

/// An error that no field is at fault for.
pub fn failed(code: Code, reason: &str) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        field: String::new(),
    }
}

/// Reads the error that a call must answer, and sees that it repeats neither `input` nor the canary.
#[track_caller]
pub fn refusal<T>(answered: Result<T, Status>, input: &str) -> Refusal {
    let Err(status) = answered else {
        panic!("the call was answered");
    };
    assert_silent(&status, CANARY);
    // Shorter text stands in any sentence.
    if input.len() >= 6 {
        assert_silent(&status, input);
    }
    let info = status.get_details_error_info();
    let info = info.expect("every error carries ErrorInfo");
    assert_eq!(info.domain, "countersign");
    let violations = status.get_details_bad_request();
    let field = violations.and_then(|mut bad| bad.field_violations.pop());
    Refusal {
        code: status.code(),
        reason: info.reason,
        field: field.map_or_else(String::new, |violation| violation.field),
    }
}

/// Neither message, details nor metadata of a status contain the text.
#[track_caller]
pub fn assert_silent(status: &Status, text: &str) {
    let metadata = format!("{:?}", status.metadata());
    let places = [
        status.message().as_bytes(),
        status.details(),
        metadata.as_bytes(),
    ];
    for place in places {
        let repeated = place
            .windows(text.len())
            .any(|window| window == text.as_bytes());
        assert!(!repeated, "the status repeats its input: {status:?}");
    }
}
