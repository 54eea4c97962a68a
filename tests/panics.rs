//! What a panic leaves behind: its place.

use std::{
    env, panic,
    process::{Command, Stdio},
};

use countersign_server::{
    config::{Log, LogFormat},
    telemetry,
};

/// Set in the process that panics.
const FORMAT: &str = "TEST_PANIC_FORMAT";

/// The message of a panic may be made of anything, so it is not logged.
#[test]
fn a16_a_panic_is_logged_by_its_place_and_not_by_its_message() {
    if let Ok(format) = env::var(FORMAT) {
        return panic_with_a_secret(&format);
    }
    let own = env::current_exe().unwrap();
    for format in ["json", "human"] {
        let mut child = Command::new(&own);
        child.args(["--exact", "--nocapture"]);
        child.arg("a16_a_panic_is_logged_by_its_place_and_not_by_its_message");
        child.env(FORMAT, format).env("RUST_BACKTRACE", "1");
        let output = child.stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("tests/panics.rs:"), "{said}");
        for secret in [secret(0), secret(1)] {
            assert!(!said.contains(&secret), "{said}");
        }
    }
}

/// Text that is nowhere in the sources.
fn secret(number: usize) -> String {
    format!("key-{}", "4d61c7".repeat(number + 1))
}

fn panic_with_a_secret(format: &str) {
    let format = match format {
        "json" => LogFormat::Json,
        _ => LogFormat::Human,
    };
    telemetry::init(&Log {
        format,
        level: "trace".to_owned(),
    });
    let formatted = panic::catch_unwind(|| panic!("no verdict under {}", secret(0)));
    let any = panic::catch_unwind(|| panic::panic_any(secret(1)));
    assert!(formatted.is_err() && any.is_err());
}
