//! Which keys may have been made of the text that a vendor shows.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Cause, CauseCode, Variant, envelopes};
use crate::{
    Key,
    key::{Algorithm, KeyDecoding},
    key_policy,
    scheme::Scheme,
};

/// Texts that vendors write before a key.
const PREFIXES: [&str; 6] = ["v1,whsec_", "whsec_", "whsk_", "v1,", "sk_", "ws_"];

/// What stands before a token for calling an API, and before no signing secret.
const API_TOKENS: [&str; 2] = ["Bearer ", "xoxb-"];

/// The keys that other readings of the text give; none where the algorithm knows no reading but its own.
pub(super) fn variants(scheme: &Scheme, text: &SecretString) -> Vec<Variant<Key>> {
    let algorithm = scheme.algorithm();
    if algorithm.is_public_key() {
        return Vec::new();
    }
    let own = scheme.decode_key(text).ok();
    let mut keys = Keys {
        algorithm,
        seen: own
            .iter()
            .map(|key| Zeroizing::new(key.expose_bytes().to_vec()))
            .collect(),
        found: Vec::new(),
    };
    let text = text.expose_secret();
    // What is a text to the scheme has white space; what is decoded was read in another way first of all.
    let is_text = scheme.key.decoding == KeyDecoding::Utf8;
    if is_text {
        keys.add_spaced(text);
    }
    for (bare, what) in stripped(text, &scheme.key.prefix) {
        keys.add_decoded(&bare, what);
    }
    keys.add_spaced(text);
    keys.found
}

/// Of a reading of a version's key that signed.
pub(super) fn cause(scheme: &Scheme, version: u32, variant: &Variant<Key>) -> Cause {
    let summary = format!(
        "It was signed with the key of version {version} taken {}.",
        variant.what
    );
    let advice = format!("The scheme takes the key as {}.", scheme.describe_key());
    Cause::new(variant.code, summary).and(&advice)
}

/// Whether the text begins like a key for calling an API.
pub(super) fn is_api_key(scheme: &Scheme, text: &SecretString) -> bool {
    let text = text.expose_secret();
    let is_token = API_TOKENS.iter().any(|prefix| text.starts_with(prefix));
    is_token || key_policy::is_api_key(&scheme.key, text)
}

/// The text with and without what may stand before it.
fn stripped(text: &str, own: &str) -> Vec<(Zeroizing<String>, &'static str)> {
    let copy = |text: &str| Zeroizing::new(text.to_owned());
    let mut texts = vec![(copy(text), "")];
    for prefix in [own].into_iter().chain(PREFIXES) {
        match text.strip_prefix(prefix) {
            Some(bare) if !prefix.is_empty() && !bare.is_empty() => {
                texts.push((copy(bare), " without its prefix"));
            }
            _ => {}
        }
    }
    for prefix in ["whsec_", "v1,whsec_", "v1,"] {
        if !text.starts_with(prefix) {
            let longer = Zeroizing::new([prefix, text].concat());
            texts.push((longer, " with a prefix before it"));
        }
    }
    texts
}

struct Keys {
    algorithm: Algorithm,
    seen: Vec<Zeroizing<Vec<u8>>>,
    found: Vec<Variant<Key>>,
}

impl Keys {
    fn add(&mut self, code: CauseCode, what: String, bytes: Vec<u8>) {
        let bytes = Zeroizing::new(bytes);
        if bytes.is_empty() || self.seen.contains(&bytes) {
            return;
        }
        self.seen.push(bytes.clone());
        if let Ok(value) = Key::of(self.algorithm, bytes) {
            self.found.push(Variant {
                code,
                what: what.into(),
                value,
            });
        }
    }

    /// The text with white space or quotes that are not its own, and without what it has.
    fn add_spaced(&mut self, text: &str) {
        let trimmed = text.trim_ascii();
        for (before, after, what) in [
            ("", "\n", "a newline behind it"),
            ("", "\r\n", "CR and LF behind it"),
            ("", "\r", "a CR behind it"),
            ("", " ", "a space behind it"),
            ("", "\t", "a tab behind it"),
            (" ", "", "a space before it"),
            ("\n", "", "a newline before it"),
            (" ", " ", "a space on each side"),
            ("\"", "\"", "quotes around it"),
            ("'", "'", "quotes around it"),
        ] {
            let what = format!("with {what}");
            let bytes = [before, trimmed, after].concat().into_bytes();
            self.add(CauseCode::KeyWhitespace, what, bytes);
        }
        let bare = trimmed.trim_matches(['"', '\'']);
        for bare in [trimmed, bare] {
            let what = "without the white space or quotes around it".to_owned();
            self.add(CauseCode::KeyWhitespace, what, bare.as_bytes().to_vec());
        }
    }

