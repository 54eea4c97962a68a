//! The Countersign gRPC service over `countersign-core`: store, key ring, limits, telemetry.

mod clock;
pub mod config;

pub use clock::Clock;
pub use config::{Config, ConfigErrors, Limits, Overrides};
