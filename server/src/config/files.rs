//! Files with keys and certificates. One that others can read is refused, because by then it is no secret.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use zeroize::{Zeroize, Zeroizing};

use super::ConfigError;

/// The most bytes that any of these files may have.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The file beside a dev store that holds its key-encryption key.
const DEV_KEY_FILE: &str = "dev.key";
const MAKE_KEY: &str = "make one with `openssl rand -hex 32 > FILE && chmod 600 FILE`";

/// Reads a key-encryption key of 64 hex characters.
pub(super) fn read_key_file(path: &Path) -> Result<SecretBox<[u8; 32]>, ConfigError> {
    refuse_symlink(path)?;
    let text = read_private(path, MAKE_KEY)?;
    read_key_text(text)
}

/// Decodes a key-encryption key of 64 hex characters; white space around them is ignored.
pub(super) fn read_key_text(text: Zeroizing<String>) -> Result<SecretBox<[u8; 32]>, ConfigError> {
    let mut key = SecretBox::new(Box::new([0; 32]));
    match hex::decode_to_slice(text.trim_ascii(), key.expose_secret_mut()) {
        Ok(()) if is_one_byte(key.expose_secret()) => Err(wrong(
            "is one byte over and over, which is no key",
            MAKE_KEY,
        )),
        Ok(()) => Ok(key),
        Err(_) => Err(wrong("is not a key of 64 hex characters", MAKE_KEY)),
    }
}

/// What somebody writes who only wants it to start.
fn is_one_byte(key: &[u8; 32]) -> bool {
    key.iter().all(|byte| byte == &key[0])
}

/// Reads a key-encryption key from standard input, past the buffer that the process keeps for it.
pub(super) fn read_piped_key() -> Result<SecretBox<[u8; 32]>, ConfigError> {
    let mut text = Zeroizing::new(String::new());
    let read = match io::stdin().is_terminal() {
        true => Ok(0),
        false => piped().and_then(|input| input.take(MAX_FILE_BYTES).read_to_string(&mut text)),
    };
    read.map_err(|error| unreadable(&error, MAKE_KEY))?;
    read_key_text(text)
}

#[cfg(unix)]
fn piped() -> io::Result<impl Read> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn piped() -> io::Result<impl Read> {
    Ok(io::stdin())
}

/// Reads a file with at least one PEM section of this label. It may be a symlink: tools that renew certificates work that
/// way.
pub(super) fn read_pem(path: &Path, label: &str) -> Result<Vec<u8>, ConfigError> {
    let begin = format!("-----BEGIN {label}-----");
    let remedy = &format!("give a PEM file with `{begin}`");
    let mut pem = Vec::new();
    let (file, _) = open_file(path, remedy)?;
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut pem);
    match read.map_err(|error| unreadable(&error, remedy))? {
        bytes if bytes as u64 > MAX_FILE_BYTES => Err(wrong("is longer than 1 MiB", remedy)),
        _ if pem
            .windows(begin.len())
            .any(|text| text == begin.as_bytes()) =>
        {
            Ok(pem)
        }
        _ => Err(wrong("holds nothing of the kind as PEM", remedy)),
    }
}

/// Reads the private key of the listener. It may be a symlink as well.
pub(super) fn read_private_key(path: &Path) -> Result<SecretString, ConfigError> {
    let remedy = "give a PEM file with the private key of tls.certificate";
    let pem = read_private(path, remedy)?;
    if pem.contains("PRIVATE KEY-----") {
        Ok(pem.as_str().into())
    } else {
        Err(wrong("holds no PEM private key", remedy))
    }
}

/// Reads the key of a dev store, or makes it with the folder around it.
pub(super) fn make_key_file(data_dir: &Path) -> Result<SecretBox<[u8; 32]>, ConfigError> {
    let remedy = "give a folder that can be written";
    let failed = |error: io::Error| ConfigError {
        key: "data_dir".to_owned(),
        ..unreadable(&error, remedy)
    };
    make_folder(data_dir).map_err(failed)?;
    let path = data_dir.join(DEV_KEY_FILE);
    if !path.try_exists().map_err(failed)? {
        write_new_key(&path).map_err(failed)?;
    }
    read_key_file(&path).map_err(|error| ConfigError {
        key: path.display().to_string(),
        ..error
    })
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_new_key(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice())
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    let text = Zeroizing::new(hex::encode(key.as_slice()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whoever may change a link chooses the key, and the mode of the link says nothing.
fn refuse_symlink(path: &Path) -> Result<(), ConfigError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(wrong("is a symlink", "name the file itself")),
        _ => Ok(()),
    }
}

/// Reads a file that nobody but its owner may read. The mode is that of the open file, so that it cannot be swapped
/// in between.
fn read_private(path: &Path, remedy: &str) -> Result<Zeroizing<String>, ConfigError> {
    let (file, metadata) = open_file(path, remedy)?;
    refuse_shared(&metadata, path)?;
    // Sized in advance: a buffer that grows leaves copies behind.
    let length = metadata.len().min(MAX_FILE_BYTES);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(length)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error, remedy))?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(wrong("is not text", remedy))
        }
    }
}

/// Opens a file and nothing else: a pipe without a writer would have the start wait for ever.
fn open_file(path: &Path, remedy: &str) -> Result<(File, fs::Metadata), ConfigError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let opened = options
        .open(path)
        .and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    match opened.map_err(|error| unreadable(&error, remedy))? {
        (_, metadata) if !metadata.is_file() => Err(wrong("is not a file", remedy)),
        opened => Ok(opened),
    }
}

/// Refuses a file of another user, who could replace its content, and one that other users can read.
#[cfg(unix)]
fn refuse_shared(metadata: &fs::Metadata, path: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(wrong(
            "belongs to another user",
            format!(
                "give it to the user of this process with `chown`: {}",
                path.display()
            ),
        ));
    }
    let mode = metadata.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(wrong(
        format!(
            "can be read or changed by other users (mode {:04o})",
            mode & 0o7777
        ),
        format!(
            "run `chmod 600 {}`, and replace it if others have read it",
            path.display()
        ),
    ))
}

#[cfg(not(unix))]
fn refuse_shared(_: &fs::Metadata, _: &Path) -> Result<(), ConfigError> {
    Ok(())
}

/// The key is filled in by whoever knows it.
fn wrong(problem: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
    ConfigError::new("", problem, remedy)
}

fn unreadable(error: &io::Error, remedy: &str) -> ConfigError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => "names a file that does not exist".to_owned(),
        _ => format!("cannot be read or written ({error})"),
    };
    wrong(problem, remedy)
}
