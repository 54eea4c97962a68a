//! The Countersign gRPC service over `countersign-core`.
//!
//! A request's way: `web` (other protocols become gRPC) → `gate` (request id, caller, limits, deadline) → `service` (wire to core) → core decides with the
//! `ring` in memory → answer. A change's way: `service` → `store` (one transaction on the writer thread, which a
//! caller cannot cancel) → `ring` → answer.

mod access;
mod budget;
mod callers;
mod catalogue;
mod clock;
pub mod config;
mod convert;
pub mod core_dump;
mod explains;
mod failpoint;
mod failure;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod listener;
mod random;
mod recorder;
mod refusals;
mod replay;
mod ring;
mod seal;
mod server;
mod service;
pub mod store;
pub mod telemetry;
mod web;

pub use clock::Clock;
pub use config::{Config, ConfigErrors, Limits, Overrides};
pub use failure::{DOMAIN, ErrorReason};
#[doc(hidden)]
pub use listener::{ConnectionCounts, Patience};
pub use seal::{Kek, KekId};
#[doc(hidden)]
pub use server::serve_in_place_of_ours;
pub use server::{Server, StartError, init};
pub use service::KeyPolicy;
