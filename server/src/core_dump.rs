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

/// Says so if the system may write the memory of this process to a disk: what swap keeps outlives the process, and
/// whether it is encrypted cannot be told from here.
pub fn warn_of_swap() {
    #[cfg(target_os = "linux")]
    if std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| lists_swap(&swaps)) {
        tracing::warn!(
            "swap is on, and memory with keys may be written to it: switch it off, encrypt it, or run this service with \
             MemorySwapMax=0"
        );
    }
}

/// Whether there is a line below the heading.
#[cfg(target_os = "linux")]
fn lists_swap(swaps: &str) -> bool {
    swaps.lines().nth(1).is_some()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::lists_swap;

    #[test]
    fn a20_swap_is_seen_where_there_is_some() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!lists_swap(heading) && !lists_swap(""));
        let swap = "/dev/dm-1                               partition\t999420\t\t0\t\t-2\n";
        assert!(lists_swap(&format!("{heading}{swap}")));
    }
}
