//! Deliveries as a vendor would make them, good and faulty: what `webhook sign` makes is what the server answers.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_client::{Client, v1};
use serde_json::Value;
use support::process::{Running, Site, command};

mod support;

const BODY: &str = "{\"b\": 1,\n \"a\": \"it's\"}";
const URL: &str = "https://example.com/hook?data.id=7";

/// A server with one secret for each scheme that is tried.
struct Bench {
    site: Site,
    running: Running,
    client: Client,
}

impl Bench {
    async fn with(schemes: &[&str]) -> Self {
        let site = Site::new();
        let running = site.serve().await;
        let client = site.client(&running).await;
        for scheme in schemes {
            let new = support::new_secret(&format!("a/{scheme}"), scheme);
            client.create_secret(new).await.unwrap();
        }
        Self {
            site,
            running,
            client,
        }
    }

    fn sign(&self, scheme: &str, body: &[u8], arguments: &[&str]) -> Output {
        fs::write(self.site.path("body"), body).unwrap();
        let mut sign = command();
        sign.args(["webhook", "sign", &format!("a/{scheme}"), "--body-file"])
            .arg(self.site.path("body"))
            .args(arguments)
            .args(["--server", &format!("http://{}", self.running.address())])
            .arg("--token-file")
            .arg(self.site.path("token"));
        // Read to the end while it runs: a delivery can be more than a pipe holds.
        sign.output().unwrap()
    }

    fn made(&self, scheme: &str, body: &[u8], arguments: &[&str]) -> Delivery {
        let arguments = [&["--url", URL, "--format", "json"], arguments].concat();
        let output = self.sign(scheme, body, &arguments);
        assert_eq!(output.status.code(), Some(0), "{scheme}: {output:?}");
        Delivery::parse(&output.stdout)
    }

    /// The reason of a refusal without its prefix; empty if the delivery is allowed.
    async fn verdict(&self, scheme: &str, delivery: &Delivery) -> String {
        let request = v1::VerifyWebhookRequest {
            secret: format!("a/{scheme}"),
            headers: delivery.headers.clone(),
            payload: Some(v1::verify_webhook_request::Payload::Body(
                delivery.body.clone().into(),
            )),
            method: delivery.method.clone(),
            url: delivery.url.clone(),
        };
        let verdict = self.client.verify_webhook_request(request).await.unwrap();
        let reason = verdict.reason.map(|reason| reason.as_str_name());
        reason
            .unwrap_or_default()
            .trim_start_matches("REASON_")
            .to_owned()
    }
}

struct Delivery {
    method: String,
    url: String,
    headers: Vec<v1::Header>,
    body: Vec<u8>,
}

impl Delivery {
    fn parse(json: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(json).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = value["headers"].as_array().unwrap().iter();
        Self {
            method: text(&value["method"]),
            url: text(&value["url"]),
            headers: headers
                .map(|header| v1::Header {
                    name: text(&header["name"]),
                    value: text(&header["value"]),
                })
                .collect(),
            body: match value["body"].as_str() {
                Some(body) => body.as_bytes().to_vec(),
                None => STANDARD.decode(text(&value["body_base64"])).unwrap(),
            },
        }
    }
}

/// A receiver that keeps the requests it gets and answers each with a text.
fn receiver(answer: &'static str) -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (keep, kept) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            if keep.send(request).is_err() {
                return;
            }
        }
    });
    (address, kept)
}

/// One request, as long as its Content-Length says.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..count]);
        if count == 0 || is_whole(&bytes) {
            return bytes;
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length: ").expect("a length");
    let length: usize = rest.lines().next().unwrap().parse().unwrap();
    bytes.len() >= at + 4 + length
}

