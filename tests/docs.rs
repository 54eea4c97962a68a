//! The documents say what the program does.

mod support;

use std::{env, fs, path::PathBuf};

use countersign_core::Catalogue;
use countersign_server::ErrorReason;
use support::process::{self, Running};
use tempfile::TempDir;

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

/// The canonical name of a code: INVALID_ARGUMENT for InvalidArgument.
fn canonical(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[test]
fn every_error_reason_is_documented() {
    let mut text = String::from(
        "# Errors\n\n\
         Every error of the API carries `google.rpc.ErrorInfo` with domain `countersign` and one of these reasons; a\n\
         field at fault stands in `google.rpc.BadRequest`. A refused proof is no error: see `Reason` in\n\
         [countersign.proto](../proto/countersign/v1/countersign.proto).\n\n\
         Only UNAVAILABLE is worth a retry as it is, of CreateSecret and RotateSecret with the same request_id;\n\
         RESOURCE_EXHAUSTED after a while.\n\n\
         | reason | code | meaning |\n|---|---|---|\n",
    );
    for reason in ErrorReason::ALL {
        let code = canonical(&format!("{:?}", reason.code()));
        let row = format!(
            "| `{}` | {code} | {} |\n",
            reason.as_str(),
            reason.meaning()
        );
        text.push_str(&row);
    }
    assert_current("docs/errors.md", &text);
}

#[test]
fn every_scheme_stands_in_the_readme() {
    let readme = fs::read_to_string(document("README.md")).unwrap();
    for scheme in Catalogue::builtin().iter() {
        assert!(
            readme.contains(&format!("`{}`", scheme.id)),
            "{}",
            scheme.id
        );
    }
}

/// Proofs and temporary paths differ from run to run; everything else does not.
fn masked(text: &str) -> Vec<String> {
    let mask = |word: &str| {
        if word.ends_with('…') {
            return "proof…".to_owned();
        }
        match word.rsplit_once("countersign-dev-") {
            Some(_) => "directory".to_owned(),
            None => word.to_owned(),
        }
    };
    text.lines()
        .map(|line| {
            line.split_whitespace()
                .map(mask)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_readme_shows_what_dev_prints() {
    let readme = fs::read_to_string(document("README.md")).unwrap();
    let (_, shown) = readme.split_once("```text\nCountersign on").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let shown = format!("Countersign on{shown}");

    let directory = TempDir::new().unwrap();
    let log = directory.path().join("dev.log");
    let mut command = process::command();
    command.args(["dev", "--listen", "127.0.0.1:0"]);
    let mut dev = Running::spawn(command, &log);
    dev.until(|printed| {
        let (_, rest) = printed.split_once("Countersign on http://")?;
        let (address, rest) = rest.split_once(',')?;
        rest.contains("Ctrl-C stops it.")
            .then_some(address.parse().ok()?)
    });
    let address = dev.address().to_string();
    let printed = fs::read_to_string(&log).unwrap();
    dev.kill();
    let printed = printed.replace(&address, "127.0.0.1:50051");
    let (printed, _) = printed.split_once("Is this visitor").unwrap();
    assert_eq!(masked(&shown), masked(printed));
}
