//! As many descriptors as the connections need that are allowed. Without them the listener would wait for one to be
//! given back, and connections below their cap would not be answered.

use crate::config::Limits;

/// What is open beside the connections: the store with its journal and copies, the listener, the log, and files that are
/// read for a moment.
#[cfg(unix)]
const BESIDE_CONNECTIONS: u64 = 64;

/// Raises the limit of this process as far as the system lets it, and says so if that is not enough.
#[cfg(unix)]
pub fn provide(limits: &Limits) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Widening: usize has at most 64 bits.
    let needed = limits.max_connections as u64 + BESIDE_CONNECTIONS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if is_enough(current) {
        return;
    }
    let most = maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = Rlimit {
        current: Some(most),
        maximum,
    };
    let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
    if !is_raised || most < needed {
        tracing::warn!(
            allowed = if is_raised { Some(most) } else { current },
            needed,
            "this process may open fewer files than limits.max_connections needs: raise the limit (ulimit -n, \
             LimitNOFILE), or lower limits.max_connections"
        );
    }
}

/// Such a system has no limit of this kind.
#[cfg(not(unix))]
pub fn provide(_: &Limits) {}
