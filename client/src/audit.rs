//! The audit: who did what, and whether all of it is still there.

use countersign_proto::v1::{self, audit_service_client::AuditServiceClient};
use tonic::transport::Channel;

use crate::{
    Client, Error,
    control::{MAX_PAGE_BYTES, PAGE_SIZE},
};

impl Client {
    /// The records of the audit after a number, oldest first, of one subject or, if it is empty, of all that the token
    /// may read; as many calls as there are pages.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_audit_records(
        &self,
        subject: impl Into<String>,
        after_number: u64,
    ) -> Result<Vec<v1::AuditRecord>, Error> {
        let mut request = v1::ListAuditRecordsRequest {
            subject: subject.into(),
            after_number,
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.list_audit_records_page(request.clone()).await?;
            all.extend(page.records);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// One page of the audit. It may be short, or empty, although more follow.
    ///
    /// # Errors
    /// Any [`Error`] of a call.
    pub async fn list_audit_records_page(
        &self,
        request: v1::ListAuditRecordsRequest,
    ) -> Result<v1::ListAuditRecordsResponse, Error> {
        let mut service = self.audit();
        self.caller
            .once(request, |request| async move {
                service.list_audit_records(request).await
            })
            .await
    }

    /// Has the service check the chain of its audit, also against a head that was written down elsewhere.
    ///
    /// # Errors
    /// Any [`Error`] of a call. A chain that is not intact is an answer, not an error.
    pub async fn verify_audit_chain(
        &self,
        anchor: Option<v1::AuditHead>,
    ) -> Result<v1::VerifyAuditChainResponse, Error> {
        let mut service = self.audit();
        let request = v1::VerifyAuditChainRequest { anchor };
        self.caller
            .once(request, |request| async move {
                service.verify_audit_chain(request).await
            })
            .await
    }

    fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.caller.channel.clone())
            .max_decoding_message_size(MAX_PAGE_BYTES)
    }
}
