//! Every limit of the service: its name, unit, default and range.

use std::{ops::RangeInclusive, time::Duration};

use super::source::Source;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// No limit in practice.
const MAX_RATE: usize = 1_000_000_000;
const MAX_PLACES: usize = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every limit of the service. Under `[limits]` in the file, by the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest webhook body, in bytes; up to 16 MiB.
    pub max_body_bytes: usize,
    /// The most headers of a delivery.
    pub max_headers: usize,
    /// Names and values of all headers of a delivery together, in bytes.
    pub max_header_bytes: usize,
    /// The longest identity token, in bytes.
    pub max_token_bytes: usize,
    /// The longest id, email, name or resource id, in bytes.
    pub max_identifier_bytes: usize,
    /// The most items of a batch.
    pub max_batch_items: usize,
    /// Calls in progress over all connections; further ones answer RESOURCE_EXHAUSTED at once.
    pub max_concurrent_requests: usize,
    /// Calls in progress of one caller, or of one peer where nobody is asked who they are; a quarter of all unless set.
    pub max_concurrent_requests_per_caller: usize,
    /// Calls in progress on one connection.
    pub max_concurrent_streams: u32,
    /// Connections in all; further ones are closed at once.
    pub max_connections: usize,
    /// Connections of one peer: an IPv4 address, or the /64 of an IPv6 address.
    pub max_connections_per_peer: usize,
    /// How long a connection lives, give or take a tenth; then its client is asked to make another.
    pub max_connection_age: Duration,
    /// The time that a call gets if its caller sets none.
    pub default_deadline: Duration,
    /// The most time that a call gets, whatever its caller asks for.
    pub max_deadline: Duration,
    /// How long calls in progress may take to end at shutdown, or when their connection is old.
    pub drain: Duration,
    /// Versions of a secret that may verify at the same time.
    pub max_live_versions: usize,
    /// The longest grace that a rotation may ask for.
    pub max_grace: Duration,
    /// The grace of a rotation that asks for none.
    pub default_grace: Duration,
    /// Deliveries remembered to tell replays.
    pub replay_capacity: usize,
    /// Calls of one caller in a second; further ones answer RESOURCE_EXHAUSTED. An item of a batch is a call.
    pub caller_calls_per_second: usize,
    /// Bytes of webhook bodies of one caller in a second.
    pub caller_body_bytes_per_second: usize,
    /// Calls for the secrets of one namespace in a second, whoever makes them.
    pub namespace_calls_per_second: usize,
    /// Bytes of webhook bodies for one namespace in a second.
    pub namespace_body_bytes_per_second: usize,
    /// Secrets in all.
    pub max_secrets: usize,
    /// Secrets of one namespace.
    pub max_secrets_per_namespace: usize,
    /// Schemes of the operators' own.
    pub max_schemes: usize,
    /// Explanations of one secret in a minute; further ones answer RESOURCE_EXHAUSTED.
    pub explain_per_minute: usize,
    /// Explanations in progress over all secrets; further ones answer RESOURCE_EXHAUSTED at once.
    pub max_concurrent_explains: usize,
    /// How often the times of last use are written to the store.
    pub use_flush: Duration,
    /// Bytes of the disk that are held back for changes that end a key, for the day when the disk is full; up to 1 GiB.
    pub ballast_bytes: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        max_body_bytes: MIB,
        max_headers: 64,
        max_header_bytes: 8 * KIB,
        max_token_bytes: 8 * KIB,
        max_identifier_bytes: KIB,
        max_batch_items: 1000,
        max_concurrent_requests: 1024,
        max_concurrent_requests_per_caller: 1024 / 4,
        max_concurrent_streams: 100,
        max_connections: 2048,
        max_connections_per_peer: 256,
        max_connection_age: Duration::from_secs(30 * 60),
        default_deadline: Duration::from_secs(5),
        max_deadline: Duration::from_secs(10),
        drain: Duration::from_secs(15),
        max_live_versions: 5,
        max_grace: Duration::from_secs(30 * 24 * 60 * 60),
        default_grace: Duration::from_secs(24 * 60 * 60),
        replay_capacity: 1_000_000,
        explain_per_minute: 60,
        max_concurrent_explains: 2,
        caller_calls_per_second: 50_000,
        caller_body_bytes_per_second: 64 * MIB,
        namespace_calls_per_second: 50_000,
        namespace_body_bytes_per_second: 64 * MIB,
        max_secrets: 100_000,
        max_secrets_per_namespace: 100_000,
        max_schemes: 1000,
        use_flush: Duration::from_secs(60),
        ballast_bytes: 8 * MIB,
    };

    pub(super) fn read(source: &mut Source) -> Self {
        let default = Self::DEFAULT;
        let mut size = |key, default, range| source.number(key, default, range);
        let sizes = Self {
            max_body_bytes: size(
                "limits.max_body_bytes",
                default.max_body_bytes,
                1..=16 * MIB,
            ),
            max_headers: size("limits.max_headers", default.max_headers, 1..=1024),
            max_header_bytes: size(
                "limits.max_header_bytes",
                default.max_header_bytes,
                256..=MIB,
            ),
            max_token_bytes: size(
                "limits.max_token_bytes",
                default.max_token_bytes,
                256..=countersign_core::token::MAX_TOKEN_BYTES,
            ),
            max_identifier_bytes: size(
                "limits.max_identifier_bytes",
                default.max_identifier_bytes,
                16..=8 * KIB,
            ),
            max_batch_items: size(
                "limits.max_batch_items",
                default.max_batch_items,
                1..=10_000,
            ),
            max_concurrent_requests: size(
                "limits.max_concurrent_requests",
                default.max_concurrent_requests,
                1..=MAX_PLACES,
            ),
            max_connections: size(
                "limits.max_connections",
                default.max_connections,
                1..=MAX_PLACES,
            ),
            max_connections_per_peer: size(
                "limits.max_connections_per_peer",
                default.max_connections_per_peer,
                1..=MAX_PLACES,
            ),
            max_live_versions: size(
                "limits.max_live_versions",
                default.max_live_versions,
                2..=10,
            ),
            replay_capacity: size(
                "limits.replay_capacity",
                default.replay_capacity,
                1..=100_000_000,
            ),
            explain_per_minute: size(
                "limits.explain_per_minute",
                default.explain_per_minute,
                1..=6000,
            ),
            max_concurrent_explains: size(
                "limits.max_concurrent_explains",
                default.max_concurrent_explains,
                1..=64,
            ),
            max_schemes: size("limits.max_schemes", default.max_schemes, 0..=1000),
            max_secrets: size("limits.max_secrets", default.max_secrets, 1..=10_000_000),
            max_secrets_per_namespace: size(
                "limits.max_secrets_per_namespace",
                default.max_secrets_per_namespace,
                1..=10_000_000,
            ),
            ballast_bytes: size(
                "limits.ballast_bytes",
                default.ballast_bytes,
                0..=1024 * MIB,
            ),
            ..default
        };
        let limits = sizes.read_share(source).read_rates(source);
        let limits = limits.read_streams_and_times(source);
        limits.check_order(source);
        limits
    }

    fn read_share(self, source: &mut Source) -> Self {
        Self {
            max_concurrent_requests_per_caller: source.number(
                "limits.max_concurrent_requests_per_caller",
                self.max_concurrent_requests.div_ceil(4),
                1..=MAX_PLACES,
            ),
            ..self
        }
    }

    fn read_rates(self, source: &mut Source) -> Self {
        // The largest batch and the largest body must fit into a second's worth, or they would never pass.
        let calls = self.max_batch_items..=MAX_RATE;
        let bytes = self.max_body_bytes..=MAX_RATE;
        let mut rate = |key, default, range: &RangeInclusive<usize>| {
            source.number(key, default, range.clone())
        };
        Self {
            caller_calls_per_second: rate(
                "limits.caller_calls_per_second",
                self.caller_calls_per_second,
                &calls,
            ),
            caller_body_bytes_per_second: rate(
                "limits.caller_body_bytes_per_second",
                self.caller_body_bytes_per_second,
                &bytes,
            ),
            namespace_calls_per_second: rate(
                "limits.namespace_calls_per_second",
                self.namespace_calls_per_second,
                &calls,
            ),
            namespace_body_bytes_per_second: rate(
                "limits.namespace_body_bytes_per_second",
                self.namespace_body_bytes_per_second,
                &bytes,
            ),
            ..self
        }
    }

    /// As it is where nobody is asked who they are: one program of this machine may use all of it.
    pub(super) fn without_shares(self) -> Self {
        Self {
            max_concurrent_requests_per_caller: self.max_concurrent_requests,
            caller_calls_per_second: MAX_RATE,
            caller_body_bytes_per_second: MAX_RATE,
            namespace_calls_per_second: MAX_RATE,
            namespace_body_bytes_per_second: MAX_RATE,
            ..self
        }
    }

    fn read_streams_and_times(self, source: &mut Source) -> Self {
        let streams = source.number("limits.max_concurrent_streams", 100, 1..=10_000);
        let mut time = |key, default, range| source.duration(key, default, range);
        Self {
            max_concurrent_streams: u32::try_from(streams).unwrap_or(self.max_concurrent_streams),
            default_deadline: time(
                "limits.default_deadline",
                self.default_deadline,
                SECOND / 10..=10 * MINUTE,
            ),
            max_deadline: time(
                "limits.max_deadline",
                self.max_deadline,
                SECOND / 10..=10 * MINUTE,
            ),
            max_connection_age: time(
                "limits.max_connection_age",
                self.max_connection_age,
                SECOND..=DAY,
            ),
            drain: time("limits.drain", self.drain, SECOND..=10 * MINUTE),
            max_grace: time("limits.max_grace", self.max_grace, MINUTE..=30 * DAY),
            default_grace: time(
                "limits.default_grace",
                self.default_grace,
                SECOND..=30 * DAY,
            ),
            use_flush: time("limits.use_flush", self.use_flush, SECOND..=HOUR),
            ..self
        }
    }

    fn check_order(&self, source: &mut Source) {
        if self.default_deadline > self.max_deadline {
            let remedy = "lower it, or raise limits.max_deadline";
            source.refuse(
                "limits.default_deadline",
                "is longer than limits.max_deadline",
                remedy,
                (),
            );
        }
        if self.default_grace > self.max_grace {
            let remedy = "lower it, or raise limits.max_grace";
            source.refuse(
                "limits.default_grace",
                "is longer than limits.max_grace",
                remedy,
                (),
            );
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
