//! Certificate and key of the listener, and which clients show a certificate of their own.

use std::{net::SocketAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sha2::Digest as _;

use super::{
    ConfigError, Source,
    files::{read_pem, read_private_key},
};
use crate::listener::Material;

/// The label of a certificate in PEM.
const CERTIFICATE: &str = "CERTIFICATE";

/// SHA-256 over the content of all files.
pub(crate) type Digest = [u8; 32];

/// Where certificate and key of the listener lie. They are read at the start and whenever they change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The certificate chain, leaf first, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub private_key: PathBuf,
    /// Which certificates clients show; none are asked for if this is none.
    pub clients: Option<ClientAuth>,
}

/// Which certificates clients show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAuth {
    /// The authorities that issue them, as PEM.
    pub ca: PathBuf,
    /// Whether a client without one is turned away.
    pub required: bool,
    /// The lists of those that were revoked, as PEM: one for each authority in a chain.
    pub crl: Option<PathBuf>,
}

/// The content of the files.
pub(crate) struct TlsFiles {
    pub certificate_pem: Vec<u8>,
    pub private_key_pem: SecretString,
    pub client_ca_pem: Option<Vec<u8>>,
    pub client_crl_pem: Option<Vec<u8>>,
}

impl TlsFiles {
    pub(crate) fn digest(&self) -> Digest {
        let none = Vec::new();
        let contents = [
            &self.certificate_pem,
            self.private_key_pem.expose_secret().as_bytes(),
            self.client_ca_pem.as_ref().unwrap_or(&none),
            self.client_crl_pem.as_ref().unwrap_or(&none),
        ];
        let mut digest = sha2::Sha256::new();
        for content in contents {
            digest.update(content.len().to_be_bytes());
            digest.update(content);
        }
        digest.finalize().into()
    }
}

impl Tls {
    /// Reads the files as they are now.
    ///
    /// # Errors
    /// Which setting names one that cannot be read, or is not private enough.
    pub(crate) fn read_files(&self) -> Result<TlsFiles, ConfigError> {
        let clients = self.clients.as_ref();
        let pem = |key: &str, path: &PathBuf, label: &str| {
            read_pem(path, label).map_err(|error| error.about(key))
        };
        Ok(TlsFiles {
            certificate_pem: pem("tls.certificate", &self.certificate, CERTIFICATE)?,
            private_key_pem: read_private_key(&self.private_key)
                .map_err(|error| error.about("tls.private_key"))?,
            client_ca_pem: clients
                .map(|clients| pem("tls.client_ca", &clients.ca, CERTIFICATE))
                .transpose()?,
            client_crl_pem: clients
                .and_then(|clients| clients.crl.as_ref())
                .map(|crl| pem("tls.client_crl", crl, "X509 CRL"))
                .transpose()?,
        })
    }

    /// Everything that the listener makes of the files.
    ///
    /// # Errors
    /// Which setting is at fault.
    pub(crate) fn load(&self) -> Result<Material, ConfigError> {
        Material::new(self, &self.read_files()?)
    }

    /// What the settings say, if it holds together, with files that do.
    pub(super) fn read(source: &mut Source, listen: SocketAddr) -> Option<Self> {
        let certificate = source.path("tls.certificate");
        let private_key = source.path("tls.private_key");
        let clients = ClientAuth::read(source);
        match (certificate, private_key) {
            (Some(certificate), Some(private_key)) => {
                let files = [
                    source.keep(
                        "tls.certificate",
                        read_pem(&certificate, CERTIFICATE).map(drop),
                    ),
                    source.keep("tls.private_key", read_private_key(&private_key).map(drop)),
                ];
                if files.contains(&None) {
                    return None;
                }
                let tls = Self {
                    certificate,
                    private_key,
                    clients,
                };
                let usable = tls.load().map_err(|error| source.record(error));
                usable.ok().map(|_| tls)
            }
            (None, None) if clients.is_some() => {
                let problem = "is set without tls.certificate and tls.private_key";
                let remedy = "set them beside it, or remove it";
                source.refuse("tls.client_ca", problem, remedy, None)
            }
            (None, None) if listen.ip().is_loopback() => None,
            (None, None) => {
                let problem = "is beyond loopback and TLS is not set, so keys and tokens would cross the network";
                let remedy =
                    "set tls.certificate and tls.private_key, or listen on 127.0.0.1 or [::1]";
                source.refuse("listen", problem, remedy, None)
            }
            (Some(_), None) => source.refuse(
                "tls.private_key",
                "is missing",
                "set it beside tls.certificate",
                None,
            ),
            (None, Some(_)) => source.refuse(
                "tls.certificate",
                "is missing",
                "set it beside tls.private_key",
                None,
            ),
        }
    }
}

impl ClientAuth {
    /// Certificates of these authorities, required.
    #[cfg(test)]
    pub(crate) fn required(ca: PathBuf) -> Self {
        Self {
            ca,
            required: true,
            crl: None,
        }
    }

    /// With an authority and no word about it, a certificate is required. Anything about client certificates without
    /// an authority is refused, and never read as "let everybody in".
    fn read(source: &mut Source) -> Option<Self> {
        let ca = source.path("tls.client_ca");
        let crl = source.path("tls.client_crl");
        let auth = source.text("tls.client_auth");
        let Some(ca) = ca else {
            let halves = [
                ("tls.client_auth", auth.is_some()),
                ("tls.client_crl", crl.is_some()),
            ];
            for (key, _) in halves.into_iter().filter(|(_, is_set)| *is_set) {
                let problem = "is set without tls.client_ca";
                source.refuse(key, problem, "set it beside this, or remove this", ());
            }
            return None;
        };
        let required = match auth.as_deref() {
            None | Some("required") => true,
            Some("optional") => false,
            Some(_) => source.refuse(
                "tls.client_auth",
                "is not known",
                "use \"required\" or \"optional\"",
                true,
            ),
        };
        Some(Self { ca, required, crl })
    }
}
