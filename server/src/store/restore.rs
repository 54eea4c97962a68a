//! Putting a copy in the place of a store. A copy is older than what it replaces: versions that were ended since would
//! be live again. So nothing is restored before somebody has seen what would be, and what is known to have ended stays
//! ended.
//!
//! Invariant: until the copy is the store, whole and on disk, the store that was there is untouched; then it is kept
//! aside under another name.

mod place;
mod present;

use std::{collections::BTreeSet, fs::File, io, path::PathBuf};

use countersign_core::{
    SecretName, Timestamp,
    audit::Finding,
    rotation::{RotationLimits, VersionState},
};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    ChangeError, OpenError, SecretRecord, StoreOptions,
    audit::{self, Written},
    backup,
    error::Fault,
    open, records,
    rows::Rows,
    schema, tokens,
    writer::Change,
};
use crate::seal::{Keks, Seal};
pub use present::Present;
use present::{Known, Since};

/// What to restore, and where.
#[derive(Debug)]
pub struct RestoreOptions {
    /// The store that the copy becomes.
    pub store: StoreOptions,
    /// The copy.
    pub copy: PathBuf,
    /// Versions that stay live although a grace holds them or their secret was deleted since.
    pub keep: BTreeSet<(SecretName, u32)>,
    /// Whether to do it; else it is only said what would be done.
    pub accept: bool,
}

/// What was restored, or would be.
#[derive(Debug)]
pub struct Restoration {
    /// When the copy was taken; unknown of a file that was copied by other means.
    pub copy_time: Option<Timestamp>,
    /// What is known of the store that it replaces.
    pub present: Present,
    /// Every version that is live in the copy.
    pub versions: Vec<RestoredVersion>,
    /// Every token that is valid in the copy.
    pub tokens: Vec<RestoredToken>,
    /// Secrets of the copy that do not open.
    pub corrupt: Vec<SecretName>,
    /// What is wrong with the audit of the copy.
    pub audit: Option<Finding>,
    /// Where the store that was there is kept; `None` if there was none, or nothing was done.
    pub kept_aside: Option<PathBuf>,
}

/// A version that is live in the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredVersion {
    /// Its secret.
    pub secret: SecretName,
    /// Its number.
    pub number: u32,
    /// Its state in the copy.
    pub state: VersionState,
    /// What becomes of it.
    pub fate: Fate,
}

/// A token that is valid in the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredToken {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: SecretName,
    /// Whether it is revoked because the store that is there has revoked it.
    pub is_revoked: bool,
}

/// What becomes of a version that is live in the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is live again.
    Live,
    /// It was to be ended, and is live again because that was asked for.
    Kept,
    /// It is ended because it was in its grace: what replaced it was made before the copy.
    EndedGrace,
    /// It is ended because the store that is there has ended it.
    EndedSince,
    /// It is ended because its secret was deleted since.
    EndedWithSecret,
}

impl Fate {
    /// Whether the version is live afterwards.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Kept)
    }
}

/// Why nothing was restored. Each message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The copy, or the data directory, does not open as a store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The file of the copy cannot be read.
    #[error("the copy cannot be read: check its path and mode")]
    Copy,
    /// A version to keep is none that could be kept.
    #[error(
        "{secret}:{number} cannot be kept: it is not live in the copy, or was ended since, which nothing undoes; leave out its --keep"
    )]
    Keep {
        /// Its secret.
        secret: SecretName,
        /// Its number.
        number: u32,
    },
}

/// Restores a copy, or says what that would do. No server may run on the data directory.
///
/// # Errors
/// [`RestoreError`] says what to do; the store that is there is untouched.
pub fn restore(options: RestoreOptions) -> Result<Restoration, RestoreError> {
    let RestoreOptions {
        store,
        copy,
        keep,
        accept,
    } = options;
    let _lock = open::lock(&store.data_dir)?;
    backup::remove_leftovers(&store.data_dir).map_err(OpenError::from)?;
    let scratch = backup::Scratch::new(&store.data_dir).map_err(OpenError::from)?;
    fetch(&copy, &scratch)?;
    let mut connection = open::connect_to(&scratch.path)?;
    if schema::is_new(&connection)? {
        return Err(OpenError::NotAStore.into());
    }
    let now = store.clock.now();
    let keks = Keks {
        current: store.kek,
        previous: store.previous_kek,
    };
    let seal = schema::prepare(&mut connection, &keks, now)?;
    open::check(&connection)?;
    let rows = Rows {
        connection: &connection,
        seal: &seal,
        now,
        graces_hold: true,
        degraded: false,
    };
    let mut known = Known::of(&store.data_dir, &rows)?;
    let copy_time = backup::copy_time(&connection).map_err(OpenError::from)?;
    let (records, corrupt) = open::load(&rows)?;
    let versions = fates(&records, &known, &keep, now)?;
    let tokens = valid_tokens(&rows, &known)?;
    let mut restoration = Restoration {
        copy_time,
        present: known.present,
        versions,
        tokens,
        corrupt,
        audit: audit::check_at_once(&rows).map_err(OpenError::from)?,
        kept_aside: None,
    };
    if accept {
        accept_copy(&mut connection, &seal, now, &restoration)?;
        open::close(connection)?;
        known.close()?;
        restoration.kept_aside =
            place::put(&store.data_dir, &scratch, now).map_err(OpenError::from)?;
    }
    Ok(restoration)
}

