//! Opening a store: one process, one file, one key-encryption key, or a clear refusal.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{SecretName, rotation::RotationLimits};
use rusqlite::{Connection, OpenFlags};

use super::{
    OpenError, Published, SchemeRecord, SecretRecord, TokenRecord, audit, backup,
    ballast::Ballast,
    degraded,
    rows::Rows,
    schema, schemes,
    time_mark::TimeMark,
    writer::{Settled, Writer},
};
use crate::{
    Clock,
    seal::{Kek, Keks},
};

/// 3.7.0 to 3.51.2 can corrupt a database when its WAL is reset.
const OLDEST_SQLITE: i32 = 3_051_003;
const _: () = assert!(rusqlite::ffi::SQLITE_VERSION_NUMBER >= OLDEST_SQLITE);

/// The rights of other users that a store does not need: on its file, and on its directory.
const GROUP_AND_OTHERS: u32 = 0o077;
const GROUP_AND_OTHERS_WRITE: u32 = 0o022;

/// The file of the store in its data directory.
pub(super) const DATABASE: &str = "countersign.db";
/// Its write-ahead log.
const DATABASE_LOG: &str = "countersign.db-wal";

const PRAGMAS: &str = "
    PRAGMA busy_timeout = 1000;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
";

/// How to open a store.
#[derive(Debug)]
pub struct StoreOptions {
    /// The directory of the store; made, for this user alone, if it does not exist.
    pub data_dir: PathBuf,
    /// The key-encryption key.
    pub kek: Kek,
    /// The key-encryption key that it replaces, until [`Store::rewrap_next`](super::Store::rewrap_next) is done.
    pub previous_kek: Option<Kek>,
    /// Tells the time.
    pub clock: Clock,
    /// The bounds of rotations.
    pub limits: RotationLimits,
    /// Whether the clock is right although the store has seen a later time.
    pub trust_clock: bool,
    /// Whether to take what verifies of a damaged file, and change nothing.
    pub degraded: bool,
    /// As many bytes of the disk are held back for changes that end a key.
    pub ballast_bytes: u64,
    /// At most this many changes wait for the writer; at least one may.
    pub queue: usize,
}

/// The writer of an opened store and what it loaded.
pub(super) struct Loaded {
    pub(super) writer: Writer,
    pub(super) found: Found,
}

/// What a store holds.
pub(super) struct Found {
    pub(super) schemes: Vec<SchemeRecord>,
    pub(super) records: Vec<SecretRecord>,
    pub(super) corrupt: Vec<SecretName>,
    pub(super) tokens: Vec<TokenRecord>,
}

pub(super) fn open(
    options: StoreOptions,
    publish: Box<dyn FnMut(Published) + Send>,
) -> Result<Loaded, OpenError> {
    refuse_old_sqlite(rusqlite::version_number())?;
    let degraded = options.degraded;
    let lock = lock(&options.data_dir)?;
    let mut connection = connect(&options.data_dir)?;
    if degraded {
        degraded::protect(&connection)?;
    } else {
        backup::remove_leftovers(&options.data_dir)?;
    }
    if schema::is_ours(&connection)? && backup::copy_time(&connection)?.is_some() {
        return Err(OpenError::UnacceptedCopy);
    }
    let keks = Keks {
        current: options.kek,
        previous: options.previous_kek,
    };
    let now = options.clock.now();
    let seal = Arc::new(if degraded {
        schema::as_it_is(&connection, &keks)?
    } else {
        schema::prepare(&mut connection, &keks, now)?
    });
    drop(keks);
    warn_of_others(&options.data_dir, GROUP_AND_OTHERS_WRITE);
    for file in [DATABASE, DATABASE_LOG] {
        warn_of_others(&options.data_dir.join(file), GROUP_AND_OTHERS);
    }
    if degraded {
        degraded::report(&connection);
    } else {
        check(&connection)?;
    }
    let time_mark = TimeMark::read(&connection, now, options.trust_clock)?;
    // Outside of a transaction every query would look at the file anew.
    let transaction = connection.transaction()?;
    let rows = Rows {
        connection: &transaction,
        seal: &seal,
        now,
        graces_hold: time_mark.graces_hold(),
        degraded,
    };
    let found = if degraded {
        degraded::load(&rows)
    } else {
        load_all(&rows)?
    };
    drop(transaction);
    let settled = Settled {
        seal,
        clock: options.clock,
        limits: options.limits,
        ballast: Ballast::new(&options.data_dir, options.ballast_bytes),
        data_dir: options.data_dir,
        read_only: degraded,
    };
    let mut writer = Writer::new(connection, settled, publish, time_mark, lock);
    if !degraded {
        writer.ballast().keep();
        // A step of the schema, or the life before, may have left a long one.
        writer.truncate_log();
    }
    Ok(Loaded { writer, found })
}

