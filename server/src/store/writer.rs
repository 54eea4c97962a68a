//! The one thread that writes. It owns the connection and the lock of the data directory; changes reach it through a
//! bounded queue, so neither a slow disk nor a caller that hangs up touches the others.
//!
//! Invariant: a change is published after its commit, in the order of commits, and before its caller hears of it.

use std::{
    cell::RefCell,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Receiver},
};

use countersign_core::{Timestamp, rotation::RotationLimits};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    ChangeError, Published,
    audit::Written,
    ballast::Ballast,
    error::{DriverFault, Fault},
    rows::Rows,
    time_mark::{self, TimeMark},
};
use crate::{Clock, failpoint::failpoint, seal::Seal};

/// One piece of work for the writer.
pub(super) type Work = Box<dyn FnOnce(&mut Writer) + Send>;

/// What travels through the queue.
pub(super) enum Message {
    Work(Work),
    Close,
}

/// What a store is given once.
pub(super) struct Settled {
    pub(super) seal: Arc<Seal>,
    pub(super) clock: Clock,
    pub(super) limits: RotationLimits,
    pub(super) data_dir: PathBuf,
    pub(super) ballast: Ballast,
    pub(super) read_only: bool,
}

/// A numbered transaction that is open.
pub(super) struct Change<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) limits: &'a RotationLimits,
    /// The number of the change; taken for good by the commit alone.
    pub(super) n: u64,
    /// Its record, once it is written.
    pub(super) written: RefCell<Option<Written>>,
}

/// How a transaction ends that did not fail.
pub(super) enum Done<T> {
    Commit { answer: T, publish: Vec<Published> },
    RollBack(T),
}

