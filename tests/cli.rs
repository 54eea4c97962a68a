//! The program as its users meet it: what it says, what it reads and how it ends.

use std::{
    fs,
    io::Read,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use countersign_client::{Client, v1};
use serde_json::Value;
use support::process::{PATIENCE, Running, Site, command, finish};

mod support;

/// A line to a server that carries what is asked, and at first loses every answer.
struct LossyLine {
    address: SocketAddr,
    losses: Arc<AtomicUsize>,
}

/// More than a server says before it answers a call: settings and acknowledgements.
const BEFORE_AN_ANSWER: usize = 200;

impl LossyLine {
    /// Loses the answers of this many connections.
    fn to(server: SocketAddr, losses: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            losses: Arc::new(AtomicUsize::new(losses)),
        };
        let losses = line.losses.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(server).unwrap());
                let lost = losses
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok();
                carry(near, far, lost);
            }
        });
        line
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn carry(near: TcpStream, far: TcpStream, lost: bool) {
    let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_near, &mut to_far));
    let (mut near, mut far) = (near, far);
    thread::spawn(move || {
        if lost {
            let mut answer = [0; BEFORE_AN_ANSWER];
            let _ = far.read_exact(&mut answer);
        } else {
            let _ = std::io::copy(&mut far, &mut near);
        }
        let _ = near.shutdown(Shutdown::Both);
        let _ = far.shutdown(Shutdown::Both);
    });
}

/// Runs a command of a client, without a terminal.
fn run(site: &Site, server: &str, arguments: &str) -> Output {
    finish(&mut client_command(site, server, arguments), PATIENCE).0
}

fn client_command(site: &Site, server: &str, arguments: &str) -> Command {
    let mut command = command();
    command
        .args(arguments.split(' '))
        .args(["--server", server, "--token-file"])
        .arg(site.path("token"));
    command
}

fn url(running: &Running) -> String {
    format!("http://{}", running.address())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn with_secret() -> (Site, Running, Client) {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    let new = support::new_secret("a/b", "stripe.webhook");
    client.create_secret(new).await.unwrap();
    (site, running, client)
}

async fn versions(client: &Client) -> usize {
    client.get_secret("a/b").await.unwrap().versions.len()
}

/// The word after `--request-id`.
fn told_id(text: &str) -> String {
    let (_, rest) = text.split_once("--request-id ").expect(text);
    rest.split([' ', ',']).next().unwrap().to_owned()
}

#[tokio::test]
async fn a_rotation_whose_answer_is_lost_is_repeated_as_the_same_rotation() {
    let (site, running, client) = with_secret().await;
    let line = LossyLine::to(running.address(), 1);
    let output = run(&site, &line.url(), "secret rotate a/b --json");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(answer["revealed_key"].is_string() && answer["version"] == 2);
    assert_eq!(line.losses.load(Ordering::SeqCst), 0);
    assert_eq!(versions(&client).await, 2);
}

#[tokio::test]
async fn a_rotation_without_any_answer_tells_how_to_get_its_key_without_a_second_one() {
    let (site, running, client) = with_secret().await;
    let line = LossyLine::to(running.address(), 2);
    let output = run(&site, &line.url(), "secret rotate a/b --json");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("it may have happened") && said.contains("never does it twice"));
    assert!(!said.contains("try again"), "{said}");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let id = told_id(&said);
    assert_eq!(report["request_id"], *id);
    assert!(report["error"].as_str().unwrap().contains(&id), "{report}");
    assert_eq!(versions(&client).await, 2, "it has happened");

    let again = format!("secret rotate a/b --json --request-id {id}");
    let output = run(&site, &line.url(), &again);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(answer["revealed_key"].is_string() && answer["version"] == 2);
    assert_eq!(versions(&client).await, 2);
}

#[tokio::test]
async fn a_creation_without_any_answer_tells_how_to_get_its_key() {
    let (site, running, _) = with_secret().await;
    let line = LossyLine::to(running.address(), 2);
    let create = "secret create a/new --scheme chatwoot.identity --mode off";
    let output = run(&site, &line.url(), create);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(stdout(&output).is_empty(), "{output:?}");

    let again = format!("{create} --request-id {}", told_id(&said));
    let output = run(&site, &line.url(), &again);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("The key; store it now"));
}

