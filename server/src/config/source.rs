//! Where settings come from: file, environment and command line as one map of texts, and typed reading that collects
//! every problem instead of stopping at the first.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderValue, Uri};
use zeroize::Zeroizing;

use super::{ConfigError, KEK_VARIABLE, Overrides};

/// Every key of the configuration file.
pub const KEYS: [&str; 43] = [
    "listen",
    "data_dir",
    "reflection",
    "allowed_origins",
    "tls.certificate",
    "tls.private_key",
    "tls.client_ca",
    "tls.client_auth",
    "tls.client_crl",
    "key_encryption.key_file",
    "key_encryption.previous_key_file",
    "log.format",
    "log.level",
    "limits.max_body_bytes",
    "limits.max_headers",
    "limits.max_header_bytes",
    "limits.max_token_bytes",
    "limits.max_identifier_bytes",
    "limits.max_batch_items",
    "limits.max_concurrent_requests",
    "limits.max_concurrent_requests_per_caller",
    "limits.max_concurrent_streams",
    "limits.default_deadline",
    "limits.max_deadline",
    "limits.max_connections",
    "limits.max_connections_per_peer",
    "limits.max_connection_age",
    "limits.drain",
    "limits.max_live_versions",
    "limits.max_grace",
    "limits.default_grace",
    "limits.replay_capacity",
    "limits.caller_calls_per_second",
    "limits.caller_body_bytes_per_second",
    "limits.namespace_calls_per_second",
    "limits.namespace_body_bytes_per_second",
    "limits.max_secrets",
    "limits.max_secrets_per_namespace",
    "limits.max_schemes",
    "limits.explain_per_minute",
    "limits.max_concurrent_explains",
    "limits.use_flush",
    "limits.ballast_bytes",
];

/// The environment variable that sets a key.
#[must_use]
pub fn environment_variable(key: &str) -> String {
    format!("COUNTERSIGN_{}", key.replace('.', "_").to_uppercase())
}

/// Reads a length of time: digits and one of `ms`, `s`, `m`, `h` and `d`, such as `90s` or `24h`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

/// An origin in the one form in which a browser sends it.
fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let plain = format!("{scheme}://{authority}").to_ascii_lowercase() == text;
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // Browsers leave the usual port out, and know no wildcards.
    let web = !authority.as_str().contains(['@', '*']) && authority.port_u16() != Some(usual);
    HeaderValue::from_str(text).ok().filter(|_| plain && web)
}

/// One setting as it was written.
struct Setting {
    text: String,
    /// The environment variable or flag that it came from; none for the file.
    origin: Option<String>,
}

/// All settings as they were written, and the problems found so far.
#[derive(Default)]
pub(super) struct Source {
    settings: BTreeMap<&'static str, Setting>,
    kek: Option<Zeroizing<String>>,
    errors: Vec<ConfigError>,
    /// Whether the file could not be read, so that what seems to be missing may not be.
    incomplete: bool,
}

impl Source {
    /// Reads the file, then the environment of the process.
    pub(super) fn from_process(file: Option<&Path>) -> Self {
        let mut source = Self::default();
        if let Some(path) = file {
            match fs::read_to_string(path) {
                Ok(text) => source.add_file(&text),
                Err(error) => source.stop_at(ConfigError::new(
                    path.display().to_string(),
                    format!("cannot be read ({error})"),
                    "give the path of a TOML file in UTF-8 with --config",
                )),
            }
        }
        source.add_environment(|name| env::var_os(name));
        source.refuse_unknown_variables(env::vars_os().map(|(name, _)| name));
        source
    }

