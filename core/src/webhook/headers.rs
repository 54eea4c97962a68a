//! The headers of a delivery, as they came.

use crate::Reason;

/// One header field.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// The name, in any case.
    pub name: &'a str,
    /// The value, untrimmed.
    pub value: &'a str,
}

/// All header fields. Names are compared without case; a field that must stand once and stands twice is ambiguous,
/// whatever its values.
#[derive(Clone, Copy)]
pub struct Headers<'a>(pub &'a [Header<'a>]);

impl<'a> Headers<'a> {
    /// Whether the field `prefix` + `name` is there at all.
    pub(crate) fn has(self, prefix: &str, name: &str) -> bool {
        self.0.iter().any(|header| header.is(prefix, name))
    }

    /// The one value of a field, or `None`.
    ///
    /// # Errors
    /// [`Reason::HeaderAmbiguous`] when it stands more than once.
    pub(crate) fn find(self, prefix: &str, name: &str) -> Result<Option<&'a str>, Reason> {
        let mut values = self.0.iter().filter(|header| header.is(prefix, name));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Reason::HeaderAmbiguous),
            (header, _) => Ok(header.map(|header| header.value)),
        }
    }

    /// The one value of a field.
    ///
    /// # Errors
    /// [`Reason::HeaderMissing`] or [`Reason::HeaderAmbiguous`].
    pub(super) fn require(self, prefix: &str, name: &str) -> Result<&'a str, Reason> {
        self.find(prefix, name)?.ok_or(Reason::HeaderMissing)
    }
}

/// The name of a header under a brand, as its vendor writes it: a brand in lower case has the whole name so.
pub(crate) fn branded(brand: &str, name: &str) -> String {
    let is_lower = !brand.is_empty() && brand == brand.to_ascii_lowercase();
    match is_lower {
        true => format!("{brand}{}", name.to_ascii_lowercase()),
        false => format!("{brand}{name}"),
    }
}

impl Header<'_> {
    fn is(&self, prefix: &str, name: &str) -> bool {
        self.name.len() == prefix.len() + name.len()
            && self
                .name
                .bytes()
                .zip(prefix.bytes().chain(name.bytes()))
                .all(|(a, b)| a.eq_ignore_ascii_case(&b))
    }
}
