//! The conformance kit: its files are what the catalogue makes, our own client is right every time, and a verifier
//! with the usual mistakes fails where it should.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Output,
};

use countersign_core::{
    Catalogue, Reason, Timestamp,
    conformance::{Case, Kind, NOW, cases},
};
use countersign_server::KeyPolicy;
use serde_json::Value;
use support::{
    Options, Service,
    process::{Running, cleaned, command, example},
};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn all() -> Vec<Case> {
    cases(Catalogue::builtin()).collect()
}

/// The files of the kit by name.
fn files() -> BTreeMap<String, String> {
    let all = all();
    let by_vendor = all.chunk_by(|a, b| a.vendor == b.vendor);
    by_vendor
        .map(|cases| {
            let text = serde_json::to_string_pretty(cases).unwrap() + "\n";
            (format!("{}.json", cases[0].vendor), text)
        })
        .collect()
}

/// `UPDATE_GOLDEN=1` writes them.
#[test]
fn the_files_are_what_the_catalogue_makes() {
    let folder = folder().join("cases");
    let files = files();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &files {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let written = fs::read_dir(&folder).unwrap();
    let written = written.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> = files.keys().cloned().collect();
    assert_eq!(written.collect::<BTreeSet<_>>(), names);
    for (name, text) in files {
        let written = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(
            written == text,
            "{name} is out of date: run the tests with UPDATE_GOLDEN=1 and read the difference"
        );
    }
}

/// Holds a value against the part of JSON Schema that schema.json uses.
fn assert_fits(root: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return assert_fits(root, target, value, place);
    }
    match schema["type"].as_str().unwrap() {
        "string" => assert!(value.is_string(), "{place}"),
        "boolean" => assert!(value.is_boolean(), "{place}"),
        "integer" => assert!(value.is_i64(), "{place}"),
        "array" => {
            let items = value.as_array().expect(place);
            let least = schema["minItems"].as_u64().unwrap_or(0) as usize;
            let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX) as usize;
            assert!((least..=most).contains(&items.len()), "{place}");
            for item in items {
                assert_fits(root, &schema["items"], item, place);
            }
        }
        "object" => {
            let members = value.as_object().expect(place);
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(name.as_str().unwrap()), "{place}");
            }
            for (name, value) in members {
                let place = format!("{place}/{name}");
                let known = schema["properties"].get(name);
                let other = &schema["additionalProperties"];
                let schema = known.or(other.is_object().then_some(other));
                assert_fits(root, schema.expect(&place), value, &place);
            }
        }
        other => panic!("{place}: the test knows no {other}"),
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{place}: {value}");
    }
}