/// Copies the copy: what the operator keeps is not written to.
fn fetch(copy: &std::path::Path, scratch: &backup::Scratch) -> Result<(), RestoreError> {
    let mut from = File::open(copy).map_err(|_| RestoreError::Copy)?;
    if !from.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(RestoreError::Copy);
    }
    let to = File::options().write(true).open(&scratch.path);
    let written = to.and_then(|mut to| io::copy(&mut from, &mut to));
    written.map_err(OpenError::from)?;
    Ok(())
}

/// What becomes of every token that is valid in the copy.
fn valid_tokens(rows: &Rows<'_>, known: &Known) -> Result<Vec<RestoredToken>, OpenError> {
    let tokens = rows.tokens()?.into_iter();
    let valid = tokens.filter(|token| token.is_valid(rows.now));
    Ok(valid
        .map(|token| RestoredToken {
            is_revoked: known.has_revoked(&token.id),
            id: token.id,
            name: token.name,
        })
        .collect())
}

/// What becomes of every version that is live in the copy.
fn fates(
    records: &[SecretRecord],
    known: &Known,
    keep: &BTreeSet<(SecretName, u32)>,
    now: Timestamp,
) -> Result<Vec<RestoredVersion>, RestoreError> {
    let mut versions = Vec::new();
    for record in records {
        for version in &record.versions {
            let life = &version.life;
            if !life.state.verifies(now) {
                continue;
            }
            let is_kept = keep.contains(&(record.name.clone(), life.number));
            let fate = match known.since(record.id, life.number) {
                Since::Ended => Fate::EndedSince,
                _ if is_kept => Fate::Kept,
                Since::Deleted => Fate::EndedWithSecret,
                Since::Nothing if matches!(life.state, VersionState::Grace { .. }) => {
                    Fate::EndedGrace
                }
                Since::Nothing => Fate::Live,
            };
            versions.push(RestoredVersion {
                secret: record.name.clone(),
                number: life.number,
                state: life.state,
                fate,
            });
        }
    }
    let kept = |(secret, number): &&(SecretName, u32)| {
        !versions.iter().any(|version| {
            version.fate == Fate::Kept && (&version.secret, version.number) == (secret, *number)
        })
    };
    match keep.iter().find(kept) {
        None => Ok(versions),
        Some((secret, number)) => Err(RestoreError::Keep {
            secret: secret.clone(),
            number: *number,
        }),
    }
}

/// Ends what must not come back, writes into the audit that this was done, and takes the mark away: one transaction.
fn accept_copy(
    connection: &mut Connection,
    seal: &Seal,
    now: Timestamp,
    restoration: &Restoration,
) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows = Rows {
        connection: &transaction,
        seal,
        now,
        graces_hold: true,
        degraded: false,
    };
    let limits = RotationLimits::default();
    let caller = records::Caller::operator("offline");
    // One change each, so that the audit has the end of whatever is ended.
    let mut written = Vec::new();
    let versions = restoration.versions.iter();
    let ended = versions.filter(|version| !version.fate.is_live());
    for RestoredVersion { secret, number, .. } in ended.clone() {
        let change = Change::begin(rows, &limits)?;
        end(&change, secret, *number)?;
        let subject = secret.as_str();
        change.audit(&caller, "RevokeVersion", subject, Some(*number), "restore")?;
        written.extend(change.written.take());
    }
    let revoked = restoration.tokens.iter().filter(|token| token.is_revoked);
    for token in revoked.clone() {
        let change = Change::begin(rows, &limits)?;
        tokens::end(&change, &caller, rows.find_token(&token.id)?)?;
        written.extend(change.written.take());
    }
    let change = Change::begin(rows, &limits)?;
    let when = restoration.copy_time.map_or_else(
        || "an unknown time".to_owned(),
        |time| format!("{} s", time.unix_millis() / 1000),
    );
    let (ended, revoked) = (ended.count(), revoked.count());
    let detail = format!("copy of {when}; versions ended: {ended}; tokens revoked: {revoked}");
    change.audit(&caller, "Restore", "", None, &detail)?;
    written.extend(change.written.take());
    backup::unmark(&transaction)?;
    transaction.commit()?;
    written.iter().for_each(Written::committed);
    Ok(())
}

fn end(change: &Change<'_>, name: &SecretName, number: u32) -> Result<(), Fault> {
    let rows = &change.rows;
    let id = rows.id(name)?;
    let lives = rows.bare_record(id)?.lives();
    let before = lives.map_err(|_| ChangeError::Corrupt)?;
    let after = before.clone().revoke(number, true, rows.now)?;
    rows.write_lives(id, &before, &after)?;
    rows.touch(id, change.n)
}
