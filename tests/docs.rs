//! The documents say what the program does.

use std::{env, fs, path::PathBuf};

use countersign_server::ErrorReason;

fn document(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The document equals what the program would write; `UPDATE_GOLDEN=1` writes it.
fn assert_current(name: &str, text: &str) {
    let path = document(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "{name} is out of date: run the tests with UPDATE_GOLDEN=1 and read the difference"
    );
}

#[test]
fn every_error_reason_is_documented() {
    let mut text = String::from(
        "# Errors\n\n\
         Every error of the API carries `google.rpc.ErrorInfo` with domain `countersign` and one of these reasons; a\n\
         field at fault stands in `google.rpc.BadRequest`. A refused proof is no error: see `Reason` in\n\
         [countersign.proto](../proto/countersign/v1/countersign.proto).\n\n\
         Only UNAVAILABLE is worth a retry as it is; RESOURCE_EXHAUSTED after a while.\n\n\
         | reason | code | meaning |\n|---|---|---|\n",
    );
    for reason in ErrorReason::ALL {
        let code = format!("{:?}", reason.code());
        let row = format!("| `{}` | {code} | {} |\n", reason.as_str(), reason.meaning());
        text.push_str(&row);
    }
    assert_current("docs/errors.md", &text);
}
