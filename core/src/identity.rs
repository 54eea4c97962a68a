//! The plain identity fields of a chat user.

use serde_json::{Map, Value};

/// Identity fields, claimed or proven; empty text means "not given".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The stable id in the host application.
    pub id: String,
    /// The email address.
    pub email: String,
    /// The display name.
    pub name: String,
    /// Further fields; of a token, its remaining claims.
    pub attributes: Map<String, Value>,
}

impl Identity {
    /// Whether no field is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
            && self.email.is_empty()
            && self.name.is_empty()
            && self.attributes.is_empty()
    }
}
