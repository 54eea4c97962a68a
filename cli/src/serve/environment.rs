//! A key in the environment would stay readable in `/proc/PID/environ` as long as the server runs, and nothing that a
//! process does to its variables changes what stands there. So the program begins anew, without the key there.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::Command,
};

use countersign_server::config::{KEK_PIPED, KEK_VARIABLE};

/// What a pipe takes without a reader on every system.
const MAX_BYTES: usize = 512;

/// Starts this program again in its own place, the key on its standard input. Comes back if there is no key in the
/// environment, or if that cannot be done: the settings then warn of it.
pub(super) fn clear_of_the_key() {
    let Some(key) = env::var_os(KEK_VARIABLE) else {
        return;
    };
    // Nothing of this memory outlives the new beginning.
    let key = key.into_encoded_bytes();
    if key.len() <= MAX_BYTES && key != KEK_PIPED.as_bytes() {
        // What comes back from this is an error alone.
        let _ = begin_anew(&key);
    }
}

fn begin_anew(key: &[u8]) -> io::Result<()> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(key)?;
    drop(writer);
    let mut arguments = env::args_os();
    let name = arguments.next();
    let mut again = Command::new(env::current_exe()?);
    again
        .arg0(name.as_deref().unwrap_or(OsStr::new("countersign")))
        .args(arguments)
        .env(KEK_VARIABLE, KEK_PIPED)
        .stdin(reader);
    Err(again.exec())
}
