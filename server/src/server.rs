//! Start, serve, stop.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use countersign_core::{SecretName, Timestamp, access::Grants, rotation::RotationLimits};
use countersign_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        audit_service_server::AuditServiceServer,
        backup_service_server::BackupServiceServer,
        countersign_service_server::{CountersignService, CountersignServiceServer},
        scheme_service_server::SchemeServiceServer,
        secret_service_server::SecretServiceServer,
        token_service_server::TokenServiceServer,
    },
};
use http::{HeaderValue, Request, Response};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tonic::{body::Body, service::Routes};
use tonic_health::server::HealthReporter;
use tower::{Layer, Service, ServiceBuilder};

use crate::{
    callers::{Callers, NewBearer},
    catalogue::Schemes as Catalogue,
    clock::Clock,
    config::{Config, ConfigError, Limits},
    explains::Explains,
    front::FrontLayer,
    gate::GateLayer,
    listener::{Counts, Listener, Patience},
    recorder::Recorder,
    replay::ReplayRecord,
    ring::KeyRing,
    service::{Aside, Audit, Backups, ControlPlane, DataPlane, KeyPolicy, Schemes, Shared, Tokens},
    store::{
        Caller, ChangeError, Credential, NewToken, OpenError, Published, Recorded, Revoked,
        SecretRecord, Store, StoreOptions,
    },
    web::{MaxBytes, WebLayer},
};

/// What a message may be larger than the largest body: headers, names, and the framing of a batch.
const MESSAGE_OVERHEAD_BYTES: usize = 200 * 1024;

/// The largest answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The largest request of the control plane, of health and of reflection.
const MAX_CHANGE_BYTES: usize = 64 * 1024;

/// The largest request with a description of a scheme: the longest description, and room to say that it is too long.
const MAX_SCHEME_BYTES: usize = countersign_core::own::MAX_DEFINITION_BYTES + 16 * 1024;

/// Changes that wait for the writer before further ones are shed.
const CHANGE_QUEUE: usize = 1024;
/// How long a stop waits for the records of calls whose callers were let go.
const RECORDS: Duration = Duration::from_secs(1);

/// Why the server did not start; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store admits nobody.
    #[error(
        "no token is valid, so nobody could call: run `countersign init --config FILE`, which makes the first one"
    )]
    NoToken,
    /// The store has an administrator already, so there is no first one to make.
    #[error(
        "a token may do everything already, and `init` makes the first one only: use it with `countersign token create`"
    )]
    AdminExists,
    /// The first token was not written.
    #[error("the token was not written: {0}")]
    Init(ChangeError),
    /// The address cannot be listened on.
    #[error(
        "{address} cannot be listened on: {source}; stop the process that does, or choose another with --listen"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The certificate files do not hold together any more.
    #[error(transparent)]
    Tls(#[from] ConfigError),
    /// The reflection service could not be built.
    #[error("reflection could not be built from the descriptor set")]
    Reflection,
}

/// A running server. Dropping it leaves it running; [`Server::shutdown`] ends it.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    health: HealthReporter,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    reload: Arc<Notify>,
    counts: Arc<Counts>,
}

