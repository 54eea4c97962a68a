//! The signatures that a delivery carries.

use super::{MAX_SIGNATURES, TextRules, rules::SignaturePlace};
use crate::{
    Reason,
    key::{Algorithm, MAX_SIGNATURE_BYTES},
};

/// The most signatures by public keys, each of which is verified on its own.
const MAX_PUBLIC_KEY_SIGNATURES: usize = 4;

/// Longest key that is sent as it is, in bytes.
const MAX_TOKEN_BYTES: usize = 512;

/// The signatures of one delivery, decoded. Nearly all have one, which needs no allocation and no table for the rest.
pub(super) struct Signatures<'a> {
    first: Option<Signature<'a>>,
    others: Vec<Signature<'a>>,
    /// Whether there was one, of whatever form.
    any: bool,
}

#[derive(Clone, Copy)]
enum Signature<'a> {
    Decoded {
        bytes: [u8; MAX_SIGNATURE_BYTES],
        length: usize,
    },
    Text(&'a str),
}

impl Signature<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Decoded { bytes, length } => &bytes[..*length],
            Self::Text(text) => text.as_bytes(),
        }
    }
}

impl<'a> Signatures<'a> {
    pub(super) fn none() -> Self {
        Self {
            first: None,
            others: Vec::new(),
            any: false,
        }
    }

    /// Takes in what stands in one header.
    ///
    /// # Errors
    /// [`Reason::SignatureMalformed`] for more signatures than there may be.
    pub(super) fn add(&mut self, rules: &TextRules, value: &'a str) -> Result<(), Reason> {
        if rules.digest != Algorithm::Token {
            return self.add_decoded(rules, value);
        }
        self.any = true;
        let text = rules.signature.signature_of(value).unwrap_or_default();
        if (1..=MAX_TOKEN_BYTES).contains(&text.len()) {
            self.push(Signature::Text(text))?;
        }
        Ok(())
    }

    /// Takes in what stands in one header or field and is no bare key.
    ///
    /// # Errors
    /// [`Reason::SignatureMalformed`] for more signatures than there may be.
    pub(super) fn add_decoded(&mut self, rules: &TextRules, value: &str) -> Result<(), Reason> {
        for (index, entry) in rules.signature.entries(value).enumerate() {
            if index == MAX_SIGNATURES {
                return Err(Reason::SignatureMalformed);
            }
            if rules.digest.is_public_key() && self.count() == MAX_PUBLIC_KEY_SIGNATURES {
                return Err(Reason::SignatureMalformed);
            }
            let Some(text) = rules.signature.signature_of(entry) else {
                continue;
            };
            self.any = true;
            if let Some(signature) = decoded(rules, text) {
                self.push(signature)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, signature: Signature<'a>) -> Result<(), Reason> {
        if self.count() == MAX_SIGNATURES {
            return Err(Reason::SignatureMalformed);
        }
        match self.first {
            None => self.first = Some(signature),
            Some(_) => self.others.push(signature),
        }
        Ok(())
    }

    fn count(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// The signatures, if there is one at all.
    ///
    /// # Errors
    /// [`Reason::SignatureMissing`], or [`Reason::SignatureMalformed`] when none is in the scheme's form.
    pub(super) fn some(self) -> Result<Self, Reason> {
        match (self.count(), self.any) {
            (0, false) => Err(Reason::SignatureMissing),
            (0, true) => Err(Reason::SignatureMalformed),
            _ => Ok(self),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.first.iter().chain(&self.others).map(Signature::bytes)
    }
}

fn decoded(rules: &TextRules, text: &str) -> Option<Signature<'static>> {
    let mut bytes = [0; MAX_SIGNATURE_BYTES];
    let length = rules.encoding.decode_into(text, rules.strict, &mut bytes)?;
    let whole = rules.digest.signature_bytes().contains(&length);
    whole.then_some(Signature::Decoded { bytes, length })
}

impl SignaturePlace {
    /// The one header's name, without brand; none for several headers and for the body.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Single { header, .. }
            | Self::Pairs { header, .. }
            | Self::Versions { header, .. } => Some(header),
            Self::Several { .. } | Self::Numbered { .. } | Self::Body { .. } => None,
        }
    }

    /// The entries of a header value: one, or those of the list.
    fn entries<'v>(&self, value: &'v str) -> impl Iterator<Item = &'v str> + use<'v> {
        let (separator, spaces) = match self {
            Self::Pairs {
                separator, spaces, ..
            } => (Some(*separator), *spaces),
            Self::Versions { .. } => (Some(' '), false),
            _ => (None, false),
        };
        let whole = separator.is_none().then_some(value);
        let list = separator.map(|separator| value.split(separator));
        whole
            .into_iter()
            .chain(list.into_iter().flatten())
            .map(move |entry| match spaces {
                true => entry.trim_start_matches(' '),
                false => entry,
            })
            .filter(|entry| !entry.is_empty())
    }

    /// The signature text of an entry, if the entry is a signature.
    fn signature_of<'v>(&self, entry: &'v str) -> Option<&'v str> {
        match self {
            Self::Single { prefix, .. } => Some(entry.strip_prefix(prefix.as_str()).unwrap_or("")),
            Self::Pairs { key, .. } => pair(entry, '=', key),
            Self::Versions { key, .. } => pair(entry, ',', key),
            Self::Several { .. } | Self::Numbered { .. } | Self::Body { .. } => Some(entry),
        }
    }

    /// The one value of another key of a pair list.
    ///
    /// # Errors
    /// [`Reason::TimestampMissing`] when it is not there, [`Reason::HeaderAmbiguous`] when it stands twice.
    pub(super) fn pair<'v>(&self, value: &'v str, key: &str) -> Result<&'v str, Reason> {
        let mut values = self
            .entries(value)
            .filter_map(|entry| pair(entry, '=', key));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Reason::HeaderAmbiguous),
            (value, _) => value.ok_or(Reason::TimestampMissing),
        }
    }
}

fn pair<'v>(entry: &'v str, separator: char, key: &str) -> Option<&'v str> {
    let (found, value) = entry.split_once(separator)?;
    (found == key).then_some(value)
}
