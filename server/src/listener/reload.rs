//! Certificate, key, client authority and revocations follow their files.
//!
//! The files are read every few seconds and compared by content, because a time of change says nothing about a file
//! that a tool swapped in by a link. What does not hold together is not taken: the server goes on with what it has.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::UnixTime;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{ends::Nearness, tls::Material};
use crate::config::{ConfigError, Digest, Tls};

/// The task that looks at the files. It ends when this is dropped.
pub(super) struct Reloading {
    current: watch::Receiver<Material>,
    task: JoinHandle<()>,
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reloading {
    /// Looks after every interval, and whenever it is asked to.
    pub(super) fn start(
        settings: Tls,
        material: Material,
        interval: Duration,
        asked: Arc<Notify>,
    ) -> Self {
        let (change, current) = watch::channel(material);
        let task = tokio::spawn(follow(settings, change, interval, asked));
        Self { current, task }
    }

    /// What holds now, and what will.
    pub(super) fn current(&self) -> watch::Receiver<Material> {
        self.current.clone()
    }
}

/// Puts into `change` what the files hold whenever that is another good thing.
async fn follow(
    settings: Tls,
    change: watch::Sender<Material>,
    interval: Duration,
    asked: Arc<Notify>,
) {
    let mut fault = Fault::default();
    let mut nearness = [Nearness::Far; 2];
    loop {
        let now = UnixTime::now();
        for (nearness, (key, end)) in nearness.iter_mut().zip(change.borrow().ends) {
            nearness.tell(key, end, now);
        }
        let is_asked = timeout(interval, asked.notified()).await.is_ok();
        let (settings, taken) = (settings.clone(), change.borrow().digest);
        let look = tokio::task::spawn_blocking(move || look(&settings, taken));
        match look.await {
            Ok(Ok(None)) => {
                fault = Fault::default();
                if is_asked {
                    tracing::info!("the certificate files are those that are in use");
                }
            }
            Ok(Ok(Some(material))) => {
                fault = Fault::default();
                let _ = change.send(material);
                tracing::info!("the certificate files changed and were taken");
            }
            Ok(Err(error)) => fault.note(error, is_asked),
            Err(_) => tracing::error!("the certificate files could not be looked at"),
        }
    }
}

/// What the files hold, if that is not what was taken from them before.
fn look(settings: &Tls, taken: Digest) -> Result<Option<Material>, ConfigError> {
    let files = settings.read_files()?;
    match files.digest() == taken {
        true => Ok(None),
        false => Material::new(settings, &files).map(Some),
    }
}

/// What is wrong with the files, and in how many looks it was.
#[derive(Default)]
struct Fault {
    error: Option<ConfigError>,
    looks: u32,
}

impl Fault {
    /// Says it when it is seen for the second time, since several files are not replaced at the same moment; to who
    /// asked, at once.
    fn note(&mut self, error: ConfigError, is_asked: bool) {
        if self.error.as_ref() != Some(&error) {
            *self = Self {
                error: Some(error.clone()),
                looks: 0,
            };
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks == 2 || is_asked {
            tracing::error!(
                key = error.key,
                problem = error.problem,
                "the certificate files do not hold together; the server goes on with what it took before"
            );
        }
    }
}
