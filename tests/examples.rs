//! What a newcomer runs: `dev`, the lines that it prints, the examples of the client, and the verbs of the program.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use support::process::{PATIENCE, Running, Site, cleaned, command, example, finish, program};
use tempfile::TempDir;

mod support;

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// `countersign dev` on an address, writing to a file.
fn dev(folder: &TempDir, address: &str) -> Running {
    let mut dev = command();
    dev.args(["dev", "--listen", address, "--data-dir"])
        .arg(folder.path().join("data"));
    Running::spawn(dev, &folder.path().join("out"))
}

/// `countersign dev` with all that it prints.
async fn dev_that_is_ready(folder: &TempDir) -> (Running, String) {
    let mut running = dev(folder, "127.0.0.1:0");
    running.until(|said| {
        let (said, _) = said.split_once("Ctrl-C stops it.")?;
        let (_, rest) = said.split_once("Countersign on http://")?;
        rest.split(',').next()?.parse().ok()
    });
    running.until_serving().await;
    let said = std::fs::read_to_string(folder.path().join("out")).unwrap();
    (running, said)
}

#[tokio::test]
async fn dev_serves_within_a_second_and_ends_at_a_signal() {
    // The best of three: the machine may be busy with other things.
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let folder = TempDir::new().unwrap();
        // Known in advance, because it serves before it prints.
        let address = free();
        let mut running = dev(&folder, &address.to_string());
        running.listens_on(address);
        running.until_serving().await;
        fastest = fastest.min(running.start().elapsed());
        running.signal("INT");
        let (status, took) = running.wait(PATIENCE).await;
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    eprintln!("dev serves after {fastest:.0?}");
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

#[tokio::test]
async fn dev_signs_and_verifies_a_proof_of_each_vendor_it_shows() {
    let folder = TempDir::new().unwrap();
    let begin = Instant::now();
    let (running, said) = dev_that_is_ready(&folder).await;
    eprintln!("dev is ready after {:.0?}", begin.elapsed());
    assert!(!said.contains("FAILED"), "{said}");
    let (listed, _) = finish(
        &mut client(&running, &["scheme", "list", "--json"]),
        PATIENCE,
    );
    let schemes = json(&listed)["schemes"].as_array().unwrap().len();
    assert!(
        said.contains(&format!("There are {schemes} schemes:")),
        "{said}"
    );
    let rows = said.lines().filter(|line| line.starts_with("demo/"));
    let good = rows.filter(|row| row.contains(" verified ") || row.contains(" the same twice "));
    assert_eq!(good.count(), 22, "{said}");
}

#[tokio::test]
async fn a_second_start_of_dev_keeps_its_secrets() {
    let folder = TempDir::new().unwrap();
    for _ in 0..2 {
        let (mut running, said) = dev_that_is_ready(&folder).await;
        assert!(!said.contains("FAILED"), "{said}");
        let get = ["secret", "get", "demo/chatwoot-identity", "--json"];
        let (got, _) = finish(&mut client(&running, &get), PATIENCE);
        assert_eq!(json(&got)["versions"].as_array().unwrap().len(), 1);
        running.signal("TERM");
        assert!(running.wait(PATIENCE).await.0.success());
    }
}

/// Every line for a shell that `dev` prints works as printed, in the order in which they stand.
#[tokio::test]
async fn the_lines_that_dev_prints_work_as_printed() {
    let folder = TempDir::new().unwrap();
    let (_running, said) = dev_that_is_ready(&folder).await;
    let program = program().display().to_string();
    let lines = said.lines().filter(|line| {
        let starts = [&*program, "printf ", "mkdir "];
        starts.iter().any(|start| line.starts_with(start))
    });
    let mut verbs = Vec::new();
    for line in lines {
        let mut shell = cleaned(Path::new("sh"));
        shell.args(["-c", line]).current_dir(folder.path());
        let (output, _) = finish(&mut shell, PATIENCE);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        if let Some(arguments) = line.strip_prefix(&program) {
            verbs.push(arguments.split_whitespace().next().unwrap());
        }
    }
    let expected = ["verify", "secret", "secret", "webhook", "webhook"];
    assert_eq!(verbs, expected, "{said}");
}

#[tokio::test]
async fn the_examples_of_the_client_run() {
    let folder = TempDir::new().unwrap();
    let (running, _) = dev_that_is_ready(&folder).await;
    for name in ["chat_backend", "rotate", "verify_webhook"] {
        let mut example = cleaned(&example(name));
        example.env(
            "COUNTERSIGN_SERVER",
            format!("http://{}", running.address()),
        );
        let (output, _) = finish(&mut example, PATIENCE);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        assert!(!output.stdout.is_empty(), "{name} says nothing");
    }
}

#[tokio::test]
async fn the_examples_of_a_chat_backend_and_a_receiver_run() {
    let folder = TempDir::new().unwrap();
    let (running, _) = dev_that_is_ready(&folder).await;
    let server = format!("http://{}", running.address());
    let mut backend = cleaned(&example("chat_backend_of_four"));
    let (output, _) = finish(backend.env("COUNTERSIGN_SERVER", &server), PATIENCE);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for field in ["identifier_hash", "email_hash", "userJwt", "token"] {
        assert!(said.contains(&format!("\"{field}\":\"")), "{field}: {said}");
    }

    let listen = free().to_string();
    let mut receiver = cleaned(&example("stripe_receiver"));
    receiver
        .env("COUNTERSIGN_SERVER", &server)
        .env("LISTEN", &listen);
    let mut receiver = Running::spawn(receiver, &folder.path().join("receiver"));
    receiver.until(|said| said.contains("listening").then(|| listen.parse().unwrap()));
    let url = format!("http://{listen}/stripe");
    for fault in [&[][..], &["--fault", "flip"], &["--fault", "stale"]] {
        let sign = ["webhook", "sign", "demo/stripe-webhook", "--body", "{}"];
        let send = [&sign[..], &["--send", &url], fault].concat();
        let (output, _) = finish(&mut client(&running, &send), PATIENCE);
        // Zero if the receiver took what is good and refused what is not.
        assert_eq!(output.status.code(), Some(0), "{fault:?}: {output:?}");
    }
}

/// The program as a client of a server, with no token.
fn client(running: &Running, arguments: &[&str]) -> Command {
    let mut client = command();
    client.args(arguments).env(
        "COUNTERSIGN_SERVER",
        format!("http://{}", running.address()),
    );
    client
}

/// Runs a client of a server with a token, fed with some input.
fn run(site: &Site, running: &Running, arguments: &[&str], input: &str) -> Output {
    let mut child = client(running, arguments)
        .env("COUNTERSIGN_TOKEN", &site.token)
        .current_dir(site.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same for arguments in one line, with an expected exit code; answers what it printed.
#[track_caller]
fn exits(site: &Site, running: &Running, code: i32, line: &str) -> String {
    let arguments: Vec<_> = line.split(' ').collect();
    let output = run(site, running, &arguments, "");
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const KEY: &str = "a key that this test has made up";

fn hash(id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(id.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn an_imported_secret_signs_and_verifies_and_its_key_is_never_shown() {
    let site = Site::new();
    let running = site.serve().await;
    let create = "secret create acme/chat --scheme chatwoot.identity --key-stdin --json";
    let arguments: Vec<_> = create.split(' ').collect();
    let created = run(&site, &running, &arguments, &format!("{KEY}\n"));
    let created = json(&created);
    assert_eq!(created["version"], 1, "{created}");

    let signed = exits(&site, &running, 0, "sign acme/chat --id user-42 --json");
    assert_eq!(parsed(&signed)["hash"], hash("user-42"));
    let verify = |id, hash: &str| format!("verify acme/chat --id {id} --hash {hash} --json");
    let green = exits(&site, &running, 0, &verify("user-42", &hash("user-42")));
    assert_eq!(parsed(&green)["trust"], "TRUST_VERIFIED", "{green}");
    let red = exits(&site, &running, 1, &verify("user-1", &hash("user-42")));
    assert_eq!(parsed(&red)["reason"], "REASON_SIGNATURE_MISMATCH", "{red}");
    exits(&site, &running, 1, "verify acme/chat --id user-42");

    // During the grace the old hash still verifies.
    let rotated = exits(
        &site,
        &running,
        0,
        "secret rotate acme/chat --grace 1h --json",
    );
    assert_eq!(parsed(&rotated)["version"], 2);
    exits(&site, &running, 0, &verify("user-42", &hash("user-42")));
    exits(&site, &running, 0, "secret rotate acme/chat --emergency");
    exits(&site, &running, 1, &verify("user-42", &hash("user-42")));

    let got = exits(&site, &running, 0, "secret get acme/chat --json");
    assert_eq!(parsed(&got)["versions"].as_array().unwrap().len(), 3);
    let listed = exits(&site, &running, 0, "secret list --json");
    assert_eq!(parsed(&listed)["secrets"][0]["name"], "acme/chat");
    for said in [got, listed, exits(&site, &running, 0, "secret list")] {
        assert!(!said.contains(KEY), "{said}");
    }
}

#[tokio::test]
async fn a_delivery_is_signed_and_verified_by_files() {
    let site = Site::new();
    let running = site.serve().await;
    exits(
        &site,
        &running,
        0,
        "secret create acme/hook --scheme standard.webhook",
    );
    site.write("body.json", "{\"hello\":\"wörld\"}\n", 0o600);
    let headers = exits(
        &site,
        &running,
        0,
        "webhook sign acme/hook --body-file body.json",
    );
    site.write("headers.txt", &headers, 0o600);
    let verify = "webhook verify acme/hook --headers-file headers.txt --body-file body.json --json";
    let verdict = parsed(&exits(&site, &running, 0, verify));
    assert_eq!(verdict["decision"], "DECISION_ALLOW", "{verdict}");
    site.write("body.json", "{\"hello\":\"wörld\"}", 0o600);
    let verdict = parsed(&exits(&site, &running, 1, verify));
    assert_eq!(verdict["reason"], "REASON_SIGNATURE_MISMATCH", "{verdict}");
}

#[tokio::test]
async fn the_catalogue_health_and_completions_are_printed() {
    let site = Site::new();
    let running = site.serve().await;
    let schemes = parsed(&exits(&site, &running, 0, "scheme list --json"));
    for scheme in schemes["schemes"].as_array().unwrap() {
        let id = scheme["id"].as_str().unwrap();
        let shown = exits(&site, &running, 0, &format!("scheme show {id}"));
        assert!(shown.contains(id), "{shown}");
    }
    assert_eq!(exits(&site, &running, 0, "health"), "SERVING\n");
    for shell in ["bash", "zsh", "fish"] {
        let script = exits(&site, &running, 0, &format!("completions {shell}"));
        assert!(script.contains("countersign"));
    }
    let mut bash = cleaned(Path::new("bash"));
    let script = exits(&site, &running, 0, "completions bash");
    let (output, _) = finish(bash.args(["-n", "-c", &script]), PATIENCE);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let site = Site::new();
    let running = site.serve().await;
    for wrong in [
        "frobnicate",
        "secret create",
        "secret get no/such",
        "secret get NOT-A-NAME",
        "secret create a/b --scheme no.such",
        "secret create a/b --scheme chatwoot.identity --import",
        "webhook verify a/b --body-file no-such-file",
        "verify a/b --hash x --jwt y",
        "secret list --server nonsense",
    ] {
        exits(&site, &running, 64, wrong);
    }
    exits(
        &site,
        &running,
        77,
        &format!("secret list --token {}", "0".repeat(64)),
    );
    let (none, _) = finish(&mut client(&running, &["secret", "list"]), PATIENCE);
    assert_eq!(none.status.code(), Some(77), "{none:?}");
    let server = format!("http://{}", free());
    exits(
        &site,
        &running,
        69,
        &format!("secret list --server {server}"),
    );
    exits(&site, &running, 69, &format!("health --server {server}"));
    exits(&site, &running, 0, "--help");
    exits(&site, &running, 0, "--version");
}
