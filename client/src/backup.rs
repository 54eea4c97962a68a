//! Copies of the store of a server.

use std::fmt;

use countersign_proto::v1::{
    CreateBackupRequest, CreateBackupResponse, backup_service_client::BackupServiceClient,
};
use tonic::Streaming;

use crate::{Client, Error};

/// A copy that is on its way.
pub struct Backup(Streaming<CreateBackupResponse>);

impl Backup {
    /// The next bytes of the copy, or `None` at its end. After an error what came before is no copy.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.0.message().await?;
        Ok(piece.map(|piece| piece.data.into()))
    }
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backup")
    }
}

impl Client {
    /// Asks for a copy of the whole store as of one moment. The deadline is for its beginning; the copy itself takes
    /// as long as it takes.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn create_backup(&self) -> Result<Backup, Error> {
        let mut service = BackupServiceClient::new(self.caller.channel.clone());
        let pieces = self
            .caller
            .once(CreateBackupRequest {}, |request| async move {
                service.create_backup(request).await
            })
            .await?;
        Ok(Backup(pieces))
    }
}
