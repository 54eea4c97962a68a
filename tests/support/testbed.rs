//! Real servers for the tests of the SDKs: `testbed COMMAND ARGUMENT…` starts them on free ports, runs the command with
//! their addresses in its environment, and ends as the command ends. ENVIRONMENT says what there is.

#[path = "pki.rs"]
#[allow(dead_code, unreachable_pub)]
mod pki;
#[path = "process.rs"]
#[allow(dead_code, unreachable_pub)]
mod process;

use std::{
    collections::HashMap,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{Arc, Mutex},
};

use countersign_client::{Client, v1};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use process::{Running, Site, command, program};
use tokio::net::TcpListener;
use tonic::{Status, body::Body, client::GrpcService, transport::Channel};

const ENVIRONMENT: &str = "\
usage: testbed COMMAND [ARGUMENT]...

Runs COMMAND with these variables:
  COUNTERSIGN_BIN            the program
  COUNTERSIGN_SERVER         an open server with the demo secrets of `countersign dev`
  TESTBED_TLS_SERVER         one with TLS that asks who calls, with demo secrets of the same names
  TESTBED_CA                 the authority of its certificate, as are all files here a PEM file
  TESTBED_CLIENT_CERT, TESTBED_CLIENT_KEY   stand for a caller that may do everything with demo/*
  TESTBED_TOKEN_FILE         a bearer token of the same rights
  TESTBED_READER_TOKEN_FILE  one that may only verify with demo/*
  TESTBED_FLAKY_SERVER       the open server, behind a proxy that answers UNAVAILABLE to the first two attempts of each
                             countersign-call-id
  TESTBED_SILENT_SERVER      takes calls and answers none
";

/// How the first line of `dev` begins.
const DEV: &str = "Countersign on http://";
/// What `dev` prints when all demo secrets are there.
const READY: &str = "There are ";
/// Attempts that the flaky server refuses.
const REFUSED: u32 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(name) = arguments.next() else {
        eprint!("{ENVIRONMENT}");
        return ExitCode::from(64);
    };
    let site = Site::without_store();
    let (_open, open) = open(&site);
    let (_guarded, guarded) = guarded(site, &open).await;
    let flaky = flaky(&open).await;
    let silent = silent().await;

    let mut tested = Command::new(&name);
    tested
        .args(arguments)
        .env_remove("COUNTERSIGN_TOKEN")
        .env("COUNTERSIGN_BIN", program())
        .env("COUNTERSIGN_SERVER", &open)
        .env("TESTBED_FLAKY_SERVER", flaky)
        .env("TESTBED_SILENT_SERVER", silent)
        .envs(guarded);
    // Not the async kind: a terminal's Ctrl-C goes to the command, which ends, and then this does.
    let ended = tokio::task::spawn_blocking(move || tested.status()).await;
    match ended.expect("waiting does not panic") {
        Ok(status) => ExitCode::from(status.code().map_or(1, |code| code as u8)),
        Err(error) => {
            eprintln!("testbed: {} cannot be run: {error}", name.display());
            ExitCode::from(64)
        }
    }
}

/// `countersign dev`, once it has its demo secrets.
fn open(site: &Site) -> (Running, String) {
    let mut dev = command();
    dev.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]);
    dev.arg(site.path("open"));
    let mut running = Running::spawn(dev, &site.path("open.log"));
    running.until(|log| {
        log.contains(READY).then_some(())?;
        let line = log.lines().find_map(|line| line.strip_prefix(DEV))?;
        line.split(',').next()?.parse().ok()
    });
    let address = url(running.address());
    (running, address)
}

/// `countersign serve` with TLS and client certificates, and what to know to call it.
async fn guarded(mut site: Site, open: &str) -> ((Running, Site), HashMap<&'static str, PathBuf>) {
    let authority = pki::Authority::new("testbed");
    let server = authority.issue(&["localhost", "127.0.0.1"]);
    let client = authority.issue(&["client.testbed.internal"]);
    for (name, text) in [
        ("ca.crt", &authority.pem()),
        ("server.crt", &server.certificate),
        ("server.key", &server.key),
        ("client.crt", &client.certificate),
        ("client.key", &client.key),
    ] {
        site.write(name, text, 0o600);
    }
    // A bearer token will do as well.
    let tls = format!(
        "[tls]\ncertificate = {:?}\nprivate_key = {:?}\nclient_ca = {:?}\nclient_auth = \"optional\"\n",
        site.path("server.crt"),
        site.path("server.key"),
        site.path("ca.crt"),
    );
    let configuration = site.configuration() + &tls;
    site.write("countersign.toml", &configuration, 0o644);
    site.init();
    let mut running = site.spawn();
    running.until_logged();
    let address = format!("https://localhost:{}", running.address().port());

    let admin = Client::builder(&address)
        .token(site.token.clone().into())
        .ca_certificate_pem(authority.pem());
    let admin = admin.connect().await.expect("the guarded server is there");
    copy_secrets(
        &Client::connect(open)
            .await
            .expect("the open server is there"),
        &admin,
    )
    .await;
    let all = "sign,verify,explain,secrets.read,secrets.write,secrets.rotate";
    let token = token(&admin, "testbed/all", all, "").await;
    site.write("all.token", &token, 0o600);
    let reader = self::token(&admin, "testbed/reader", "verify", "").await;
    site.write("reader.token", &reader, 0o600);
    self::token(
        &admin,
        "testbed/certificate",
        all,
        "dns:client.testbed.internal",
    )
    .await;

    let known = HashMap::from([
        ("TESTBED_TLS_SERVER", address.into()),
        ("TESTBED_CA", site.path("ca.crt")),
        ("TESTBED_CLIENT_CERT", site.path("client.crt")),
        ("TESTBED_CLIENT_KEY", site.path("client.key")),
        ("TESTBED_TOKEN_FILE", site.path("all.token")),
        ("TESTBED_READER_TOKEN_FILE", site.path("reader.token")),
    ]);
    ((running, site), known)
}

/// Makes a secret of the same name, scheme and mode for each of the demo, with a key of its own.
async fn copy_secrets(from: &Client, to: &Client) {
    for secret in from
        .list_secrets("demo")
        .await
        .expect("the demo has secrets")
    {
        let key_id = secret
            .versions
            .first()
            .map_or("", |version| &version.key_id);
        let creation = v1::CreateSecretRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            key_id: key_id.to_owned(),
            name: secret.name,
            scheme: secret.scheme,
            mode: secret.mode,
            parameters: secret.parameters,
            ..Default::default()
        };
        to.create_secret(creation)
            .await
            .expect("what the demo has can be made");
    }
}

/// The text of a new token for demo/*.
async fn token(admin: &Client, name: &str, permissions: &str, san: &str) -> String {
    let permissions = permissions.split(',').map(|permission| {
        let name = permission.replace('.', "_").to_uppercase();
        let known = v1::Permission::from_str_name(&format!("PERMISSION_{name}"));
        known.expect("a permission").into()
    });
    let request = v1::CreateTokenRequest {
        name: name.to_owned(),
        grants: vec![v1::Grant {
            permissions: permissions.collect(),
            pattern: "demo/*".to_owned(),
        }],
        certificate_san: san.to_owned(),
        ..Default::default()
    };
    let made = admin.create_token(request).await;
    made.expect("the first token may make others").bearer_token
}

/// A proxy before the server at `url` that is there at the third attempt.
async fn flaky(url: &str) -> String {
    let channel = Channel::from_shared(url.to_owned()).expect("it is a URL");
    let channel = channel.connect_lazy();
    let attempts: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    let (socket, address) = socket().await;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = socket.accept().await else {
                continue;
            };
            let (channel, attempts) = (channel.clone(), attempts.clone());
            let proxy =
                service_fn(move |request| proxied(request, channel.clone(), attempts.clone()));
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(stream), proxy).await
            });
        }
    });
    self::url(address)
}

async fn proxied(
    request: Request<Incoming>,
    mut channel: Channel,
    attempts: Arc<Mutex<HashMap<String, u32>>>,
) -> Result<Response<Body>, Infallible> {
    let id = request.headers().get("countersign-call-id");
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let before = {
        let mut attempts = attempts.lock().expect("nobody panics with it");
        let attempts = attempts.entry(id.to_owned()).or_default();
        *attempts += 1;
        *attempts - 1
    };
    if before < REFUSED {
        return Ok(Status::unavailable("try again").into_http());
    }
    let ready = poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context));
    let answer = match ready.await {
        Ok(()) => channel.call(request.map(Body::new)).await,
        Err(error) => Err(error),
    };
    Ok(answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
}

/// A server that keeps every call.
async fn silent() -> String {
    let (socket, address) = socket().await;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = socket.accept().await else {
                continue;
            };
            tokio::spawn(async move {
                let mut kept = Vec::new();
                let Ok(mut calls) = h2::server::handshake(stream).await else {
                    return;
                };
                while let Some(Ok(call)) = calls.accept().await {
                    kept.push(call);
                }
            });
        }
    });
    url(address)
}

async fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a free port");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
