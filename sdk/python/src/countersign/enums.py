"""The enums of the wire as texts. Written by ../generate from the proto."""

from enum import Enum


class WireEnum(str, Enum):
    """A text that is its name without the prefix, with its number on the wire."""

    number: int

    def __new__(cls, text: str, number: int) -> "WireEnum":
        member = str.__new__(cls, text)
        member._value_ = text
        member.number = number
        return member

    def __str__(self) -> str:
        return str(self.value)


class VersionState(WireEnum):
    """The life of a version."""

    PENDING = "PENDING", 1
    """Verifies, does not sign."""

    ACTIVE = "ACTIVE", 2
    """Signs and verifies. Exactly one version of a secret is active."""

    GRACE = "GRACE", 3
    """Verifies until its grace_end_time."""

    RETIRED = "RETIRED", 4
    """Its grace has ended. Final."""

    REVOKED = "REVOKED", 5
    """Killed by an emergency rotation or by RevokeVersion. Final."""


class Decision(WireEnum):
    """What the caller should do with the request that carried the proof."""

    ALLOW = "ALLOW", 1
    """Go on. Look at trust to learn whether the identity was proven."""

    DENY = "DENY", 2
    """Refuse."""


class Trust(WireEnum):
    """How far an identity may be trusted."""

    VERIFIED = "VERIFIED", 1
    """Green: the proof holds; see the verified fields."""

    UNVERIFIED = "UNVERIFIED", 2
    """Amber: no proof, or a proof that does not hold."""

    NOT_CHECKED = "NOT_CHECKED", 3
    """The mode of the secret is MODE_OFF: nothing was checked."""


class Shield(WireEnum):
    """What a chat service should do with an earlier verified flag on the record."""

    SET = "SET", 1
    """Stamp the verified flag."""

    CLEAR = "CLEAR", 2
    """Remove an earlier verified flag: a proof was sent and did not hold."""

    KEEP = "KEEP", 3
    """Leave the flag as it is."""


class Reason(WireEnum):
    """Why a proof was not accepted. Coarse on purpose: a wrong key, an ended version and wrong bytes look alike."""

    SIGNATURE_MISMATCH = "SIGNATURE_MISMATCH", 1
    """No live version of the secret made this signature over these bytes."""

    SIGNATURE_MISSING = "SIGNATURE_MISSING", 2
    """The header is there but holds no signature of the scheme's version."""

    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED", 3
    """The signature is not in the scheme's encoding or has the wrong length."""

    TIMESTAMP_MISSING = "TIMESTAMP_MISSING", 4
    """The timestamp that belongs to the signed text is missing."""

    TIMESTAMP_MALFORMED = "TIMESTAMP_MALFORMED", 5
    """The timestamp is not in the scheme's form or unit."""

    TIMESTAMP_TOO_OLD = "TIMESTAMP_TOO_OLD", 6
    """The timestamp lies further in the past than the tolerance."""

    TIMESTAMP_IN_FUTURE = "TIMESTAMP_IN_FUTURE", 7
    """The timestamp lies further in the future than the tolerance."""

    HEADER_MISSING = "HEADER_MISSING", 8
    """A header that the scheme needs is missing."""

    HEADER_AMBIGUOUS = "HEADER_AMBIGUOUS", 9
    """A header that must stand once was given twice."""

    ID_MALFORMED = "ID_MALFORMED", 10
    """The delivery id is not 1 to 128 characters of A-Z a-z 0-9 _ -."""

    PROOF_MISSING = "PROOF_MISSING", 11
    """No proof was sent."""

    TOKEN_MALFORMED = "TOKEN_MALFORMED", 12
    """The token is not a compact JWS of JSON objects."""

    TOKEN_ALGORITHM = "TOKEN_ALGORITHM", 13
    """The token's alg is not exactly HS256."""

    TOKEN_HEADER = "TOKEN_HEADER", 14
    """The token's header has a member that is not accepted: crit, zip, enc, cty, jwk, an unexpected typ, …"""

    TOKEN_EXPIRED = "TOKEN_EXPIRED", 15
    """The token's exp is past."""

    TOKEN_NOT_YET_VALID = "TOKEN_NOT_YET_VALID", 16
    """The token's nbf or iat is still to come."""

    TOKEN_LIFETIME = "TOKEN_LIFETIME", 17
    """The token's lifetime is longer than the scheme's maximum."""

    CLAIM_MISSING = "CLAIM_MISSING", 18
    """A claim that the scheme requires is missing."""

    CLAIM_INVALID = "CLAIM_INVALID", 19
    """A claim has a type or value that is not accepted; of a hash over several fields: one of them holds the text that separates them, and another identity would have the same hash."""

    SUBJECT_MISMATCH = "SUBJECT_MISMATCH", 20
    """The token proves another id than the claimed one."""

    REPLAYED = "REPLAYED", 21
    """The proof holds but this delivery was seen before, and the secret denies replays."""

    NO_LIVE_VERSION = "NO_LIVE_VERSION", 22
    """The secret has no version that may verify."""

    HEADER_INVALID = "HEADER_INVALID", 23
    """A header that the scheme fixes, such as the version of its signatures, has another value."""

    BODY_MALFORMED = "BODY_MALFORMED", 24
    """The body is not the JSON, form or gzip that the scheme reads its fields from."""

    BODY_UNSIGNED = "BODY_UNSIGNED", 25
    """The vendor binds a body of this kind by its hash in the URL, and the URL holds none."""

    HANDSHAKE = "HANDSHAKE", 26
    """An unsigned handshake: send the response in `handshake` and process nothing."""

    UNRECOGNIZED = "UNRECOGNIZED", -1
    """One that a newer service gave."""


