//! The services. Each call goes the same way: wire to core, decide or change, core to wire.

mod audit;
mod backup;
mod data;
mod page;
mod schemes;
mod secrets;
mod settings;
mod tokens;

use std::{sync::Arc, time::Duration};

use crate::{
    access::Admitted,
    callers::Callers,
    catalogue::{self, Known},
    clock::Clock,
    config::Limits,
    explains::Explains,
    failure::{ErrorReason, Failure},
    recorder::Recorder,
    replay::ReplayRecord,
    ring::{Absent, Entry, KeyRing},
    store::{Rewrap, Store},
};

pub(crate) use audit::Audit;
pub(crate) use backup::Backups;
pub(crate) use data::{Aside, CALL_ID, DataPlane};
pub(crate) use schemes::Schemes;
pub(crate) use secrets::ControlPlane;
pub(crate) use tokens::Tokens;

/// Whether imported keys must pass the import policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPolicy {
    /// They must.
    #[default]
    Enforced,
    /// Vendors' published sample keys, which are weak and known, pass too. For tests alone: no configuration
    /// reaches this.
    SampleKeysAllowed,
}

/// What all services share.
pub(crate) struct Shared {
    pub callers: Arc<Callers>,
    pub schemes: Arc<catalogue::Schemes>,
    pub ring: Arc<KeyRing>,
    pub store: Store,
    pub recorder: Arc<Recorder>,
    pub replay: ReplayRecord,
    pub explains: Explains,
    pub aside: Aside,
    pub limits: Limits,
    pub clock: Clock,
    pub key_policy: KeyPolicy,
}

impl Shared {
    /// A secret of the ring, for a call that may do with it what it is about to do, and within what its namespace may
    /// use.
    fn secret(&self, admitted: &Admitted, name: &str) -> Result<Arc<Entry>, Failure> {
        admitted.authorize(name)?;
        let found = self.ring.secret(name).map_err(|absent| match absent {
            Absent::Unknown => Failure::new(ErrorReason::SecretNotFound),
            Absent::Corrupt => Failure::new(ErrorReason::SecretCorrupt),
        });
        let entry = found.map_err(|failure| admitted.conceal(name, failure))?;
        entry.budget.take_call()?;
        Ok(entry)
    }

    /// A scheme, built in or an operator's own.
    fn scheme(&self, id: &str) -> Option<Known> {
        self.schemes.scheme(id)
    }

    /// Writes the times of use that are not in the store yet.
    pub(crate) async fn flush_uses(&self) {
        // A use in this very millisecond may come after the look into the ring.
        let before = self.clock.now().minus_millis(1);
        let uses = self.ring.pending_uses();
        if uses.is_empty() {
            return;
        }
        match self.store.record_use(uses).await {
            Ok(()) => self.ring.uses_written(before),
            Err(error) => tracing::warn!(%error, "the times of last use are not written yet"),
        }
    }

    /// What runs beside the calls, for ever.
    pub(crate) async fn keep_house(self: Arc<Self>, every: Duration) {
        tokio::join!(self.rewrap(), self.tidy(every));
    }

    /// Brings the store under the key-encryption key if it replaces another one. It starts anew with the process.
    async fn rewrap(&self) {
        const PAUSE: Duration = Duration::from_secs(5);
        const TELL_EVERY: u64 = 1000;
        let (_, Some(previous)) = self.store.keks() else {
            return;
        };
        if self.store.is_degraded() {
            return;
        }
        let (mut after, mut looked_at) = (0, 0_u64);
        loop {
            match self.store.rewrap_next(after).await {
                Ok(Rewrap::After(secret_id)) => {
                    (after, looked_at) = (secret_id, looked_at + 1);
                    if looked_at % TELL_EVERY == 0 {
                        tracing::info!(keys = looked_at, "wrapping keys anew");
                    }
                }
                Ok(Rewrap::Done { left: 0 }) => {
                    tracing::info!(
                        keys = looked_at, %previous,
                        "every key is under the current key-encryption key: \
                         key_encryption.previous_key_file can be taken out",
                    );
                    return;
                }
                Ok(Rewrap::Done { left }) => {
                    tracing::error!(
                        left, %previous,
                        "keys do not open and still need the previous key-encryption key: rotate their secrets in an \
                         emergency or delete them",
                    );
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "a key is not wrapped anew yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Says in the log if the audit is not whole. Nothing waits for it.
    async fn check_audit(&self) {
        match self.store.check_audit(None).await {
            Ok((_, None)) => {}
            Ok((_, Some(finding))) => tracing::error!(%finding, "the audit is not intact"),
            Err(error) => tracing::warn!(%error, "the audit was not checked"),
        }
    }

    /// What runs once a minute: times of use, ended graces, answers that may no longer be repeated.
    async fn tidy(&self, every: Duration) {
        self.check_audit().await;
        let mut ticks = tokio::time::interval(every);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.flush_uses().await;
            self.recorder.record_left_out().await;
            if let Some(counts) = self.ring.refusals.take() {
                tracing::info!(counts, "refusals");
            }
            if let Err(error) = self.store.sweep().await {
                tracing::warn!(%error, "the store could not be swept");
            }
        }
    }
}
