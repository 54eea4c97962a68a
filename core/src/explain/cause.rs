//! What may have gone wrong, and what to change, in words for the person who has to.

/// Why proofs fail in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CauseCode {
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

/// Something that may have gone wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What.
    pub code: CauseCode,
    /// What was found, in words.
    pub summary: String,
    /// What to change.
    pub fix: String,
}

impl Cause {
    /// A cause with the fix that its kind has.
    pub(super) fn new(code: CauseCode, summary: impl Into<String>) -> Self {
        Self {
            code,
            summary: summary.into(),
            fix: code.fix().to_owned(),
        }
    }

    /// A cause with a fix of its own.
    pub(super) fn with_fix(
        code: CauseCode,
        summary: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            code,
            summary: summary.into(),
            fix: fix.into(),
        }
    }

    /// The same with more to do.
    pub(super) fn and(mut self, advice: &str) -> Self {
        self.fix.push(' ');
        self.fix.push_str(advice);
        self
    }
}

/// What keeps the bytes of a body as they came, in the frameworks that are asked about most.
const RAW_BODY: &str = "Hand over the body as it came off the socket, before any parser: \
    express.raw({ type: \"*/*\" }) in Express, request.get_data() in Flask, request.body in Django, \
    await request.body() in FastAPI, request.raw_post in Rails, file_get_contents(\"php://input\") in PHP, \
    io.ReadAll(r.Body) in Go, await req.text() in a Next.js route.";

impl CauseCode {
    /// The name on the wire, without its prefix: `BODY_RESERIALISED`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BodyReserialised => "BODY_RESERIALISED",
            Self::WrongSecret => "WRONG_SECRET",
            Self::KeyDecoding => "KEY_DECODING",
            Self::KeyWhitespace => "KEY_WHITESPACE",
            Self::SignedTextIncomplete => "SIGNED_TEXT_INCOMPLETE",
            Self::UrlDiffers => "URL_DIFFERS",
            Self::ClockOrDelay => "CLOCK_OR_DELAY",
            Self::TimestampUnit => "TIMESTAMP_UNIT",
            Self::TextEncoding => "TEXT_ENCODING",
            Self::JsonEscapes => "JSON_ESCAPES",
            Self::PlatformEnvelope => "PLATFORM_ENVELOPE",
            Self::OldVersion => "OLD_VERSION",
            Self::SignatureForm => "SIGNATURE_FORM",
            Self::CompressedBody => "COMPRESSED_BODY",
            Self::TrailingNewline => "TRAILING_NEWLINE",
            Self::HeaderMalformed => "HEADER_MALFORMED",
            Self::UnsignedDelivery => "UNSIGNED_DELIVERY",
            Self::IdentifierDiffers => "IDENTIFIER_DIFFERS",
            Self::NoNearMiss => "NO_NEAR_MISS",
            Self::Handshake => "HANDSHAKE",
            Self::Replay => "REPLAY",
            Self::TokenTime => "TOKEN_TIME",
            Self::TokenShape => "TOKEN_SHAPE",
            Self::BodyEmpty => "BODY_EMPTY",
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::BodyReserialised | Self::JsonEscapes => RAW_BODY,
            Self::WrongSecret => {
                "Name that secret in the call, or give this one the signing secret of the endpoint that sends: each \
                 endpoint, environment and app has its own, and an API key is none."
            }
            Self::KeyDecoding => {
                "Let the signer read the key as the scheme says, prefix and encoding included; if the vendor signs, \
                 import the key again exactly as its dashboard shows it, under the scheme that fits."
            }
            Self::KeyWhitespace => {
                "Cut the white space or quotes from the key where the signer keeps it: a file that ends in a newline, \
                 a quoted line of a .env file, a copied space."
            }
            Self::SignedTextIncomplete => {
                "Sign the text that the scheme describes, every part of it and in its order; GetScheme shows it."
            }
            Self::UrlDiffers => {
                "Send the URL exactly as it is registered with the vendor, not as your program sees it behind a \
                 proxy or tunnel; or create the secret with the parameter `url`, which stands in where none is sent."
            }
            Self::ClockOrDelay => {
                "If the delivery was captured a while ago, that alone is the reason. Else set both clocks by NTP, \
                 answer before you queue, and do not replay stored deliveries; UpdateSecret sets another tolerance."
            }
            Self::TimestampUnit => {
                "Send the timestamp in the unit of the scheme, and sign the very text that you send."
            }
            Self::TextEncoding => {
                "Keep the body as bytes from end to end. Where it must be text, read and write it as UTF-8 without a \
                 byte order mark."
            }
            Self::PlatformEnvelope => {
                "Unwrap the body before you send it here: decode base64 where isBase64Encoded is true, take the \
                 string in `body` or `Message` as it is, or switch on the platform's raw delivery."
            }
            Self::OldVersion => {
                "Have the signer take the key of the active version. If the vendor still signs with the old one, \
                 import its key again as a new version and end it once the vendor has switched."
            }
            Self::SignatureForm => {
                "Send the signature in the header, encoding and prefix of the scheme; pass a vendor's header on as it \
                 came."
            }
            Self::CompressedBody => {
                "Hand over the body as the vendor signed it: let your server undo Content-Encoding, and keep proxies \
                 from compressing or rewriting it."
            }
            Self::TrailingNewline => {
                "Keep the body byte for byte: no trim(), no newline added by an editor or echo, no conversion of line \
                 ends. With curl send it with --data-binary."
            }
            Self::HeaderMalformed => {
                "Pass every header on once and unchanged; look at the proxy, or the code that joins, cuts or renames \
                 headers."
            }
            Self::UnsignedDelivery => {
                "Switch signing on at the vendor, and look whether its version signs at all and whether a proxy drops \
                 the header."
            }
            Self::IdentifierDiffers => {
                "Hash and send the very same text: the field that the scheme names, in the case, spelling and form \
                 that the signer used."
            }
            Self::NoNearMiss => {
                "First compare the key with the one that the signer has: the vendor's dashboard, for the very endpoint \
                 and environment that sends, or the host's settings. Then compare the exact bytes. If the signer is \
                 none of yours, take it for forged."
            }
            Self::Handshake => {
                "Answer it with the response that VerifyWebhook gives; there is no event to process."
            }
            Self::Replay => {
                "Nothing, if the vendor or a capture sent it again: it was accepted the first time. With \
                 REPLAY_POLICY_REPORT it would pass as a duplicate."
            }
            Self::TokenTime => {
                "Make a new token for each session, close to its use; set the clock of the host that signs by NTP."
            }
            Self::TokenShape => {
                "Sign tokens as the scheme describes them: algorithm HS256, its claims and no further header members; \
                 GetScheme shows them."
            }
            Self::BodyEmpty => {
                "Something read the body before you did, or never forwarded it: read the stream once, before any \
                 middleware, and send those bytes."
            }
        }
    }
}
