//! A file that takes room on the disk of the store, so that there is some when it matters: when the disk is full, it is
//! removed for a change that ends a key, and made anew once there is room again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const NAME: &str = "ballast";
/// Random bytes are written in pieces of this size.
const PIECE_BYTES: u64 = 64 * 1024;

/// The ballast of one store.
pub(super) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// The ballast of a data directory; none if it is to have no bytes.
    pub(super) fn new(data_dir: &Path, bytes: u64) -> Self {
        Self {
            path: data_dir.join(NAME),
            bytes,
        }
    }

    /// Makes it, if it is not there and would not take the last room of the disk.
    pub(super) fn keep(&self) {
        if self.length() == self.bytes {
            return;
        }
        let made = self.remove().and_then(|()| match self.bytes {
            0 => Ok(()),
            bytes if room(&self.path)? < bytes.saturating_mul(2) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => self.make(),
        });
        if let Err(error) = made {
            tracing::warn!(%error, "the disk has no room for the ballast that an emergency would need");
        }
    }

    /// Gives its room back, if it has any.
    pub(super) fn release(&self) {
        let is_there = self.length() > 0;
        match self.remove() {
            Ok(()) if is_there => tracing::error!(
                "the disk is full: the ballast is removed so that a key can be ended"
            ),
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "the disk is full and the ballast cannot be removed");
            }
        }
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let made = file.open(&self.path).and_then(|file| self.fill(file));
        if made.is_err() {
            self.remove()?;
        }
        made
    }

    /// Random bytes take room on file systems, too, that compress.
    fn fill(&self, mut file: File) -> io::Result<()> {
        let mut left = self.bytes;
        let mut piece = vec![0; usize::try_from(PIECE_BYTES).unwrap_or(0)];
        while left > 0 {
            let length = left.min(PIECE_BYTES);
            let piece = &mut piece[..usize::try_from(length).unwrap_or(0)];
            getrandom::fill(piece).map_err(io::Error::other)?;
            file.write_all(piece)?;
            left -= length;
        }
        file.sync_all()
    }
}

/// The bytes that this process may still write on the disk of a file that need not exist.
fn room(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path.parent().unwrap_or(path))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
