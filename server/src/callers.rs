//! Who calls: the credentials that are valid, in memory. A bearer token is known by its SHA-256 alone.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use countersign_core::{Timestamp, access::Grants};
use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    budget::Budget,
    config::Limits,
    listener::PeerSans,
    recorder::{UNAUTHENTICATED, VARIOUS},
    store::{Credential, Revoked, TokenRecord},
};

/// The text of a bearer token: this, the id, `_`, and 32 random bytes in base64url.
const PREFIX: &str = "cst_";
const ID_BYTES: usize = 8;
const ID_CHARS: usize = 2 * ID_BYTES;

/// Who calls.
pub(crate) struct Principal {
    pub name: Arc<str>,
    pub grants: Grants,
    pub budget: Option<Budget>,
    pub revoked: Revoked,
    expire_time: Option<Timestamp>,
}

impl Principal {
    pub(crate) fn new(
        name: Arc<str>,
        grants: Grants,
        budget: Option<Budget>,
        expire_time: Option<Timestamp>,
    ) -> Self {
        Self {
            name,
            grants,
            budget,
            revoked: Revoked::default(),
            expire_time,
        }
    }

    /// Whether its credential holds still.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked.is_set() && self.expire_time.is_none_or(|end| now < end)
    }

    /// Whether this is everybody who was asked for nothing.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.budget.is_none()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.name)
    }
}

/// A bearer token that was just made.
pub(crate) struct NewBearer {
    pub id: String,
    pub digest: [u8; 32],
    pub text: SecretString,
}

impl NewBearer {
    /// Makes one of random bytes.
    pub(crate) fn make() -> Result<Self, getrandom::Error> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let id = new_id()?;
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut_slice())?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
        let text = SecretString::from(format!("{PREFIX}{id}_{}", encoded.as_str()));
        Ok(Self {
            digest: digest(text.expose_secret().as_bytes()),
            id,
            text,
        })
    }
}

/// A new id of a token.
pub(crate) fn new_id() -> Result<String, getrandom::Error> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id)?;
    Ok(hex::encode(id))
}

