//! Long bodies. A hash over a mebibyte takes some ten milliseconds, in which a thread of the runtime answers nobody else.
//! So that is done on other threads, on half of the cores at a time, and the others' calls go on as if it were not.

use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::failure::{ErrorReason, Failure};

/// From here on a body is long. Below, another thread would cost as much as it saves where the processor hashes by
/// itself, and two milliseconds are the most that a hash takes where it does not.
const LONG_BODY_BYTES: usize = 256 * 1024;

/// Where work on long bodies is done.
pub(crate) struct Aside(Arc<Semaphore>);

impl Aside {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(cores.div_ceil(2))))
    }

    /// Does work on a body of so many bytes. Once begun it runs to its end, whether or not anybody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        body_bytes: usize,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if body_bytes < LONG_BODY_BYTES {
            return work();
        }
        let internal = || Failure::new(ErrorReason::Internal);
        let place = self.0.clone().acquire_owned().await;
        let place = place.map_err(|_| internal())?;
        let working = spawn_blocking(move || {
            let _place = place;
            work()
        });
        working.await.unwrap_or_else(|_| Err(internal()))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_long_body_holds_no_thread_of_the_runtime_and_a_short_one_changes_none() {
        let aside = Aside::new();
        let here = thread::current().id();
        let at = async |bytes| {
            let worked = aside.run(bytes, || Ok(thread::current().id()));
            worked.await.unwrap()
        };
        assert_eq!(at(LONG_BODY_BYTES - 1).await, here);
        assert_ne!(at(LONG_BODY_BYTES).await, here);
    }

    #[tokio::test]
    async fn as_many_long_bodies_as_half_of_the_cores_are_worked_on_at_a_time() {
        let aside = Aside::new();
        let places = aside.0.available_permits();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let work = || {
            let wait = wait.clone();
            aside.run(LONG_BODY_BYTES, move || {
                wait.lock().unwrap().recv().unwrap();
                Ok(())
            })
        };
        let all = futures_util::future::join_all((0..places + 1).map(|_| work()));
        let released = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(aside.0.available_permits(), 0);
            (0..places + 1).for_each(|_| go.send(()).unwrap());
        };
        let (ended, ()) = tokio::join!(all, released);
        assert!(ended.iter().all(Result::is_ok));
        assert_eq!(aside.0.available_permits(), places);
    }

    #[tokio::test]
    async fn t18_a_panic_over_a_long_body_is_internal_and_gives_its_place_back() {
        let aside = Aside::new();
        for _ in 0..10 {
            let ended = aside
                .run::<()>(LONG_BODY_BYTES, || panic!("injected"))
                .await;
            assert_eq!(ended.unwrap_err().reason(), ErrorReason::Internal);
        }
        assert!(aside.run(LONG_BODY_BYTES, || Ok(())).await.is_ok());
    }
}
