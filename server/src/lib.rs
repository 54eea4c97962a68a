//! The Countersign gRPC service over `countersign-core`: store, key ring, limits, telemetry.

mod clock;
mod seal;
pub mod store;

pub use clock::Clock;
pub use seal::Kek;
