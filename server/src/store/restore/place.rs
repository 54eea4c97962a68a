//! Putting the file of the restored store where the store is looked for.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use countersign_core::Timestamp;

use super::super::{backup::Scratch, open::DATABASE};
use crate::failpoint::failpoint;

/// Puts the restored store in its place and answers where the one that was there is kept. At every moment there is a
/// whole store of the right name, the old one or the new one.
pub(super) fn put(
    data_dir: &Path,
    restored: &Scratch,
    now: Timestamp,
) -> io::Result<Option<PathBuf>> {
    File::open(&restored.path)?.sync_all()?;
    step()?;
    let store = data_dir.join(DATABASE);
    let kept = match store.try_exists()? {
        true => Some(keep_aside(data_dir, &store, now)?),
        false => None,
    };
    step()?;
    fs::rename(&restored.path, &store)?;
    step()?;
    File::open(data_dir)?.sync_all()?;
    Ok(kept)
}

/// A place where a test may end the process.
fn step() -> io::Result<()> {
    let hit = || -> rusqlite::Result<()> {
        failpoint!("restore");
        Ok(())
    };
    hit().map_err(io::Error::other)
}

/// Gives the store that is there a second name. What an unreadable one left in a log beside it goes along: it must not
/// be taken for the log of the restored store.
fn keep_aside(data_dir: &Path, store: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let base = format!("{DATABASE}.before-restore-{}", now.unix_millis());
    let kept = data_dir.join(&base);
    fs::hard_link(store, &kept)?;
    step()?;
    for suffix in ["-wal", "-shm"] {
        let beside = data_dir.join(format!("{DATABASE}{suffix}"));
        if beside.try_exists()? {
            fs::rename(beside, data_dir.join(format!("{base}{suffix}")))?;
        }
    }
    File::open(data_dir)?.sync_all()?;
    Ok(kept)
}
