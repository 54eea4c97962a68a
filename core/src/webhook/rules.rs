//! What varies between vendors' webhooks, as data.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    Delivery, branded,
    freshness::{Freshness, TimestampForm},
    handshake::Handshake,
    jws::JwsRules,
    proven::{Proven, ProvenPart},
    reader, steps,
};
use crate::{
    Reason, Timestamp,
    encoding::Encoding,
    key::Algorithm,
    policy::TimestampUnit,
    template::{Part, Piece, Step, Template, Variable},
};

/// The webhook part of a scheme file.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "super::fields::WebhookFields")]
pub struct WebhookRules {
    /// How a delivery is proven.
    pub proof: ProofRules,
    /// The vendor's questions whether an endpoint is its owner's.
    pub handshakes: Vec<Handshake>,
}

/// How a delivery is proven.
#[derive(Clone, Debug)]
pub enum ProofRules {
    /// By a signature over a text.
    Text(Box<TextRules>),
    /// By a token in a header.
    Jws(JwsRules),
}

/// A signature over a text that is put together from the delivery.
#[derive(Clone, Debug)]
pub struct TextRules {
    /// The signed text, such as `{timestamp}.{body}`; several are tried in order. None where the key itself is sent.
    pub signed_text: Vec<Template>,
    /// The digest or algorithm.
    pub digest: Algorithm,
    /// The text form of a signature.
    pub encoding: Encoding,
    /// Whether a hexadecimal signature in the other case is refused.
    pub strict: bool,
    /// Brands of the header names: a delivery uses the first one whose signature header it carries, Sign the first.
    pub header_prefixes: Vec<String>,
    /// Where the signature stands, and in which grammar.
    pub signature: SignaturePlace,
    /// Where the timestamp stands, if there is one.
    pub timestamp: Option<TimestampRule>,
    /// Where the delivery id stands, if there is one.
    pub id: Option<Place>,
    /// How far the timestamp may be from now; none where its unit is not known.
    pub window: Option<Window>,
    /// Headers that have one value.
    pub required_headers: BTreeMap<String, String>,
    /// The header that lists the signed ones.
    pub signed_headers: Option<String>,
    /// The query parameter with the SHA-256 of a body that is no form.
    pub body_hash_query: Option<String>,
}

/// Where the signature stands, by its grammar.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "grammar", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SignaturePlace {
    /// One signature after a fixed prefix: `sha256=…`.
    Single {
        /// The header's name.
        header: String,
        /// The text before the signature.
        #[serde(default)]
        prefix: String,
    },
    /// `key=value` pairs between separators, the key possibly repeated: `t=…,v1=…,v1=…`.
    Pairs {
        /// The header's name.
        header: String,
        /// The key of a signature.
        key: String,
        /// What stands between pairs.
        #[serde(default = "comma")]
        separator: char,
        /// Whether a pair may have spaces before it.
        #[serde(default)]
        spaces: bool,
    },
    /// Versioned signatures between spaces: `v1,… v1,…`.
    Versions {
        /// The header's name.
        header: String,
        /// The version of a signature.
        key: String,
    },
    /// One signature in each of some headers, one of which must be there.
    Several {
        /// The headers' names.
        headers: Vec<String>,
    },
    /// One signature in each of the headers `header1` to `header16`, one of which must be there.
    Numbered {
        /// The names without their number.
        header: String,
    },
    /// One signature in the body.
    Body {
        /// Its pointer in a JSON body.
        json: String,
        /// Its name in a form.
        form: Option<String>,
    },
}

/// Where a timestamp stands, and in which form.
#[derive(Clone, Debug)]
pub struct TimestampRule {
    /// Where.
    pub place: TimestampPlace,
    /// The form; none where the vendor does not state the unit.
    pub form: Option<TimestampForm>,
}

/// Where a timestamp stands.
#[derive(Clone, Debug)]
pub enum TimestampPlace {
    /// In the pair of this key within the signature header.
    Pair(String),
    /// Elsewhere.
    Own(Place),
}

/// Where a value of a delivery stands.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a header of its own.
    Header(String),
    /// In the body.
    Body {
        /// Its pointer in a JSON body.
        json: String,
        /// Its name in a form.
        form: Option<String>,
    },
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

fn comma() -> char {
    ','
}

impl WebhookRules {
    /// The rules of a signed text, if that is how it is proven.
    #[must_use]
    pub fn text(&self) -> Option<&TextRules> {
        match &self.proof {
            ProofRules::Text(rules) => Some(rules),
            ProofRules::Jws(_) => None,
        }
    }

