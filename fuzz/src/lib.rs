//! What the targets share: proofs as text that can be mutated and read, and secrets of every scheme.

pub mod calls;
pub mod captured;
pub mod secrets;
pub mod service;

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

/// Whether what is said about an input repeats a text of it. That it holds the text is not enough: libFuzzer reads the
/// strings that a program compares, and writes them into inputs. So the text is replaced by another one, and asked again.
pub fn repeats(data: &[u8], text: &str, say: impl Fn(&[u8]) -> Option<String>) -> bool {
    let is_said = |data: &[u8], text: &str| say(data).is_some_and(|said| said.contains(text));
    if !is_said(data, text) {
        return false;
    }
    let other: String = text.chars().map(next).collect();
    is_said(&replaced(data, text.as_bytes(), other.as_bytes()), &other)
}

/// The next letter or digit of its kind, so that a text stays one of its kind.
fn next(char: char) -> char {
    match char {
        'z' => 'a',
        'Z' => 'A',
        '9' => '1',
        'a'..='y' | 'A'..='Y' | '0'..='8' => char::from_u32(u32::from(char) + 1).unwrap_or(char),
        _ => char,
    }
}

fn replaced(data: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = &rest[1..];
            }
        }
    }
    out
}
