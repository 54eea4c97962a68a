//! Compiles `proto/` without protoc: protox parses, tonic-prost-build generates, and the same descriptor set feeds
//! reflection and the tests that read the contract.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 6] = [
    "countersign/v1/audit.proto",
    "countersign/v1/backup.proto",
    "countersign/v1/countersign.proto",
    "countersign/v1/scheme.proto",
    "countersign/v1/secret.proto",
    "countersign/v1/token.proto",
];

/// Messages that carry a key, a proof or a body: `proto/redact.rs` gives them a Debug that shows none of it.
const REDACTED: [&str; 14] = [
    "CreateSchemeRequest",
    "Handshake",
    "Header",
    "SignRequest",
    "WebhookToSign",
    "SignResponse",
    "VerifyRequest",
    "VerifyWebhookRequest",
    "CreateSecretRequest",
    "CreateSecretResponse",
    "RotateSecretRequest",
    "RotateSecretResponse",
    "CreateTokenResponse",
    "CreateBackupResponse",
];

/// Oneofs that carry the same, as paths within their module.
const REDACTED_ONEOFS: [&str; 3] = [
    "SignRequest.input",
    "VerifyRequest.proof",
    "VerifyWebhookRequest.payload",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let redacted = REDACTED
        .iter()
        .chain(&REDACTED_ONEOFS)
        .map(|name| format!(".countersign.v1.{name}"));
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::ProstCodec")
        .bytes(".")
        // In order, so that the digest of a request does not depend on chance.
        .btree_map(".")
        // A message of a million empty items must not take a million times the room of a full one.
        .boxed(".countersign.v1.BatchVerifyItem.check.verify")
        .boxed(".countersign.v1.BatchVerifyItem.check.verify_webhook")
        .boxed(".countersign.v1.ExplainRequest.check.verify")
        .boxed(".countersign.v1.ExplainRequest.check.webhook")
        .skip_debug(redacted)
        .client_mod_attribute("countersign.v1", "#[cfg(feature = \"client\")]")
        .server_mod_attribute("countersign.v1", "#[cfg(feature = \"server\")]")
        .compile_fds(descriptors)?;
    Ok(())
}
