//! Webhook deliveries: what a vendor's headers say, and whether the signature holds over the raw bytes.
//!
//! The timestamp text of the header is the signed text; a parsed copy serves freshness alone. A delivery costs one
//! HMAC for each live version, however many signatures its header lists.

mod headers;
mod rules;

use std::time::Duration;

pub use headers::{Header, Headers};
pub use rules::{SignatureHeader, TimestampSource, WebhookRules, Window};

use crate::{
    Key, Reason, Timestamp,
    key::{TAG_BYTES, Tag},
    policy::TimestampUnit,
    template::{MAX_PARTS, Variable, is_id_byte},
    time::{MAX_UNIX_SECS, millis},
};

/// The most signatures that one header may list.
pub const MAX_SIGNATURES: usize = 16;

/// The longest delivery id in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// A delivery as it was received.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The headers.
    pub headers: Headers<'a>,
    /// The exact body.
    pub body: &'a [u8],
}

/// The window and unit that apply to a delivery, after the secret's own settings.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    unit: Option<TimestampUnit>,
    window: Option<Window>,
}

/// A delivery that holds.
#[derive(Debug)]
pub struct WebhookProof {
    /// The version that signed it.
    pub version: u32,
    /// When it was signed, where the unit is known.
    pub signed_time: Option<Timestamp>,
    /// The vendor's delivery id, if there is one; see [`WebhookRules::proves_id`].
    pub delivery_id: Option<String>,
    /// The tag over the signed text: what makes this delivery the same as another one.
    pub tag: Tag,
}

/// The signed parts of one delivery, located but not yet proven.
struct Claims<'a> {
    signatures: Signatures,
    timestamp: Option<&'a str>,
    id: Option<&'a str>,
}

/// The decoded signatures of one header.
struct Signatures {
    decoded: [[u8; TAG_BYTES]; MAX_SIGNATURES],
    count: usize,
}

impl Freshness {
    /// The scheme's window and unit under a secret's settings: a tolerance replaces both sides, but a side on which
    /// the scheme allows nothing stays closed.
    #[must_use]
    pub fn new(
        rules: &WebhookRules,
        tolerance: Option<Duration>,
        unit: Option<TimestampUnit>,
    ) -> Self {
        let window = match (tolerance, rules.window) {
            (None, window) => window,
            (Some(tolerance), window) => Some(Window {
                past: tolerance,
                future: match window {
                    Some(window) if window.future.is_zero() => Duration::ZERO,
                    _ => tolerance,
                },
            }),
        };
        Self {
            unit: rules.unit().or(unit),
            window,
        }
    }

    /// How long after its signing a delivery may be accepted, its sender's clock being ahead as far as allowed.
    #[must_use]
    pub fn span(self) -> Option<Duration> {
        // A timestamp in seconds is fresh until its last second is over.
        let rounding = match self.unit? {
            TimestampUnit::Seconds => Duration::from_secs(1),
            TimestampUnit::Milliseconds => Duration::from_millis(1),
        };
        self.window
            .map(|window| window.past.saturating_add(window.future))
            .map(|span| span.saturating_add(rounding))
    }

    /// The last moment at which a delivery signed at `signed` is accepted.
    #[must_use]
    pub fn last_moment(self, signed: Timestamp) -> Option<Timestamp> {
        self.unit?;
        self.window.map(|window| signed.plus(window.past))
    }

    /// Reads the timestamp text and holds it against the window.
    fn check(self, text: &str, now: Timestamp) -> Result<Option<Timestamp>, Reason> {
        let value = digits(text)?;
        let Some(unit) = self.unit else {
            return Ok(None);
        };
        let time = match unit {
            TimestampUnit::Seconds => Timestamp::from_unix_secs(value),
            TimestampUnit::Milliseconds => Timestamp::from_unix_millis(value),
        };
        if time.unix_secs() > MAX_UNIX_SECS {
            return Err(Reason::TimestampMalformed);
        }
        let Some(window) = self.window else {
            return Ok(Some(time));
        };
        // A timestamp in seconds is compared in seconds, so that the edge itself is inside.
        let now = match unit {
            TimestampUnit::Seconds => Timestamp::from_unix_secs(now.unix_secs()),
            TimestampUnit::Milliseconds => now,
        };
        if now.millis_since(time) > millis(window.past) {
            Err(Reason::TimestampTooOld)
        } else if time.millis_since(now) > millis(window.future) {
            Err(Reason::TimestampInFuture)
        } else {
            Ok(Some(time))
        }
    }
}

/// A positive decimal number without sign, spaces or leading zero. Vendors' own parsers take more; what they would
/// re-print is not what was signed.
fn digits(text: &str) -> Result<i64, Reason> {
    if text.is_empty() {
        return Err(Reason::TimestampMissing);
    }
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::TimestampMalformed);
    }
    text.parse().map_err(|_| Reason::TimestampMalformed)
}

impl WebhookRules {
    /// Whether the signature covers the delivery id.
    #[must_use]
    pub fn proves_id(&self) -> bool {
        self.signed_text.binds(Variable::Id)
    }

