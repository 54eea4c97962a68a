//! What the targets share: proofs as text that can be mutated and read, and secrets of every scheme.

pub mod captured;
pub mod secrets;

use std::alloc::System;

use cap::Cap;
use sha2::{Digest, Sha256};

/// No input needs this much memory, catalogue of schemes included: one that does ends the run as a finding. libFuzzer's
/// own memory is not counted.
const MAX_HEAP_BYTES: usize = 64 << 20;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, MAX_HEAP_BYTES);

/// A number below `bound` that depends on the bytes alone, to choose with.
///
/// # Panics
/// Nothing can be chosen of nothing.
#[must_use]
pub fn choose(data: &[u8], bound: usize) -> usize {
    let hash: [u8; 32] = Sha256::digest(data).into();
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    usize::try_from(number).expect("usize has 32 bits") % bound
}
