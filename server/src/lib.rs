//! The Countersign gRPC service over `countersign-core`: store, key ring, limits, telemetry.

mod clock;

pub use clock::Clock;
