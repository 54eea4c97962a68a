//! The bytes of a call, metadata and message, through the whole service: decoded, authorized, converted, decided, answered.
//! No call ends with INTERNAL, none without a good credential gets in, and no status repeats what was sent.
#![no_main]

use std::fmt::Debug;

use countersign_fuzz::{
    calls::Call,
    repeats,
    service::{self, texts},
};
use countersign_proto::{FILE_DESCRIPTOR_SET, v1};
use countersign_server::fuzzing::Answer;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use prost_types::FileDescriptorSet;

const UNAUTHENTICATED: i32 = 16;
/// UNKNOWN, INTERNAL, DATA_LOSS.
const OUR_FAULT: [i32; 3] = [2, 13, 15];

fuzz_target!(init: every_rpc_is_known(), |data: &[u8]| -> Corpus {
    let Some(call) = Call::parse(data) else {
        return Corpus::Reject;
    };
    if !check_message(call.path, call.message) {
        return Corpus::Reject;
    }
    match answer(&call) {
        Some(answer) => {
            check(&call, &answer, data);
            Corpus::Keep
        }
        None => Corpus::Reject,
    }
});

fn answer(call: &Call<'_>) -> Option<Answer> {
    service::with(|service| service.call(call.path, &call.metadata, call.message))
}

fn check(call: &Call<'_>, answer: &Answer, data: &[u8]) {
    let said = String::from_utf8_lossy(&answer.status);
    assert!(!OUR_FAULT.contains(&answer.code), "{}: {said}", call.path);
    let is_foreign = |(name, _): &(&str, &[u8])| {
        name.eq_ignore_ascii_case("authorization") || *name == "peer-san"
    };
    if call.metadata.iter().any(is_foreign) {
        assert_eq!(answer.code, UNAUTHENTICATED, "{}", call.path);
    }
    let sent = call.metadata.iter().map(|(_, value)| *value);
    for text in sent.chain([call.message]).flat_map(texts) {
        let is_repeated = said.contains(text) && repeats(data, text, say);
        assert!(!is_repeated, "{}: {text:?} in {said}", call.path);
    }
}

/// The status of a call.
fn say(data: &[u8]) -> Option<String> {
    let answer = answer(&Call::parse(data)?)?;
    Some(String::from_utf8_lossy(&answer.status).into_owned())
}

/// Every rpc of the contract with its request: one that is missing here ends the run at its start.
macro_rules! requests {
    ($($service:literal { $($method:literal: $type:ident),* $(,)? })*) => {
        /// Decodes a message of an rpc; `false` if there is no such rpc.
        fn check_message(path: &str, message: &[u8]) -> bool {
            match path {
                $($(concat!("countersign.v1.", $service, "/", $method) => check_decoded::<v1::$type>(message),)*)*
                _ => return false,
            }
            true
        }
    };
}

requests! {
    "AuditService" {
        "ListAuditRecords": ListAuditRecordsRequest,
        "VerifyAuditChain": VerifyAuditChainRequest,
    }
    "BackupService" {
        "CreateBackup": CreateBackupRequest,
    }
    "CountersignService" {
        "BatchVerify": BatchVerifyRequest,
        "Explain": ExplainRequest,
        "Sign": SignRequest,
        "Verify": VerifyRequest,
        "VerifyWebhook": VerifyWebhookRequest,
    }
    "SchemeService" {
        "CreateScheme": CreateSchemeRequest,
        "DeleteScheme": DeleteSchemeRequest,
        "GetScheme": GetSchemeRequest,
        "ListSchemes": ListSchemesRequest,
    }
    "SecretService" {
        "ActivateVersion": ActivateVersionRequest,
        "CreateSecret": CreateSecretRequest,
        "DeleteSecret": DeleteSecretRequest,
        "GetSecret": GetSecretRequest,
        "ListSecrets": ListSecretsRequest,
        "RevokeVersion": RevokeVersionRequest,
        "RotateSecret": RotateSecretRequest,
        "UpdateSecret": UpdateSecretRequest,
    }
    "TokenService" {
        "CreateToken": CreateTokenRequest,
        "ListTokens": ListTokensRequest,
        "RevokeToken": RevokeTokenRequest,
    }
}

/// What is decoded is encoded and decoded again to the same, and can be shown.
fn check_decoded<T: Message + Default + Debug>(bytes: &[u8]) {
    let Ok(message) = T::decode(bytes) else {
        return;
    };
    let encoded = message.encode_to_vec();
    let again = T::decode(encoded.as_slice()).expect("what was encoded is decoded");
    assert_eq!(again.encode_to_vec(), encoded);
    let _ = format!("{message:?}");
}

fn every_rpc_is_known() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the contract is compiled in");
    for service in set.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let path = format!("countersign.v1.{}/{}", service.name(), method.name());
            assert!(
                check_message(&path, &[]),
                "{path} has no entry in the fuzz target"
            );
        }
    }
    // Keys of requests are not shown.
    let key = "an-imported-key-0123456789".to_owned();
    let request = v1::CreateSecretRequest {
        imported_key: key.clone(),
        ..Default::default()
    };
    assert!(!format!("{request:?}").contains(&key));
}
