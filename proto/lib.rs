//! The wire contract of Countersign: the generated types of `countersign.v1` and nothing else.
//!
//! It knows no other crate of the workspace. Every message that can hold a key, a proof or a body has a `Debug`
//! that shows none of it (`redact`), because prost ignores the redaction option.

/// Package `countersign.v1`.
pub mod v1 {
    // tonic's generated modules carry no docs of their own and import more than they use.
    #![allow(missing_docs, unused_imports)]
    tonic::include_proto!("countersign.v1");
}

#[doc(hidden)]
pub mod codec;
mod redact;

/// The encoded `FileDescriptorSet` of the contract, for reflection and for tests that read it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
