//! What the store takes and gives: plain records, with keys in types that cannot be shown.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    SecretName, Timestamp,
    access::Grants,
    audit::Record,
    key_policy::KeyWarning,
    policy::{Mode, ReplayPolicy, TimestampUnit},
    rotation::{Ending, InvalidVersions, Version, Versions},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// A secret with all its versions.
#[derive(Clone, Debug)]
pub struct SecretRecord {
    /// Never used again, not even when the name is.
    pub id: i64,
    /// The name.
    pub name: SecretName,
    /// Id of the scheme.
    pub scheme: String,
    /// What the operator chose.
    pub settings: Settings,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it was last changed.
    pub update_time: Timestamp,
    /// The number of the last change of this secret.
    pub revision: u64,
    /// All versions, oldest first.
    pub versions: Vec<VersionRecord>,
}

impl SecretRecord {
    /// The versions as the state machine sees them.
    ///
    /// # Errors
    /// The stored states are none that the state machine makes.
    pub fn lives(&self) -> Result<Versions, InvalidVersions> {
        Versions::new(self.versions.iter().map(|v| v.life.clone()).collect())
    }
}

/// What an operator chooses for a secret; `None` is the scheme's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Identity policy; `None` for webhooks and resource ids.
    pub mode: Option<Mode>,
    /// Tolerance of times, kept to the millisecond.
    pub tolerance: Option<Duration>,
    /// Unit of the timestamp header.
    pub timestamp_unit: Option<TimestampUnit>,
    /// What happens to repeated deliveries; `None` but for webhooks.
    pub replay: Option<ReplayPolicy>,
    /// Values that the scheme needs.
    pub parameters: BTreeMap<String, String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub struct VersionRecord {
    /// Number, state and times.
    pub life: Version,
    /// The key as the vendor shows it; `None` unless the version was live when the record was made.
    pub key: Option<SecretString>,
    /// The vendor's public id of the key.
    pub key_id: Option<String>,
    /// Whether the key was imported.
    pub imported: bool,
    /// Remarks recorded with the key.
    pub warnings: Vec<KeyWarning>,
    /// When it last signed.
    pub last_sign: Option<Timestamp>,
    /// When it last verified.
    pub last_verify: Option<Timestamp>,
}

/// A key for a new version.
pub struct NewKey {
    /// The key as the vendor shows it.
    pub text: SecretString,
    /// [`Key::effective_block`](countersign_core::Key::effective_block): what tells whether two keys sign alike.
    pub block: Zeroizing<[u8; 64]>,
    /// Whether it was imported.
    pub imported: bool,
    /// The vendor's public id of the key.
    pub key_id: Option<String>,
    /// Remarks on it.
    pub warnings: Vec<KeyWarning>,
    /// Schemes whose secrets in the same namespace may have the same key.
    pub may_share_with: Vec<String>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey([redacted])")
    }
}

/// A scheme of an operator's own. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeRecord {
    /// `vendor.kind`.
    pub id: String,
    /// The description.
    pub definition: String,
    /// When it was added.
    pub create_time: Timestamp,
    /// The number of the change that added it; tells it from an earlier one of the same id.
    pub revision: u64,
}

/// A scheme to add.
#[derive(Debug)]
pub struct NewScheme {
    /// `vendor.kind`.
    pub id: String,
    /// The description.
    pub definition: String,
    /// As many there may be.
    pub max_schemes: usize,
    /// Check everything, write nothing.
    pub validate_only: bool,
}

/// What a caller shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A bearer token, as the SHA-256 of its text.
    Bearer([u8; 32]),
    /// A client certificate with this subject alternative name, `dns:NAME` or `uri:URI`.
    Certificate(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer([redacted])"),
            Self::Certificate(san) => f.debug_tuple("Certificate").field(san).finish(),
        }
    }
}

/// A credential of a caller, and what its bearer may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Never used again, not even when the name is.
    pub id: String,
    /// The name, which is the principal of the audit.
    pub name: SecretName,
    /// What the caller shows.
    pub credential: Credential,
    /// What the caller may do.
    pub grants: Grants,
    /// Who made it.
    pub creator: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// From when on it is refused.
    pub expire_time: Option<Timestamp>,
    /// When it was revoked.
    pub revoke_time: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether it admits its bearer now.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoke_time.is_none() && self.expire_time.is_none_or(|end| now < end)
    }

    /// Whether its bearer may do everything, and so grant every permission to whoever needs it.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.grants.contain(&Grants::everything())
    }
}