/// Whether a token of this name would be taken for another one's id, or in the audit for one of those who have none.
pub(crate) fn is_reserved(name: &str) -> bool {
    let is_id = name.len() == ID_CHARS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id || ["anonymous", "init", "operator", UNAUTHENTICATED, VARIOUS].contains(&name)
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The caller showed no credential that is valid; which of the reasons it was is told to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unauthenticated;

/// Everybody who may call.
pub(crate) struct Callers {
    limits: Limits,
    /// Who everybody is where nobody is asked.
    anonymous: Option<Arc<Principal>>,
    index: ArcSwap<Index>,
}

#[derive(Clone, Default)]
struct Index {
    bearers: HashMap<String, Arc<Bearer>>,
    certificates: HashMap<String, Arc<Certificate>>,
}

struct Bearer {
    digest: [u8; 32],
    principal: Arc<Principal>,
}

struct Certificate {
    id: String,
    principal: Arc<Principal>,
}

impl Index {
    /// The callers that a token stands for.
    fn principals_of<'i>(&'i self, id: &'i str) -> impl Iterator<Item = &'i Principal> {
        let bearer = self.bearers.get(id).map(|bearer| &*bearer.principal);
        let certificates = self.certificates.values();
        let certificates = certificates.filter(move |certificate| certificate.id == id);
        bearer
            .into_iter()
            .chain(certificates.map(|certificate| &*certificate.principal))
    }
}

impl Callers {
    /// Nobody yet.
    pub(crate) fn closed(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            anonymous: None,
            index: ArcSwap::default(),
        }
    }

    /// Everybody is `anonymous`, who may do everything.
    pub(crate) fn open(limits: &Limits) -> Self {
        let anonymous = Principal::new("anonymous".into(), Grants::everything(), None, None);
        Self {
            anonymous: Some(Arc::new(anonymous)),
            ..Self::closed(limits)
        }
    }

    /// Takes in the tokens that the store holds, oldest first.
    pub(crate) fn load(&self, records: &[TokenRecord]) {
        let mut index = Index::default();
        for record in records {
            self.insert(&mut index, record);
        }
        self.index.store(Arc::new(index));
    }

    /// Puts the new state of a token in the place of the old one, also for the calls that it has brought already.
    pub(crate) fn publish(&self, record: &TokenRecord) {
        let before = self.index.rcu(|index| {
            let mut index = Index::clone(index);
            index.bearers.remove(&record.id);
            index
                .certificates
                .retain(|_, certificate| certificate.id != record.id);
            self.insert(&mut index, record);
            index
        });
        if record.revoke_time.is_some() {
            before
                .principals_of(&record.id)
                .for_each(|principal| principal.revoked.set());
        }
    }

    fn insert(&self, index: &mut Index, record: &TokenRecord) {
        if record.revoke_time.is_some() {
            return;
        }
        let name = record.name.as_str().into();
        let budget = Budget::of_caller(&self.limits);
        let principal = Arc::new(Principal::new(
            name,
            record.grants.clone(),
            Some(budget),
            record.expire_time,
        ));
        match &record.credential {
            Credential::Bearer(digest) => {
                let bearer = Bearer {
                    digest: *digest,
                    principal,
                };
                index.bearers.insert(record.id.clone(), Arc::new(bearer));
            }
            // Whoever had the name before has expired, or the store would not have taken this one.
            Credential::Certificate(san) => {
                let certificate = Certificate {
                    id: record.id.clone(),
                    principal,
                };
                index
                    .certificates
                    .insert(san.clone(), Arc::new(certificate));
            }
        }
    }

    /// Who shows these headers over this connection. A bearer token counts alone; without one, the certificate does.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        sans: Option<&PeerSans>,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Unauthenticated> {
        if let Some(anonymous) = &self.anonymous {
            return Ok(anonymous.clone());
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let shown = match (values.next(), values.next(), sans) {
            (Some(value), None, _) => self.bearer(value.as_bytes())?,
            (None, _, Some(sans)) => self.certificate(sans)?,
            _ => return Err(Unauthenticated),
        };
        match shown.is_valid(now) {
            true => Ok(shown),
            false => Err(Unauthenticated),
        }
    }

    fn bearer(&self, value: &[u8]) -> Result<Arc<Principal>, Unauthenticated> {
        let (scheme, text) = value.split_at_checked(7).ok_or(Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(Unauthenticated);
        }
        // Hashed before it is looked up, so that an id that is known takes no longer than one that is not.
        let shown = digest(text);
        let index = self.index.load();
        let bearer = id_in(text).and_then(|id| index.bearers.get(id));
        let expected = bearer.map_or(&[0; 32], |bearer| &bearer.digest);
        let holds = bool::from(expected.ct_eq(&shown));
        match bearer {
            Some(bearer) if holds => Ok(bearer.principal.clone()),
            _ => Err(Unauthenticated),
        }
    }

    /// Two names that stand for two callers stand for none.
    fn certificate(&self, PeerSans(sans): &PeerSans) -> Result<Arc<Principal>, Unauthenticated> {
        let index = self.index.load();
        let mut known = sans.iter().filter_map(|san| index.certificates.get(san));
        match (known.next(), known.next()) {
            (Some(certificate), None) => Ok(certificate.principal.clone()),
            _ => Err(Unauthenticated),
        }
    }
}

/// The id in the text of a bearer token.
fn id_in(text: &[u8]) -> Option<&str> {
    let (id, rest) = text
        .strip_prefix(PREFIX.as_bytes())?
        .split_at_checked(ID_CHARS)?;
    rest.strip_prefix(b"_")?;
    std::str::from_utf8(id).ok()
}

#[cfg(test)]
pub(crate) mod tests;