    /// Checks a delivery against every key: size and structure were the caller's; then grammar, timestamp, and one
    /// HMAC for each key without early exit.
    ///
    /// # Errors
    /// Why the delivery is refused.
    pub fn verify<'k>(
        &self,
        delivery: Delivery<'_>,
        keys: impl Iterator<Item = (u32, &'k Key)>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<WebhookProof, Reason> {
        let claims = self.locate(delivery.headers)?;
        let signed_time = match claims.timestamp {
            Some(text) => freshness.check(text, now)?,
            None => None,
        };
        let mut buffer = [&[][..]; MAX_PARTS];
        let text = self.signed_text.fill(&mut buffer, |variable| {
            claims.value(variable, delivery.body)
        });

        let mut proven = None;
        let mut any_key = false;
        for (version, key) in keys {
            any_key = true;
            let tag = key.tag(text);
            if claims.signatures.contain(&tag) && proven.is_none() {
                proven = Some((version, tag));
            }
        }
        match proven {
            Some((version, tag)) => Ok(WebhookProof {
                version,
                signed_time,
                delivery_id: claims.id.filter(|id| is_id(id)).map(str::to_owned),
                tag,
            }),
            None if any_key => Err(Reason::SignatureMismatch),
            None => Err(Reason::NoLiveVersion),
        }
    }

    /// Signs a delivery as the vendor would: the exact headers to send beside the body.
    #[must_use]
    pub fn sign(
        &self,
        key: &Key,
        id: &str,
        unit: Option<TimestampUnit>,
        now: Timestamp,
        body: &[u8],
    ) -> Vec<(String, String)> {
        let timestamp = match self.unit().or(unit) {
            Some(TimestampUnit::Seconds) => now.unix_secs(),
            // Nobody knows the unit, and the text is signed as it stands: the finer one loses nothing.
            Some(TimestampUnit::Milliseconds) | None => now.unix_millis(),
        }
        .to_string();
        let mut buffer = [&[][..]; MAX_PARTS];
        let text = self
            .signed_text
            .fill(&mut buffer, |variable| match variable {
                Variable::Body => body,
                Variable::Timestamp => timestamp.as_bytes(),
                Variable::Id => id.as_bytes(),
            });
        let signature = self.encoding.encode(&key.tag(text));
        self.write_headers(id, &timestamp, &signature)
    }

    /// The unit of the timestamp, where the vendor states one.
    #[must_use]
    pub fn unit(&self) -> Option<TimestampUnit> {
        self.timestamp.as_ref().and_then(|timestamp| timestamp.unit)
    }

    /// Whether the signed text is the caller's body and nothing else.
    #[must_use]
    pub fn signs_bare_body(&self) -> bool {
        self.signed_text.as_str() == "{body}"
    }

    /// Finds signatures, timestamp and id in the headers.
    fn locate<'a>(&self, headers: Headers<'a>) -> Result<Claims<'a>, Reason> {
        let prefix = self
            .header_prefixes
            .iter()
            .find(|prefix| headers.has(prefix, self.signature.header()))
            .ok_or(Reason::HeaderMissing)?;
        let signature = headers.require(prefix, self.signature.header())?;
        let signatures = self.signatures(signature)?;
        let timestamp = match self.timestamp.as_ref().map(|timestamp| &timestamp.source) {
            Some(TimestampSource::Header(name)) => Some(headers.require(prefix, name)?),
            Some(TimestampSource::Pair(key)) => Some(self.signature.pair(signature, key)?),
            None => None,
        };
        let id = match &self.id {
            Some(id) if self.proves_id() => {
                let id = headers.require(prefix, &id.header)?;
                if !is_id(id) {
                    return Err(Reason::IdMalformed);
                }
                Some(id)
            }
            Some(id) => headers.find(prefix, &id.header)?,
            None => None,
        };
        Ok(Claims {
            signatures,
            timestamp,
            id,
        })
    }

    fn signatures(&self, value: &str) -> Result<Signatures, Reason> {
        let mut found = Signatures {
            decoded: [[0; TAG_BYTES]; MAX_SIGNATURES],
            count: 0,
        };
        let mut any = false;
        for (index, entry) in self.signature.entries(value).enumerate() {
            if index == MAX_SIGNATURES {
                return Err(Reason::SignatureMalformed);
            }
            let Some(text) = self.signature.signature_of(entry) else {
                continue;
            };
            any = true;
            if let Some(bytes) = self.encoding.decode(text, self.strict) {
                found.decoded[found.count] = bytes;
                found.count += 1;
            }
        }
        match (found.count, any) {
            (0, false) => Err(Reason::SignatureMissing),
            (0, true) => Err(Reason::SignatureMalformed),
            _ => Ok(found),
        }
    }
}

impl<'a> Claims<'a> {
    fn value(&self, variable: Variable, body: &'a [u8]) -> &'a [u8] {
        match variable {
            Variable::Body => body,
            Variable::Timestamp => self.timestamp.unwrap_or_default().as_bytes(),
            Variable::Id => self.id.unwrap_or_default().as_bytes(),
        }
    }
}

impl Signatures {
    /// Whether the tag is one of them; looks at all of them, in constant time.
    fn contain(&self, tag: &Tag) -> bool {
        self.decoded[..self.count]
            .iter()
            .fold(false, |found, signature| found | tag.matches(signature))
    }
}

/// Whether the text is a delivery id: 1 to 128 characters of `A-Z a-z 0-9 _ -`. A dot would let an id reach into the
/// timestamp of a signed text.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.as_bytes().iter().all(is_id_byte)
}

#[cfg(test)]
mod tests;