#[tokio::test]
async fn a_change_without_a_request_id_and_an_answer_says_where_to_look() {
    let (site, running, _) = with_secret().await;
    let line = LossyLine::to(running.address(), 1);
    let output = run(&site, &line.url(), "secret revoke a/b 1 --force");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("countersign secret get a/b"), "{said}");
}

#[tokio::test]
async fn a_refused_repetition_is_told_as_what_it_is() {
    let (site, running, _) = with_secret().await;
    let line = LossyLine::to(running.address(), 1);
    let output = run(&site, &line.url(), "secret rotate a/none");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(!said.contains("may have happened"), "{said}");
}

/// An empty file where a token should be would be in the way of the next try.
#[tokio::test]
async fn what_was_not_made_leaves_no_file_behind() {
    let (site, running, _) = with_secret().await;
    let out = site.path("out").display().to_string();
    let create = format!("token create a/b --grant none:* --out {out}");
    assert_eq!(run(&site, &url(&running), &create).status.code(), Some(64));
    let nobody = "http://127.0.0.1:1";
    let backup = format!("backup --out {out}");
    assert_eq!(run(&site, nobody, &backup).status.code(), Some(69));
    running.kill();
    let mut init = command();
    init.args(["init", "--out", &out, "--config"]);
    init.arg(site.path("countersign.toml"));
    let (output, _) = finish(&mut init, PATIENCE);
    let said = stderr(&output);
    assert!(said.contains("the first one only"), "{said}");
    assert!(!site.path("out").exists());
}

