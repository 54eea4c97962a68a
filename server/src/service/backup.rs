//! Copies of the store, streamed to whoever may have them.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use countersign_proto::v1::{
    CreateBackupRequest, CreateBackupResponse, backup_service_server::BackupService,
};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};

use super::{Shared, secrets::change_failure};
use crate::{
    access::Admitted,
    failure::{ErrorReason, Failure},
};

/// The most bytes of one piece.
const PIECE_BYTES: u64 = 64 * 1024;

/// `BackupService`.
pub(crate) struct Backups {
    shared: Arc<Shared>,
    /// One copy at a time, until its caller has it or is gone: each takes as much room as the store.
    one: Arc<Semaphore>,
}

impl Backups {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            one: Arc::new(Semaphore::new(1)),
        }
    }
}

type Pieces = stream::BoxStream<'static, Result<CreateBackupResponse, Status>>;

#[tonic::async_trait]
impl BackupService for Backups {
    type CreateBackupStream = Pieces;

    async fn create_backup(
        &self,
        request: Request<CreateBackupRequest>,
    ) -> Result<Response<Pieces>, Status> {
        Admitted::of(&request)?.authorize_all()?;
        let permit = self.one.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Failure::new(ErrorReason::Overloaded))?;
        let copy = self.shared.store.backup().await.map_err(change_failure)?;
        Ok(Response::new(pieces(copy, permit).boxed()))
    }
}

/// The file in pieces, each read when the one before it is taken. An error ends the stream, so that half a copy never
/// looks whole.
fn pieces(
    copy: File,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<CreateBackupResponse, Status>> {
    stream::try_unfold((copy, permit), |(copy, permit)| async move {
        let read = tokio::task::spawn_blocking(move || read_piece(copy)).await;
        let Ok(Ok((data, copy))) = read else {
            tracing::error!("a copy of the store cannot be read");
            return Err(Failure::new(ErrorReason::StoreUnavailable).into());
        };
        let piece = CreateBackupResponse { data: data.into() };
        Ok((!piece.data.is_empty()).then_some((piece, (copy, permit))))
    })
}

fn read_piece(copy: File) -> io::Result<(Vec<u8>, File)> {
    let mut data = Vec::new();
    (&copy).take(PIECE_BYTES).read_to_end(&mut data)?;
    Ok((data, copy))
}