    pub(super) fn add_file(&mut self, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table("", &table),
            Err(error) => {
                // The error's own text would quote the line, and a line may hold something secret.
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                self.stop_at(ConfigError::new(
                    format!("line {line}"),
                    format!("is not TOML ({})", error.message().replace('\n', ", ")),
                    "compare with examples/countersign.toml",
                ));
            }
        }
    }

    pub(super) fn add_environment(&mut self, variable: impl Fn(&str) -> Option<OsString>) {
        for key in KEYS {
            let name = environment_variable(key);
            match variable(&name).map(OsString::into_string) {
                None => {}
                Some(Ok(text)) => self.set(key, text, Some(name)),
                Some(Err(_)) => self.errors.push(not_text(&name)),
            }
        }
        match variable(KEK_VARIABLE).map(OsString::into_string) {
            None => {}
            Some(Ok(text)) => self.kek = Some(Zeroizing::new(text)),
            Some(Err(_)) => self.errors.push(not_text(KEK_VARIABLE)),
        }
    }

    /// Refuses variables that look like settings and set nothing, which are misspelt most of the time.
    pub(super) fn refuse_unknown_variables(&mut self, names: impl Iterator<Item = OsString>) {
        let names = names.map(|name| name.to_string_lossy().into_owned());
        let mut unknown: Vec<_> = names.filter(|name| is_unknown(name)).collect();
        unknown.sort_unstable();
        for name in unknown {
            let remedy = "check its spelling, or unset it";
            self.refuse(&name, "is not a known variable", remedy, ());
        }
    }

    pub(super) fn override_with(&mut self, overrides: &Overrides) {
        let data_dir = overrides
            .data_dir
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned());
        let flags = [
            ("listen", "--listen", overrides.listen.clone()),
            ("data_dir", "--data-dir", data_dir),
            ("log.format", "--log-format", overrides.log_format.clone()),
            ("log.level", "--log-level", overrides.log_level.clone()),
        ];
        for (key, flag, text) in flags {
            if let Some(text) = text {
                self.set(key, text, Some(flag.to_owned()));
            }
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        debug_assert!(KEYS.contains(&key), "{key} is not in KEYS");
        self.settings.get(key).map(|setting| setting.text.clone())
    }

    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.is_empty() {
            return self.refuse(key, "is empty", "give a path, or leave the key out", None);
        }
        Some(text.into())
    }

    pub(super) fn address(&mut self, key: &'static str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.text(key) else {
            return default;
        };
        text.parse().unwrap_or_else(|_| {
            let remedy = "give an IP address and a port, such as 127.0.0.1:50051 or [::1]:50051";
            self.refuse(key, "is not an address", remedy, default)
        })
    }

    pub(super) fn switch(&mut self, key: &'static str, default: bool) -> bool {
        match self.text(key).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(_) => self.refuse(key, "is not a switch", "use true or false", default),
        }
    }

    /// Origins of web pages, with commas between them.
    pub(super) fn origins(&mut self, key: &'static str) -> Vec<HeaderValue> {
        let text = self.text(key).unwrap_or_default();
        let origins = text.split(',').map(str::trim);
        let origins: Option<_> = match text.trim() {
            "" => Some(Vec::new()),
            _ => origins.map(origin).collect(),
        };
        origins.unwrap_or_else(|| {
            let remedy = "give them as browsers write them, such as \"https://app.example.com\" or \
                          \"http://localhost:5173\", with commas between them; there is none for all";
            self.refuse(key, "is not a list of origins", remedy, Vec::new())
        })
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let Some(text) = self.text(key) else {
            return default;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let remedy = format!(
                    "give a whole number from {} to {}",
                    range.start(),
                    range.end()
                );
                self.refuse(key, "is out of range", &remedy, default)
            }
        }
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(text) = self.text(key) else {
            return default;
        };
        match parse_duration(&text) {
            Some(length) if range.contains(&length) => length,
            _ => {
                let remedy = format!(
                    "give a time from {:?} to {:?}, such as \"90s\", \"30m\" or \"24h\"",
                    range.start(),
                    range.end()
                );
                self.refuse(key, "is not a time or out of range", &remedy, default)
            }
        }
    }

    pub(super) fn take_kek(&mut self) -> Option<Zeroizing<String>> {
        self.kek.take()
    }

    /// Records a problem and goes on with a stand-in.
    pub(super) fn refuse<T>(&mut self, key: &str, problem: &str, remedy: &str, stand_in: T) -> T {
        let error = ConfigError::new(self.shown(key), problem, remedy);
        self.errors.push(error);
        stand_in
    }

    /// Records a problem whose key is known.
    pub(super) fn record(&mut self, error: ConfigError) {
        let key = self.shown(&error.key);
        self.errors.push(ConfigError { key, ..error });
    }

    /// Keeps a value, or records why there is none.
    pub(super) fn keep<T>(&mut self, key: &str, value: Result<T, ConfigError>) -> Option<T> {
        value
            .map_err(|error| {
                self.errors.push(ConfigError {
                    key: self.shown(key),
                    ..error
                })
            })
            .ok()
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    fn stop_at(&mut self, error: ConfigError) {
        self.errors.push(error);
        self.incomplete = true;
    }

    fn set(&mut self, key: &'static str, text: String, origin: Option<String>) {
        self.settings.insert(key, Setting { text, origin });
    }

    fn shown(&self, key: &str) -> String {
        match self
            .settings
            .get(key)
            .and_then(|setting| setting.origin.as_ref())
        {
            Some(origin) => format!("{key} (from {origin})"),
            None => key.to_owned(),
        }
    }

    fn add_table(&mut self, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => self.add_table(&format!("{key}."), inner),
                value => self.add_value(&key, value),
            }
        }
    }

    fn add_value(&mut self, key: &str, value: &toml::Value) {
        let Some(known) = KEYS.into_iter().find(|known| *known == key) else {
            return self.refuse(
                key,
                "is not a known key",
                "check its spelling and section, or remove it",
                (),
            );
        };
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            _ => {
                return self.refuse(
                    key,
                    "has the wrong type",
                    "give a text, a whole number, true or false",
                    (),
                );
            }
        };
        self.set(known, text, None);
    }
}

/// Variables of the program's other verbs, of its tests, and the key-encryption key.
const OTHER_VARIABLES: [&str; 4] = [
    KEK_VARIABLE,
    "COUNTERSIGN_SERVER",
    "COUNTERSIGN_TOKEN",
    "COUNTERSIGN_BIN",
];
const TEST_PREFIXES: [&str; 2] = ["COUNTERSIGN_CRASH_", "COUNTERSIGN_TEST_"];

fn is_unknown(name: &str) -> bool {
    name.starts_with("COUNTERSIGN_")
        && !KEYS.iter().any(|key| environment_variable(key) == name)
        && !OTHER_VARIABLES.contains(&name)
        && !TEST_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !is_service_link(name)
}

/// Kubernetes sets these in every container beside a service whose name begins with `countersign`.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

fn not_text(name: &str) -> ConfigError {
    ConfigError::new(name, "is not UTF-8 text", "set it again, or unset it")
}