pub(super) struct Writer {
    // Dropped before the lock, so that no other process opens a file that is being closed.
    connection: Connection,
    settled: Settled,
    publish: Box<dyn FnMut(Published) + Send>,
    /// Nothing is written: because the file is damaged, or since a disk error, after which it is not trusted again
    /// before the store is opened anew.
    read_only: bool,
    publishing: bool,
    time_mark: TimeMark,
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        settled: Settled,
        publish: Box<dyn FnMut(Published) + Send>,
        time_mark: TimeMark,
        lock: File,
    ) -> Self {
        Self {
            connection,
            read_only: settled.read_only,
            settled,
            publish,
            publishing: false,
            time_mark,
            _lock: lock,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.settled.data_dir
    }

    pub(super) fn ballast(&self) -> &Ballast {
        &self.settled.ballast
    }

    pub(super) fn time_mark(&mut self) -> &mut TimeMark {
        &mut self.time_mark
    }

    pub(super) fn now(&self) -> Timestamp {
        self.settled.clock.now()
    }

    pub(super) fn seal(&self) -> Arc<Seal> {
        Arc::clone(&self.settled.seal)
    }

    /// Works until the store is closed or its last handle is dropped.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        while let Ok(Message::Work(work)) = queue.recv() {
            if catch_unwind(AssertUnwindSafe(|| work(&mut self))).is_ok() {
                continue;
            }
            tracing::error!("a change panicked");
            if self.publishing {
                tracing::error!("memory may be behind the store: no further change is taken");
                break;
            }
        }
    }

    /// Runs a numbered change: the first statement takes the number and with it the order of commits. What leaves no
    /// record is not committed.
    pub(super) fn change<T>(
        &mut self,
        work: impl FnOnce(&Change<'_>) -> Result<Done<T>, Fault>,
    ) -> Result<T, ChangeError> {
        let mark = self.time_mark;
        let changed = self.transact(|rows, limits| {
            let change = Change::begin(rows, limits)?;
            time_mark::write(rows.connection, mark.at(rows.now))?;
            match (work(&change)?, change.written.into_inner()) {
                (Done::RollBack(answer), _) => Ok(Done::RollBack((answer, None))),
                (Done::Commit { answer, publish }, Some(written)) => Ok(Done::Commit {
                    answer: (answer, Some(written)),
                    publish,
                }),
                (Done::Commit { .. }, None) => {
                    tracing::error!("a change without a record is not made");
                    Err(ChangeError::Unavailable.into())
                }
            }
        });
        if changed.as_ref().err() == Some(&ChangeError::DiskFull) {
            // What the log holds is in the database then, and its room is there for the next change.
            self.truncate_log();
        }
        let (answer, written) = changed?;
        if let Some(written) = written {
            written.committed();
        }
        Ok(answer)
    }

    /// Runs a change that ends a key. If the disk is full, the ballast makes room for it.
    pub(super) fn urgent_change<T>(
        &mut self,
        mut work: impl FnMut(&Change<'_>) -> Result<Done<T>, Fault>,
    ) -> Result<T, ChangeError> {
        match self.change(&mut work) {
            Err(ChangeError::DiskFull) => {
                // Without a ballast there may still be what the log gave back.
                self.settled.ballast.release();
                self.truncate_log();
                self.change(work)
            }
            result => result,
        }
    }

    /// Runs upkeep, which is no change: it takes no number and leaves no audit row.
    pub(super) fn upkeep<T>(
        &mut self,
        work: impl FnOnce(&Rows<'_>) -> Result<Done<T>, Fault>,
    ) -> Result<T, ChangeError> {
        self.transact(|rows, _| work(&rows))
    }

    /// Reads outside of a change.
    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ChangeError> {
        let result = work(&self.connection).map_err(Fault::Driver);
        self.settle(result)
    }

    /// Overwrites what the log still holds of erased rows. It is a courtesy: what the log holds is sealed.
    pub(super) fn truncate_log(&mut self) {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        if let Err(error) = self.connection.query_row(sql, [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log was not truncated");
        }
    }

    fn transact<T>(
        &mut self,
        work: impl FnOnce(Rows<'_>, &RotationLimits) -> Result<Done<T>, Fault>,
    ) -> Result<T, ChangeError> {
        let result = self.try_transact(work);
        let (answer, publish) = self.settle(result)?;
        self.publishing = true;
        publish.into_iter().for_each(&mut self.publish);
        self.publishing = false;
        #[cfg(debug_assertions)]
        self.settle(crate::failpoint::hit("after-publish").map_err(Fault::Driver))?;
        Ok(answer)
    }

    fn try_transact<T>(
        &mut self,
        work: impl FnOnce(Rows<'_>, &RotationLimits) -> Result<Done<T>, Fault>,
    ) -> Result<(T, Vec<Published>), Fault> {
        if self.read_only {
            return Err(ChangeError::Unavailable.into());
        }
        failpoint!("before-begin");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = Rows {
            connection: &transaction,
            seal: &self.settled.seal,
            now: self.settled.clock.now(),
            graces_hold: self.time_mark.graces_hold(),
            degraded: false,
        };
        match work(rows, &self.settled.limits)? {
            Done::Commit { answer, publish } => {
                failpoint!("before-commit");
                transaction.commit()?;
                failpoint!("after-commit");
                Ok((answer, publish))
            }
            Done::RollBack(answer) => {
                transaction.rollback()?;
                Ok((answer, Vec::new()))
            }
        }
    }

    /// Tells the log what the driver said, and the caller what it means.
    fn settle<T>(&mut self, result: Result<T, Fault>) -> Result<T, ChangeError> {
        result.map_err(|fault| match fault {
            Fault::Change(error) => error,
            Fault::Driver(error) => {
                tracing::error!(%error, "the store failed");
                let meaning = DriverFault::of(&error);
                let on_disk = error.sqlite_error_code().is_some();
                self.read_only |= match meaning {
                    DriverFault::Disk => true,
                    DriverFault::Damaged => on_disk,
                    DriverFault::InUse | DriverFault::DiskFull | DriverFault::Other => false,
                };
                match meaning {
                    DriverFault::DiskFull => ChangeError::DiskFull,
                    DriverFault::Damaged => ChangeError::Corrupt,
                    DriverFault::InUse | DriverFault::Disk | DriverFault::Other => {
                        ChangeError::Unavailable
                    }
                }
            }
        })
    }
}

impl<'a> Change<'a> {
    /// Takes the next number in an open transaction.
    pub(super) fn begin(rows: Rows<'a>, limits: &'a RotationLimits) -> Result<Self, Fault> {
        Ok(Self {
            n: next_number(rows.connection)?,
            rows,
            limits,
            written: RefCell::default(),
        })
    }
}

/// A record that somebody else put into the place of the next one must not stop changes, such as an emergency rotation.
fn next_number(connection: &Connection) -> Result<u64, Fault> {
    let sql = "UPDATE change_counter
               SET n = max(n, (SELECT coalesce(max(n), 0) FROM audit WHERE n < 1 << 62)) + 1
               WHERE id = 1 RETURNING n";
    let n: i64 = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    u64::try_from(n).map_err(|_| ChangeError::Corrupt.into())
}