#[tokio::test]
async fn headers_can_come_from_standard_input_and_the_body_from_the_command_line() {
    let (site, running, _) = with_secret().await;
    let sign = "webhook sign a/b --body {\"a\":1}";
    let headers = run(&site, &url(&running), sign).stdout;
    for (body, code) in [("{\"a\":1}", 0), ("{\"a\":2}", 1)] {
        let verify = format!("webhook verify a/b --headers-file - --body {body}");
        let mut verify = client_command(&site, &url(&running), &verify);
        fs::write(site.path("headers"), &headers).unwrap();
        verify.stdin(fs::File::open(site.path("headers")).unwrap());
        let (output, _) = finish(&mut verify, PATIENCE);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let both = "webhook verify a/b --headers-file - --body-file -";
    let output = run(&site, &url(&running), both);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(stderr(&output).contains("either the headers or the body"));
}

/// What the simulator makes wrong, the explanation names.
#[tokio::test]
async fn every_fault_of_a_simulated_delivery_is_explained() {
    let (site, running, _) = with_secret().await;
    let path = |name: &str| site.path(name).display().to_string();
    fs::write(site.path("body"), "{\n  \"b\": 1,\n  \"a\": \"x\"\n}").unwrap();
    for (fault, cause) in [
        ("stale", "CLOCK_OR_DELAY"),
        ("future", "CLOCK_OR_DELAY"),
        ("flip", "NO_NEAR_MISS"),
        ("flip-signature", "NO_NEAR_MISS"),
        ("wrong-secret", "NO_NEAR_MISS"),
        ("reserialised", "BODY_RESERIALISED"),
        ("truncated-signature", "HEADER_MALFORMED"),
        ("missing-signature", "HEADER_MALFORMED"),
        ("missing-timestamp", "HEADER_MALFORMED"),
        ("doubled-signature", "HEADER_MALFORMED"),
        ("no-prefix", "SIGNATURE_FORM"),
        ("wrong-encoding", "SIGNATURE_FORM"),
        ("trailing-newline", "TRAILING_NEWLINE"),
        ("crlf", "TRAILING_NEWLINE"),
    ] {
        let (body, sent) = (path("body"), path("sent"));
        let sign = format!("webhook sign a/b --body-file {body} --fault {fault} --body-out {sent}");
        let signed = run(&site, &url(&running), &sign);
        fs::write(site.path("headers"), &signed.stdout).unwrap();
        let headers = path("headers");
        let explain = format!("explain a/b --headers-file {headers} --body-file {sent} --json");
        let explained = run(&site, &url(&running), &explain);
        let json: Value = serde_json::from_slice(&explained.stdout).unwrap();
        let code = &json["causes"][0]["code"];
        assert_eq!(*code, format!("CAUSE_CODE_{cause}"), "{fault}: {json:#}");
    }
}

#[tokio::test]
async fn a_refusal_is_explained_to_people_and_to_programs() {
    let (site, running, _) = with_secret().await;
    let sign = "webhook sign a/b --body {\"a\":1,\"b\":2}";
    let headers = run(&site, &url(&running), sign).stdout;
    fs::write(site.path("headers"), &headers).unwrap();
    fs::write(site.path("sent"), "{\"a\":1,\"b\":2}").unwrap();
    fs::write(site.path("printed"), "{\n  \"a\": 1,\n  \"b\": 2\n}").unwrap();
    let explain = |body: &str, more: &str| {
        let path = |name: &str| site.path(name).display().to_string();
        let (headers, body) = (path("headers"), path(body));
        let explain = format!("explain a/b --headers-file {headers} --body-file {body}{more}");
        run(&site, &url(&running), &explain)
    };
    let holds = explain("sent", "");
    assert_eq!(holds.status.code(), Some(0), "{holds:?}");
    assert!(stdout(&holds).starts_with("It holds.\n\nChecks\n  ✓ body "));
    let refused = explain("printed", "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    for part in [
        "Refused: signature mismatch\n",
        "  ✗ signature ",
        "  1. body reserialised\n     The signature holds over the body printed without white space.\n",
        "     What to do: Hand over the body as it came off the socket",
    ] {
        assert!(
            stdout(&refused).contains(part),
            "{part}: {}",
            stdout(&refused)
        );
    }
    let json = explain("printed", " --json");
    assert_eq!(json.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["causes"][0]["code"], "CAUSE_CODE_BODY_RESERIALISED");
    assert_eq!(json["reason"], "REASON_SIGNATURE_MISMATCH");
    // Without a body it is a delivery with an empty one.
    let empty = run(&site, &url(&running), "explain a/b -H a:b");
    assert!(stdout(&empty).contains("0 bytes, empty"), "{empty:?}");
    // What a server says by its calls is said by commands.
    for (line, parts) in [
        (
            "secret get a/none",
            &["`countersign secret list` has the names"][..],
        ),
        (
            "verify a/b --id x --hash 00",
            &[
                "`countersign secret get NAME`",
                "`countersign webhook sign`",
            ],
        ),
    ] {
        let output = run(&site, &url(&running), line);
        assert_eq!(output.status.code(), Some(64), "{line}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{line}: {said}"
        );
    }
    for wrong in [
        "explain a/b --id x --body {}",
        "explain a/b --hash x --jwt y",
    ] {
        let output = run(&site, &url(&running), wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong}: {output:?}");
    }
}

#[tokio::test]
async fn a_delivery_through_many_proxies_is_verified_for_every_scheme() {
    let (site, running, client) = with_secret().await;
    drop(site);
    for scheme in client.list_schemes().await.unwrap() {
        if scheme.purpose() != v1::Purpose::Webhook {
            continue;
        }
        let name = format!("a/{}", scheme.id);
        let new = support::new_secret(&name, &scheme.id);
        client.create_secret(new).await.unwrap();
        let delivery = v1::WebhookToSign {
            body: "{}".into(),
            headers: vec![v1::Header {
                name: "Content-Type".into(),
                value: "application/json".into(),
            }],
            url: "https://example.com/hook".into(),
            ..Default::default()
        };
        let signed = client.sign(v1::SignRequest {
            secret: name.clone(),
            input: Some(v1::sign_request::Input::Webhook(delivery.clone())),
            ttl: None,
        });
        let signed = signed.await.unwrap();
        let mut headers = http::HeaderMap::new();
        for header in signed.headers.iter().chain(&delivery.headers) {
            let field: http::HeaderName = header.name.parse().unwrap();
            headers.insert(field, header.value.parse().unwrap());
        }
        for number in 0..100 {
            let hop: http::HeaderName = format!("x-hop-{number}").parse().unwrap();
            headers.insert(hop, "v".repeat(200).parse().unwrap());
        }
        let sent = match scheme.id.as_str() {
            // The one vendor whose proof stands where everybody else has a credential.
            "monday.webhook" => signed.headers,
            _ => countersign_client::wire_headers(&headers),
        };
        let verdict = client.verify_webhook_request(v1::VerifyWebhookRequest {
            secret: name.clone(),
            headers: sent,
            payload: Some(v1::verify_webhook_request::Payload::Body(
                signed.body.unwrap_or(delivery.body),
            )),
            method: "POST".into(),
            url: match signed.url.as_str() {
                "" => delivery.url,
                url => url.into(),
            },
        });
        assert!(verdict.await.unwrap().is_verified(), "{name}");
    }
    drop(running);
}

#[test]
fn the_key_in_the_environment_is_warned_of_once() {
    let site = Site::new();
    let text = site.configuration();
    let lines = text.lines().filter(|line| !line.starts_with("key_enc"));
    let text = lines.collect::<Vec<_>>().join("\n");
    site.write("countersign.toml", &text, 0o644);
    let mut serve = site.serve_command();
    serve.env("COUNTERSIGN_KEK", &site.kek);
    let mut running = Running::spawn(serve, &site.path("log"));
    running.until_logged();
    let warnings = site.log().matches("COUNTERSIGN_KEK was erased").count();
    assert_eq!(warnings, 1, "{}", site.log());
}

#[tokio::test]
async fn a_lost_race_has_an_exit_code_of_its_own() {
    let (site, running, _) = with_secret().await;
    for change in [
        "secret rotate a/b --expected-version 7",
        "secret update a/b --replay deny --etag stale",
    ] {
        let output = run(&site, &url(&running), change);
        assert_eq!(output.status.code(), Some(75), "{output:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_new_key_is_told_in_words() {
    let (site, running, _) = with_secret().await;
    let import = |key: &str, arguments: &str| {
        site.write("key", key, 0o600);
        let mut create = client_command(&site, &url(&running), arguments);
        let (output, _) = finish(create.arg("--key-file").arg(site.path("key")), PATIENCE);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output)
    };
    let key = support::crypto::key_text("shared", 64);
    let hook = import(&key, "secret create a/hook --scheme talkjs.webhook");
    assert!(!hook.contains("WARNING"), "{hook}");
    let token = "secret create a/token --scheme talkjs.token --parameter app_id=x";
    let token = import(&key, token);
    assert!(token.contains("has the same key"), "{token}");
    let short = support::crypto::key_text("short", 10);
    let short = import(&short, "secret create a/short --scheme github.webhook");
    assert!(short.contains("shorter than it should be"), "{short}");

    let rotate = "secret rotate a/token --emergency";
    let rotated = stdout(&run(&site, &url(&running), rotate));
    assert!(
        rotated.contains("Rotate that one with --emergency too"),
        "{rotated}"
    );
    let rotated = stdout(&run(&site, &url(&running), "secret rotate a/b --emergency"));
    assert!(!rotated.contains("was shared"), "{rotated}");
    let issued = "secret create a/stripe --scheme stripe.webhook";
    let issued = stdout(&run(&site, &url(&running), issued));
    assert!(
        issued.contains("issues the keys of stripe.webhook itself"),
        "{issued}"
    );
    site.write("key", "sk_live_51b2c3d4e5f6a7b8c9d0e1f2", 0o600);
    let mut create = client_command(
        &site,
        &url(&running),
        "secret create a/x --scheme stripe.webhook",
    );
    let (output, _) = finish(create.arg("--key-file").arg(site.path("key")), PATIENCE);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("calling the vendor's API") && !said.contains("sk_live"),
        "{said}"
    );
}

/// The worked example of the document.
fn own_scheme() -> String {
    let document = include_str!("../docs/schemes.md");
    let (_, example) = document.split_once("```toml\n").unwrap();
    example.split("```").next().unwrap().to_owned()
}

/// Runs `scheme lint` on a text, without any server.
fn lint(site: &Site, text: &str, json: bool) -> Output {
    site.write("own.toml", text, 0o600);
    let mut lint = command();
    lint.args(["scheme", "lint"]).arg(site.path("own.toml"));
    if json {
        lint.arg("--json");
    }
    finish(&mut lint, PATIENCE).0
}

#[test]
fn a_description_is_linted_without_a_server() {
    let site = Site::new();
    let good = lint(&site, &own_scheme(), false);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert_eq!(
        stdout(&good),
        "parceldesk.webhook can be added; 4 vectors ran\n"
    );

    let risky = own_scheme().replace("{id}.{timestamp}.{body}", "{id}{timestamp}");
    let refused = lint(&site, &risky, true);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let report: Value = serde_json::from_str(&stdout(&refused)).unwrap();
    assert_eq!(report["findings"][0]["code"], "BODY_NOT_BOUND");
    assert_eq!(report["findings"][0]["severity"], "LINT_SEVERITY_ERROR");

    let broken = own_scheme().replace("unit = \"seconds\"", "unit = \"hours\"");
    let refused = lint(&site, &broken, false);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let said = stderr(&refused);
    assert!(
        said.contains("own.toml: line ") && !said.contains("hours"),
        "{said}"
    );
}

#[tokio::test]
async fn a_scheme_is_shown_as_its_page_whoever_described_it() {
    let site = Site::new();
    let running = site.serve().await;
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/vendors/slack.md"
    ));
    let shown = stdout(&run(&site, &url(&running), "scheme show slack.webhook"));
    assert!(
        shown.starts_with("## ") && page.unwrap().contains(&shown),
        "{shown}"
    );

    site.write("own.toml", &own_scheme(), 0o600);
    let create = format!("scheme create {}", site.path("own.toml").display());
    let added = stdout(&run(&site, &url(&running), &create));
    let id = added.split_whitespace().next().unwrap();
    let own = stdout(&run(&site, &url(&running), &format!("scheme show {id}")));
    assert!(own.contains("{id}.{timestamp}.{body}"), "{own}");
    assert!(
        own.contains("**NOT proven**") && !own.contains("confirmed"),
        "{own}"
    );
    let list = stdout(&run(&site, &url(&running), "scheme list"));
    assert!(list.contains(id) && list.contains("confirmed"), "{list}");
}