    /// The digest or algorithm, which decides what a key is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.proof {
            ProofRules::Text(rules) => rules.digest,
            ProofRules::Jws(rules) => rules.algorithm.of_key(),
        }
    }

    /// Whether every delivery names when it was signed.
    #[must_use]
    pub fn has_timestamp(&self) -> bool {
        match &self.proof {
            ProofRules::Text(rules) => rules.timestamp.is_some(),
            ProofRules::Jws(rules) => rules.issued_at_window.is_some(),
        }
    }

    /// The form of the timestamp, where the vendor states one.
    #[must_use]
    pub fn timestamp_form(&self) -> Option<TimestampForm> {
        match &self.proof {
            ProofRules::Text(rules) => rules.timestamp_form(),
            ProofRules::Jws(rules) => rules.issued_at_window.map(|_| TimestampForm::Seconds),
        }
    }

    /// How far a timestamp may be from now.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        match &self.proof {
            ProofRules::Text(rules) => rules.window,
            ProofRules::Jws(rules) => rules.window(),
        }
    }

    /// The window and unit that hold under a secret's settings.
    #[must_use]
    pub fn freshness(&self, tolerance: Option<Duration>, unit: Option<TimestampUnit>) -> Freshness {
        let form = self.timestamp_form().or(unit.map(TimestampForm::from));
        Freshness::new(form, self.window(), tolerance)
    }

    /// What the signature of a delivery covers, where the delivery has all of it.
    #[must_use]
    pub fn proven(&self) -> Proven {
        match &self.proof {
            ProofRules::Text(rules) => rules
                .signed_text
                .first()
                .map(|text| Proven::by(rules, text))
                .unwrap_or_default(),
            ProofRules::Jws(rules) => rules.proven(),
        }
    }

    /// Whether the signed text has the URL or a part of it in it.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        let part_of_url = |variable: &Variable| {
            matches!(
                variable,
                Variable::Url | Variable::Path | Variable::Query(_)
            )
        };
        self.text()
            .is_some_and(|rules| rules.any_variable(part_of_url))
    }

    /// Whether the signed text has the HTTP method in it.
    #[must_use]
    pub fn needs_method(&self) -> bool {
        let rules = self.text();
        rules.is_some_and(|rules| rules.any_variable(|it| *it == Variable::Method))
    }

    /// What is signed of a body, where the signed text is the caller's body and nothing else.
    ///
    /// # Errors
    /// The scheme signs what is in a compressed body, and it cannot be unpacked.
    pub fn bare_text<'b>(&self, body: &'b [u8]) -> Result<Option<Cow<'b, [u8]>>, Reason> {
        let texts = self.text().map_or(&[][..], |rules| &rules.signed_text);
        let is_key = |part: &&Part| matches!(part.piece, Piece::Variable(Variable::Secret, _));
        let mut bare = texts.iter().filter_map(|text| {
            let mut parts = text.parts().iter().filter(|part| !is_key(part));
            match (parts.next().map(|part| &part.piece), parts.next()) {
                (Some(Piece::Variable(Variable::Body, step)), None) => Some(*step),
                _ => None,
            }
        });
        bare.next().map(|step| steps::body(body, step)).transpose()
    }

    /// Whether it does more with a body than to hash it.
    pub(crate) fn reads_the_body(&self) -> bool {
        let reads_json = |text: &TextRules| text.any_variable(|it| matches!(it, Variable::Json(_)));
        let text = self.text();
        self.unpacks() || text.is_some_and(|text| text.reads_forms() || reads_json(text))
    }

    /// Whether it unpacks a body to check it.
    pub(crate) fn unpacks(&self) -> bool {
        let texts = self.text().map_or(&[][..], |rules| &rules.signed_text);
        let mut parts = texts.iter().flat_map(Template::parts);
        parts.any(|part| matches!(part.piece, Piece::Variable(_, Some(Step::Gunzip))))
    }

    /// How many bytes a scheme that unpacks makes of a body: a few of gzip may be megabytes.
    pub(crate) fn unpacked_bytes(body: &[u8]) -> usize {
        let unpacked = steps::body(body, Some(Step::Gunzip));
        unpacked.map_or_else(|_| steps::max_unpacked(body), |it| it.len())
    }

    /// Whether a text could be what a delivery's signature covers.
    #[must_use]
    pub fn may_sign(&self, text: &[u8]) -> bool {
        let texts = self.text().map_or(&[][..], |rules| &rules.signed_text);
        texts.iter().any(|template| template.may_be(text))
    }

    /// A time at which the token of a delivery has begun and, unless it never holds, not ended: for a search that looks
    /// at signatures alone and decides nothing. A signed text begins at any time.
    pub(crate) fn begins(&self, delivery: Delivery<'_>) -> Timestamp {
        let begins = match &self.proof {
            ProofRules::Text(_) => None,
            ProofRules::Jws(rules) => rules.begins(delivery),
        };
        begins.unwrap_or(Timestamp::from_unix_secs(0))
    }

    /// The names of the headers that Sign writes and Verify reads, under the first brand.
    #[must_use]
    pub fn header_names(&self) -> Vec<String> {
        match &self.proof {
            ProofRules::Text(rules) => rules.header_names(),
            ProofRules::Jws(rules) => vec![rules.header.clone()],
        }
    }

    /// Whether a header is the scheme's own: Sign writes it, or Verify looks for a signature in it.
    #[must_use]
    pub fn is_own_header(&self, name: &str) -> bool {
        let is_numbered = |rules: &TextRules| match &rules.signature {
            SignaturePlace::Numbered { header } => reader::numbered(header)
                .any(|numbered| rules.branded(&numbered).eq_ignore_ascii_case(name)),
            _ => false,
        };
        let mut own = self.header_names().into_iter();
        own.any(|own| own.eq_ignore_ascii_case(name)) || self.text().is_some_and(is_numbered)
    }
}

