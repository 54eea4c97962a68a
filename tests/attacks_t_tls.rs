//! Table T: who gets through TLS, and certificates that change while the server runs.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_proto::v1::{
    self, ListSecretsRequest, secret_service_client::SecretServiceClient,
    token_service_client::TokenServiceClient,
};
use support::{
    pki::{Authority, Pair, ends_in, expired, serial, uri},
    process::{Bearer, Running, Site},
};
use tonic::{
    Code,
    service::interceptor::InterceptedService,
    transport::{Certificate, Channel, ClientTlsConfig},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

mod support;

/// How long a change of a file may take to be followed.
const FOLLOWED: Duration = Duration::from_secs(5);

/// A server with TLS, who issued its certificate, and who issues those of its clients.
struct Tls {
    site: Site,
    servers: Authority,
    clients: Authority,
}

impl Tls {
    /// With further lines in its section.
    fn new(lines: &str) -> Self {
        let site = Site::new();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let tls = Self {
            site,
            servers,
            clients,
        };
        tls.install(&tls.servers.issue(&["127.0.0.1"]));
        tls.site.write("clients.crt", &tls.clients.pem(), 0o644);
        let paths = format!(
            "tls.certificate = {:?}\ntls.private_key = {:?}\n{}",
            tls.site.path("tls.crt"),
            tls.site.path("tls.key"),
            lines.replace("FOLDER", &tls.site.path("").display().to_string()),
        );
        let configuration = tls.site.configuration() + &paths;
        tls.site.write("countersign.toml", &configuration, 0o644);
        tls
    }

    fn install(&self, pair: &Pair) {
        self.site.write("tls.crt", &pair.certificate, 0o644);
        self.site.write("tls.key", &pair.key, 0o600);
    }

    fn serve(&self) -> Running {
        let mut running = self.site.spawn();
        running.until_logged();
        running
    }

    /// A channel of a client that shows a certificate, or none.
    async fn connect(&self, server: SocketAddr, shown: Option<&Pair>) -> Option<Channel> {
        let ca = Certificate::from_pem(self.servers.pem());
        let tls = ClientTlsConfig::new().ca_certificate(ca);
        let tls = shown
            .iter()
            .fold(tls, |tls, pair| tls.identity(pair.identity()));
        let endpoint = Channel::from_shared(format!("https://{server}")).unwrap();
        let endpoint = endpoint.tls_config(tls).unwrap().timeout(FOLLOWED);
        endpoint.connect().await.ok()
    }

    /// Whether a client that connects now is answered.
    async fn answers(&self, server: SocketAddr, shown: Option<&Pair>) -> bool {
        match self.connect(server, shown).await {
            Some(channel) => check(&channel).await,
            None => false,
        }
    }
}

async fn check(channel: &Channel) -> bool {
    let question = HealthCheckRequest::default();
    HealthClient::new(channel.clone())
        .check(question)
        .await
        .is_ok()
}

/// Waits until something is so; answers how long that took.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !is().await {
        assert!(begin.elapsed() < FOLLOWED, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    begin.elapsed()
}

const CA: &str = "tls.client_ca = \"FOLDER/clients.crt\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_only_a_certificate_that_holds_gets_through() {
    let tls = Tls::new(CA);
    let running = tls.serve();
    let server = running.address();
    let good = tls.clients.issue(&["billing.acme.example"]);
    assert!(tls.answers(server, Some(&good)).await);
    assert!(!tls.answers(server, None).await, "none");
    let late = tls.clients.issue_with(&["billing.acme.example"], expired);
    assert!(!tls.answers(server, Some(&late)).await, "expired");
    let stranger = Authority::new("clients").issue(&["billing.acme.example"]);
    assert!(
        !tls.answers(server, Some(&stranger)).await,
        "of another authority"
    );
    let servers = tls.servers.issue(&["billing.acme.example"]);
    assert!(
        !tls.answers(server, Some(&servers)).await,
        "of the servers' authority"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_where_a_certificate_is_optional_a_bad_one_is_still_refused() {
    let tls = Tls::new(&format!("{CA}tls.client_auth = \"optional\"\n"));
    let running = tls.serve();
    let server = running.address();
    assert!(tls.answers(server, None).await);
    assert!(
        tls.answers(server, Some(&tls.clients.issue(&["a.example"])))
            .await
    );
    let late = tls.clients.issue_with(&["a.example"], expired);
    assert!(!tls.answers(server, Some(&late)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so() {
    let tls = Tls::new(&format!("{CA}tls.client_crl = \"FOLDER/clients.crl\"\n"));
    let revoke = |serials: &[u64], until| {
        tls.site
            .write("clients.crl", &tls.clients.revoke(serials, until), 0o644);
    };
    revoke(&[1], 2999);
    let running = tls.serve();
    let server = running.address();
    let [first, second, third] =
        [1, 2, 3].map(|number| tls.clients.issue_with(&["a.example"], serial(number)));
    assert!(!tls.answers(server, Some(&first)).await);
    let (kept, other) = (
        tls.connect(server, Some(&second)).await.unwrap(),
        tls.connect(server, Some(&third)).await.unwrap(),
    );
    assert!(check(&kept).await && check(&other).await);
    revoke(&[1, 2], 2999);
    // The connection that is open is closed as well.
    let took = until("the revocation", async || !check(&kept).await).await;
    eprintln!("T24: revoked after {took:.1?}");
    assert!(!tls.answers(server, Some(&second)).await);
    assert!(check(&other).await, "the others notice nothing");
    revoke(&[], 2025);
    until("the end of the list", async || {
        !tls.answers(server, Some(&third)).await
    })
    .await;
}

/// Lists secrets as whoever the certificate is of.
async fn list(tls: &Tls, server: SocketAddr, shown: &Pair) -> Code {
    let channel = tls.connect(server, Some(shown)).await.unwrap();
    let question = ListSecretsRequest::default();
    let answered = SecretServiceClient::new(channel)
        .list_secrets(question)
        .await;
    answered.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_a_certificate_calls_by_its_exact_name_and_by_no_other() {
    let tls = Tls::new(CA);
    let running = tls.serve();
    let server = running.address();
    let names = ["billing.acme.example", "spiffe://acme.example/billing"];
    let admin = tls.clients.issue(&["unknown.example"]);
    let channel = tls.connect(server, Some(&admin)).await.unwrap();
    let bearer = Bearer(tls.site.token.clone());
    let mut tokens = TokenServiceClient::new(InterceptedService::new(channel, bearer));
    for (number, san) in [format!("dns:{}", names[0]), format!("uri:{}", names[1])]
        .into_iter()
        .enumerate()
    {
        let new = v1::CreateTokenRequest {
            name: format!("client-{number}"),
            grants: vec![v1::Grant {
                permissions: vec![v1::Permission::SecretsRead.into()],
                pattern: "*".to_owned(),
            }],
            certificate_san: san,
            ..Default::default()
        };
        tokens.create_token(new).await.unwrap();
    }
    let dns = tls.clients.issue(&[names[0]]);
    assert_eq!(list(&tls, server, &dns).await, Code::Ok);
    let uri = tls.clients.issue_with(&[], uri(names[1]));
    assert_eq!(list(&tls, server, &uri).await, Code::Ok);
    let common = tls.clients.issue_with(&[], |params| {
        let name = &mut params.distinguished_name;
        name.push(rcgen::DnType::CommonName, names[0]);
    });
    for (what, other) in [
        ("no name", tls.clients.issue(&[])),
        ("the common name", common),
        (
            "another name",
            tls.clients.issue(&["www.billing.acme.example"]),
        ),
        ("a wildcard", tls.clients.issue(&["*.acme.example"])),
    ] {
        let code = list(&tls, server, &other).await;
        assert_eq!(code, Code::Unauthenticated, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_a_new_pair_is_taken_without_a_failed_call_and_a_broken_one_is_not() {
    let mut tls = Tls::new("");
    let running = tls.serve();
    let server = running.address();
    let old = tls.connect(server, None).await.unwrap();
    let (stop, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let calling = tokio::spawn({
        let (stop, failed) = (stop.clone(), failed.clone());
        async move {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                if !check(&old).await {
                    failed.store(true, Ordering::Relaxed);
                }
                calls += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            calls
        }
    });
    // Clients trust the new authority alone, so only the new certificate will do.
    tls.servers = Authority::new("new servers");
    assert!(!tls.answers(server, None).await);
    tls.install(&tls.servers.issue(&["127.0.0.1"]));
    let took = until("the change", async || tls.answers(server, None).await).await;
    eprintln!("T25: a new certificate after {took:.1?}");

    let broken = Authority::new("broken").issue(&["127.0.0.1"]);
    tls.site.write("tls.crt", &broken.certificate, 0o644);
    let alarm = async || tls.site.log().contains("do not hold together");
    let took = until("an alarm", alarm).await;
    eprintln!("T25: an alarm after {took:.1?}");
    assert!(!tls.site.log().contains("PRIVATE KEY"));
    assert!(
        tls.answers(server, None).await,
        "it goes on with what it had"
    );
    stop.store(true, Ordering::Relaxed);
    let calls = calling.await.unwrap();
    assert!(!failed.load(Ordering::Relaxed), "of {calls} calls");
    assert!(calls > 100, "{calls}");
}

/// Waits until the log has a line with all of these; answers how many it has.
async fn logged(tls: &Tls, words: &[&str]) -> usize {
    let lines = || {
        let log = tls.site.log();
        let is_meant = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(is_meant).count()
    };
    until(words[0], async || lines() > 0).await;
    lines()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f36_a_certificate_that_ends_soon_or_has_ended_is_told_and_served_on() {
    let tls = Tls::new(&format!("{CA}tls.client_auth = \"optional\"\n"));
    tls.install(&tls.servers.issue_with(&["127.0.0.1"], ends_in(10)));
    let running = tls.serve();
    let soon = [
        "ends soon",
        "\"WARN\"",
        "\"tls.certificate\"",
        "\"hours_left\":2",
    ];
    assert_eq!(logged(&tls, &soon).await, 1);
    tls.install(&tls.servers.issue_with(&["127.0.0.1"], expired));
    let over = ["has ended", "\"ERROR\"", "\"tls.certificate\""];
    assert_eq!(logged(&tls, &over).await, 1);
    tls.install(&tls.servers.issue(&["127.0.0.1"]));
    until("an answer", async || {
        tls.answers(running.address(), None).await
    })
    .await;
    assert!(
        !tls.site.log().contains("\"tls.client_ca\""),
        "that one ends later"
    );
    tls.site.write(
        "clients.crt",
        &Authority::ending("late", ends_in(1)).pem(),
        0o644,
    );
    assert_eq!(logged(&tls, &["ends soon", "\"tls.client_ca\""]).await, 1);
    assert!(tls.answers(running.address(), None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_sighup_has_the_files_read_at_once_and_says_what_came_of_it() {
    let tls = Tls::new("");
    let running = tls.serve();
    running.signal("HUP");
    logged(&tls, &["are those that are in use"]).await;
    let broken = Authority::new("broken").issue(&["127.0.0.1"]);
    tls.site.write("tls.crt", &broken.certificate, 0o644);
    running.signal("HUP");
    logged(&tls, &["do not hold together"]).await;
    assert!(tls.answers(running.address(), None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_t23_half_a_hello_and_plain_text_are_closed_and_good_clients_served() {
    let tls = Tls::new("");
    let running = tls.serve();
    let server = running.address();
    let begin = Instant::now();
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let half: Vec<_> = (0..200)
        .map(|_| {
            // Another address than that of the good client, whose handshakes have places of their own.
            let stream = support::wire::dial_from(support::wire::ATTACKER, server).unwrap();
            (&stream).write_all(&hello).unwrap();
            stream
        })
        .collect();
    let plain = TcpStream::connect(server).unwrap();
    (&plain).write_all(support::wire::PREFACE).unwrap();
    assert!(tls.answers(server, None).await, "while they hang");
    let refused = half.iter().filter(|stream| is_closed(stream)).count();
    assert_eq!(refused, 200 - 64, "one peer has its share of handshakes");
    let closed = tokio::task::spawn_blocking(move || {
        for mut stream in half.iter().chain([&plain]) {
            stream
                .set_read_timeout(Some(Duration::from_secs(15)))
                .unwrap();
            let ended = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
            let open = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!open);
        }
        begin.elapsed()
    });
    let took = closed.await.unwrap();
    eprintln!("T13: half a hello is closed after {took:.1?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(tls.site.log().contains("TLS handshakes failed"));
}

/// Whether the server has closed the connection; what it sent before is lost.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    stream.set_nonblocking(false).unwrap();
    !read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
