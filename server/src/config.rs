//! The settings of a server, read once at the start and never again.
//!
//! Precedence: default < file < environment < command line. Every problem is reported in one go, because whoever
//! repairs a configuration wants to see all of it. No text here ever repeats the content of a key or token.
//!
//! Each key of the file has one environment variable: `COUNTERSIGN_` and the key in upper case, with `_` for `.`, so
//! `limits.max_body_bytes` is `COUNTERSIGN_LIMITS_MAX_BODY_BYTES`. `COUNTERSIGN_KEK` may hold the key-encryption key
//! itself; [`KEYS`] lists the rest. Any other variable of that prefix is refused as an unknown key of the file is, but
//! for those of the program's other verbs, and those that Kubernetes sets for a service of this name.

mod files;
mod limits;
mod source;
mod tls;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use http::HeaderValue;
use secrecy::SecretBox;

pub use limits::Limits;
pub use source::{KEYS, environment_variable, parse_duration};
pub use tls::{ClientAuth, Tls};
pub(crate) use tls::{Digest, TlsFiles};

use files::{make_key_file, read_key_file, read_key_text, read_piped_key};
use source::Source;

use crate::{KekId, listener::Patience};

/// Where the service listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);
/// Where the store lies unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/countersign";
/// The log filter unless told otherwise.
pub const DEFAULT_LOG_LEVEL: &str = "info";
/// The environment variable that may hold the key-encryption key.
pub const KEK_VARIABLE: &str = "COUNTERSIGN_KEK";
/// What stands in that variable when the key comes on standard input instead: `serve` moves it there.
pub const KEK_PIPED: &str = "(piped)";

/// The settings of a server, complete and checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// The address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// Certificate and key of the listener; none is plain HTTP/2, on loopback only.
    pub tls: Option<Tls>,
    /// Whether everybody may do everything without a credential, which only `dev` allows.
    pub open: bool,
    /// The key that seals the secrets at rest.
    pub key_encryption_key: SecretBox<[u8; 32]>,
    /// The key that it replaces, while the store is being brought under it.
    pub previous_key_encryption_key: Option<SecretBox<[u8; 32]>>,
    /// Whether the clock is right although the store has seen a later time; said once, by a flag.
    pub trust_clock: bool,
    /// Every limit.
    pub limits: Limits,
    /// How to log.
    pub log: Log,
    /// Whether gRPC reflection is served.
    pub reflection: bool,
    /// The origins of web pages that may call, such as `https://app.example.com`.
    pub allowed_origins: Vec<HeaderValue>,
    /// How long the listener waits for its peers; for tests.
    #[doc(hidden)]
    pub patience: Patience,
    /// What is allowed but should be changed; for the log, once it is there.
    pub warnings: Vec<String>,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged: a `tracing_subscriber` filter such as `info` or `info,countersign_server=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            level: DEFAULT_LOG_LEVEL.to_owned(),
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Text, for people.
    Human,
}

/// What the command line says; each set field beats file and environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// For `listen`.
    pub listen: Option<String>,
    /// For `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// For `log.format`.
    pub log_format: Option<String>,
    /// For `log.level`.
    pub log_level: Option<String>,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key at fault, with the environment variable or flag if the value came from there.
    pub key: String,
    /// What is wrong, without the value.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// The same with its key filled in.
    fn about(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.key, self.problem, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong with a configuration, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads the settings for real use from a file, the environment and the command line.
    ///
    /// # Errors
    /// Everything that is wrong: unknown or unreadable settings and `COUNTERSIGN_` variables, a listener beyond loopback without TLS, half a TLS
    /// configuration, a missing key-encryption key, or one that others may read.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigErrors> {
        let mut source = Source::from_process(file);
        source.override_with(overrides);
        Self::resolve(source)
    }

    /// The open settings of `dev`: no TLS, no callers, no rates, reflection on, loopback only. The key-encryption key is made at
    /// random and kept in `dev.key` beside the store, so that a second start can open it again.
    ///
    /// # Errors
    /// If the address is not loopback, or the folder or its key cannot be made or read.
    pub fn dev(listen: SocketAddr, data_dir: &Path) -> Result<Self, ConfigErrors> {
        if !listen.ip().is_loopback() {
            let remedy = "listen on 127.0.0.1 or [::1], or use `countersign serve`, which has TLS and knows its callers";
            let problem = "dev has no TLS and no authentication, so it listens on loopback only";
            return Err(ConfigErrors(vec![ConfigError::new(
                "listen", problem, remedy,
            )]));
        }
        let key = make_key_file(data_dir).map_err(|error| ConfigErrors(vec![error]))?;
        Ok(Self {
            listen,
            data_dir: data_dir.to_owned(),
            tls: None,
            open: true,
            key_encryption_key: key,
            previous_key_encryption_key: None,
            trust_clock: false,
            // Nobody depends on a dev store when its disk is full.
            limits: Limits {
                ballast_bytes: 0,
                ..Limits::DEFAULT.without_rates()
            },
            log: Log {
                format: LogFormat::Human,
                level: "warn".to_owned(),
            },
            reflection: true,
            allowed_origins: Vec::new(),
            patience: Patience::DEFAULT,
            warnings: Vec::new(),
        })
    }

    fn resolve(mut source: Source) -> Result<Self, ConfigErrors> {
        if source.is_incomplete() {
            return Err(ConfigErrors(source.into_errors()));
        }
        let listen = source.address("listen", DEFAULT_LISTEN);
        let data_dir = source
            .path("data_dir")
            .unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let limits = Limits::read(&mut source);
        let log = Log::read(&mut source);
        let reflection = source.switch("reflection", false);
        let allowed_origins = source.origins("allowed_origins");
        let tls = Tls::read(&mut source, listen);
        let mut warnings = Vec::new();
        let key = key_encryption_key(&mut source, &mut warnings);
        let previous_key_encryption_key = previous_key(&mut source, key.as_ref());
        let errors = source.into_errors();
        match key {
            Some(key_encryption_key) if errors.is_empty() => Ok(Self {
                listen,
                data_dir,
                tls,
                open: false,
                key_encryption_key,
                previous_key_encryption_key,
                trust_clock: false,
                limits,
                log,
                reflection,
                allowed_origins,
                patience: Patience::DEFAULT,
                warnings,
            }),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

impl Log {
    fn read(source: &mut Source) -> Self {
        let default = Self::default();
        let format = match source.text("log.format").as_deref() {
            None => default.format,
            Some("json") => LogFormat::Json,
            Some("human") => LogFormat::Human,
            Some(_) => source.refuse(
                "log.format",
                "is not known",
                "use \"json\" or \"human\"",
                default.format,
            ),
        };
        let level = source.text("log.level").unwrap_or(default.level);
        if !is_log_filter(&level) {
            let remedy = "use error, warn, info, debug or trace, or a filter such as \"info,countersign_server=debug\"";
            source.refuse("log.level", "is not a log filter", remedy, ());
        }
        Self { format, level }
    }
}

/// Whether every directive names a level. A lone word that is no level would be the name of a target, and a misspelt
/// level so silences everything else.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let named = text.split(',').all(|directive| {
        directive.contains(['=', '[']) || LEVELS.contains(&&*directive.to_ascii_lowercase())
    });
    let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
    named && parsed.is_ok()
}

