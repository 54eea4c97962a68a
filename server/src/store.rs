//! The embedded store: secrets, versions, requests, schemes and audit in one SQLite file that one process holds.
//!
//! Invariant: a change, its audit row and its idempotency row are one transaction; a change that fails leaves the
//! file and the memory of the service as they were.
//! Invariant: no key and no answer reaches the disk but sealed.
//! Invariant: a queued change runs to its end, whether or not its caller still waits.

mod audit;
mod backup;
mod ballast;
mod binding;
mod data_keys;
mod degraded;
mod error;
mod keys;
mod latest;
mod lives;
mod open;
mod records;
mod requests;
mod restore;
mod rows;
mod schema;
mod schemes;
#[cfg(test)]
mod tests;
mod text;
mod time_mark;
mod tokens;
mod upkeep;
mod writer;

use std::{
    fmt,
    fs::File,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use countersign_core::{
    SecretName,
    audit::{Finding, Head},
    explain::KeyText,
    rotation::Ending,
};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

pub(crate) use self::latest::NOTHING_CHANGED;
pub use self::{
    data_keys::Rewrap,
    error::{ChangeError, OpenError},
    open::StoreOptions,
    records::{
        AuditRow, Caller, Credential, NewKey, NewScheme, NewSecret, NewToken, Noted, Outcome,
        Published, Recorded, RequestId, Revoked, Rotate, SchemeRecord, SecretRecord, Settings,
        TokenRecord, UseTimes, VersionRecord,
    },
    restore::{
        Fate, Present, Restoration, RestoreError, RestoreOptions, RestoredToken, RestoredVersion,
        restore,
    },
};
use self::{
    open::Loaded,
    requests::Asked,
    writer::{Change, Message, Writer},
};
use crate::seal::{Domain, KekId, Seal};

/// As much of the work that may wait is in the queue at a time.
const MINOR_AT_A_TIME: usize = 16;

/// A handle of an open store; clones are handles of the same store. When the last one is dropped the writer finishes
/// what is queued and releases the data directory; [`Store::close`] waits for that.
#[derive(Clone)]
pub struct Store {
    queue: SyncSender<Message>,
    /// The turns of what may wait.
    minor: Arc<Semaphore>,
    seal: Arc<Seal>,
    degraded: bool,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// A store and what it held when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// All schemes of the operators' own, by id.
    pub schemes: Vec<SchemeRecord>,
    /// All secrets that are not deleted, by name.
    pub records: Vec<SecretRecord>,
    /// Secrets that are damaged or were edited behind the store's back; they do not serve. One whose key does not
    /// open is repaired by an emergency rotation; any of them can be deleted with force and created again.
    pub corrupt: Vec<SecretName>,
    /// All tokens that there ever were, oldest first.
    pub tokens: Vec<TokenRecord>,
}

impl Store {
    /// Opens the store of a directory, or makes one. `publish` is told every committed change, on the writer's
    /// thread; it must be quick and must not wait for the store.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub fn open(
        options: StoreOptions,
        publish: impl FnMut(Published) + Send + 'static,
    ) -> Result<Opened, OpenError> {
        let (queue, work) = sync_channel(options.queue.max(1));
        let minor = MINOR_AT_A_TIME.min(options.queue / 2).max(1);
        let degraded = options.degraded;
        let Loaded { writer, found } = open::open(options, Box::new(publish))?;
        let seal = writer.seal();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&work))
            .map_err(|_| OpenError::System)?;
        let store = Self {
            queue,
            minor: Arc::new(Semaphore::new(minor)),
            seal,
            degraded,
            thread: Arc::new(Mutex::new(Some(thread))),
        };
        Ok(Opened {
            store,
            schemes: found.schemes,
            records: found.records,
            corrupt: found.corrupt,
            tokens: found.tokens,
        })
    }

    /// A fingerprint of a request's arguments under a key of the store: it says nothing about them, not even to
    /// someone who guesses.
    #[must_use]
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.seal.fingerprint(Domain::Arguments, parts)
    }

    /// Creates a secret with its first version ACTIVE. `encode` builds the answer, which a retry within 24 hours is
    /// given again.
    ///
    /// # Errors
    /// [`ChangeError::NameTaken`], [`ChangeError::KeyReused`], [`ChangeError::SchemeNotFound`],
    /// [`ChangeError::RequestIdConflict`], [`ChangeError::RequestIdExpired`], or the store's own.
    pub async fn create(
        &self,
        caller: Caller,
        request: RequestId,
        mut new: NewSecret,
        encode: impl Fn(&Outcome<'_>) -> Zeroizing<Vec<u8>> + Send + 'static,
    ) -> Result<Zeroizing<Vec<u8>>, ChangeError> {
        let asked = Asked {
            caller,
            request,
            method: "CreateSecret",
            validate_only: false,
        };
        let encode: keys::Encode = Box::new(encode);
        self.submit(move |writer| {
            writer.change(|change| keys::create(change, &asked, &mut new, &encode))
        })
        .await
    }

    /// Adds a version with a new key and ends the older ones as the rotation says. With `validate_only`, everything
    /// is checked and `encode` is asked, but nothing is written, and a request id that was used is a conflict.
    ///
    /// # Errors
    /// As [`Store::create`]; [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::SchemeMismatch`],
    /// [`ChangeError::Rotation`]; [`ChangeError::Corrupt`] if the key of a version that stays live does not open.
    pub async fn rotate(
        &self,
        caller: Caller,
        request: RequestId,
        mut rotation: Rotate,
        encode: impl Fn(&Outcome<'_>) -> Zeroizing<Vec<u8>> + Send + 'static,
    ) -> Result<Zeroizing<Vec<u8>>, ChangeError> {
        let asked = Asked {
            caller,
            request,
            method: "RotateSecret",
            validate_only: rotation.validate_only,
        };
        let encode: keys::Encode = Box::new(encode);
        self.submit(move |writer| {
            let is_urgent = rotation.ending == Ending::Emergency;
            let work = |change: &Change<'_>| keys::rotate(change, &asked, &mut rotation, &encode);
            match is_urgent {
                true => writer.urgent_change(work),
                false => writer.change(work),
            }
        })
        .await
    }

    /// Makes a PENDING version ACTIVE. A repeat changes nothing and takes no change number.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::Rotation`], or the store's own.
    pub async fn activate(
        &self,
        caller: Caller,
        name: SecretName,
        number: u32,
        grace: Duration,
    ) -> Result<Arc<SecretRecord>, ChangeError> {
        self.submit(move |writer| {
            writer.change(|change| {
                let (limits, now) = (change.limits, change.rows.now);
                lives::step(
                    change,
                    &caller,
                    "ActivateVersion",
                    (&name, number),
                    |versions| versions.activate(number, grace, limits, now),
                )
            })
        })
        .await
    }

    /// Ends a version at once; the ACTIVE one only with `force`. A repeat changes nothing and takes no change
    /// number.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::Rotation`], or the store's own.
    pub async fn revoke(
        &self,
        caller: Caller,
        name: SecretName,
        number: u32,
        force: bool,
    ) -> Result<Arc<SecretRecord>, ChangeError> {
        self.submit(move |writer| {
            writer.urgent_change(|change| {
                let now = change.rows.now;
                lives::step(
                    change,
                    &caller,
                    "RevokeVersion",
                    (&name, number),
                    |versions| versions.revoke(number, force, now),
                )
            })
        })
        .await
    }

    /// Puts new settings in the place of a secret's. With `expected_revision`, only if nothing changed since; with
    /// `validate_only`, answers what would be. Settings that change nothing take no change number.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::RevisionMismatch`], or the store's own.
    pub async fn update(
        &self,
        caller: Caller,
        name: SecretName,
        expected_revision: Option<u64>,
        settings: Settings,
        validate_only: bool,
    ) -> Result<Arc<SecretRecord>, ChangeError> {
        let edit = lives::Edit {
            expected_revision,
            settings,
            validate_only,
        };
        self.submit(move |writer| {
            writer.change(|change| lives::update(change, &caller, edit, &name))
        })
        .await
    }

    /// Deletes a secret: its keys and answers are erased, its name is free again. Live versions need `force`.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::LiveVersionsNeedForce`], or the store's
    /// own.
    pub async fn delete(
        &self,
        caller: Caller,
        name: SecretName,
        force: bool,
    ) -> Result<(), ChangeError> {
        self.submit(move |writer| {
            writer.urgent_change(|change| lives::delete(change, &caller, &name, force))?;
            writer.truncate_log();
            Ok(())
        })
        .await
    }

    /// Adds a scheme of an operator's own, or answers the one that was added with the same description.
    ///
    /// # Errors
    /// [`ChangeError::SchemeTaken`], [`ChangeError::TooManySchemes`], [`ChangeError::SchemeCorrupt`], or the store's
    /// own.
    pub async fn create_scheme(
        &self,
        caller: Caller,
        new: NewScheme,
    ) -> Result<Arc<SchemeRecord>, ChangeError> {
        self.submit(move |writer| writer.change(|change| schemes::create(change, &caller, new)))
            .await
    }

    /// Removes a scheme of an operator's own that no secret uses.
    ///
    /// # Errors
    /// [`ChangeError::SchemeNotFound`], [`ChangeError::SchemeInUse`], or the store's own.
    pub async fn delete_scheme(&self, caller: Caller, id: String) -> Result<(), ChangeError> {
        self.submit(move |writer| writer.change(|change| schemes::delete(change, &caller, &id)))
            .await
    }

    /// Adds a token.
    ///
    /// # Errors
    /// [`ChangeError::TokenTaken`], [`ChangeError::TooManyTokens`], [`ChangeError::AdminExists`], or the store's own.
    pub async fn create_token(
        &self,
        caller: Caller,
        new: NewToken,
    ) -> Result<Arc<TokenRecord>, ChangeError> {
        self.submit(move |writer| writer.change(|change| tokens::create(change, &caller, new)))
            .await
    }

    /// Ends a token at once. A repeat changes nothing and takes no change number.
    ///
    /// # Errors
    /// [`ChangeError::TokenNotFound`], [`ChangeError::LastAdmin`], or the store's own.
    pub async fn revoke_token(
        &self,
        caller: Caller,
        id: String,
    ) -> Result<Arc<TokenRecord>, ChangeError> {
        self.submit(move |writer| {
            writer.urgent_change(|change| tokens::revoke(change, &caller, &id))
        })
        .await
    }

    /// A token by its id, or the newest of a name.
    ///
    /// # Errors
    /// [`ChangeError::TokenNotFound`], or the store's own.
    pub async fn token(&self, id_or_name: String) -> Result<TokenRecord, ChangeError> {
        self.submit(move |writer| {
            writer.upkeep(|rows| Ok(writer::Done::RollBack(rows.find_token(&id_or_name)?)))
        })
        .await
    }

    /// All tokens that there ever were, oldest first.
    ///
    /// # Errors
    /// The store's own.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, ChangeError> {
        self.submit_minor(|writer| writer.upkeep(|rows| Ok(writer::Done::RollBack(rows.tokens()?))))
            .await
    }

    /// The id of a secret's scheme, also of one whose keys do not open.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::Corrupt`] if its rows contradict
    /// themselves, or the store's own.
    pub async fn scheme_of(&self, name: SecretName) -> Result<String, ChangeError> {
        self.submit(move |writer| {
            writer.upkeep(|rows| {
                let record = rows.bare_record(rows.id(&name)?)?;
                Ok(writer::Done::RollBack(record.scheme))
            })
        })
        .await
    }

    /// The key texts of all versions of a secret, ended ones too, with what is known of their lives; for Explain alone.
    /// Those that do not open are left out.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], [`ChangeError::Corrupt`] if its rows contradict
    /// themselves, or the store's own.
    pub async fn key_texts(&self, name: SecretName) -> Result<Vec<KeyText>, ChangeError> {
        self.submit_minor(move |writer| {
            writer.upkeep(|rows| {
                let record = rows.bare_record(rows.id(&name)?)?;
                Ok(writer::Done::RollBack(rows.key_texts(&record)?))
            })
        })
        .await
    }

    /// Writes into the audit that a proof of this secret was explained, and with which word. It takes a change number
    /// and changes nothing else.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Deleted`], or the store's own.
    pub async fn explained(
        &self,
        caller: Caller,
        name: SecretName,
        outcome: &'static str,
    ) -> Result<(), ChangeError> {
        self.submit(move |writer| {
            writer.change(|change| {
                change.rows.id(&name)?;
                change.audit(&caller, "Explain", name.as_str(), None, outcome)?;
                Ok(writer::Done::Commit {
                    answer: (),
                    publish: Vec::new(),
                })
            })
        })
        .await
    }

    /// Keeps when versions were last used. Times only move forward.
    ///
    /// # Errors
    /// The store's own.
    pub async fn record_use(&self, uses: Vec<UseTimes>) -> Result<(), ChangeError> {
        self.submit(move |writer| upkeep::record_use(writer, &uses))
            .await
    }

    /// Writes down which graces are over and erases answers that are a day old; to be called about once a minute.
    ///
    /// # Errors
    /// The store's own.
    pub async fn sweep(&self) -> Result<(), ChangeError> {
        self.submit(upkeep::sweep).await
    }

    /// Takes a copy of the whole store as of one moment. Changes wait for it; nothing else does. The file has no name
    /// and is gone once it is closed.
    ///
    /// # Errors
    /// The store's own.
    pub async fn backup(&self) -> Result<File, ChangeError> {
        self.submit(|writer| backup::take(writer)).await
    }

    /// Wraps the next data key after that of `after` (0 to begin with) under the key-encryption key, if it is still
    /// under the previous one. Each step is a transaction of its own; a job that was interrupted begins at 0 again.
    ///
    /// # Errors
    /// The store's own.
    pub async fn rewrap_next(&self, after: i64) -> Result<Rewrap, ChangeError> {
        self.submit(move |writer| data_keys::rewrap_next(writer, after))
            .await
    }

    /// Whether it serves what verifies of a damaged file, and takes no change.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// The public ids of the key-encryption key and of the one that it replaces.
    #[must_use]
    pub fn keks(&self) -> (KekId, Option<KekId>) {
        (self.seal.kek(), self.seal.previous_kek())
    }

    /// Writes a record of what changed nothing, unless the call has one. It takes a number like a change.
    ///
    /// # Errors
    /// The store's own.
    pub async fn note(&self, caller: Caller, noted: Noted) -> Result<(), ChangeError> {
        self.submit_minor(move |writer| {
            writer.change(|change| audit::note(change, &caller, &noted))
        })
        .await
    }

    /// The audit's records after a number, oldest first, of one subject if one is named.
    ///
    /// # Errors
    /// The store's own.
    pub async fn audit_rows(
        &self,
        subject: Option<String>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditRow>, ChangeError> {
        self.submit_minor(move |writer| {
            writer.read(|connection| audit::rows(connection, subject.as_deref(), after, limit))
        })
        .await
    }

    /// Checks the chain of the audit against its head, and against a head that was written down elsewhere. Answers the
    /// head, and what is wrong.
    ///
    /// # Errors
    /// The store's own.
    pub async fn check_audit(
        &self,
        anchor: Option<Head>,
    ) -> Result<(Head, Option<Finding>), ChangeError> {
        audit::check(self, anchor).await
    }

    /// The number of the last change.
    ///
    /// # Errors
    /// The store's own.
    pub async fn change_number(&self) -> Result<u64, ChangeError> {
        self.submit(|writer| writer.read(upkeep::change_number))
            .await
    }

    /// Finishes what is queued, closes the file and releases the data directory. Every other handle is answered
    /// [`ChangeError::Unavailable`] from then on. Blocks until it is done.
    pub fn close(self) {
        // Fails only if the writer has stopped already.
        let _ = self.queue.send(Message::Close);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }

    /// The same for work that may wait, of which the queue has only so much at a time: however many calls are to be
    /// recorded or lists to be read, a change has but that before it.
    async fn submit_minor<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let turn = self.minor.clone().acquire_owned().await;
        let turn = turn.map_err(|_| ChangeError::Unavailable)?;
        self.submit(move |writer| {
            let _turn = turn;
            work(writer)
        })
        .await
    }

    /// Queues work for the writer and waits for its answer.
    async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let (reply, answer) = oneshot::channel();
        let work = Message::Work(Box::new(move |writer| {
            // The caller may have gone; what was done stays done.
            let _ = reply.send(work(writer));
        }));
        self.queue.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => ChangeError::Busy,
            TrySendError::Disconnected(_) => ChangeError::Unavailable,
        })?;
        answer.await.unwrap_or(Err(ChangeError::Unavailable))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
