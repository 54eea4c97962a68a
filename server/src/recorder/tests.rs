//! Calls of every rpc behind a gate that records, whatever becomes of them.

use std::{convert::Infallible, time::Duration};

use countersign_core::{Timestamp, rotation::RotationLimits};
use futures_util::FutureExt;
use http::{Request, Response};
use prost::Message;
use prost_types::FileDescriptorSet;
use secrecy::SecretBox;
use tempfile::TempDir;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::{
    access::{Admitted, access_of},
    callers::Callers,
    clock::Clock,
    config::Limits,
    gate::GateLayer,
    store::{AuditRow, NewScheme, StoreOptions},
};

/// What a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Answers,
    Fails,
    Changes,
    Panics,
    Hangs,
    ChangesAndHangs,
    /// Says nothing of why, as the transport does when a message is no message.
    Refuses,
}

impl Deed {
    const ALL: [Self; 7] = [
        Self::Answers,
        Self::Fails,
        Self::Changes,
        Self::Panics,
        Self::Hangs,
        Self::ChangesAndHangs,
        Self::Refuses,
    ];

    fn outcome(self) -> &'static str {
        match self {
            Self::Answers | Self::Changes | Self::ChangesAndHangs => "OK",
            Self::Fails => "SECRET_NOT_FOUND",
            Self::Panics => "INTERNAL",
            Self::Hangs => "DEADLINE_EXCEEDED",
            Self::Refuses => "MESSAGE_MALFORMED",
        }
    }

    /// A deadline that is over only for those who hang: a change may wait for a slow disk.
    fn limits(self) -> Limits {
        let mut limits = Limits::default();
        match self {
            Self::Hangs => limits.default_deadline = Duration::from_millis(50),
            Self::ChangesAndHangs => limits.default_deadline = Duration::from_millis(400),
            _ => {}
        }
        limits
    }
}

struct Bench {
    store: Store,
    recorder: Arc<Recorder>,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options = StoreOptions {
            data_dir: directory.path().to_owned(),
            kek: SecretBox::new(Box::new([1; 32])),
            previous_kek: None,
            clock: Clock::manual(Timestamp::from_unix_secs(1_800_000_000)),
            limits: RotationLimits::default(),
            trust_clock: false,
            degraded: false,
            ballast_bytes: 0,
            queue: 64,
        };
        let store = Store::open(options, |_| {}).unwrap().store;
        Self {
            recorder: Arc::new(Recorder::new(store.clone())),
            store,
            _directory: directory,
        }
    }

    fn gate(
        &self,
        callers: Callers,
        limits: &Limits,
        deed: Deed,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone {
        let store = self.store.clone();
        let handler = service_fn(move |request| handle(store.clone(), deed, request));
        let recorder = Some(self.recorder.clone());
        GateLayer::new(Arc::new(callers), Clock::System, recorder, limits).layer(handler)
    }

    async fn records(&self) -> Vec<AuditRow> {
        self.store.audit_rows(None, 0, 1000).await.unwrap()
    }
}

async fn handle(
    store: Store,
    deed: Deed,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let admitted = request.extensions().get::<Admitted>().unwrap();
    admitted.authorize("acme/chat").unwrap();
    let caller = admitted.caller(request.extensions().get::<RequestId>().unwrap());
    match deed {
        Deed::Answers => {}
        Deed::Fails => {
            let failure = Failure::new(ErrorReason::SecretNotFound);
            return Ok(Status::from(failure).into_http());
        }
        Deed::Changes => change(&store, caller).await,
        Deed::Panics => panic!("injected"),
        Deed::Hangs => std::future::pending().await,
        Deed::ChangesAndHangs => {
            change(&store, caller).await;
            std::future::pending().await
        }
        Deed::Refuses => return Ok(Status::new(Code::Internal, "no message").into_http()),
    }
    Ok(Response::new(Body::empty()))
}

async fn change(store: &Store, caller: Caller) {
    let new = NewScheme {
        id: format!("acme.{}", getrandom::u32().unwrap()),
        definition: "x".to_owned(),
        max_schemes: 1000,
        validate_only: false,
    };
    store.create_scheme(caller, new).await.unwrap();
}

fn rpcs() -> Vec<String> {
    let set = FileDescriptorSet::decode(countersign_proto::FILE_DESCRIPTOR_SET).unwrap();
    let own = set
        .file
        .iter()
        .filter(|file| file.package() == "countersign.v1");
    let services = own.flat_map(|file| &file.service);
    let rpcs = services.flat_map(|service| {
        let path = |method: &str| format!("/countersign.v1.{}/{method}", service.name());
        service.method.iter().map(move |method| path(method.name()))
    });
    rpcs.collect()
}

