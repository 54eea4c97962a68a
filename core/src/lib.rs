//! What Countersign decides, and nothing about how it is asked: schemes, tokens, webhooks, verdicts and the rotation
//! state machine. No IO, no clock, no randomness, no async, no wire types; time and random bytes are arguments.

pub mod access;
pub mod audit;
pub mod catalogue;
pub mod conformance;
pub mod encoding;
pub mod explain;
pub mod hash;
pub mod identity;
pub mod key;
pub mod key_policy;
pub mod lint;
pub mod name;
pub mod own;
pub mod page;
pub mod policy;
pub mod reason;
pub mod rotation;
pub mod scheme;
pub mod secret;
pub mod template;
pub mod time;
pub mod token;
pub mod vectors;
pub mod verdict;
pub mod webhook;

pub use catalogue::Catalogue;
pub use identity::Identity;
pub use key::Key;
pub use name::SecretName;
pub use own::OwnScheme;
pub use reason::Reason;
pub use scheme::{Purpose, Rules, Scheme};
pub use secret::Secret;
pub use time::Timestamp;
