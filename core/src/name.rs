//! Names of secrets.

use std::{fmt, sync::Arc};

/// Longest name in bytes: 4 segments of 63 characters and the slashes between them.
pub const MAX_NAME_BYTES: usize = 4 * 63 + 3;

/// The name of a secret: 1 to 4 segments `[a-z0-9][a-z0-9._-]{0,62}` joined by `/`. The first segment is the
/// namespace, the unit of isolation. A name is never used as a file path.
/// Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

/// The text is not a name. It says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is 1 to 4 segments of a-z 0-9 . _ - (63 characters each, first a letter or digit) joined by \"/\""
)]
pub struct NameError;

impl SecretName {
    /// Reads a name.
    ///
    /// # Errors
    /// The text is not a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(NameError)
        }
    }

    /// Whether [`SecretName::parse`] would take the text.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        is_name(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first segment.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES && text.split('/').count() <= 4 && text.split('/').all(is_segment)
}

/// Whether the text is one segment of a name, such as a namespace or a label key.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.bytes().next().is_some_and(alphanumeric)
        && text
            .bytes()
            .all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d26_only_names_are_names() {
        for good in ["a", "acme/stripe", "a/b/c/d", "0.x_y-z", &"a".repeat(63)] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        let long_segment = "a".repeat(64);
        let long_name = "a/".repeat(150);
        for bad in [
            "",
            "..",
            "a//b",
            "/a",
            "a/",
            "a/b/c/d/e",
            "Acme",
            ".a",
            "-a",
            "_a",
            "a b",
            "a\0",
            "аcme",
            "a/../b",
            "a\n",
            &long_segment,
            &long_name,
        ] {
            assert_eq!(SecretName::parse(bad), Err(NameError), "{bad:?}");
        }
    }

    #[test]
    fn the_first_segment_is_the_namespace() {
        assert_eq!(
            SecretName::parse("acme/chat/eu").unwrap().namespace(),
            "acme"
        );
        assert_eq!(SecretName::parse("solo").unwrap().namespace(), "solo");
    }
}
