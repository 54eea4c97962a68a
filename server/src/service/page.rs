//! Pages of lists. A page token names the last thing of the page and is bound by a MAC to the list that it is of, so that
//! it opens no other list.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use crate::{failure::Failure, store::Store};

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;
const MAC_BYTES: usize = 16;

/// How many things a page has.
pub(super) fn size(wire: i32) -> Result<usize, Failure> {
    match usize::try_from(wire) {
        Ok(0) => Ok(DEFAULT_SIZE),
        Ok(size) => Ok(size.min(MAX_SIZE)),
        Err(_) => Err(Failure::field("page_size", "0 or more")),
    }
}

/// What comes last on a page, by the text that the list is ordered by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageToken(pub(super) String);

impl PageToken {
    /// `list` is all that makes one list another: its kind, its filters, and who may see what.
    pub(super) fn write(&self, store: &Store, list: &str) -> String {
        let mut token = mac(store, list, &self.0).to_vec();
        token.extend_from_slice(self.0.as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads the token of a request; none is the first page.
    pub(super) fn read(store: &Store, list: &str, token: &str) -> Result<Option<Self>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let refused = || Failure::field("page_token", "next_page_token of the page before");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (shown, last) = bytes.split_at_checked(MAC_BYTES).ok_or_else(refused)?;
        let last = std::str::from_utf8(last).map_err(|_| refused())?;
        match bool::from(mac(store, list, last).ct_eq(shown)) {
            true => Ok(Some(Self(last.to_owned()))),
            false => Err(refused()),
        }
    }
}

fn mac(store: &Store, list: &str, last: &str) -> [u8; MAC_BYTES] {
    let whole = store.fingerprint(&[b"page", list.as_bytes(), last.as_bytes()]);
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&whole[..MAC_BYTES]);
    mac
}
