//! What an operator sets on a secret.

use std::{collections::BTreeMap, time::Duration};

/// Identity policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is verified; claims are passed on as claimed.
    Off,
    /// A proof is verified when sent; a bad or missing one is allowed as unverified.
    Optional,
    /// Only a valid proof is allowed.
    Required,
}

/// Unit of a numeric timestamp header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampUnit {
    /// Unix seconds.
    Seconds,
    /// Unix milliseconds.
    Milliseconds,
}

/// What happens to a webhook delivery that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplayPolicy {
    /// Deliveries are not recorded.
    Off,
    /// A second delivery is allowed and reported.
    Report,
    /// A second delivery is denied.
    Deny,
}

/// The settings that a verdict depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Identity policy; none for webhooks and resource ids.
    pub mode: Option<Mode>,
    /// Webhooks: the freshness window in place of the scheme's. Tokens: leeway on the time claims.
    pub tolerance: Option<Duration>,
    /// Unit of the timestamp where the vendor does not state one.
    pub timestamp_unit: Option<TimestampUnit>,
    /// Replay policy; none unless the purpose is a webhook.
    pub replay: Option<ReplayPolicy>,
    /// Values that the scheme needs from the vendor's dashboard.
    pub parameters: BTreeMap<String, String>,
}
