//! The enums of the wire as Rust types. A number without a name here is an error where it decides something.

use std::fmt;

use countersign_proto::v1;

use crate::Error;

/// Declares the Rust face of a wire enum. The match is exhaustive, so a value added to the proto fails the build. A
/// number without a name is an error, or the `else` variant where there is one.
macro_rules! wire_enum {
    (
        $(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }
        $($(#[$unknown_doc:meta])* else $unknown:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            $($(#[$unknown_doc])* $unknown(i32),)?
        }

        impl $name {
            /// The name of the value on the wire, prefix and all.
            #[must_use]
            pub fn as_str_name(self) -> &'static str {
                match self {
                    $(Self::$variant => v1::$name::$variant.as_str_name(),)*
                    $(Self::$unknown(_) => wire_enum!(@unnamed $name),)?
                }
            }

            /// Reads the number on the wire; none for "unspecified".
            pub(crate) fn from_wire(number: i32) -> Result<Option<Self>, Error> {
                match v1::$name::try_from(number) {
                    Ok(v1::$name::Unspecified) => Ok(None),
                    $(Ok(v1::$name::$variant) => Ok(Some(Self::$variant)),)*
                    Err(_) => wire_enum!(@unknown $name number $($unknown)?),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str_name())
            }
        }
    };
    (@unknown $name:ident $number:ident) => {
        Err(Error::UnknownValue { field: stringify!($name), number: $number })
    };
    (@unknown $name:ident $number:ident $unknown:ident) => {
        Ok(Some(Self::$unknown($number)))
    };
    (@unnamed Reason) => { "REASON_UNRECOGNIZED" };
    (@unnamed CauseCode) => { "CAUSE_CODE_UNRECOGNIZED" };
}

wire_enum! {
    /// What to do with the request that carried the proof.
    Decision {
        /// Go on. Look at [`Trust`] to learn whether the identity was proven.
        Allow,
        /// Refuse.
        Deny,
    }
}

wire_enum! {
    /// How far an identity may be trusted.
    Trust {
        /// Green: the proof holds.
        Verified,
        /// Amber: no proof, or one that does not hold.
        Unverified,
        /// The mode of the secret is off: nothing was checked.
        NotChecked,
    }
}

wire_enum! {
    /// What to do with an earlier verified flag on the record.
    Shield {
        /// Stamp it.
        Set,
        /// Remove it: a proof was sent and did not hold.
        Clear,
        /// Leave it as it is.
        Keep,
    }
}

wire_enum! {
    /// Why a proof was not accepted. Coarse on purpose: a wrong key, an ended version and wrong bytes look alike.
    #[non_exhaustive]
    Reason {
        /// No live version of the secret made this signature over these bytes.
        SignatureMismatch,
        /// The header holds no signature of the scheme's version.
        SignatureMissing,
        /// The signature is not in the scheme's encoding or has the wrong length.
        SignatureMalformed,
        /// The timestamp of the signed text is missing.
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
        /// The delivery id is not in its form.
        IdMalformed,
        /// No proof was sent.
        ProofMissing,
        /// The token is not a compact JWS of JSON objects.
        TokenMalformed,
        /// The token's algorithm is not HS256.
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
        /// A claim has a type or value that is not accepted.
        ClaimInvalid,
        /// The token proves another id than the claimed one.
        SubjectMismatch,
        /// The proof holds, but this delivery was seen before and the secret denies replays.
        Replayed,
        /// The secret has no version that may verify.
        NoLiveVersion,
        /// A header that the scheme fixes has another value.
        HeaderInvalid,
        /// The body is not the JSON, form or gzip that the scheme reads its fields from.
        BodyMalformed,
        /// The vendor binds a body of this kind by its hash in the URL, and the URL holds none.
        BodyUnsigned,
        /// An unsigned handshake: send its response and process nothing.
        Handshake,
    }
    /// The number of a reason that a newer service gave. A reason only explains; decision and trust decide.
    else Unrecognized
}

wire_enum! {
    /// How one step of a check ended.
    CheckOutcome {
        /// As it should be.
        Pass,
        /// The check fails here.
        Fail,
        /// Odd, though it decides nothing.
        Warn,
        /// Not reached, because an earlier step failed.
        Skip,
    }
}

wire_enum! {
    /// Why proofs fail in the field.
    #[non_exhaustive]
    CauseCode {
        /// The body was parsed and printed again before it was checked.
        BodyReserialised,
        /// Signed with the key of another secret of the namespace.
        WrongSecret,
        /// Signed with this key, decoded in another way.
        KeyDecoding,
        /// Signed with this key, with or without white space at its ends.
        KeyWhitespace,
        /// Signed over another composition of body, timestamp, id and URL.
        SignedTextIncomplete,
        /// Signed for another form of the URL, or with another method.
        UrlDiffers,
        /// The signature holds, but the delivery is too old or too early.
        ClockOrDelay,
        /// The timestamp is in another unit.
        TimestampUnit,
        /// The body went through another text encoding.
        TextEncoding,
        /// The JSON text is escaped in another way.
        JsonEscapes,
        /// The platform wrapped the body.
        PlatformEnvelope,
        /// Signed with an ended version of the secret.
        OldVersion,
        /// The right digest in another form.
        SignatureForm,
        /// The body is compressed, or was signed compressed.
        CompressedBody,
        /// Line ends differ.
        TrailingNewline,
        /// A header is malformed, doubled or cut.
        HeaderMalformed,
        /// The delivery carries no signature at all.
        UnsignedDelivery,
        /// The proof is for another id or email.
        IdentifierDiffers,
        /// Nothing close to it was found.
        NoNearMiss,
        /// A vendor's handshake, which is not signed.
        Handshake,
        /// The same delivery was accepted before.
        Replay,
        /// The token has ended or does not begin yet.
        TokenTime,
        /// The token's header or claims are not those of the scheme.
        TokenShape,
        /// The body that arrived is empty.
        BodyEmpty,
    }
    /// The number of a cause that a newer service gave; its summary and fix say the same in words.
    else Unrecognized
}

wire_enum! {
    /// A part of a delivery that a signature covers.
    #[non_exhaustive]
    ProvenPart {
        /// Every byte of the body.
        Body,
        /// The timestamp text.
        Timestamp,
        /// The delivery id.
        Id,
        /// The registered URL.
        Url,
        /// The HTTP method.
        Method,
        /// The names and values of the form parameters, but not their order and encoding.
        Form,
    }
}

wire_enum! {
    /// Whether a verified delivery was seen before.
    Replay {
        /// Seen for the first time.
        First,
        /// Seen before: the same delivery with the same body.
        Duplicate,
        /// The signed delivery id was seen before with another body.
        Conflict,
        /// Not recorded.
        NotTracked,
    }
}

wire_enum! {
    /// The life of a version.
    VersionState {
        /// Verifies, does not sign.
        Pending,
        /// Signs and verifies.
        Active,
        /// Verifies until its grace ends.
        Grace,
        /// Its grace has ended.
        Retired,
        /// Killed.
        Revoked,
    }
}
