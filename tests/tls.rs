//! `serve` with TLS and a token, as clients from elsewhere meet it.

use std::time::Duration;

use countersign_client::{Client, Code, Error};
use countersign_proto::v1::{ListSecretsRequest, secret_service_client::SecretServiceClient};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::process::{PATIENCE, Running, Site, command, finish, random_hex};
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

mod support;

/// A certificate authority that nobody else trusts.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A site with a certificate for these names, and its authority in `ca.crt`.
fn site(names: &[&str]) -> Site {
    let site = Site::new();
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    site.write("tls.crt", &certificate.pem(), 0o644);
    site.write("tls.key", &key.serialize_pem(), 0o600);
    site.write("ca.crt", &authority.pem(), 0o644);
    let (chain, private) = (site.path("tls.crt"), site.path("tls.key"));
    let tls = format!("tls.certificate = {chain:?}\ntls.private_key = {private:?}\n");
    site.write("countersign.toml", &(site.configuration() + &tls), 0o644);
    site
}

fn ca(site: &Site) -> String {
    std::fs::read_to_string(site.path("ca.crt")).unwrap()
}

/// Starts it and waits for its log alone: health needs a client with TLS.
fn serve(site: &Site) -> Running {
    let mut running = site.spawn();
    running.until_logged();
    running
}

fn url(running: &Running) -> String {
    format!("https://{}", running.address())
}

async fn channel(site: &Site, running: &Running) -> Channel {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca(site)));
    Channel::from_shared(url(running))
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served_by_address_and_by_name() {
    let site = site(&["127.0.0.1", "localhost"]);
    let running = serve(&site);
    let port = running.address().port();
    for url in [url(&running), format!("https://localhost:{port}")] {
        let client = Client::builder(&url)
            .ca_certificate_pem(ca(&site))
            .token(site.token.clone().into())
            .connect()
            .await
            .unwrap();
        assert!(client.health().await.unwrap(), "{url}");
        assert!(client.list_secrets("").await.unwrap().is_empty());
    }
    let mut health = command();
    health
        .args(["health", "--server", &url(&running), "--ca"])
        .arg(site.path("ca.crt"));
    let (output, _) = finish(&mut health, PATIENCE);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut list = command();
    list.args([
        "secret",
        "list",
        "--json",
        "--server",
        &url(&running),
        "--ca",
    ])
    .arg(site.path("ca.crt"))
    .arg("--token-file")
    .arg(site.path("token"));
    let (output, _) = finish(&mut list, PATIENCE);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn another_authority_or_another_name_is_not_trusted() {
    let elsewhere = site(&["countersign.example"]);
    let running = serve(&elsewhere);
    let site = site(&["127.0.0.1"]);
    let trusted = serve(&site);
    for (url, ca) in [
        (url(&running), ca(&elsewhere)),
        (url(&trusted), ca(&elsewhere)),
        (url(&running), ca(&site)),
    ] {
        let connected = Client::builder(url).ca_certificate_pem(ca).connect().await;
        assert!(
            matches!(connected, Err(Error::Connect { .. })),
            "{connected:?}"
        );
    }
    // The authorities of the system do not know ours.
    let connected = Client::connect(url(&trusted)).await;
    assert!(connected.is_err(), "{connected:?}");
}

#[tokio::test]
async fn plain_text_is_not_taken_on_a_tls_port() {
    let site = site(&["127.0.0.1"]);
    let running = serve(&site);
    let client = Client::builder(format!("http://{}", running.address()))
        .deadline(Duration::from_secs(2))
        .connect_lazy()
        .unwrap();
    let answered = client.health().await;
    assert!(answered.is_err(), "{answered:?}");
    let client = Client::builder(url(&running)).ca_certificate_pem(ca(&site));
    assert!(client.connect().await.unwrap().health().await.unwrap());
}

#[tokio::test]
async fn a01_every_call_needs_the_one_token_and_health_needs_none() {
    let site = site(&["127.0.0.1"]);
    let running = serve(&site);
    let channel = channel(&site, &running).await;
    let mut health = HealthClient::new(channel.clone());
    let answered = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answered.get_ref().status(), ServingStatus::Serving);

    let wrong = random_hex();
    let right = &site.token;
    let halved = &right[..32];
    for tokens in [
        vec![],
        vec![&*wrong],
        vec![halved],
        vec![right, &wrong],
        vec![right, right],
    ] {
        let code = list(channel.clone(), &tokens)
            .await
            .map_err(|status| status.code());
        assert_eq!(code, Err(Code::Unauthenticated), "{} tokens", tokens.len());
    }
    assert!(list(channel, &[right]).await.is_ok());
}

async fn list(channel: Channel, tokens: &[&str]) -> Result<(), Status> {
    let mut request = Request::new(ListSecretsRequest::default());
    for token in tokens {
        let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().append("authorization", value);
    }
    let mut secrets = SecretServiceClient::new(channel);
    secrets.list_secrets(request).await.map(|_| ())
}

#[tokio::test]
async fn t26_reflection_is_off_unless_it_is_switched_on() {
    let site = site(&["127.0.0.1"]);
    let running = serve(&site);
    let code = reflect(channel(&site, &running).await).await;
    assert_eq!(code, Code::Unimplemented);

    let open = Site::with("reflection = true\n");
    let running = open.serve().await;
    assert_ne!(reflect(running.channel().await).await, Code::Unimplemented);
}

/// What reflection answers to an empty question.
async fn reflect(channel: Channel) -> Code {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    );
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let answered = client.unary(Request::new(()), path, codec).await;
    answered.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// `config check` beyond loopback; answers its exit code and what it said.
fn check(site: &Site) -> (Option<i32>, String) {
    let mut check = command();
    check.args(["config", "check", "--listen", "0.0.0.0:1", "--config"]);
    let (output, _) = finish(check.arg(site.path("countersign.toml")), PATIENCE);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[test]
fn config_check_takes_a_certificate_with_its_key_and_nothing_else() {
    let ours = site(&["127.0.0.1"]);
    assert_eq!(check(&ours), (Some(0), "ok\n".to_owned()));
    let key = std::fs::read_to_string(ours.path("tls.key")).unwrap();
    let theirs = std::fs::read_to_string(site(&["127.0.0.1"]).path("tls.key")).unwrap();
    let cut = key.replace("-----END", "");
    for wrong in [theirs, cut] {
        ours.write("tls.key", &wrong, 0o600);
        let (code, said) = check(&ours);
        assert_eq!(code, Some(64), "{said}");
        assert!(
            said.contains("tls.certificate and tls.private_key: are not"),
            "{said}"
        );
    }
}

#[test]
fn a_certificate_and_a_key_that_do_not_fit_are_refused() {
    let ours = site(&["127.0.0.1"]);
    let theirs = std::fs::read_to_string(site(&["127.0.0.1"]).path("tls.key")).unwrap();
    ours.write("tls.key", &theirs, 0o600);
    let (output, took) = finish(&mut ours.serve_command(), PATIENCE);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("tls.certificate and tls.private_key"),
        "{said}"
    );
    assert!(!said.contains("PRIVATE KEY"), "{said}");
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}