/// Head lines and body of a request.
fn parsed(request: &[u8]) -> (String, BTreeMap<String, String>, Vec<u8>) {
    let at = request
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("an end of the head");
    let head = String::from_utf8(request[..at].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    (first, headers.collect(), request[at + 4..].to_vec())
}

const SCHEMES: [&str; 10] = [
    "stripe.webhook",
    "github.webhook",
    "standard.webhook",
    "slack.webhook",
    "shopify.webhook",
    "hubspot.webhook",
    "mailgun.webhook",
    "docusign.webhook",
    "linear.webhook",
    "monday.webhook",
];

/// What the server says of a fault; `-` where the fault is none for the scheme.
const FAULTS: [(&str, [&str; 10]); 15] = [
    (
        "stale",
        [
            "TIMESTAMP_TOO_OLD",
            "-",
            "TIMESTAMP_TOO_OLD",
            "TIMESTAMP_TOO_OLD",
            "-",
            "TIMESTAMP_TOO_OLD",
            "",
            "-",
            "TIMESTAMP_TOO_OLD",
            "-",
        ],
    ),
    (
        "future",
        [
            "TIMESTAMP_IN_FUTURE",
            "-",
            "TIMESTAMP_IN_FUTURE",
            "TIMESTAMP_IN_FUTURE",
            "-",
            "TIMESTAMP_IN_FUTURE",
            "",
            "-",
            "TIMESTAMP_IN_FUTURE",
            "-",
        ],
    ),
    (
        "flip",
        [
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
        ],
    ),
    ("flip-signature", ["SIGNATURE_MISMATCH"; 10]),
    ("wrong-secret", ["SIGNATURE_MISMATCH"; 10]),
    (
        "reserialised",
        [
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
        ],
    ),
    (
        "truncated",
        [
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
        ],
    ),
    (
        "trailing-newline",
        [
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
        ],
    ),
    (
        "crlf",
        [
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "SIGNATURE_MISMATCH",
            "-",
            "SIGNATURE_MISMATCH",
            "-",
            "-",
        ],
    ),
    ("truncated-signature", ["SIGNATURE_MALFORMED"; 10]),
    (
        "missing-signature",
        [
            "SIGNATURE_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "SIGNATURE_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "HEADER_MISSING",
        ],
    ),
    (
        "missing-timestamp",
        [
            "TIMESTAMP_MISSING",
            "-",
            "HEADER_MISSING",
            "HEADER_MISSING",
            "-",
            "HEADER_MISSING",
            "TIMESTAMP_MISSING",
            "-",
            "-",
            "-",
        ],
    ),
    (
        "doubled-signature",
        [
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "-",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
            "HEADER_AMBIGUOUS",
        ],
    ),
    (
        "no-prefix",
        [
            "SIGNATURE_MISSING",
            "SIGNATURE_MALFORMED",
            "SIGNATURE_MISSING",
            "SIGNATURE_MALFORMED",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
        ],
    ),
    ("wrong-encoding", ["SIGNATURE_MALFORMED"; 10]),
];

#[tokio::test]
async fn a_good_delivery_verifies_and_each_fault_is_refused_for_its_reason() {
    let bench = Bench::with(&SCHEMES).await;
    let mut wrong = Vec::new();
    for (index, scheme) in SCHEMES.into_iter().enumerate() {
        let good = bench.made(scheme, BODY.as_bytes(), &[]);
        let verdict = bench.verdict(scheme, &good).await;
        if !verdict.is_empty() {
            wrong.push(format!("{scheme} without fault: {verdict}"));
        }
        for (fault, expected) in FAULTS {
            let arguments = ["--url", URL, "--format", "json", "--fault", fault];
            let output = bench.sign(scheme, BODY.as_bytes(), &arguments);
            let said = match output.status.code() {
                Some(0) => {
                    let delivery = Delivery::parse(&output.stdout);
                    bench.verdict(scheme, &delivery).await
                }
                Some(64) => {
                    let said = String::from_utf8(output.stderr).unwrap();
                    assert!(said.contains(&format!("--fault {fault}: ")), "{said}");
                    "-".to_owned()
                }
                _ => panic!("{scheme} {fault}: {output:?}"),
            };
            if said != expected[index] {
                wrong.push(format!("{scheme} {fault}: {said}, not {}", expected[index]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_scheme_signs_a_delivery_and_another_key_never_verifies() {
    let bench = Bench::with(&[]).await;
    for scheme in bench.client.list_schemes().await.unwrap() {
        if scheme.purpose() != v1::Purpose::Webhook {
            continue;
        }
        let id = scheme.id.as_str();
        let new = support::new_secret(&format!("a/{id}"), id);
        bench.client.create_secret(new).await.unwrap();
        let json = ["-H", "Content-Type: application/json"];
        let good = bench.made(id, BODY.as_bytes(), &json);
        assert_eq!(bench.verdict(id, &good).await, "", "{id}");
        for fault in ["wrong-secret", "flip-signature"] {
            let bad = bench.made(id, BODY.as_bytes(), &["--fault", fault, json[0], json[1]]);
            let said = bench.verdict(id, &bad).await;
            assert_eq!(said, "SIGNATURE_MISMATCH", "{id} {fault}");
        }
    }
}

/// Runs a line with a `curl` that writes down its arguments and what it reads.
fn run_line(line: &str) -> (Vec<String>, Vec<u8>) {
    let folder = tempfile::TempDir::new().unwrap();
    let script = format!(
        "curl() {{ for it in \"$@\"; do printf '%s\\0' \"$it\"; done > args\n\
         case \"$*\" in *'--data-binary @- '*) cat > stdin;; esac; }}\n{line}\n"
    );
    let mut shell = Command::new("sh")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    assert!(shell.wait().unwrap().success());
    let arguments = fs::read_to_string(folder.path().join("args")).unwrap();
    let arguments: Vec<_> = arguments
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    let at = arguments.iter().position(|it| it == "--data-binary");
    let body = match arguments[at.unwrap() + 1].as_str() {
        "@-" => fs::read(folder.path().join("stdin")).unwrap(),
        body => body.as_bytes().to_vec(),
    };
    (arguments, body)
}

#[tokio::test]
async fn a_line_of_curl_has_the_exact_bytes() {
    let bench = Bench::with(&["github.webhook"]).await;
    let all: Vec<u8> = (0..=255).collect();
    let bodies: [&[u8]; 7] = [
        BODY.as_bytes(),
        b"'\\''$(id)`id`\"\\n!\n\n",
        b"@/etc/hostname",
        b"-%d %% \\101 % ",
        b"",
        &all,
        &[b'x'; 100_000],
    ];
    for body in bodies {
        let arguments = ["--format", "curl", "-H", "X-Note: it's"];
        let output = bench.sign("github.webhook", body, &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let line = String::from_utf8(output.stdout).unwrap();
        let (arguments, sent) = run_line(&line);
        assert_eq!(sent, body);
        assert!(arguments.iter().any(|it| it == "X-Note: it's"));
        assert_eq!(arguments.last().unwrap(), "http://127.0.0.1:8080/");
        let headers = arguments.windows(2).filter(|pair| pair[0] == "-H");
        let headers = headers.map(|pair| pair[1].split_once(": ").unwrap());
        let delivery = Delivery {
            method: "POST".into(),
            url: String::new(),
            headers: headers
                .map(|(name, value)| v1::Header {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
                .collect(),
            body: sent,
        };
        assert_eq!(bench.verdict("github.webhook", &delivery).await, "");
    }
}

#[tokio::test]
async fn a_raw_request_is_one_of_http() {
    let bench = Bench::with(&["hubspot.webhook"]).await;
    let arguments = ["--url", URL, "--method", "PUT", "--format", "raw"];
    let output = bench.sign("hubspot.webhook", BODY.as_bytes(), &arguments);
    let (first, headers, body) = parsed(&output.stdout);
    assert_eq!(first, "PUT /hook?data.id=7 HTTP/1.1");
    assert_eq!(headers["host"], "example.com");
    assert_eq!(headers["content-length"], BODY.len().to_string());
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers.contains_key("x-hubspot-signature-v3"));
    assert_eq!(body, BODY.as_bytes());
}

#[tokio::test]
async fn a_delivery_reaches_a_receiver_on_this_machine_with_its_exact_bytes() {
    let bench = Bench::with(&["stripe.webhook"]).await;
    let (address, kept) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let send = format!("http://{address}/hook");
    let output = bench.sign(
        "stripe.webhook",
        BODY.as_bytes(),
        &["--send", &send, "--fault", "replay"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let verdict = "verdict: accepted twice, which is right if the event is processed once\n";
    assert_eq!(said, "HTTP/1.1 200 OK\nok\n".repeat(2) + verdict);
    let (one, two) = (kept.recv().unwrap(), kept.recv().unwrap());
    assert_eq!(one, two, "a replay is the same delivery");
    let (first, headers, body) = parsed(&one);
    assert_eq!(first, "POST /hook HTTP/1.1");
    assert_eq!(headers["host"], address.to_string());
    assert_eq!(body, BODY.as_bytes());
    let delivery = Delivery {
        method: "POST".into(),
        url: String::new(),
        headers: headers
            .into_iter()
            .map(|(name, value)| v1::Header { name, value })
            .collect(),
        body,
    };
    assert_eq!(bench.verdict("stripe.webhook", &delivery).await, "");
}

#[tokio::test]
async fn a_receiver_that_takes_a_faulty_delivery_is_told_by_the_exit_code() {
    let bench = Bench::with(&["github.webhook"]).await;
    for (answer, fault, code, verdict) in [
        (
            "200 OK",
            "flip",
            1,
            "ACCEPTED, though flip has to be refused",
        ),
        ("401 Unauthorized", "flip", 0, "refused, as flip has to be"),
        (
            "500 Oops",
            "flip",
            1,
            "neither accepted (2xx) nor refused (4xx)",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        let (address, _kept) = receiver(Box::leak(answer.into_boxed_str()));
        let send = format!("http://{address}/");
        let output = bench.sign(
            "github.webhook",
            b"{}",
            &["--fault", fault, "--send", &send],
        );
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with(&format!("verdict: {verdict}\n")), "{said}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_a_long_answer_is_cut() {
    let bench = Bench::with(&["github.webhook"]).await;
    let (far, reached) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let head =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{far}/\r\ncontent-length: 5000\r\n\r\n");
    let answer: &'static str = Box::leak((head + &"x\x1b".repeat(2500)).into_boxed_str());
    let (address, kept) = receiver(answer);
    let send = format!("http://{address}/");
    let output = bench.sign("github.webhook", b"{}", &["--send", &send]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let verdict = "verdict: neither accepted (2xx) nor refused (4xx)";
    let shown = "x".repeat(512);
    assert_eq!(said, format!("HTTP/1.1 302 Found\n{shown}\n{verdict}\n"));
    assert!(kept.recv().is_ok() && reached.try_recv().is_err());
}

#[tokio::test]
async fn nothing_is_sent_to_other_machines() {
    let bench = Bench::with(&["github.webhook"]).await;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
    ] {
        let output = bench.sign("github.webhook", b"{}", &["--send", url]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("to this machine alone"), "{said}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let send = format!("http://{}/", closed.unwrap());
    let output = bench.sign("github.webhook", b"{}", &["--send", &send]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[tokio::test]
async fn plain_output_says_where_the_body_changed() {
    let bench = Bench::with(&["mailgun.webhook"]).await;
    let output = bench.sign("mailgun.webhook", b"{}", &[]);
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is not the one given"), "{said}");
    let path = bench.site.path("sent");
    let output = bench.sign(
        "mailgun.webhook",
        b"{}",
        &["--body-out", path.to_str().unwrap()],
    );
    assert!(output.stderr.is_empty(), "{output:?}");
    let delivery = Delivery {
        method: "POST".into(),
        url: String::new(),
        headers: Vec::new(),
        body: fs::read(path).unwrap(),
    };
    assert_eq!(bench.verdict("mailgun.webhook", &delivery).await, "");
}
