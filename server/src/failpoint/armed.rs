//! What a failpoint does, and which one is armed.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::ffi;

const VARIABLE: &str = "FAILPOINT";
const DELAY: Duration = Duration::from_millis(700);

struct Armed {
    name: String,
    action: String,
    from: u32,
    hits: AtomicU32,
}

impl Armed {
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':')?;
        let (action, from) = rest.split_once('@').unwrap_or((rest, "1"));
        Some(Self {
            name: name.to_owned(),
            action: action.to_owned(),
            from: from.parse().ok()?,
            hits: AtomicU32::new(0),
        })
    }
}

/// What happens at a place.
///
/// # Errors
/// The error of a disk that fails, if the place is armed with it.
pub(crate) fn hit(name: &str) -> rusqlite::Result<()> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| Armed::parse(&std::env::var(VARIABLE).ok()?));
    let Some(armed) = armed.as_ref().filter(|armed| armed.name == name) else {
        return Ok(());
    };
    if armed.hits.fetch_add(1, Ordering::Relaxed) + 1 < armed.from {
        return Ok(());
    }
    tracing::warn!(name, action = armed.action, "failpoint");
    match armed.action.as_str() {
        "delay" => {
            thread::sleep(DELAY);
            Ok(())
        }
        "error" => Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_IOERR),
            None,
        )),
        _ => die(),
    }
}

fn die() -> ! {
    let this = rustix::process::getpid();
    // Fails for no process that exists.
    let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
    loop {
        thread::park();
    }
}
