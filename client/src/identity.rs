//! The plain identity fields of a chat user.

use std::collections::BTreeMap;

use countersign_proto::v1;
use prost_types::{Struct, Value};

/// Plain identity fields. An empty text is a field that is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// The user's stable id in the host application.
    pub id: String,
    /// The user's email address.
    pub email: String,
    /// The user's display name.
    pub name: String,
    /// Further fields; of a token, the remaining claims.
    pub attributes: BTreeMap<String, Value>,
}

impl Identity {
    /// An identity with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Adds the email address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }

    /// Adds the display name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a further field.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

impl From<v1::Identity> for Identity {
    fn from(wire: v1::Identity) -> Self {
        let attributes = wire
            .attributes
            .map(|attributes| attributes.fields)
            .unwrap_or_default();
        Self {
            id: wire.id,
            email: wire.email,
            name: wire.name,
            attributes,
        }
    }
}

impl From<Identity> for v1::Identity {
    fn from(identity: Identity) -> Self {
        let Identity {
            id,
            email,
            name,
            attributes,
        } = identity;
        let attributes = (!attributes.is_empty()).then_some(Struct { fields: attributes });
        Self {
            id,
            email,
            name,
            attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_the_way_over_the_wire() {
        let identity = Identity::new("u1")
            .with_email("a@example.com")
            .with_attribute("plan", "pro");
        assert_eq!(
            Identity::from(v1::Identity::from(identity.clone())),
            identity
        );
    }

    #[test]
    fn no_attributes_are_not_sent_as_an_empty_object() {
        assert_eq!(v1::Identity::from(Identity::new("u1")).attributes, None);
    }
}