fn schema() -> Value {
    let text = fs::read_to_string(folder().join("schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_case_fits_the_schema() {
    let schema = schema();
    for (name, text) in files() {
        let cases: Value = serde_json::from_str(&text).unwrap();
        assert_fits(&schema, &schema, &cases, &name);
    }
}

#[test]
fn the_schema_names_every_kind_and_every_reason() {
    let schema = schema();
    let kinds = Kind::ALL.map(Kind::name);
    assert_eq!(
        schema["$defs"]["case"]["properties"]["kind"]["enum"],
        serde_json::json!(kinds)
    );
    let reasons = Reason::ALL.map(Reason::name);
    assert_eq!(
        schema["$defs"]["reason"]["enum"],
        serde_json::json!(reasons)
    );
}

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    let shown = format!("```python\n{}```\n", read("github.py"));
    assert!(read("README.md").ends_with(&shown));
}

/// Runs the program's runner over some cases.
fn run(cases: &[Case], server: &str, options: &[&str], verifier: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cases.json");
    fs::write(&file, serde_json::to_vec(cases).unwrap()).unwrap();
    let mut runner = command();
    runner.args(["conformance", "run", "--json", "--cases"]);
    runner.arg(file).args(options).arg("--").args(verifier);
    runner.env("COUNTERSIGN_SERVER", server);
    runner.output().unwrap()
}

fn score(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The score of our Rust client at one time.
async fn client_score(service: &Service, now: i64, cases: Vec<Case>) -> Value {
    service.clock.set(Timestamp::from_unix_secs(now));
    let server = format!("http://{}", service.address);
    let verifier = example("conformance").display().to_string();
    let running = move || run(&cases, &server, &["--strict-reasons"], &[&verifier]);
    let output = tokio::task::spawn_blocking(running).await.unwrap();
    let score = score(&output);
    assert_eq!(output.status.code(), Some(0), "{:#}", score["failures"]);
    score
}

#[tokio::test(flavor = "multi_thread")]
async fn our_rust_client_is_right_about_every_made_case_and_its_reason() {
    let service = Service::start().await;
    let made: Vec<_> = all()
        .into_iter()
        .filter(|case| case.kind != Kind::Vector)
        .collect();
    assert!(made.iter().all(|case| case.now == NOW));
    let count = made.len();
    let score = client_score(&service, NOW, made).await;
    assert_eq!(score["total"]["right"], count);
    assert_eq!(score["total"]["skipped"], 0);
    assert!(count > 900, "{count}");
}

#[test]
fn a_server_with_a_clock_of_its_own_is_right_about_every_live_case() {
    let folder = TempDir::new().unwrap();
    let mut dev = command();
    dev.args(["dev", "--listen", "127.0.0.1:0"]);
    let mut dev = Running::spawn(dev, &folder.path().join("log"));
    dev.until(|printed| {
        let (_, rest) = printed.split_once("Countersign on http://")?;
        let (address, rest) = rest.split_once(',')?;
        let is_ready = rest.contains("Ctrl-C stops it.");
        is_ready.then_some(address.parse().ok()?)
    });
    let mut runner = command();
    runner.args(["conformance", "run", "--live", "--strict-reasons", "--json"]);
    runner.arg("--").arg(example("conformance"));
    runner.env("COUNTERSIGN_SERVER", format!("http://{}", dev.address()));
    let output = runner.output().unwrap();
    dev.kill();
    let score = score(&output);
    assert_eq!(output.status.code(), Some(0), "{:#}", score["failures"]);
    assert!(score["total"]["right"].as_u64() > Some(900), "{score:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_rust_client_is_right_about_every_vector_and_its_reason() {
    let service = Service::with(Options {
        key_policy: KeyPolicy::SampleKeysAllowed,
        ..Options::default()
    })
    .await;
    let mut by_time: BTreeMap<i64, Vec<Case>> = BTreeMap::new();
    for case in all().into_iter().filter(|it| it.kind == Kind::Vector) {
        by_time.entry(case.now).or_default().push(case);
    }
    for (now, cases) in by_time {
        let count = cases.len();
        let score = client_score(&service, now, cases).await;
        assert_eq!(score["total"]["right"], count);
    }
}

/// The kinds of made cases of a scheme that a verifier gets wrong.
fn wrong(score: &Value, scheme: &str) -> BTreeSet<Kind> {
    let failures = score["failures"].as_array().unwrap().iter();
    let ids = failures.map(|failure| failure["id"].as_str().unwrap());
    let kinds = ids.filter_map(|id| id.strip_prefix(scheme)?.strip_prefix('/'));
    kinds.filter_map(Kind::from_name).collect()
}

#[test]
fn a_wrong_verifier_fails_where_it_is_wrong_and_nowhere_else() {
    let verifier = example("wrong_verifier").display().to_string();
    let schemes = ["github.webhook", "stripe.webhook", "standard.webhook"];
    let made: Vec<_> = all()
        .into_iter()
        .filter(|case| case.kind != Kind::Vector)
        .collect();
    let output = run(&made, "", &[], &[&verifier]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let score = score(&output);
    let timeless = [
        Kind::RawBody,
        Kind::SignatureTruncated,
        Kind::SignatureEmpty,
        Kind::SignatureMissing,
        Kind::SignatureDoubled,
        Kind::BodyReformatted,
    ];
    let timeless = BTreeSet::from(timeless);
    let timed = &timeless | &BTreeSet::from([Kind::Stale, Kind::Future]);
    for (scheme, expected) in schemes.iter().zip([timeless, timed.clone(), timed]) {
        assert_eq!(wrong(&score, scheme), expected, "{scheme}");
        let of_scheme = made.iter().filter(|case| case.scheme == *scheme);
        assert!(of_scheme.count() > expected.len() + 5, "{scheme}");
    }
    let known = made.iter().filter(|it| schemes.contains(&&*it.scheme));
    assert_eq!(score["total"]["judged"], known.count());
}

#[test]
fn the_example_of_the_readme_is_right_every_time() {
    if cleaned(Path::new("python3")).arg("-V").output().is_err() {
        eprintln!("no python3 here: not tried");
        return;
    }
    let github: Vec<_> = all()
        .into_iter()
        .filter(|case| case.vendor == "github")
        .collect();
    let script = folder().join("github.py").display().to_string();
    let output = run(&github, "", &[], &["python3", &script]);
    let score = score(&output);
    assert_eq!(output.status.code(), Some(0), "{:#}", score["failures"]);
    assert!(score["total"]["right"].as_u64() > Some(15));
}

fn made_of_github() -> Vec<Case> {
    let all = all().into_iter();
    all.filter(|it| it.scheme == "github.webhook" && it.kind != Kind::Vector)
        .collect()
}

#[test]
fn a_verifier_that_crashes_or_babbles_fails() {
    let cases = made_of_github();
    for script in [
        "exit 3",
        "while read line; do echo babble; done",
        "while read line; do echo '{\"id\":\"another\",\"accept\":true}'; done",
        "while read line; do echo \"$line\"; done",
    ] {
        let output = run(&cases, "", &[], &["sh", "-c", script]);
        assert_eq!(output.status.code(), Some(1), "{script}");
        let score = score(&output);
        assert_eq!(score["total"]["right"], 0, "{script}");
        assert_eq!(score["failures"].as_array().unwrap().len(), cases.len());
    }
}

#[test]
fn a_verifier_is_never_told_what_to_answer() {
    let cases = made_of_github();
    let script = "while read -r line; do case \"$line\" in *expect*) exit 1;; esac; \
                  id=\"${line#*\\\"id\\\":\\\"}\"; echo \"{\\\"id\\\":\\\"${id%%\\\"*}\\\",\\\"accept\\\":true}\"; done";
    let output = run(&cases, "", &[], &["sh", "-c", script]);
    let accepted = cases.iter().filter(|case| case.expect.accept).count();
    assert_eq!(score(&output)["total"]["right"], accepted, "{output:?}");
}

#[test]
fn the_score_card_is_for_people_and_usage_errors_are_errors() {
    let mut runner = command();
    runner.args(["conformance", "run", "--vendor", "github", "--", "cat"]);
    let output = runner.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    for text in [
        "VENDOR",
        "github",
        "KIND",
        "raw-body",
        "FAILED CASE",
        "0.0 %",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    for arguments in [
        &["run", "--vendor", "nobody", "--", "cat"][..],
        &["run", "--kind", "nothing", "--", "cat"],
        &["run", "--", "/no/such/program"],
        &["run", "--cases", "/no/such/file", "--", "cat"],
        &["run"],
    ] {
        let output = command().arg("conformance").args(arguments).output();
        assert_eq!(output.unwrap().status.code(), Some(64), "{arguments:?}");
    }
}
