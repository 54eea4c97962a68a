//! Copies of the store, taken while it serves. A copy is marked inside, so that no server opens it as if it were the
//! store itself: what was revoked since would be live again. [`restore`](super::restore) is the way back.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use countersign_core::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{
    ChangeError,
    error::{DriverFault, Fault},
    writer::Writer,
};

/// Names of copies in the making; a crash may leave one.
const PREFIX: &str = "copy-";
const SUFFIX: &str = ".tmp";
/// The fact that marks a copy: when it was taken.
const COPY_TIME: &str = "copy_time";

/// Takes a copy and answers it as an open file that has no name any more, so that nothing is left of it however its
/// reader ends.
pub(super) fn take(writer: &Writer) -> Result<File, ChangeError> {
    let taken = || -> Result<File, Fault> {
        let copy = Scratch::new(writer.data_dir())?;
        writer
            .connection()
            .execute("VACUUM INTO ?1", [copy.path_text()?])?;
        mark(&copy.path, writer.now())?;
        File::open(&copy.path).map_err(system)
    };
    taken().map_err(|fault| match fault {
        Fault::Change(error) => error,
        // It is the copy that failed, so nothing is said about the store itself.
        Fault::Driver(error) => {
            tracing::error!(%error, "a copy cannot be made");
            match DriverFault::of(&error) {
                DriverFault::DiskFull => ChangeError::DiskFull,
                _ => ChangeError::Unavailable,
            }
        }
    })
}

/// Removes what a process that was killed left of its copies.
pub(super) fn remove_leftovers(data_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.contains(SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn mark(copy: &Path, now: Timestamp) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(copy, flags)?;
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    let time = now.unix_millis().to_be_bytes();
    copy.execute(sql, params![COPY_TIME, time])?;
    // As the store itself, so that a start which refuses the copy has no reason to write to it.
    copy.pragma_update(None, "journal_mode", "WAL")?;
    copy.close().map_err(|(_, error)| error)
}

/// When a database was copied, if it is a copy that nobody accepted yet.
pub(super) fn copy_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let stored: Option<Vec<u8>> = connection
        .query_row(sql, [COPY_TIME], |row| row.get(0))
        .optional()?;
    Ok(stored.map(|bytes| {
        // A mark that is damaged is a mark.
        let millis = bytes.try_into().map_or(0, i64::from_be_bytes);
        Timestamp::from_unix_millis(millis)
    }))
}

/// Makes a copy the store.
pub(super) fn unmark(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM meta WHERE name = ?1", [COPY_TIME])?;
    Ok(())
}

/// A private file of the data directory that goes with its handle.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Scratch {
    /// An empty file that nobody else may read.
    pub(super) fn new(data_dir: &Path) -> Result<Self, Fault> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|_| ChangeError::Unavailable)?;
        let path = data_dir.join(format!("{PREFIX}{}{SUFFIX}", hex::encode(id)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&path).map_err(system)?;
        Ok(Self { path })
    }

    pub(super) fn path_text(&self) -> Result<&str, Fault> {
        // SQLite takes file names as text.
        self.path.to_str().ok_or(ChangeError::Unavailable.into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            match fs::remove_file(PathBuf::from(path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "what is left of a copy was not removed");
                }
                _ => {}
            }
        }
    }
}

fn system(error: io::Error) -> Fault {
    tracing::error!(%error, "a copy cannot be made");
    match error.kind() {
        io::ErrorKind::StorageFull => ChangeError::DiskFull.into(),
        _ => ChangeError::Unavailable.into(),
    }
}