#[tokio::test]
async fn a_scheme_of_ones_own_is_made_from_a_built_in_one_shown_and_deleted() {
    let site = Site::new();
    let running = site.serve().await;
    let shown = run(
        &site,
        &url(&running),
        "scheme show slack.webhook --definition",
    );
    let text = stdout(&shown).replace("vendor = \"slack\"", "vendor = \"acme\"");
    site.write("acme.toml", &text, 0o600);
    let create = format!("scheme create {}", site.path("acme.toml").display());
    let trial = run(&site, &url(&running), &format!("{create} --dry-run"));
    assert_eq!(stdout(&trial), "acme.webhook can be added\n", "{trial:?}");
    let added = run(&site, &url(&running), &create);
    assert_eq!(stdout(&added), "acme.webhook added\n", "{added:?}");
    let again = run(
        &site,
        &url(&running),
        "scheme show acme.webhook --definition",
    );
    assert_eq!(stdout(&again), text);
    let deleted = run(&site, &url(&running), "scheme delete acme.webhook");
    assert_eq!(stdout(&deleted), "deleted\n", "{deleted:?}");
    let gone = run(&site, &url(&running), "scheme delete acme.webhook");
    assert_eq!(gone.status.code(), Some(64), "{gone:?}");
    assert!(stderr(&gone).contains("no such scheme"), "{gone:?}");
}
