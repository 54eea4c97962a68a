//! The memory of a server holds keys, so it must not end up in a file when the process crashes, nor be read by other
//! programs of the same user.

/// Forbids core dumps of this process, and to debuggers without privileges to look into it. What the system refuses is
/// logged and nothing more: such a system protects its processes in its own way.
pub fn forbid() {
    #[cfg(unix)]
    if let Err(error) = forbid_file() {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = forbid_reading() {
        tracing::warn!(%error, "other programs of this user may read the memory of this process");
    }
}

#[cfg(unix)]
fn forbid_file() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

#[cfg(target_os = "linux")]
fn forbid_reading() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
