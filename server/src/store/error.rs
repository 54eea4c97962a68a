//! What can go wrong, for the operator at the start and for the caller of a change.

use countersign_core::rotation::RotationError;
use rusqlite::ErrorCode;

use crate::seal::SealError;

/// Why a store does not open. Each message says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made, read or written.
    #[error(
        "the data directory cannot be used: check that it exists on a writable disk and belongs to this user"
    )]
    DataDir,
    /// Another process holds the store.
    #[error(
        "another process uses this data directory: stop it first, or choose another data directory"
    )]
    InUse,
    /// The SQLite library has the WAL-reset corruption.
    #[error(
        "the SQLite library is older than 3.51.3 and can corrupt the store: build with the bundled library"
    )]
    SqliteTooOld,
    /// A newer release made the store.
    #[error(
        "the store was made by a newer release: run that release or restore a backup; the data is untouched"
    )]
    NewerSchema,
    /// A version before the first release made the store.
    #[error(
        "the store was made by a development version, before the first release: choose another data directory and \
         create its secrets again; the data is untouched"
    )]
    OlderSchema,
    /// The store was made with another key-encryption key.
    #[error(
        "the key-encryption key is not the one of this store: give the right one, or to replace it, the old one in \
         key_encryption.previous_key_file; the data is untouched"
    )]
    WrongKek,
    /// Keys are still wrapped under a key-encryption key that was not given.
    #[error(
        "{keys} keys of the store are still under the previous key-encryption key: give it in \
         key_encryption.previous_key_file until the log says that it can go; the data is untouched"
    )]
    PreviousKekNeeded {
        /// How many.
        keys: u64,
    },
    /// The store is a copy, and what was ended since it was taken would be live again.
    #[error(
        "the store is a copy that nobody accepted: run `countersign restore` with it; the data is untouched"
    )]
    UnacceptedCopy,
    /// The database is not a Countersign store.
    #[error(
        "the database in the data directory is not a store of this service: choose another data directory"
    )]
    NotAStore,
    /// The database is damaged.
    #[error(
        "the database is damaged: restore a backup; until then `countersign serve --degraded` serves what verifies of it"
    )]
    Damaged,
    /// The disk is full.
    #[error("the disk of the data directory is full: free some space")]
    DiskFull,
    /// The system gave no thread or no random bytes.
    #[error("the system gave no thread or no random bytes: raise the limits of this process")]
    System,
}

/// Why a change was refused or failed. Nothing changed, but where [`ChangeError::Unavailable`] says that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No secret ever had this name.
    #[error("there is no such secret")]
    NotFound,
    /// The secret of this name was deleted.
    #[error("the secret is deleted")]
    Deleted,
    /// A secret has this name.
    #[error("the name is in use")]
    NameTaken,
    /// The request id was used by another caller, method or arguments.
    #[error("the request id was used for another request")]
    RequestIdConflict,
    /// The request id was used more than a day ago, or for a secret that is deleted.
    #[error("the request id was used before and its answer is no longer kept")]
    RequestIdExpired,
    /// The same key is in use.
    #[error("the key is in use already")]
    KeyReused,
    /// The state machine refused the step.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// The secret changed since the caller read it.
    #[error("the secret was changed in between")]
    RevisionMismatch,
    /// Live versions are deleted only with force.
    #[error("versions are live: deleting the secret needs force")]
    LiveVersionsNeedForce,
    /// The secret has another scheme than the one that the key was made for.
    #[error("the secret has another scheme")]
    SchemeMismatch,
    /// Another description has the id of the scheme.
    #[error("the id of the scheme is in use")]
    SchemeTaken,
    /// There is no such scheme of an operator's own, or it is another one by now.
    #[error("there is no such scheme")]
    SchemeNotFound,
    /// A secret has the scheme.
    #[error("a secret uses the scheme")]
    SchemeInUse,
    /// There are as many schemes as there may be.
    #[error("there are too many schemes")]
    TooManySchemes,
    /// The stored scheme was edited or is damaged.
    #[error("the stored scheme is damaged")]
    SchemeCorrupt,
    /// A valid token has this name or certificate.
    #[error("a valid token has this name or certificate")]
    TokenTaken,
    /// There is no such token.
    #[error("there is no such token")]
    TokenNotFound,
    /// There are as many valid tokens as there may be.
    #[error("there are too many tokens")]
    TooManyTokens,
    /// Nobody could grant every permission any more.
    #[error("it is the last token that may do everything")]
    LastAdmin,
    /// A token that may do everything exists, so this is not the first.
    #[error("there is a token that may do everything")]
    AdminExists,
    /// The caller's own token was revoked before its change was made.
    #[error("the caller's credential has been revoked")]
    CallerRevoked,
    /// There are as many secrets as there may be.
    #[error("there are too many secrets")]
    TooManySecrets,
    /// Too many changes wait.
    #[error("too many changes are waiting")]
    Busy,
    /// The disk is full.
    #[error("the disk of the store is full")]
    DiskFull,
    /// The store is closed or its disk failed; when the disk failed in the commit, the change may have happened.
    #[error("the store is unavailable")]
    Unavailable,
    /// A stored row does not open or contradicts itself.
    #[error("the stored secret is damaged")]
    Corrupt,
}

/// An error within a transaction: what the caller is told, or what the driver said, which only the log learns.
#[derive(Debug)]
pub(super) enum Fault {
    Change(ChangeError),
    Driver(rusqlite::Error),
}

/// What a driver's error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriverFault {
    InUse,
    DiskFull,
    /// The file cannot be trusted any more until the store is opened anew.
    Disk,
    Damaged,
    Other,
}

impl DriverFault {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied,
            ) => Self::Disk,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(_) => Self::Other,
            None => match error {
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged,
                _ => Self::Other,
            },
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the store does not open");
        match DriverFault::of(&error) {
            DriverFault::InUse => Self::InUse,
            DriverFault::DiskFull => Self::DiskFull,
            DriverFault::Disk => Self::DataDir,
            DriverFault::Damaged | DriverFault::Other => Self::Damaged,
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Driver(error) => error.into(),
            Fault::Change(ChangeError::DiskFull) => Self::DiskFull,
            Fault::Change(ChangeError::Unavailable) => Self::DataDir,
            Fault::Change(_) => Self::Damaged,
        }
    }
}

impl From<SealError> for OpenError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRandomness => Self::System,
            SealError::Broken => Self::Damaged,
        }
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(%error, "the data directory cannot be used");
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull,
            _ => Self::DataDir,
        }
    }
}

impl Fault {
    /// Whether it is one row that is damaged, and not the store.
    pub(super) fn is_corrupt(&self) -> bool {
        match self {
            Self::Change(error) => *error == ChangeError::Corrupt,
            Self::Driver(error) => {
                error.sqlite_error_code().is_none()
                    && DriverFault::of(error) == DriverFault::Damaged
            }
        }
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

impl From<RotationError> for Fault {
    fn from(error: RotationError) -> Self {
        Self::Change(error.into())
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        Self::Change(match error {
            SealError::Broken => ChangeError::Corrupt,
            SealError::NoRandomness => ChangeError::Unavailable,
        })
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}
