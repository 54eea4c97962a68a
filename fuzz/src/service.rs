//! One service for the many calls of a run, and what its answers must not repeat.

use std::{cell::RefCell, fs, path::PathBuf};

use countersign_core::Timestamp;
use countersign_server::fuzzing::InProcess;
use prost::Message;

use crate::calls;

/// So many calls have one store, which keeps every change and every record of the audit.
const CALLS_OF_A_STORE: u32 = 5_000;
/// A shorter text may stand in a status by chance.
const TELLING_BYTES: usize = 16;

thread_local! {
    static SERVICE: RefCell<Option<(InProcess, u32)>> = const { RefCell::new(None) };
}

/// Calls the service of this process.
pub fn with<T>(call: impl FnOnce(&InProcess) -> T) -> T {
    SERVICE.with_borrow_mut(|service| {
        if service
            .as_ref()
            .is_some_and(|(_, calls)| *calls > CALLS_OF_A_STORE)
        {
            *service = None;
        }
        let (service, calls) = service.get_or_insert_with(|| (start(), 0));
        *calls += 1;
        call(service)
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

/// The texts in some bytes that nobody would say by chance.
pub fn texts(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let runs = bytes.split(|byte| !byte.is_ascii_graphic());
    let texts = runs.filter_map(|run| std::str::from_utf8(run).ok());
    texts.filter(|text| {
        text.len() >= TELLING_BYTES && text.bytes().filter(u8::is_ascii_digit).count() >= 4
    })
}
