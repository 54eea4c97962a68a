//! What Countersign decides, and nothing about how it is asked: schemes, tokens, webhooks, verdicts and the rotation
//! state machine. No IO, no clock, no randomness, no async, no wire types; time and random bytes are arguments.

pub mod identity;
pub mod key;
pub mod key_policy;
pub mod name;
pub mod reason;
pub mod rotation;
pub mod time;
pub mod token;

pub use identity::Identity;
pub use key::Key;
pub use name::SecretName;
pub use reason::Reason;
pub use time::Timestamp;
