//! What an operator may choose for a secret.

/// Identity policy of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is verified; claims are passed on as claimed.
    Off,
    /// A proof is verified when sent; a bad or missing one is allowed as unverified.
    Optional,
    /// Only a valid proof is allowed.
    Required,
}

/// The unit of a numeric timestamp header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
