//! The text form of a digest.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::key::{TAG_BYTES, Tag};

/// How a scheme writes its digests and signatures, and how exactly it wants them written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Hexadecimal, printed in lower case.
    HexLower,
    /// Hexadecimal, printed in upper case.
    HexUpper,
    /// Standard base64 with padding.
    Base64,
    /// URL-safe base64 without padding.
    Base64url,
    /// As it stands: a key that is sent itself.
    #[serde(skip)]
    Text,
}

impl Encoding {
    /// The text of a tag.
    #[must_use]
    pub fn encode(self, tag: &Tag) -> String {
        self.encode_bytes(tag.expose_bytes())
    }

    /// The text of a signature.
    #[must_use]
    pub fn encode_bytes(self, bytes: &[u8]) -> String {
        match self {
            Self::HexLower => hex::encode(bytes),
            Self::HexUpper => hex::encode_upper(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => URL_SAFE_NO_PAD.encode(bytes),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The bytes of a received digest: hexadecimal in either case, or canonical base64. `None` unless it is exactly
    /// one HMAC-SHA256. With `strict` the case must be the scheme's own.
    #[must_use]
    pub fn decode(self, text: &str, strict: bool) -> Option<[u8; TAG_BYTES]> {
        let mut bytes = [0; TAG_BYTES];
        let length = self.decode_into(text, strict, &mut bytes)?;
        (length == TAG_BYTES).then_some(bytes)
    }

    /// The same for a signature of any length that fits the buffer; answers the length.
    #[must_use]
    pub fn decode_into(self, text: &str, strict: bool, bytes: &mut [u8]) -> Option<usize> {
        match self {
            // The engines refuse non-canonical text.
            Self::Base64 => STANDARD.decode_slice(text, bytes).ok(),
            Self::Base64url => URL_SAFE_NO_PAD.decode_slice(text, bytes).ok(),
            Self::HexLower | Self::HexUpper => {
                let foreign = |byte: u8| match self {
                    Self::HexUpper => byte.is_ascii_lowercase(),
                    _ => byte.is_ascii_uppercase(),
                };
                if strict && text.bytes().any(foreign) {
                    return None;
                }
                let bytes = bytes.get_mut(..text.len() / 2)?;
                hex::decode_to_slice(text, bytes).ok()?;
                Some(bytes.len())
            }
            Self::Text => None,
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::HexLower => "lower-case hexadecimal",
            Self::HexUpper => "upper-case hexadecimal",
            Self::Base64 => "base64",
            Self::Base64url => "URL-safe base64 without padding",
            Self::Text => "as it stands",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h07_case_matters_only_where_the_scheme_is_strict() {
        let lower = "ab".repeat(32);
        let upper = lower.to_uppercase();
        let mixed = "aB".repeat(32);
        for text in [&lower, &upper, &mixed] {
            assert_eq!(Encoding::HexLower.decode(text, false), Some([0xab; 32]));
            assert_eq!(Encoding::HexUpper.decode(text, false), Some([0xab; 32]));
        }
        assert!(Encoding::HexLower.decode(&lower, true).is_some());
        assert!(Encoding::HexLower.decode(&upper, true).is_none());
        assert!(Encoding::HexLower.decode(&mixed, true).is_none());
        assert!(Encoding::HexUpper.decode(&upper, true).is_some());
        assert!(Encoding::HexUpper.decode(&lower, true).is_none());
    }

    #[test]
    fn h06_only_a_whole_digest_is_one() {
        let text = "ab".repeat(32);
        for end in 0..64 {
            assert!(Encoding::HexLower.decode(&text[..end], false).is_none());
        }
        let base64 = STANDARD.encode([1; 32]);
        for bad in [
            format!("{text}a"),
            format!("{text}{text}"),
            format!("0x{}", &text[2..]),
            format!(" {}", &text[1..]),
            "ａｂ".repeat(16),
            base64.clone(),
        ] {
            assert!(Encoding::HexLower.decode(&bad, false).is_none());
        }
        assert!(Encoding::Base64.decode(&base64, false).is_some());
        for bad in [
            STANDARD.encode([1; 31]),
            STANDARD.encode([1; 33]),
            STANDARD.encode([1; 64]),
            base64.trim_end_matches('=').to_owned(),
            // The same bytes with unused bits set.
            format!("{}F=", &base64[..42]),
        ] {
            assert!(Encoding::Base64.decode(&bad, false).is_none(), "{bad}");
        }
    }
}