    fn add_decoded(&mut self, text: &str, how: &str) {
        let mut add = |what: &str, bytes: Option<Vec<u8>>| {
            if let Some(bytes) = bytes {
                self.add(CauseCode::KeyDecoding, format!("{what}{how}"), bytes);
            }
        };
        add("as text", Some(text.as_bytes().to_vec()));
        add("decoded from hexadecimal", hex::decode(text).ok());
        add("decoded from base64", envelopes::base64_decoded(text));
        // What lenient decoders make of text with characters outside of the alphabet.
        add("decoded leniently from base64", lenient(text));
        add(
            "as upper-case text",
            Some(text.to_ascii_uppercase().into_bytes()),
        );
        add(
            "as lower-case text",
            Some(text.to_ascii_lowercase().into_bytes()),
        );
        add(
            "encoded once more in base64",
            Some(STANDARD.encode(text).into_bytes()),
        );
        let decoded = envelopes::base64_decoded(text).or_else(|| hex::decode(text).ok());
        add(
            "as the hexadecimal text of its bytes",
            decoded.map(|bytes| hex::encode(bytes).into_bytes()),
        );
    }
}

/// Skips what is outside of the alphabet and whatever is left over at the end.
fn lenient(text: &str) -> Option<Vec<u8>> {
    let alphabet = |c: char| match c {
        '-' => Some('+'),
        '_' => Some('/'),
        c => (c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).then_some(c),
    };
    let mut clean: Zeroizing<String> = Zeroizing::new(text.chars().filter_map(alphabet).collect());
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    STANDARD_NO_PAD.decode(clean.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    /// The code of the variant of `shown` that is the key `bytes`.
    fn cause(scheme: &str, shown: &str, bytes: &[u8]) -> Option<CauseCode> {
        let scheme = Catalogue::builtin().scheme(scheme).unwrap();
        let found = variants(scheme, &shown.to_owned().into());
        let found = found
            .into_iter()
            .find(|it| it.value.expose_bytes() == bytes);
        found.map(|variant| variant.code)
    }

    #[test]
    fn other_readings_of_a_key_are_found() {
        let raw = [7_u8; 24];
        let base64 = STANDARD.encode(raw);
        let shown = format!("whsec_{base64}");
        let decoding = Some(CauseCode::KeyDecoding);
        assert_eq!(
            cause("standard.webhook", &shown, shown.as_bytes()),
            decoding
        );
        assert_eq!(
            cause("standard.webhook", &shown, base64.as_bytes()),
            decoding
        );
        assert_eq!(cause("standard.webhook", &shown, &raw), None);
        assert_eq!(cause("stripe.webhook", &shown, base64.as_bytes()), decoding);
        assert_eq!(cause("stripe.webhook", &shown, &raw), decoding);
        let pasted = format!("v1,{shown}");
        assert_eq!(cause("github.webhook", &pasted, &raw), decoding);
        let hex = hex::encode(raw);
        assert_eq!(cause("pylon.identity", &hex, hex.as_bytes()), decoding);
        assert_eq!(cause("chatwoot.identity", &hex, &raw), decoding);
        let unpadded = base64.trim_end_matches('=');
        assert_eq!(cause("github.webhook", unpadded, &raw), decoding);
    }

    #[test]
    fn white_space_and_quotes_are_found() {
        let space = Some(CauseCode::KeyWhitespace);
        for bytes in [
            "key-of-vendor\n",
            "key-of-vendor\r\n",
            " key-of-vendor",
            "\"key-of-vendor\"",
        ] {
            assert_eq!(
                cause("github.webhook", "key-of-vendor", bytes.as_bytes()),
                space
            );
            assert_eq!(cause("github.webhook", bytes, b"key-of-vendor"), space);
        }
    }

    #[test]
    fn an_api_key_is_told_from_a_signing_secret() {
        let scheme = |id| Catalogue::builtin().scheme(id).unwrap();
        let key = |text: &str| SecretString::from(text.to_owned());
        assert!(is_api_key(scheme("stripe.webhook"), &key("sk_test_1")));
        assert!(!is_api_key(scheme("stripe.webhook"), &key("whsec_1")));
        assert!(!is_api_key(scheme("github.webhook"), &key("anything")));
        assert!(is_api_key(scheme("slack.webhook"), &key("xoxb-1")));
        // Signing secrets of this vendor begin so.
        assert!(!is_api_key(scheme("talkjs.webhook"), &key("sk_test_1")));
    }
}