impl Server {
    /// Opens the store, loads the key ring, binds and serves in the background.
    ///
    /// # Errors
    /// One clear line about what does not let it start.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Clock::System, KeyPolicy::Enforced).await
    }

    /// [`Server::start`] with a clock and a key policy of the caller's, for tests.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(
        config: Config,
        clock: Clock,
        key_policy: KeyPolicy,
    ) -> Result<Self, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let (reflection, limits, patience) =
            (config.reflection, config.limits.clone(), config.patience);
        let web = web(&config.allowed_origins, &limits);
        let tls = match &config.tls {
            Some(files) => Some((files.clone(), files.load()?)),
            None => None,
        };
        let address = config.listen;
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let address = socket.local_addr().unwrap_or(address);
        let shared = open(config, clock, key_policy)?;

        let (health, health_service) = tonic_health::server::health_reporter();
        let health_service = health_service.max_decoding_message_size(MAX_CHANGE_BYTES);
        let others = routes(&shared, reflection)?.add_service(health_service);
        let data_plane = data_plane(DataPlane(shared.clone()), &limits);
        let gate = gate(&shared, &limits);
        set_health(&health, true).await;

        tracing::info!(%address, tls = tls.is_some(), "serving");
        let (reload, counts) = (Arc::default(), Arc::new(Counts::default()));
        let listener = Listener {
            socket,
            tls,
            limits: limits.clone(),
            patience,
            reload: Arc::clone(&reload),
            counts: counts.clone(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let until_stop = async {
                let _ = stopped.await;
            };
            let service = web.layer(stack(gate, data_plane, others));
            listener.serve(service, until_stop).await;
        });
        let housekeeping = tokio::spawn(shared.clone().keep_house(limits.use_flush));
        Ok(Self {
            address,
            shared,
            health,
            stop,
            serving,
            housekeeping,
            reload,
            counts,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Looks at the TLS files now, and takes what they hold if that is another good thing. They are looked at every few
    /// seconds as well.
    pub fn reload_certificates(&self) {
        self.reload.notify_one();
    }

    /// What happened to connections since the start.
    #[doc(hidden)]
    #[must_use]
    pub fn connections(&self) -> crate::ConnectionCounts {
        self.counts.read()
    }

    /// Stops accepting, lets calls in progress finish within the drain limit, drops the connections that hold on,
    /// writes what is still in memory and closes the store. Returns within the drain limit whatever clients do.
    pub async fn shutdown(self) {
        set_health(&self.health, false).await;
        let _ = self.stop.send(());
        end_health_watches(&self.health).await;
        if self.serving.await.is_err() {
            tracing::error!("serving ended");
        }
        self.housekeeping.abort();
        let _ = self.housekeeping.await;
        let recorded = tokio::time::timeout(RECORDS, self.shared.recorder.idle());
        if recorded.await.is_err() {
            tracing::error!("calls were given up that have no record in the audit");
        }
        self.shared.recorder.record_left_out().await;
        self.shared.flush_uses().await;
        let store = self.shared.store.clone();
        if tokio::task::spawn_blocking(move || store.close())
            .await
            .is_err()
        {
            tracing::error!("the store did not close");
        }
        tracing::info!("stopped");
    }
}

/// Makes the first token of a store, and the store where there is none: its bearer may do everything. The store must not
/// be served meanwhile.
///
/// # Errors
/// The store does not open, or a token that may do everything exists.
pub async fn init(
    config: Config,
    name: SecretName,
    expire_time: Option<Timestamp>,
) -> Result<SecretString, StartError> {
    let bearer = NewBearer::make().map_err(|_| StartError::Store(OpenError::System))?;
    let clock = Clock::System;
    let opened = Store::open(options(config, &clock), |_| {})?;
    let new = NewToken {
        id: bearer.id,
        name,
        credential: Credential::Bearer(bearer.digest),
        grants: Grants::everything(),
        expire_time,
        first: true,
    };
    let caller = Caller {
        principal: "init".to_owned(),
        rpc_id: "init".to_owned(),
        recorded: Recorded::default(),
        revoked: Revoked::default(),
    };
    let made = opened.store.create_token(caller, new).await;
    let closed = tokio::task::spawn_blocking(move || opened.store.close()).await;
    match (made, closed) {
        (Ok(_), Ok(())) => Ok(bearer.text),
        (Err(ChangeError::AdminExists), _) => Err(StartError::AdminExists),
        (Err(error), _) => Err(StartError::Init(error)),
        (_, Err(_)) => Err(StartError::Init(ChangeError::Unavailable)),
    }
}

fn options(config: Config, clock: &Clock) -> StoreOptions {
    StoreOptions {
        data_dir: config.data_dir,
        kek: config.key_encryption_key,
        previous_kek: config.previous_key_encryption_key,
        clock: clock.clone(),
        limits: RotationLimits {
            max_live: config.limits.max_live_versions,
            max_grace: config.limits.max_grace,
        },
        trust_clock: config.trust_clock,
        degraded: config.degraded,
        // Widening: usize has at most 64 bits.
        ballast_bytes: config.limits.ballast_bytes as u64,
        queue: CHANGE_QUEUE,
    }
}

/// Opens the store with a ring that follows its commits.
fn open(config: Config, clock: Clock, key_policy: KeyPolicy) -> Result<Arc<Shared>, StartError> {
    let (limits, open) = (config.limits.clone(), config.open);
    let options = options(config, &clock);
    let schemes = Arc::new(Catalogue::default());
    let ring = Arc::new(KeyRing::new(schemes.clone(), &limits));
    let callers = Arc::new(match open {
        true => Callers::open(&limits),
        false => Callers::closed(&limits),
    });
    let published = (ring.clone(), schemes.clone(), callers.clone());
    let opened = Store::open(options, move |change| {
        let (ring, schemes, callers) = &published;
        match change {
            Published::Changed(record) => ring.publish(SecretRecord::clone(&record)),
            Published::Deleted(name) => ring.remove(&name),
            Published::SchemeCreated(record) => schemes.publish(&record),
            Published::SchemeDeleted(id) => schemes.remove(&id),
            Published::TokenChanged(record) => callers.publish(&record),
        }
    })?;
    let now = clock.now();
    if !open && !opened.tokens.iter().any(|token| token.is_valid(now)) {
        opened.store.close();
        return Err(StartError::NoToken);
    }
    let (kek, previous_kek) = opened.store.keks();
    tracing::info!(%kek, previous_kek = previous_kek.map(tracing::field::display), "key-encryption key");
    callers.load(&opened.tokens);
    schemes.load(opened.schemes);
    ring.load(opened.records, opened.corrupt, now);
    Ok(Arc::new(Shared {
        callers,
        schemes,
        ring,
        recorder: Arc::new(Recorder::new(opened.store.clone())),
        store: opened.store,
        replay: ReplayRecord::new(limits.replay_capacity),
        aside: Aside::new(),
        explains: Explains::new(limits.explain_per_minute, limits.max_concurrent_explains),
        limits,
        clock,
        key_policy,
    }))
}

/// Serves another implementation of the data plane behind everything that stands before ours, for ever: how a
/// benchmark learns what a call costs before its handler runs.
#[doc(hidden)]
pub async fn serve_in_place_of_ours(
    data_plane: impl CountersignService,
    socket: TcpListener,
    limits: &Limits,
) {
    let callers = Arc::new(Callers::open(limits));
    let gate = GateLayer::new(callers, Clock::System, None, limits);
    let listener = Listener {
        socket,
        tls: None,
        limits: limits.clone(),
        patience: Patience::DEFAULT,
        reload: Arc::default(),
        counts: Arc::default(),
    };
    let service = stack(
        gate,
        self::data_plane(data_plane, limits),
        Routes::default(),
    );
    let service = web(&[], limits).layer(service);
    listener.serve(service, std::future::pending()).await;
}

/// All services and all ways in, without a transport and the housekeeping, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn in_process(
    config: Config,
    clock: Clock,
) -> Result<tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>, StartError>
{
    let limits = config.limits.clone();
    let web = web(&config.allowed_origins, &limits);
    let shared = open(config, clock, KeyPolicy::SampleKeysAllowed)?;
    let others = routes(&shared, false)?;
    let data_plane = data_plane(DataPlane(shared.clone()), &limits);
    let service = web.layer(stack(gate(&shared, &limits), data_plane, others));
    Ok(tower::util::BoxCloneSyncService::new(service))
}

