//! Pages of secrets.

use countersign_core::{SecretName, name::is_segment};
use countersign_proto::v1::{ListSecretsRequest, ListSecretsResponse};

use super::{Shared, entry_to_wire};
use crate::service::page::{self, PageToken};
use crate::{access::Admitted, failure::Failure};

impl Shared {
    pub(super) fn list(
        &self,
        admitted: &Admitted,
        request: &ListSecretsRequest,
    ) -> Result<ListSecretsResponse, Failure> {
        admitted.authorize_any()?;
        let namespace = request.namespace.as_str();
        if !namespace.is_empty() && !is_segment(namespace) {
            return Err(Failure::field("namespace", "one segment of a name"));
        }
        let size = page::size(request.page_size)?;
        let list = format!("secrets {namespace} {}", admitted.principal.name);
        let after = PageToken::read(&self.store, &list, &request.page_token)?;
        let after = after.and_then(|PageToken(last)| SecretName::parse(&last).ok());
        let filter = (!namespace.is_empty()).then_some(namespace);
        let (page, more) = self
            .ring
            .page(filter, after, size, |name| admitted.may(name));
        let now = self.clock.now();
        let next_page_token = match page.last() {
            Some(last) if more => PageToken(last.record.name.to_string()).write(&self.store, &list),
            _ => String::new(),
        };
        Ok(ListSecretsResponse {
            secrets: page.iter().map(|entry| entry_to_wire(entry, now)).collect(),
            next_page_token,
        })
    }
}
