//! The bytes of a call, metadata and message, through the whole service: decoded, authorized, converted, decided, answered.
//! No call ends with INTERNAL, none without a good credential gets in, and no status repeats what was sent.
#![no_main]

use std::{cell::RefCell, fmt::Debug, fs, path::PathBuf};

use countersign_core::Timestamp;
use countersign_fuzz::{
    calls::{self, Call},
    repeats,
};
use countersign_proto::{FILE_DESCRIPTOR_SET, v1};
use countersign_server::fuzzing::{Answer, InProcess};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use prost_types::FileDescriptorSet;

/// So many calls have one store, which keeps every change and every record of the audit.
const CALLS_OF_A_STORE: u32 = 5_000;

/// A shorter text may stand in a status by chance.
const TELLING_BYTES: usize = 16;

const UNAUTHENTICATED: i32 = 16;
/// UNKNOWN, INTERNAL, DATA_LOSS.
const OUR_FAULT: [i32; 3] = [2, 13, 15];

thread_local! {
    static SERVICE: RefCell<Option<(InProcess, u32)>> = const { RefCell::new(None) };
}

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
    SERVICE.with_borrow_mut(|service| {
        if service
            .as_ref()
            .is_some_and(|(_, calls)| *calls > CALLS_OF_A_STORE)
        {
            *service = None;
        }
        let (service, calls) = service.get_or_insert_with(|| (start(), 0));
        *calls += 1;
        service.call(call.path, &call.metadata, call.message)
    })
}

/// A service with the secrets that the seeds are for.
fn start() -> InProcess {
    let folder = folder();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the store");
    let service = InProcess::start(&folder, Timestamp::from_unix_secs(calls::NOW));
    for index in 0..calls::SECRETS.len() {
        let message = calls::creation(index).encode_to_vec();
        let created = service.call("countersign.v1.SecretService/CreateSecret", &[], &message);
        let created = created.expect("a call");
        let said = String::from_utf8_lossy(&created.status);
        assert_eq!(created.code, 0, "{:?}: {said}", calls::SECRETS[index]);
    }
    service
}

/// In memory where there is such a place, since nothing here is about disks. The folders of ended runs go.
fn folder() -> PathBuf {
    const NAME: &str = "countersign-fuzz-";
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME));
        if pid.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    parent.join(format!("{NAME}{}", std::process::id()))
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

/// The texts in some bytes that nobody would say by chance.
fn texts(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let runs = bytes.split(|byte| !byte.is_ascii_graphic());
    let texts = runs.filter_map(|run| std::str::from_utf8(run).ok());
    texts.filter(|text| {
        text.len() >= TELLING_BYTES && text.bytes().filter(u8::is_ascii_digit).count() >= 4
    })
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
