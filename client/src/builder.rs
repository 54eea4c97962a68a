//! How a client is made.

use std::{fmt, time::Duration};

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::{Client, Error, call::Caller};

/// The time that a call may take, unless set otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// Settings of a client. Made by [`Client::builder`].
pub struct Builder {
    endpoint: String,
    token: Option<SecretString>,
    deadline: Duration,
    ca_certificate_pem: Option<Vec<u8>>,
    client_certificate_pem: Option<(Vec<u8>, SecretString)>,
}

impl Builder {
    pub(crate) fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            token: None,
            deadline: DEFAULT_DEADLINE,
            ca_certificate_pem: None,
            client_certificate_pem: None,
        }
    }

    /// The bearer token sent with every call.
    #[must_use]
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// How long a call may take in all, retries included. [`DEFAULT_DEADLINE`] unless set.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The certificate authority that the server's certificate must come from, in place of those of the system.
    #[must_use]
    pub fn ca_certificate_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_certificate_pem = Some(pem.as_ref().to_vec());
        self
    }

    /// A client certificate with its chain and its private key, both as PEM. A server whose token stands for one of its
    /// names needs no bearer token.
    #[must_use]
    pub fn client_certificate_pem(
        mut self,
        certificate: impl AsRef<[u8]>,
        private_key: SecretString,
    ) -> Self {
        self.client_certificate_pem = Some((certificate.as_ref().to_vec(), private_key));
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`Builder::connect_lazy`], and [`Error::Connect`] if the server cannot be reached.
    pub async fn connect(self) -> Result<Client, Error> {
        let (endpoint, caller) = self.prepare()?;
        let channel = endpoint.connect().await.map_err(|error| Error::Connect {
            endpoint: shown(endpoint.uri()),
            detail: innermost(&error),
        })?;
        Ok(Client::new(caller(channel)))
    }

    /// Makes a client that connects at its first call and reconnects when it must. Needs a Tokio runtime around it.
    ///
    /// # Errors
    /// [`Error::Endpoint`], [`Error::TokenOverPlaintext`], [`Error::Token`] or [`Error::Tls`] if the settings cannot
    /// be used.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let (endpoint, caller) = self.prepare()?;
        Ok(Client::new(caller(endpoint.connect_lazy())))
    }

    fn prepare(
        self,
    ) -> Result<(Endpoint, impl FnOnce(tonic::transport::Channel) -> Caller), Error> {
        let uri = parse(&self.endpoint)?;
        let secure = uri.scheme_str() == Some("https");
        let authorization = self
            .token
            .as_ref()
            .map(|token| bearer(token, &uri))
            .transpose()?;
        let deadline = self.deadline;
        let mut endpoint = Endpoint::from(uri)
            .connect_timeout(deadline)
            .tcp_nodelay(true)
            .keep_alive_timeout(deadline)
            .user_agent(concat!("countersign-client/", env!("CARGO_PKG_VERSION")))
            .map_err(|_| Error::Endpoint)?;
        let certificates = (&self.ca_certificate_pem, &self.client_certificate_pem);
        if secure || !matches!(certificates, (None, None)) {
            endpoint = self.secured(endpoint, secure)?;
        }
        Ok((endpoint, move |channel| Caller {
            channel,
            authorization,
            deadline,
        }))
    }

    fn secured(self, endpoint: Endpoint, secure: bool) -> Result<Endpoint, Error> {
        if !secure {
            return Err(Error::Tls {
                detail: "a certificate was given for an http:// endpoint".to_owned(),
            });
        }
        let tls = match self.ca_certificate_pem {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let tls = match &self.client_certificate_pem {
            Some((certificate, key)) => {
                tls.identity(Identity::from_pem(certificate, key.expose_secret()))
            }
            None => tls,
        };
        endpoint.tls_config(tls).map_err(|error| Error::Tls {
            detail: innermost(&error),
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn parse(endpoint: &str) -> Result<Uri, Error> {
    let uri: Uri = endpoint.parse().map_err(|_| Error::Endpoint)?;
    let known_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host_alone = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let nameless = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if known_scheme && host_alone && nameless && uri.host().is_some() {
        Ok(uri)
    } else {
        Err(Error::Endpoint)
    }
}

fn bearer(token: &SecretString, uri: &Uri) -> Result<MetadataValue<Ascii>, Error> {
    let host = uri.host().unwrap_or_default();
    if uri.scheme_str() != Some("https") && !is_loopback(host) {
        return Err(Error::TokenOverPlaintext {
            host: host.to_owned(),
        });
    }
    let token = token.expose_secret();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Token);
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether what is sent to this host stays on this machine. A name other than `localhost` is not looked up.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn shown(uri: &Uri) -> String {
    let port = uri
        .port_u16()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "{}://{}{port}",
        uri.scheme_str().unwrap_or("http"),
        uri.host().unwrap_or_default()
    )
}

/// The last cause of a transport error, which is the one that says something.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(endpoint: &str) -> Result<(), Error> {
        Builder::new(endpoint)
            .token("correct-horse".into())
            .prepare()
            .map(|_| ())
    }

    #[test]
    fn a_token_stays_off_the_network_in_the_clear() {
        for endpoint in [
            "http://countersign.internal:50051",
            "http://10.0.0.1:50051",
            "http://127.0.0.1.example.com",
        ] {
            assert!(
                matches!(with_token(endpoint), Err(Error::TokenOverPlaintext { .. })),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn a_token_may_go_to_this_machine_and_over_tls() {
        for endpoint in [
            "http://127.0.0.1:50051",
            "http://localhost:50051",
            "http://[::1]:50051",
            "https://countersign.internal",
        ] {
            with_token(endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        }
    }

    #[test]
    fn an_endpoint_needs_a_scheme_and_a_host() {
        for endpoint in [
            "127.0.0.1:50051",
            "ftp://localhost",
            "/path",
            "",
            "unix:/tmp/x",
            "https://user:password@localhost",
            "https://localhost/path",
            "https://localhost?a=1",
        ] {
            assert!(
                matches!(parse(endpoint), Err(Error::Endpoint)),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn a_token_with_a_newline_is_refused() {
        let built = Builder::new("http://localhost")
            .token("abc\n".into())
            .prepare();
        assert!(matches!(built.map(|_| ()), Err(Error::Token)));
    }

    #[test]
    fn certificates_need_an_https_endpoint() {
        let built = Builder::new("http://localhost")
            .ca_certificate_pem("x")
            .prepare();
        assert!(matches!(built.map(|_| ()), Err(Error::Tls { .. })));
    }

    #[tokio::test]
    async fn a_token_is_never_in_a_debug_text() {
        let builder = Builder::new("http://localhost:1").token("correct-horse".into());
        assert!(!format!("{builder:?}").contains("horse"));
        let client = builder.connect_lazy().unwrap();
        assert!(!format!("{client:?}").contains("horse"));
    }
}