class ProvenPart(WireEnum):
    """A part of a delivery that a signature covers."""

    BODY = "BODY", 1
    """Every byte of the body; where the scheme signs it uncompressed or without white space between JSON tokens, all that this leaves."""

    TIMESTAMP = "TIMESTAMP", 2
    """The timestamp text."""

    ID = "ID", 3
    """The delivery id."""

    URL = "URL", 4
    """The registered URL."""

    METHOD = "METHOD", 5
    """The HTTP method."""

    FORM = "FORM", 6
    """The names and values of the form parameters in the body, but not their order and encoding."""


class Replay(WireEnum):
    """Whether a verified delivery was seen before."""

    FIRST = "FIRST", 1
    """Seen for the first time."""

    DUPLICATE = "DUPLICATE", 2
    """Seen before: the same delivery with the same body."""

    CONFLICT = "CONFLICT", 3
    """The signed delivery id was seen before with another body."""

    NOT_TRACKED = "NOT_TRACKED", 4
    """Not recorded: replay tracking is off for the secret, or the record is full."""


class CheckOutcome(WireEnum):
    """How one step of a check ended."""

    PASS = "PASS", 1
    """As it should be."""

    FAIL = "FAIL", 2
    """The check fails here."""

    WARN = "WARN", 3
    """Odd, though it decides nothing."""

    SKIP = "SKIP", 4
    """Not reached, because an earlier step failed."""


class CauseCode(WireEnum):
    """Why proofs fail in the field."""

    BODY_RESERIALISED = "BODY_RESERIALISED", 1
    """The body was parsed and printed again before it was checked."""

    WRONG_SECRET = "WRONG_SECRET", 2
    """Signed with the key of another secret of this namespace."""

    KEY_DECODING = "KEY_DECODING", 3
    """Signed with this key, decoded in another way."""

    KEY_WHITESPACE = "KEY_WHITESPACE", 4
    """Signed with this key, with or without white space at its ends."""

    SIGNED_TEXT_INCOMPLETE = "SIGNED_TEXT_INCOMPLETE", 5
    """Signed over another composition of body, timestamp, id and URL."""

    URL_DIFFERS = "URL_DIFFERS", 6
    """Signed for another form of the URL, or with another method."""

    CLOCK_OR_DELAY = "CLOCK_OR_DELAY", 7
    """The signature holds, but the delivery is too old or too early: a clock, a delay or a replay."""

    TIMESTAMP_UNIT = "TIMESTAMP_UNIT", 8
    """The timestamp is in another unit."""

    TEXT_ENCODING = "TEXT_ENCODING", 9
    """The body went through another text encoding."""

    JSON_ESCAPES = "JSON_ESCAPES", 10
    """The JSON text is escaped in another way: non-ASCII characters, slashes, the case of hex digits."""

    PLATFORM_ENVELOPE = "PLATFORM_ENVELOPE", 11
    """The platform wrapped the body: base64, a JSON string, an event envelope."""

    OLD_VERSION = "OLD_VERSION", 12
    """Signed with an ended version of this secret."""

    SIGNATURE_FORM = "SIGNATURE_FORM", 13
    """The right digest in another form: another encoding, prefix or header."""

    COMPRESSED_BODY = "COMPRESSED_BODY", 14
    """The body is compressed, or was signed compressed."""

    TRAILING_NEWLINE = "TRAILING_NEWLINE", 15
    """Line ends differ: a final newline, or CRLF and LF."""

    HEADER_MALFORMED = "HEADER_MALFORMED", 16
    """The header is malformed, doubled or cut."""

    UNSIGNED_DELIVERY = "UNSIGNED_DELIVERY", 17
    """The delivery carries no signature at all."""

    IDENTIFIER_DIFFERS = "IDENTIFIER_DIFFERS", 18
    """The proof is for another id or email: case, spaces, or the other field."""

    NO_NEAR_MISS = "NO_NEAR_MISS", 19
    """Nothing close to it was found: forged, or signed with a key that is not here."""

    HANDSHAKE = "HANDSHAKE", 20
    """A vendor's handshake, which is not signed."""

    REPLAY = "REPLAY", 21
    """The same delivery was accepted before."""

    TOKEN_TIME = "TOKEN_TIME", 22
    """The token has ended or does not begin yet."""

    TOKEN_SHAPE = "TOKEN_SHAPE", 23
    """The token's header or claims are not those of the scheme."""

    BODY_EMPTY = "BODY_EMPTY", 24
    """The body that arrived is empty, though the vendor sends none that is: something read it before."""

    UNRECOGNIZED = "UNRECOGNIZED", -1
    """One that a newer service gave."""
