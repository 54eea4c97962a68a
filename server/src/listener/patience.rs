//! How long the listener waits for a peer. These are no settings: nobody has a reason to change them but a test.

use std::time::Duration;

/// How long the listener waits for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the preface of HTTP/2 and the first SETTINGS.
    pub preface: Duration,
    /// For a peer that takes nothing of what it has to be sent.
    pub send: Duration,
    /// Between two looks at whether a silent peer is still there.
    pub keepalive_interval: Duration,
    /// For its answer.
    pub keepalive_timeout: Duration,
    /// Between two looks at the files of certificate, key, client authority and revocations.
    pub reload: Duration,
}

impl Patience {
    /// What a server has.
    pub const DEFAULT: Self = Self {
        handshake: Duration::from_secs(5),
        preface: Duration::from_secs(10),
        send: Duration::from_secs(20),
        keepalive_interval: Duration::from_secs(30),
        keepalive_timeout: Duration::from_secs(10),
        reload: Duration::from_secs(2),
    };
}