fn key_encryption_key(
    source: &mut Source,
    warnings: &mut Vec<String>,
) -> Option<SecretBox<[u8; 32]>> {
    const KEY: &str = "key_encryption.key_file";
    let text = source.take_kek();
    match (source.path(KEY), text) {
        (Some(_), Some(_)) => {
            let problem = format!("is set, and so is {KEK_VARIABLE}");
            source.refuse(
                KEY,
                &problem,
                "keep one of them, best the file; two keys cannot both be right",
                None,
            )
        }
        (Some(path), None) => source.keep(KEY, read_key_file(&path)),
        (None, Some(text)) if *text == KEK_PIPED => {
            warnings.push(format!(
                "{KEK_VARIABLE} was erased from the environment of this process, but stays readable to whoever sets \
                 it: move the key to a file with mode 0600 and set {KEY}"
            ));
            source.keep(KEK_VARIABLE, read_piped_key())
        }
        (None, Some(text)) => {
            warnings.push(format!(
                "{KEK_VARIABLE} stays readable in the environment of this process as long as it runs: \
                 move the key to a file with mode 0600 and set {KEY}"
            ));
            source.keep(KEK_VARIABLE, read_key_text(text))
        }
        (None, None) => {
            let remedy = "make a key with `openssl rand -hex 32 > FILE && chmod 600 FILE`, name the file here, and \
                          keep a copy elsewhere: without it the secrets are lost";
            source.refuse(KEY, "is missing", remedy, None)
        }
    }
}

/// The key that is being replaced.
fn previous_key(
    source: &mut Source,
    current: Option<&SecretBox<[u8; 32]>>,
) -> Option<SecretBox<[u8; 32]>> {
    const KEY: &str = "key_encryption.previous_key_file";
    let path = source.path(KEY)?;
    let previous = source.keep(KEY, read_key_file(&path))?;
    // Ids are public, so nothing is told by how long this takes.
    if current.is_some_and(|current| KekId::of(current) == KekId::of(&previous)) {
        let remedy = "name the key that was in use before, or leave it out";
        return source.refuse(KEY, "holds the same key as the current one", remedy, None);
    }
    Some(previous)
}

/// Reads a key-encryption key file as a start would.
///
/// # Errors
/// It cannot be read, others may read it, or it holds no key.
pub fn read_kek(path: &Path) -> Result<SecretBox<[u8; 32]>, ConfigError> {
    read_key_file(path).map_err(|error| ConfigError {
        key: path.display().to_string(),
        ..error
    })
}

#[cfg(test)]
mod tests;