impl TextRules {
    /// The form of the timestamp, where the vendor states one.
    #[must_use]
    pub fn timestamp_form(&self) -> Option<TimestampForm> {
        self.timestamp.as_ref().and_then(|rule| rule.form)
    }

    /// What one of the signed texts covers.
    #[must_use]
    pub fn proven_by(&self, text: &Template) -> Proven {
        Proven::by(self, text)
    }

    /// Whether a variable of some kind stands in any of the signed texts.
    pub fn any_variable(&self, is: impl Fn(&Variable) -> bool) -> bool {
        self.signed_text
            .iter()
            .flat_map(Template::variables)
            .any(is)
    }

    /// Whether it matters whether a body is a form, which its Content-Type says.
    pub(crate) fn reads_forms(&self) -> bool {
        let timestamp = self.timestamp.as_ref().map(|rule| &rule.place);
        self.body_hash_query.is_some()
            || self.any_variable(|it| *it == Variable::SortedForm)
            || matches!(self.signature, SignaturePlace::Body { form: Some(_), .. })
            || matches!(self.id, Some(Place::Body { form: Some(_), .. }))
            || matches!(
                timestamp,
                Some(TimestampPlace::Own(Place::Body { form: Some(_), .. }))
            )
    }

    /// Whether the timestamp is read from a body whose signature has held, and not from what is signed beside it.
    pub(super) fn timestamp_is_in_the_body(&self) -> bool {
        let in_body = self
            .timestamp
            .as_ref()
            .is_some_and(|rule| matches!(rule.place, TimestampPlace::Own(Place::Body { .. })));
        in_body && !self.any_variable(|it| *it == Variable::Timestamp)
    }

    fn id_is_in_the_body(&self) -> bool {
        matches!(self.id, Some(Place::Body { .. }))
    }

    /// A covered body covers what is read from it.
    pub(super) fn add_what_the_body_holds(&self, proven: &mut Proven) {
        if !proven.has(ProvenPart::Body) {
            return;
        }
        if self.timestamp_is_in_the_body() {
            proven.add(ProvenPart::Timestamp);
        }
        if self.id_is_in_the_body() {
            proven.add(ProvenPart::Id);
        }
    }

    fn header_names(&self) -> Vec<String> {
        let timestamp = self.timestamp.as_ref().and_then(|rule| match &rule.place {
            TimestampPlace::Own(Place::Header(name)) => Some(name.as_str()),
            _ => None,
        });
        let id = match &self.id {
            Some(Place::Header(name)) => Some(name.as_str()),
            _ => None,
        };
        let signature = match &self.signature {
            SignaturePlace::Several { headers } => headers.iter().map(String::clone).collect(),
            SignaturePlace::Numbered { header } => vec![format!("{header}1")],
            other => Vec::from_iter(other.header().map(str::to_owned)),
        };
        let own = [self.signed_headers.as_deref(), id, timestamp];
        let branded = own
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .chain(signature)
            .map(|name| self.branded(&name));
        self.required_headers
            .keys()
            .cloned()
            .chain(branded)
            .collect()
    }

    pub(crate) fn branded(&self, name: &str) -> String {
        let prefix = self.header_prefixes.first().map_or("", String::as_str);
        branded(prefix, name)
    }
}
