//! TLS from PEM files: certificate and key as a pair, and which client certificates hold.
//!
//! Every doubt refuses: a key that is not the certificate's, an authority file with anything in it that is no
//! authority, a revocation list that is out of date, a chain of which some part has no list while there are lists.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime,
        pem::{PemObject, SectionKind},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use secrecy::ExposeSecret;
use webpki::EndEntityCert;

use crate::config::{ClientAuth, ConfigError, Digest, Tls, TlsFiles};

/// The names in a client's certificate that was verified: `dns:NAME` and `uri:URI` for each subject alternative name.
/// No common name, because nobody constrains what stands there, and no wildcard, because it names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerSans(pub Arc<[String]>);

impl PeerSans {
    /// The names in a certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else {
            return Self(Arc::default());
        };
        let dns = certificate.valid_dns_names().map(|name| ("dns:", name));
        let uri = certificate.valid_uri_names().map(|name| ("uri:", name));
        let names = dns.filter(|(_, name)| !name.contains('*')).chain(uri);
        Self(names.map(|(kind, name)| format!("{kind}{name}")).collect())
    }
}

/// Everything that was made of the files.
#[derive(Clone)]
pub(crate) struct Material {
    /// What handshakes are made with.
    pub(super) config: Arc<ServerConfig>,
    /// Who judges client certificates, if they are asked for.
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Of the files that it was made of.
    pub(super) digest: Digest,
}

impl Material {
    /// Makes it of the content of the files.
    ///
    /// # Errors
    /// The setting at fault, and what is wrong with its file; nothing of what is in there.
    pub(crate) fn new(settings: &Tls, files: &TlsFiles) -> Result<Self, ConfigError> {
        let chain = certificates(&files.certificate_pem)
            .ok_or_else(|| unfit("tls.certificate", "is not a chain of PEM certificates"))?;
        let key = PrivateKeyDer::from_pem_slice(files.private_key_pem.expose_secret().as_bytes())
            .map_err(|_| not_a_pair())?;
        let clients = match (&settings.clients, &files.client_ca_pem) {
            (Some(clients), Some(ca)) => {
                Some(verifier(clients, ca, files.client_crl_pem.as_deref())?)
            }
            _ => None,
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for them");
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(clients.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|_| not_a_pair())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if clients.is_some() {
            // A session that is resumed would not be asked for its certificate again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            clients,
            digest: files.digest(),
        })
    }

    /// Whether a client that showed this chain, or none, would be let in now.
    pub(super) fn would_admit(&self, chain: &[CertificateDer<'_>]) -> bool {
        match (&self.clients, chain) {
            (None, _) => true,
            (Some(clients), []) => !clients.client_auth_mandatory(),
            (Some(clients), [leaf, rest @ ..]) => clients
                .verify_client_cert(leaf, rest, UnixTime::now())
                .is_ok(),
        }
    }
}

/// Who judges client certificates.
fn verifier(
    clients: &ClientAuth,
    ca_pem: &[u8],
    crl_pem: Option<&[u8]>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    const NO_AUTHORITY: &str = "is not a PEM file of certificates alone, each of an authority";
    const NO_LIST: &str = "is not a PEM file of revocation lists alone";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem).ok_or_else(|| unfit("tls.client_ca", NO_AUTHORITY))? {
        roots
            .add(certificate)
            .map_err(|_| unfit("tls.client_ca", NO_AUTHORITY))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(crl_pem) = crl_pem {
        let lists =
            sections(crl_pem, SectionKind::Crl).ok_or_else(|| unfit("tls.client_crl", NO_LIST))?;
        let lists = lists.into_iter().map(CertificateRevocationListDer::from);
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    if !clients.required {
        builder = builder.allow_unauthenticated();
    }
    // The authorities are known to be good, so it is the lists.
    builder
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|_| unfit("tls.client_crl", NO_LIST))
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = sections(pem, SectionKind::Certificate)?;
    Some(certificates.into_iter().map(CertificateDer::from).collect())
}

/// The sections of a PEM file, if all are of one kind, readable and at least one.
fn sections(pem: &[u8], kind: SectionKind) -> Option<Vec<Vec<u8>>> {
    let mut sections = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section {
            Ok((found, der)) if found == kind => sections.push(der),
            _ => return None,
        }
    }
    (!sections.is_empty()).then_some(sections)
}

fn not_a_pair() -> ConfigError {
    ConfigError {
        key: "tls.certificate and tls.private_key".to_owned(),
        problem: "are not a PEM certificate and the private key that belongs to it".to_owned(),
        remedy: "give the certificate chain, leaf first, and the key that it was made for"
            .to_owned(),
    }
}

fn unfit(key: &str, problem: &str) -> ConfigError {
    ConfigError {
        key: key.to_owned(),
        problem: problem.to_owned(),
        remedy: "take out what does not belong there, and see that every part is whole".to_owned(),
    }
}

#[cfg(test)]
mod tests;
