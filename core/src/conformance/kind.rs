//! What can be done to a proof, and what has to come of it.

use serde::{Deserialize, Serialize};

use crate::Reason;

/// What was done to a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A vector of the scheme file, which expects what it says.
    Vector,
    /// Nothing: it holds.
    Positive,
    /// Nothing; the body is written as no JSON library writes it, and it holds.
    RawBody,
    /// The hexadecimal digits are in the other case.
    HexCase,
    /// One character of the signature is another.
    SignatureFlipped,
    /// The signature is cut at its end.
    SignatureTruncated,
    /// The signature is empty.
    SignatureEmpty,
    /// The signature is not there.
    SignatureMissing,
    /// The header with the signature stands twice.
    SignatureDoubled,
    /// The signature is written in an encoding of another vendor.
    WrongEncoding,
    /// The signature is that of another body.
    SignatureOfAnotherBody,
    /// The signature was made with another key.
    OtherKey,
    /// One character of the body is another.
    BodyFlipped,
    /// The body is the same JSON with one more space.
    BodyReformatted,
    /// The URL is another.
    UrlChanged,
    /// The HTTP method is another.
    MethodChanged,
    /// It was signed too long ago.
    Stale,
    /// It was signed too far in the future.
    Future,
    /// The timestamp is a fresh one, but another than was signed.
    TimestampChanged,
    /// The delivery id is another than was signed.
    IdChanged,
    /// The token says that it is not signed.
    AlgNone,
    /// The token's lifetime is over.
    Expired,
    /// A claim of the token is another than was signed.
    ClaimChanged,
    /// The proof is somebody else's.
    OtherIdentity,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 24] = [
        Self::Vector,
        Self::Positive,
        Self::RawBody,
        Self::HexCase,
        Self::SignatureFlipped,
        Self::SignatureTruncated,
        Self::SignatureEmpty,
        Self::SignatureMissing,
        Self::SignatureDoubled,
        Self::WrongEncoding,
        Self::SignatureOfAnotherBody,
        Self::OtherKey,
        Self::BodyFlipped,
        Self::BodyReformatted,
        Self::UrlChanged,
        Self::MethodChanged,
        Self::Stale,
        Self::Future,
        Self::TimestampChanged,
        Self::IdChanged,
        Self::AlgNone,
        Self::Expired,
        Self::ClaimChanged,
        Self::OtherIdentity,
    ];

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in a case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::Positive => "positive",
            Self::RawBody => "raw-body",
            Self::HexCase => "hex-case",
            Self::SignatureFlipped => "signature-flipped",
            Self::SignatureTruncated => "signature-truncated",
            Self::SignatureEmpty => "signature-empty",
            Self::SignatureMissing => "signature-missing",
            Self::SignatureDoubled => "signature-doubled",
            Self::WrongEncoding => "wrong-encoding",
            Self::SignatureOfAnotherBody => "signature-of-another-body",
            Self::OtherKey => "other-key",
            Self::BodyFlipped => "body-flipped",
            Self::BodyReformatted => "body-reformatted",
            Self::UrlChanged => "url-changed",
            Self::MethodChanged => "method-changed",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::TimestampChanged => "timestamp-changed",
            Self::IdChanged => "id-changed",
            Self::AlgNone => "alg-none",
            Self::Expired => "expired",
            Self::ClaimChanged => "claim-changed",
            Self::OtherIdentity => "other-identity",
        }
    }

    /// Whether proofs of this kind may hold.
    #[must_use]
    pub fn may_hold(self) -> bool {
        matches!(
            self,
            Self::Vector | Self::Positive | Self::RawBody | Self::HexCase
        )
    }

    /// Whether a proof of this kind may be refused for the reason.
    #[must_use]
    pub fn may_be_refused_for(self, reason: Reason) -> bool {
        use Reason as R;
        match self {
            Self::Vector => true,
            Self::Positive | Self::RawBody => false,
            Self::HexCase => reason == R::SignatureMalformed,
            // A signature of variable length, or none, may be well-formed at any length.
            Self::SignatureTruncated => {
                matches!(reason, R::SignatureMalformed | R::SignatureMismatch)
            }
            Self::SignatureEmpty => {
                matches!(
                    reason,
                    R::SignatureMissing | R::SignatureMalformed | R::SignatureMismatch
                )
            }
            Self::SignatureMissing => matches!(reason, R::HeaderMissing | R::SignatureMissing),
            Self::SignatureDoubled => reason == R::HeaderAmbiguous,
            Self::WrongEncoding => reason == R::SignatureMalformed,
            Self::SignatureFlipped
            | Self::SignatureOfAnotherBody
            | Self::OtherKey
            | Self::BodyFlipped
            | Self::BodyReformatted
            | Self::UrlChanged
            | Self::MethodChanged
            | Self::TimestampChanged
            | Self::IdChanged
            | Self::ClaimChanged => reason == R::SignatureMismatch,
            Self::Stale => reason == R::TimestampTooOld,
            Self::Future => matches!(reason, R::TimestampInFuture | R::TokenNotYetValid),
            Self::AlgNone => reason == R::TokenAlgorithm,
            Self::Expired => reason == R::TokenExpired,
            Self::OtherIdentity => matches!(reason, R::SignatureMismatch | R::SubjectMismatch),
        }
    }
}