/// Everything that stands between a connection and a handler.
fn stack(
    gate: GateLayer,
    data_plane: CountersignServiceServer<impl CountersignService>,
    others: Routes,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    ServiceBuilder::new()
        .layer(gate)
        .layer(FrontLayer(data_plane))
        .service(others)
}

fn web(origins: &[HeaderValue], limits: &Limits) -> WebLayer {
    let max_bytes = MaxBytes {
        data_plane: limits.max_body_bytes + MESSAGE_OVERHEAD_BYTES,
        others: MAX_CHANGE_BYTES.max(MAX_SCHEME_BYTES),
    };
    WebLayer::new(origins, max_bytes)
}

fn gate(shared: &Shared, limits: &Limits) -> GateLayer {
    GateLayer::new(
        shared.callers.clone(),
        shared.clock.clone(),
        Some(shared.recorder.clone()),
        limits,
    )
}

fn data_plane<T: CountersignService>(service: T, limits: &Limits) -> CountersignServiceServer<T> {
    let message = limits.max_body_bytes + MESSAGE_OVERHEAD_BYTES;
    CountersignServiceServer::new(service)
        .max_decoding_message_size(message)
        .max_encoding_message_size(MAX_ANSWER_BYTES)
}

/// Every service but the data plane.
fn routes(shared: &Arc<Shared>, reflection: bool) -> Result<Routes, StartError> {
    let mut routes = Routes::builder();
    routes
        .add_service(
            SecretServiceServer::new(ControlPlane(shared.clone()))
                .max_decoding_message_size(MAX_CHANGE_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
        )
        .add_service(
            TokenServiceServer::new(Tokens(shared.clone()))
                .max_decoding_message_size(MAX_CHANGE_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
        )
        .add_service(
            AuditServiceServer::new(Audit(shared.clone()))
                .max_decoding_message_size(MAX_CHANGE_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
        )
        .add_service(
            SchemeServiceServer::new(Schemes(shared.clone()))
                .max_decoding_message_size(MAX_SCHEME_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
        )
        .add_service(
            BackupServiceServer::new(Backups::new(shared.clone()))
                .max_decoding_message_size(MAX_CHANGE_BYTES),
        );
    if reflection {
        let builder = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let v1 = builder().build_v1().map_err(|_| StartError::Reflection)?;
        let v1alpha = builder()
            .build_v1alpha()
            .map_err(|_| StartError::Reflection)?;
        routes
            .add_service(v1.max_decoding_message_size(MAX_CHANGE_BYTES))
            .add_service(v1alpha.max_decoding_message_size(MAX_CHANGE_BYTES));
    }
    Ok(routes.routes())
}

/// What health knows: the server as a whole, and each service.
const HEALTH_NAMES: [&str; 7] = [
    "",
    "countersign.v1.CountersignService",
    "countersign.v1.SecretService",
    "countersign.v1.SchemeService",
    "countersign.v1.BackupService",
    "countersign.v1.TokenService",
    "countersign.v1.AuditService",
];

async fn set_health(health: &HealthReporter, serving: bool) {
    use tonic_health::ServingStatus;
    let status = match serving {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    for service in HEALTH_NAMES {
        health.set_service_status(service, status).await;
    }
}

/// Lets every watch end after its last status; a watch is a call that would else be in progress for ever.
async fn end_health_watches(health: &HealthReporter) {
    let mut health = health.clone();
    for service in HEALTH_NAMES {
        health.clear_service_status(service).await;
    }
}
