//! Pages of secrets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{SecretName, name::is_segment};
use countersign_proto::v1::{ListSecretsRequest, ListSecretsResponse};
use subtle::ConstantTimeEq;

use super::{Shared, entry_to_wire};
use crate::failure::Failure;

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

impl Shared {
    pub(super) fn list(
        &self,
        request: &ListSecretsRequest,
    ) -> Result<ListSecretsResponse, Failure> {
        let namespace = request.namespace.as_str();
        if !namespace.is_empty() && !is_segment(namespace) {
            return Err(Failure::field("namespace", "one segment of a name"));
        }
        let size = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) => size.min(MAX_PAGE),
            Err(_) => return Err(Failure::field("page_size", "0 or more")),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(self.read_page_token(namespace, token)?),
        };
        let filter = (!namespace.is_empty()).then_some(namespace);
        let (page, more) = self.ring.page(filter, after, size);
        let now = self.clock.now();
        let next_page_token = match page.last() {
            Some(last) if more => self.page_token(namespace, &last.record.name),
            _ => String::new(),
        };
        Ok(ListSecretsResponse {
            secrets: page.iter().map(|entry| entry_to_wire(entry, now)).collect(),
            next_page_token,
        })
    }

    /// A page token names the last secret of the page and is bound to the namespace by a MAC.
    fn page_token(&self, namespace: &str, last: &SecretName) -> String {
        let mut token = self.page_mac(namespace, last.as_str()).to_vec();
        token.extend_from_slice(last.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    fn read_page_token(&self, namespace: &str, token: &str) -> Result<SecretName, Failure> {
        let refused = || Failure::field("page_token", "next_page_token of the page before");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (mac, name) = bytes.split_at_checked(16).ok_or_else(refused)?;
        let name = std::str::from_utf8(name).map_err(|_| refused())?;
        let expected = self.page_mac(namespace, name);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(refused());
        }
        SecretName::parse(name).map_err(|_| refused())
    }

    fn page_mac(&self, namespace: &str, name: &str) -> [u8; 16] {
        let parts = [b"page", namespace.as_bytes(), name.as_bytes()];
        let mut mac = [0; 16];
        mac.copy_from_slice(&self.store.fingerprint(&parts)[..16]);
        mac
    }
}
