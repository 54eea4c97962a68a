//! Who did what. Every list shows only the records whose subject the caller may read the audit of.

use std::sync::Arc;

use countersign_core::{
    SecretName,
    access::{Grants, Permission},
    audit::{Finding, Hash, Head},
};
use countersign_proto::v1::{
    self, ListAuditRecordsRequest, ListAuditRecordsResponse, VerifyAuditChainRequest,
    VerifyAuditChainResponse, audit_service_server::AuditService,
};
use tonic::{Request, Response, Status};

use super::{
    Shared,
    page::{self, PageToken},
    secrets::change_failure,
};
use crate::{access::Admitted, convert, failure::Failure, store::AuditRow};

/// Records that are read from the store at once.
const READ_AT_ONCE: u32 = 1000;
/// Reads for one page. Where nearly all records are others', a page ends short of its size and not late.
const MAX_READS: usize = 20;

/// `AuditService`.
pub(crate) struct Audit(pub Arc<Shared>);

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_audit_records(
        &self,
        request: Request<ListAuditRecordsRequest>,
    ) -> Result<Response<ListAuditRecordsResponse>, Status> {
        let admitted = Admitted::of(&request)?;
        let page = self.0.list_audit(&admitted, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    async fn verify_audit_chain(
        &self,
        request: Request<VerifyAuditChainRequest>,
    ) -> Result<Response<VerifyAuditChainResponse>, Status> {
        Admitted::of(&request)?.authorize_all()?;
        let anchor = request.into_inner().anchor.map(head).transpose()?;
        let checked = self.0.store.check_audit(anchor).await;
        let (head, finding) = checked.map_err(change_failure)?;
        Ok(Response::new(VerifyAuditChainResponse {
            intact: finding.is_none(),
            head: Some(head_to_wire(&head)),
            first_bad_number: finding.map_or(0, Finding::number),
            finding: finding.map_or_else(String::new, |finding| finding.to_string()),
        }))
    }
}

impl Shared {
    async fn list_audit(
        &self,
        admitted: &Admitted,
        request: ListAuditRecordsRequest,
    ) -> Result<ListAuditRecordsResponse, Failure> {
        match request.subject.as_str() {
            "" => admitted.authorize_any()?,
            name if SecretName::is_valid(name) => admitted.authorize(name)?,
            _ => return Err(Failure::field("subject", "the name of a record's subject")),
        }
        let size = page::size(request.page_size)?;
        let list = list_of(&admitted.principal.grants, &request.subject);
        let token = PageToken::read(&self.store, &list, &request.page_token)?;
        let after = token.map_or(Some(request.after_number), |token| token.0.parse().ok());
        let mut page = Page {
            records: Vec::new(),
            after: after.unwrap_or(u64::MAX),
            more: true,
        };
        let subject = Some(request.subject).filter(|subject| !subject.is_empty());
        for _ in 0..MAX_READS {
            let rows = self
                .store
                .audit_rows(subject.clone(), page.after, READ_AT_ONCE);
            page.take(rows.await.map_err(change_failure)?, size, |subject| {
                admitted.may(subject)
            });
            if !page.more || page.records.len() == size {
                break;
            }
        }
        let next_page_token = match page.more {
            true => PageToken(page.after.to_string()).write(&self.store, &list),
            false => String::new(),
        };
        Ok(ListAuditRecordsResponse {
            records: page.records.into_iter().map(to_wire).collect(),
            next_page_token,
        })
    }
}

/// What makes one list another: what was asked for, and what the caller may see of it.
fn list_of(grants: &Grants, subject: &str) -> String {
    let patterns = grants.patterns(Permission::AuditRead);
    let view: Vec<_> = patterns.map(ToString::to_string).collect();
    format!("audit {subject} {}", view.join(" "))
}

/// A page that is being filled.
struct Page {
    records: Vec<AuditRow>,
    /// The number of the last record that was looked at.
    after: u64,
    /// Whether there may be records behind it.
    more: bool,
}

impl Page {
    fn take(&mut self, rows: Vec<AuditRow>, size: usize, may_see: impl Fn(&str) -> bool) {
        let is_last = rows.len() < READ_AT_ONCE as usize;
        let mut rows = rows.into_iter();
        for row in rows.by_ref() {
            self.after = row.record.number;
            if may_see(&row.record.subject) {
                self.records.push(row);
            }
            if self.records.len() == size {
                break;
            }
        }
        self.more = !is_last || rows.len() > 0;
    }
}

fn head(wire: v1::AuditHead) -> Result<Head, Failure> {
    let hash = Hash::try_from(wire.hash.as_ref());
    Ok(Head {
        number: wire.number,
        hash: hash.map_err(|_| Failure::field("anchor.hash", "32 bytes"))?,
    })
}

fn head_to_wire(head: &Head) -> v1::AuditHead {
    v1::AuditHead {
        number: head.number,
        hash: head.hash.to_vec().into(),
    }
}

fn to_wire(row: AuditRow) -> v1::AuditRecord {
    let AuditRow { record, hash } = row;
    v1::AuditRecord {
        number: record.number,
        time: Some(convert::timestamp_to_wire(record.time)),
        principal: record.principal,
        rpc_id: record.rpc_id,
        method: record.method,
        subject: record.subject,
        version: record.version,
        detail: record.detail,
        outcome: record.outcome,
        hash: hash.into(),
    }
}