fn refuse_old_sqlite(version: i32) -> Result<(), OpenError> {
    match version < OLDEST_SQLITE {
        true => Err(OpenError::SqliteTooOld),
        false => Ok(()),
    }
}

fn load_all(rows: &Rows<'_>) -> Result<Found, OpenError> {
    audit::look(rows)?;
    let schemes = schemes::load(rows)?;
    let (records, corrupt) = load(rows)?;
    let tokens = rows.tokens()?;
    Ok(Found {
        schemes,
        records,
        corrupt,
        tokens,
    })
}

/// Makes the directory and takes its lock, which the system releases when the process ends, however it ends.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)?;
    let file = private_file(&data_dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Says so if other users have a right to something: whoever may write puts an older store there, and whoever may read
/// waits for the key-encryption key. It is no refusal, since orchestrators mount volumes so.
fn warn_of_others(path: &Path, rights: u32) {
    let Ok(metadata) = path.metadata() else {
        return;
    };
    let (mode, owner) = (metadata.permissions().mode() & 0o7777, metadata.uid());
    let is_of_another = owner != 0 && owner != rustix::process::geteuid().as_raw();
    if is_of_another || mode & rights != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:04o}"),
            owner,
            "other users can get at the store: give it to the user of this process with `chown`, and take the rights of \
             others with `chmod go-rwx`"
        );
    }
}

fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn connect(data_dir: &Path) -> Result<Connection, OpenError> {
    let path = data_dir.join(DATABASE);
    // SQLite would make the file readable for all; its WAL takes the mode of the file.
    drop(private_file(&path)?);
    File::open(data_dir)?.sync_all()?;
    connect_to(&path)
}

/// Opens a database file that exists.
pub(super) fn connect_to(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(PRAGMAS)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" {
        Ok(connection)
    } else {
        tracing::error!(mode, "the file system takes no write-ahead log");
        Err(OpenError::DataDir)
    }
}

/// Closes a database so that all of it is in its file.
pub(super) fn close(connection: Connection) -> Result<(), OpenError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(connection.close().map_err(|(_, error)| error)?)
}

/// Refuses a damaged file. That indexes say what their tables say is a part of it: what is asked of an index is believed.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    let sql = "PRAGMA integrity_check(1)";
    let finding: String = connection.query_row(sql, [], |row| row.get(0))?;
    if finding == "ok" {
        Ok(())
    } else {
        tracing::error!(finding, "the database is damaged");
        Err(OpenError::Damaged)
    }
}

/// All secrets by name. One that does not open is named and left out; the others serve.
pub(super) fn load(rows: &Rows<'_>) -> Result<(Vec<SecretRecord>, Vec<SecretName>), OpenError> {
    let (mut records, mut corrupt) = (Vec::new(), Vec::new());
    for (id, name) in names(rows.connection)? {
        match rows.record(id) {
            Ok(record) => records.push(record),
            Err(fault) if fault.is_corrupt() => {
                tracing::error!(
                    secret = name,
                    "a stored secret is damaged and does not serve"
                );
                corrupt.extend(SecretName::parse(&name));
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok((records, corrupt))
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let sql = "SELECT id, name FROM secrets WHERE delete_time IS NULL ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_library_that_can_corrupt_its_log_is_refused() {
        assert!(refuse_old_sqlite(rusqlite::version_number()).is_ok());
        assert!(refuse_old_sqlite(3_051_003).is_ok());
        for old in [3_051_002, 3_050_004, 3_007_000] {
            assert_eq!(refuse_old_sqlite(old), Err(OpenError::SqliteTooOld));
        }
    }
}
