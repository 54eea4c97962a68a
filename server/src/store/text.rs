//! How enums are written in the database: as words, so that a dump can be read.

use countersign_core::policy::{Mode, ReplayPolicy, TimestampUnit};

use countersign_core::key_policy::KeyWarning;

use super::ChangeError;

/// An enum with a word for each value.
pub(super) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, word)| word)
    }

    fn from_word(text: &str) -> Result<Self, ChangeError> {
        Self::WORDS
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(value, _)| *value)
            .ok_or(ChangeError::Corrupt)
    }
}

impl Word for Mode {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Off, "off"),
        (Self::Optional, "optional"),
        (Self::Required, "required"),
    ];
}

impl Word for TimestampUnit {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Seconds, "seconds"),
        (Self::Milliseconds, "milliseconds"),
    ];
}

impl Word for ReplayPolicy {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Off, "off"),
        (Self::Report, "report"),
        (Self::Deny, "deny"),
    ];
}

impl Word for KeyWarning {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::ShortKey, "short_key"),
        (Self::KeyShared, "key_shared"),
    ];
}
