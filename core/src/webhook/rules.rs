//! What varies between vendors' webhooks, as data.

use std::time::Duration;

use serde::Deserialize;

use crate::{Reason, encoding::Encoding, policy::TimestampUnit, template::Template};

/// The webhook part of a scheme file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookRules {
    /// The signed text, such as `{timestamp}.{body}`.
    pub signed_text: Template,
    /// The text form of a signature.
    pub encoding: Encoding,
    /// Whether a hexadecimal signature in the other case is refused.
    #[serde(default)]
    pub strict: bool,
    /// Brands of the header names: a delivery uses the first one whose signature header it carries, Sign the first.
    #[serde(default = "no_prefix")]
    pub header_prefixes: Vec<String>,
    /// Where the signature stands, and in which grammar.
    pub signature: SignatureHeader,
    /// Where the timestamp stands, if there is one.
    pub timestamp: Option<TimestampRule>,
    /// Where the delivery id stands, if there is one.
    pub id: Option<IdRule>,
    /// How far the timestamp may be from now; none where its unit is not known.
    pub window: Option<Window>,
}

/// The header of the signature, by its grammar.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "grammar", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SignatureHeader {
    /// One signature after a fixed prefix: `sha256=…`.
    Single {
        /// The header's name.
        header: String,
        /// The text before the signature.
        #[serde(default)]
        prefix: String,
    },
    /// `key=value` pairs between commas, the key possibly repeated: `t=…,v1=…,v1=…`.
    Pairs {
        /// The header's name.
        header: String,
        /// The key of a signature.
        key: String,
    },
    /// Versioned signatures between spaces: `v1,… v1,…`.
    Versions {
        /// The header's name.
        header: String,
        /// The version of a signature.
        key: String,
    },
}

/// Where a timestamp stands, and in which unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "TimestampFields")]
pub struct TimestampRule {
    /// Where.
    pub source: TimestampSource,
    /// The unit; none where the vendor does not state it.
    pub unit: Option<TimestampUnit>,
}

/// Where a timestamp stands.
#[derive(Clone, Debug)]
pub enum TimestampSource {
    /// In a header of its own.
    Header(String),
    /// In the pair of this key within the signature header.
    Pair(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampFields {
    header: Option<String>,
    pair: Option<String>,
    unit: Option<TimestampUnit>,
}

impl TryFrom<TimestampFields> for TimestampRule {
    type Error = &'static str;

    fn try_from(fields: TimestampFields) -> Result<Self, Self::Error> {
        let source = match (fields.header, fields.pair) {
            (Some(header), None) => TimestampSource::Header(header),
            (None, Some(pair)) => TimestampSource::Pair(pair),
            _ => return Err("a timestamp stands in a header or in a pair"),
        };
        Ok(Self {
            source,
            unit: fields.unit,
        })
    }
}

/// Where a delivery id stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdRule {
    /// The header's name.
    pub header: String,
}

/// How far a timestamp may be from now, edges included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WindowSecs")]
pub struct Window {
    /// Into the past.
    pub past: Duration,
    /// Into the future.
    pub future: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowSecs {
    past_secs: u32,
    future_secs: u32,
}

impl From<WindowSecs> for Window {
    fn from(window: WindowSecs) -> Self {
        Self {
            past: Duration::from_secs(window.past_secs.into()),
            future: Duration::from_secs(window.future_secs.into()),
        }
    }
}

fn no_prefix() -> Vec<String> {
    vec![String::new()]
}

impl SignatureHeader {
    /// The header's name, without brand.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Single { header, .. }
            | Self::Pairs { header, .. }
            | Self::Versions { header, .. } => header,
        }
    }

    /// The entries of a header value: one, or those of the list.
    pub(super) fn entries<'a>(&self, value: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let separator = match self {
            Self::Single { .. } => None,
            Self::Pairs { .. } => Some(','),
            Self::Versions { .. } => Some(' '),
        };
        let whole = separator.is_none().then_some(value);
        let list = separator.map(|separator| value.split(separator));
        whole
            .into_iter()
            .chain(list.into_iter().flatten())
            .filter(|entry| !entry.is_empty())
    }

    /// The signature text of an entry, if the entry is a signature.
    pub(super) fn signature_of<'a>(&self, entry: &'a str) -> Option<&'a str> {
        match self {
            Self::Single { prefix, .. } => Some(entry.strip_prefix(prefix.as_str()).unwrap_or("")),
            Self::Pairs { key, .. } => pair(entry, '=', key),
            Self::Versions { key, .. } => pair(entry, ',', key),
        }
    }

    /// The one value of another key of a pair list.
    ///
    /// # Errors
    /// [`Reason::TimestampMissing`] when it is not there, [`Reason::HeaderAmbiguous`] when it stands twice.
    pub(super) fn pair<'a>(&self, value: &'a str, key: &str) -> Result<&'a str, Reason> {
        let mut values = self
            .entries(value)
            .filter_map(|entry| pair(entry, '=', key));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Reason::HeaderAmbiguous),
            (value, _) => value.ok_or(Reason::TimestampMissing),
        }
    }
}

fn pair<'a>(entry: &'a str, separator: char, key: &str) -> Option<&'a str> {
    let (found, value) = entry.split_once(separator)?;
    (found == key).then_some(value)
}

impl WebhookRules {
    /// The names of the headers that Sign writes and Verify reads, under the first brand.
    #[must_use]
    pub fn header_names(&self) -> Vec<String> {
        let timestamp = self.timestamp.as_ref().and_then(|rule| match &rule.source {
            TimestampSource::Header(name) => Some(name.as_str()),
            TimestampSource::Pair(_) => None,
        });
        let id = self.id.as_ref().map(|id| id.header.as_str());
        [id, timestamp, Some(self.signature.header())]
            .into_iter()
            .flatten()
            .map(|name| self.branded(name))
            .collect()
    }

    /// The headers of a signed delivery.
    pub(super) fn write_headers(
        &self,
        id: &str,
        timestamp: &str,
        signature: &str,
    ) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if let Some(rule) = &self.id {
            headers.push((self.branded(&rule.header), id.to_owned()));
        }
        let mut time_pair = String::new();
        match self.timestamp.as_ref().map(|rule| &rule.source) {
            Some(TimestampSource::Header(name)) => {
                headers.push((self.branded(name), timestamp.to_owned()));
            }
            Some(TimestampSource::Pair(key)) => time_pair = format!("{key}={timestamp},"),
            None => {}
        }
        let value = match &self.signature {
            SignatureHeader::Single { prefix, .. } => format!("{prefix}{signature}"),
            SignatureHeader::Pairs { key, .. } => format!("{time_pair}{key}={signature}"),
            SignatureHeader::Versions { key, .. } => format!("{key},{signature}"),
        };
        headers.push((self.branded(self.signature.header()), value));
        headers
    }

    fn branded(&self, name: &str) -> String {
        let prefix = self.header_prefixes.first().map_or("", String::as_str);
        format!("{prefix}{name}")
    }
}