/// A token to add.
#[derive(Debug)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: SecretName,
    /// What the caller shows.
    pub credential: Credential,
    /// What the caller may do.
    pub grants: Grants,
    /// From when on it is refused.
    pub expire_time: Option<Timestamp>,
    /// Whether it is refused where an administrator exists.
    pub first: bool,
}

/// A secret to create.
#[derive(Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// Id of its scheme.
    pub scheme: String,
    /// [`SchemeRecord::revision`] of the scheme; `None` if it is built in.
    pub scheme_revision: Option<u64>,
    /// What the operator chose.
    pub settings: Settings,
    /// The key of its first version.
    pub key: NewKey,
    /// As many secrets there may be.
    pub max_secrets: usize,
    /// As many of them in one namespace.
    pub max_of_namespace: usize,
}

/// A rotation.
#[derive(Debug)]
pub struct Rotate {
    /// The secret.
    pub name: SecretName,
    /// Id of the scheme that the key was made for; the secret must have it.
    pub scheme: String,
    /// How the older versions end.
    pub ending: Ending,
    /// The number of the version that must be ACTIVE.
    pub expected_version: Option<u32>,
    /// The new key.
    pub key: NewKey,
    /// Check everything, write nothing.
    pub validate_only: bool,
}

/// Who asks, for the audit.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The authenticated principal.
    pub principal: String,
    /// Id of the RPC, for finding it in the logs.
    pub rpc_id: String,
    /// Whether the call has its record.
    pub recorded: Recorded,
    /// Whether the credential that it came with has ended since.
    pub revoked: Revoked,
}

/// Whether a credential was revoked, which is set once the revocation is committed. Calls that it brought before look
/// at it again, since their bodies may come late.
#[derive(Clone, Debug, Default)]
pub struct Revoked(Arc<AtomicBool>);

impl Revoked {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Caller {
    /// Who runs the program, for what it does at their word and not for a call.
    pub(super) fn operator(rpc_id: &str) -> Self {
        Self {
            principal: "operator".to_owned(),
            rpc_id: rpc_id.to_owned(),
            recorded: Recorded::default(),
            revoked: Revoked::default(),
        }
    }
}

/// Whether a call has its record of the audit. Nobody but the store's writer sets it, when the record is committed.
#[derive(Clone, Debug, Default)]
pub struct Recorded(Arc<AtomicBool>);

impl Recorded {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The caller's id for a request that must not happen twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The id as sent.
    pub id: String,
    /// [`Store::fingerprint`](super::Store::fingerprint) of all arguments.
    pub args_digest: [u8; 32],
}

/// What a create or rotation made, for building the answer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The secret after the change.
    pub record: &'a SecretRecord,
    /// The number of the new version.
    pub version: u32,
    /// The new key.
    pub key: &'a NewKey,
}

/// A change that is committed, in the order of commits.
#[derive(Clone, Debug)]
pub enum Published {
    /// The secret is now so.
    Changed(Arc<SecretRecord>),
    /// The secret of this name is gone.
    Deleted(SecretName),
    /// There is a new scheme.
    SchemeCreated(Arc<SchemeRecord>),
    /// The scheme of this id is gone.
    SchemeDeleted(String),
    /// The token is new or ended.
    TokenChanged(Arc<TokenRecord>),
}

/// When a version was last used, to be merged with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseTimes {
    /// Id of the secret.
    pub secret_id: i64,
    /// Number of the version.
    pub version: u32,
    /// When it last signed.
    pub last_sign: Option<Timestamp>,
    /// When it last verified.
    pub last_verify: Option<Timestamp>,
}

/// One record of the audit, as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The record. Where it cannot be read, only its number is right.
    pub record: Record,
    /// The hash that stands beside it.
    pub hash: Vec<u8>,
}

/// What is worth a record although it changes nothing: a read, a refusal, a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Name of the RPC's method.
    pub method: String,
    /// What it was done to; empty if that is not known or many.
    pub subject: String,
    /// How.
    pub detail: String,
    /// "OK", or the reason of the error.
    pub outcome: String,
}