fn call(path: &str) -> Request<Body> {
    let request = Request::builder().uri(path).header("x-request-id", "rpc");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a28_every_rpc_of_the_control_plane_leaves_one_record_whatever_its_handler_does() {
    let mut recorded = 0;
    for path in rpcs() {
        let is_recorded = access_of(&path).unwrap().is_recorded();
        recorded += usize::from(is_recorded);
        let bench = Bench::new();
        for (before, deed) in Deed::ALL.into_iter().enumerate() {
            let limits = deed.limits();
            let gate = bench.gate(Callers::open(&limits), &limits, deed);
            let Ok(response) = gate.oneshot(call(&path)).await;
            if !is_recorded {
                continue;
            }
            let records = bench.records().await;
            assert_eq!(records.len(), before + 1, "{path} {deed:?}");
            let record = &records[before].record;
            assert_eq!(record.outcome, deed.outcome(), "{path} {deed:?}");
            assert_eq!((&*record.principal, &*record.rpc_id), ("anonymous", "rpc"));
            let changed = matches!(deed, Deed::Changes | Deed::ChangesAndHangs);
            if !changed {
                assert_eq!(record.subject, "acme/chat");
                assert!(path.ends_with(&format!("/{}", record.method)));
            }
            if deed == Deed::ChangesAndHangs {
                let status = Status::from_header_map(response.headers()).unwrap();
                assert_eq!(status.code(), Code::DeadlineExceeded);
            }
        }
        // A change of the data plane's handler has its record here too: no rpc there makes any.
        let expected = if is_recorded { Deed::ALL.len() } else { 2 };
        assert_eq!(bench.records().await.len(), expected, "{path}");
    }
    assert!(recorded >= 17, "{recorded}");
}

#[tokio::test]
async fn a28_t19_a_call_whose_caller_hangs_up_has_its_record_all_the_same() {
    for deed in Deed::ALL {
        let bench = Bench::new();
        let limits = deed.limits();
        let gate = bench.gate(Callers::open(&limits), &limits, deed);
        let answer = gate.oneshot(call("/countersign.v1.SecretService/RotateSecret"));
        assert!(answer.now_or_never().is_none(), "{deed:?}");
        bench.recorder.idle().await;
        let records = bench.records().await;
        assert_eq!(records.len(), 1, "{deed:?}");
        assert_eq!(records[0].record.outcome, deed.outcome());
    }
}

#[tokio::test]
async fn a_change_that_comes_after_the_record_of_its_call_is_not_made() {
    let bench = Bench::new();
    let call = Call::default();
    let id = RequestId::of(&tonic::Request::new(()));
    let ended = "DEADLINE_EXCEEDED".to_owned();
    let recorded = bench
        .recorder
        .record(&call, &id, "CreateScheme", ended.clone());
    recorded.await.unwrap();
    let late = NewScheme {
        id: "acme.late".to_owned(),
        definition: "x".to_owned(),
        max_schemes: 9,
        validate_only: false,
    };
    let changed = bench.store.create_scheme(call.caller(&id), late).await;
    assert_eq!(changed.unwrap_err(), ChangeError::Unavailable);
    let again = bench.recorder.record(&call, &id, "CreateScheme", ended);
    again.await.unwrap();
    assert_eq!(bench.records().await.len(), 1);
}

#[tokio::test]
async fn a28_a_flood_of_strangers_leaves_a_few_records_and_the_number_of_the_others() {
    const CALLS: u64 = 2000;
    let bench = Bench::new();
    let limits = Limits::default();
    let gate = bench.gate(Callers::closed(&limits), &limits, Deed::Answers);
    let began = std::time::Instant::now();
    for _ in 0..CALLS {
        let path = "/countersign.v1.SecretService/DeleteSecret";
        let Ok(response) = gate.clone().oneshot(call(path)).await;
        assert_eq!(response.headers()["grpc-status"], "16");
    }
    bench.recorder.record_left_out().await;
    let records = bench.records().await;
    let most = 3 * (began.elapsed().as_secs() + 2) + 1;
    assert!(
        (2..=most).contains(&(records.len() as u64)),
        "{}",
        records.len()
    );
    let counted: u64 = records
        .iter()
        .map(|row| {
            let record = &row.record;
            assert_eq!(record.principal, "unauthenticated");
            assert_eq!(record.outcome, "UNAUTHENTICATED");
            let own = u64::from(record.method != "various");
            let others = record.detail.split(' ').next().unwrap_or_default();
            own + others.parse().unwrap_or(0)
        })
        .sum();
    assert_eq!(counted, CALLS);
}

/// A name that is none is the caller's text, and may hold what steers a terminal.
#[test]
fn a17_the_subject_of_a_record_is_a_name_or_nothing() {
    for text in [
        "acme/chat\n",
        "\u{1b}[31macme",
        "acme chat",
        "a\"b",
        "",
        "ACME/../x\r\n",
    ] {
        let call = Call::default();
        call.is_about(text);
        assert_eq!(call.subject.get(), None, "{text:?}");
        call.is_about("acme/chat");
        call.is_about("acme/other");
        assert_eq!(call.subject.get().unwrap(), "acme/chat");
    }
}

#[tokio::test]
async fn without_a_record_a_read_is_answered_and_an_explanation_is_not() {
    let bench = Bench::new();
    let limits = Limits::default();
    let gate = bench.gate(Callers::open(&limits), &limits, Deed::Answers);
    bench.store.clone().close();
    for (path, status) in [
        ("/countersign.v1.SecretService/GetSecret", None),
        ("/countersign.v1.SecretService/ListSecrets", None),
        ("/countersign.v1.CountersignService/Explain", Some("14")),
        ("/countersign.v1.BackupService/CreateBackup", Some("14")),
    ] {
        let Ok(response) = gate.clone().oneshot(call(path)).await;
        let answered = response.headers().get("grpc-status");
        assert_eq!(
            answered.map(|code| code.to_str().unwrap()),
            status,
            "{path}"
        );
    }
}
