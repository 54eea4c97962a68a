//! Places where a test makes the process die, fail or wait. They exist in debug builds alone: a release holds neither
//! the names nor the variable.
//!
//! The environment variable `FAILPOINT` arms one for the life of the process: `NAME:ACTION` or `NAME:ACTION@N`, which
//! acts from the Nth time on. ACTION is `kill` (as `kill -9` would), `error` (as a disk that fails) or `delay`.

/// Names a place, and leaves the function with an error if a test wants that.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        crate::failpoint::hit($name)?;
    };
}
pub(crate) use failpoint;

#[cfg(debug_assertions)]
mod armed;
#[cfg(debug_assertions)]
pub(crate) use armed::hit;
