//! Why a proof was not accepted.

/// A refusal. Coarse on purpose: a wrong key, an ended version and wrong bytes are all [`SignatureMismatch`].
///
/// [`SignatureMismatch`]: Reason::SignatureMismatch
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No live version made this signature over these bytes.
    SignatureMismatch,
    /// The header holds no signature of the scheme's version.
    SignatureMissing,
    /// The signature is not in the scheme's encoding or has the wrong length.
    SignatureMalformed,
    /// The timestamp that belongs to the signed text is missing.
    TimestampMissing,
    /// The timestamp is not in the scheme's form or unit.
    TimestampMalformed,
    /// The timestamp lies further in the past than the tolerance.
    TimestampTooOld,
    /// The timestamp lies further in the future than the tolerance.
    TimestampInFuture,
    /// A header that the scheme needs is missing.
    HeaderMissing,
    /// A header that must stand once was given twice.
    HeaderAmbiguous,
    /// The delivery id is not 1 to 128 characters of `A-Z a-z 0-9 _ -`.
    IdMalformed,
    /// No proof was sent.
    ProofMissing,
    /// The token is not a compact JWS of JSON objects.
    TokenMalformed,
    /// The token's `alg` is not exactly `HS256`.
    TokenAlgorithm,
    /// The token's header has a member that is not accepted.
    TokenHeader,
    /// The token's `exp` is past.
    TokenExpired,
    /// The token's `nbf` or `iat` is still to come.
    TokenNotYetValid,
    /// The token's lifetime is longer than the scheme's maximum.
    TokenLifetime,
    /// A claim that the scheme requires is missing.
    ClaimMissing,
    /// A claim has a type or value that is not accepted; of a hash over several fields: one of them holds the text
    /// that separates them, and another identity would have the same hash.
    ClaimInvalid,
    /// The token proves another id than the claimed one.
    SubjectMismatch,
    /// The proof holds, but the delivery was seen before and replays are denied.
    Replayed,
    /// The secret has no version that may verify.
    NoLiveVersion,
    /// A header that the scheme fixes has another value.
    HeaderInvalid,
    /// The body is not the JSON, form or gzip that the scheme reads its fields from.
    BodyMalformed,
    /// The vendor binds a body of this kind by its hash in the URL, and the URL holds none.
    BodyUnsigned,
    /// An unsigned handshake: there is nothing to process.
    Handshake,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 26] = [
        Self::SignatureMismatch,
        Self::SignatureMissing,
        Self::SignatureMalformed,
        Self::TimestampMissing,
        Self::TimestampMalformed,
        Self::TimestampTooOld,
        Self::TimestampInFuture,
        Self::HeaderMissing,
        Self::HeaderAmbiguous,
        Self::IdMalformed,
        Self::ProofMissing,
        Self::TokenMalformed,
        Self::TokenAlgorithm,
        Self::TokenHeader,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenLifetime,
        Self::ClaimMissing,
        Self::ClaimInvalid,
        Self::SubjectMismatch,
        Self::Replayed,
        Self::NoLiveVersion,
        Self::HeaderInvalid,
        Self::BodyMalformed,
        Self::BodyUnsigned,
        Self::Handshake,
    ];

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name on the wire, without its prefix: `SIGNATURE_MISMATCH`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignatureMismatch => "SIGNATURE_MISMATCH",
            Self::SignatureMissing => "SIGNATURE_MISSING",
            Self::SignatureMalformed => "SIGNATURE_MALFORMED",
            Self::TimestampMissing => "TIMESTAMP_MISSING",
            Self::TimestampMalformed => "TIMESTAMP_MALFORMED",
            Self::TimestampTooOld => "TIMESTAMP_TOO_OLD",
            Self::TimestampInFuture => "TIMESTAMP_IN_FUTURE",
            Self::HeaderMissing => "HEADER_MISSING",
            Self::HeaderAmbiguous => "HEADER_AMBIGUOUS",
            Self::IdMalformed => "ID_MALFORMED",
            Self::ProofMissing => "PROOF_MISSING",
            Self::TokenMalformed => "TOKEN_MALFORMED",
            Self::TokenAlgorithm => "TOKEN_ALGORITHM",
            Self::TokenHeader => "TOKEN_HEADER",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenNotYetValid => "TOKEN_NOT_YET_VALID",
            Self::TokenLifetime => "TOKEN_LIFETIME",
            Self::ClaimMissing => "CLAIM_MISSING",
            Self::ClaimInvalid => "CLAIM_INVALID",
            Self::SubjectMismatch => "SUBJECT_MISMATCH",
            Self::Replayed => "REPLAYED",
            Self::NoLiveVersion => "NO_LIVE_VERSION",
            Self::HeaderInvalid => "HEADER_INVALID",
            Self::BodyMalformed => "BODY_MALFORMED",
            Self::BodyUnsigned => "BODY_UNSIGNED",
            Self::Handshake => "HANDSHAKE",
        }
    }
}
