//! How old a delivery may be.

use std::{ops::RangeInclusive, time::Duration};

use ::time::{OffsetDateTime, format_description::well_known::Rfc3339};
use serde::Deserialize;

use super::Window;
use crate::{
    Reason, Timestamp,
    policy::TimestampUnit,
    time::{MAX_UNIX_SECS, millis},
};

/// Longest timestamp text in bytes.
const MAX_TIMESTAMP_BYTES: usize = 40;

/// The times that a delivery without a window may state, in Unix seconds: those of as many digits as today's. Where
/// nothing stands between timestamp and body, digits could else move from one to the other under the same signature.
const TODAYS_DIGITS: RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;

/// The form of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimestampForm {
    /// Unix seconds in decimal.
    Seconds,
    /// Unix milliseconds in decimal.
    Milliseconds,
    /// Date, time and zone (RFC 3339).
    Rfc3339,
}

/// The window and form that apply to a delivery, after the secret's own settings.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    form: Option<TimestampForm>,
    window: Option<Window>,
    /// Whether the timestamp is not even read.
    unread: bool,
}

impl From<TimestampUnit> for TimestampForm {
    fn from(unit: TimestampUnit) -> Self {
        match unit {
            TimestampUnit::Seconds => Self::Seconds,
            TimestampUnit::Milliseconds => Self::Milliseconds,
        }
    }
}

impl TimestampForm {
    /// Reads a timestamp text.
    ///
    /// # Errors
    /// [`Reason::TimestampMissing`] for an empty one, [`Reason::TimestampMalformed`].
    pub fn read(self, text: &str) -> Result<Timestamp, Reason> {
        let time = match self {
            Self::Seconds => Timestamp::from_unix_secs(digits(text)?),
            Self::Milliseconds => Timestamp::from_unix_millis(digits(text)?),
            Self::Rfc3339 => date(text)?,
        };
        if time.unix_secs() > MAX_UNIX_SECS {
            return Err(Reason::TimestampMalformed);
        }
        Ok(time)
    }

    /// Writes a timestamp text.
    pub(crate) fn write(self, time: Timestamp) -> String {
        match self {
            Self::Seconds => time.unix_secs().to_string(),
            Self::Milliseconds => time.unix_millis().to_string(),
            Self::Rfc3339 => OffsetDateTime::from_unix_timestamp(time.unix_secs())
                .ok()
                .and_then(|date| date.format(&Rfc3339).ok())
                .unwrap_or_default(),
        }
    }

    /// A timestamp in seconds is compared in seconds, so that the edge itself is inside, and is fresh until its last
    /// second is over.
    fn resolution(self) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(1),
            Self::Milliseconds | Self::Rfc3339 => Duration::from_millis(1),
        }
    }
}

impl Freshness {
    /// A scheme's window under a secret's tolerance, which replaces both sides; but a side on which the scheme allows
    /// nothing stays closed.
    pub(super) fn new(
        form: Option<TimestampForm>,
        own: Option<Window>,
        tolerance: Option<Duration>,
    ) -> Self {
        let window = match tolerance {
            None => own,
            Some(tolerance) => Some(Window {
                past: tolerance,
                future: match own {
                    Some(window) if window.future.is_zero() => Duration::ZERO,
                    _ => tolerance,
                },
            }),
        };
        Self {
            form,
            window,
            unread: false,
        }
    }

    /// Any timestamp, in whatever form: for a search that looks at signatures alone and decides nothing.
    #[must_use]
    pub(crate) fn unchecked() -> Self {
        Self {
            form: None,
            window: None,
            unread: true,
        }
    }

    /// The form in which timestamps are read.
    #[must_use]
    pub(crate) fn form(self) -> Option<TimestampForm> {
        self.form
    }

    /// How far a timestamp may be from now.
    #[must_use]
    pub(crate) fn window(self) -> Option<Window> {
        self.window
    }

    /// How long after its signing a delivery may be accepted, its sender's clock being ahead as far as allowed.
    #[must_use]
    pub fn span(self) -> Option<Duration> {
        let rounding = self.form?.resolution();
        self.window
            .map(|window| window.past.saturating_add(window.future))
            .map(|span| span.saturating_add(rounding))
    }

    /// The last moment at which a delivery signed at `signed` is accepted.
    #[must_use]
    pub fn last_moment(self, signed: Timestamp) -> Option<Timestamp> {
        self.form?;
        self.window.map(|window| signed.plus(window.past))
    }

    /// Reads the timestamp text and holds it against the window.
    pub(crate) fn check(self, text: &str, now: Timestamp) -> Result<Option<Timestamp>, Reason> {
        if self.unread {
            return Ok(None);
        }
        let Some(form) = self.form else {
            // Nobody knows the unit, but it is a number.
            digits(text)?;
            return Ok(None);
        };
        let time = form.read(text)?;
        let Some(window) = self.window else {
            return match TODAYS_DIGITS.contains(&time.unix_secs()) {
                true => Ok(Some(time)),
                false => Err(Reason::TimestampMalformed),
            };
        };
        let now = match form {
            TimestampForm::Seconds => Timestamp::from_unix_secs(now.unix_secs()),
            TimestampForm::Milliseconds | TimestampForm::Rfc3339 => now,
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

fn date(text: &str) -> Result<Timestamp, Reason> {
    if text.is_empty() {
        return Err(Reason::TimestampMissing);
    }
    if text.len() > MAX_TIMESTAMP_BYTES {
        return Err(Reason::TimestampMalformed);
    }
    let date = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Reason::TimestampMalformed)?;
    let millis = i64::try_from(date.unix_timestamp_nanos() / 1_000_000);
    match millis {
        Ok(millis) if millis > 0 => Ok(Timestamp::from_unix_millis(millis)),
        _ => Err(Reason::TimestampMalformed),
    }
}
