"""Changes that belong to some vendors only: lists of signatures, lenient timestamps, bodies that a library prints."""

import dataclasses
import json
from collections.abc import Callable
from random import Random

import samples
from changes import flipped, reasons
from delivery import Delivery
from webhook_vendor import Change, Verdicts, WebhookVendor, both_accept, only_library_accepts, only_service_accepts

ANY_MAY_MATCH = both_accept("several keys sign while one is replaced, and any may match")
UNKNOWN_IS_SKIPPED = both_accept("entries of other versions are skipped")
NOT_SIGNED = both_accept("the vendor does not sign it")


def of_text(change: Callable[[Delivery, str], str]) -> Callable[[WebhookVendor, Delivery, Random], Delivery]:
    """A change of what stands around the signature, from the delivery and a wrong signature."""

    def after(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
        wrong = flipped(vendor, delivery.signature, rng)
        return delivery.with_text(delivery.signature, change(delivery, wrong))

    return after


def in_front(entry: Callable[[str], str]) -> Callable[[WebhookVendor, Delivery, Random], Delivery]:
    """One more entry before the first."""

    def after(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
        return delivery.with_text("v1,", entry(flipped(vendor, delivery.signature, rng)) + "v1,")

    return after


def list_traps(name: str, separator: str) -> tuple[Change, ...]:
    """Of a list of `name=value`."""

    def entry(signature: str) -> str:
        return f"{separator}{name}={signature}"

    return (
        Change(
            name="a wrong signature first",
            after=of_text(lambda delivery, wrong: wrong + entry(delivery.signature)),
            verdicts=lambda vendor: ANY_MAY_MATCH,
        ),
        Change(
            name="a wrong signature last",
            after=of_text(lambda delivery, wrong: delivery.signature + entry(wrong)),
            verdicts=lambda vendor: ANY_MAY_MATCH,
        ),
        Change(
            name="an unknown entry",
            after=of_text(lambda delivery, wrong: f"{delivery.signature}{separator}zz={wrong}"),
            verdicts=lambda vendor: UNKNOWN_IS_SKIPPED,
        ),
        Change(
            name="an unknown version alone",
            after=lambda vendor, delivery, rng: delivery.with_text(f"{name}=", "zz="),
            reasons=reasons("SIGNATURE_MISSING"),
        ),
    )


VERSION_TRAPS = (
    Change(
        name="a wrong signature first",
        after=of_text(lambda delivery, wrong: f"{wrong} v1,{delivery.signature}"),
        verdicts=lambda vendor: ANY_MAY_MATCH,
    ),
    Change(
        name="a wrong signature last",
        after=of_text(lambda delivery, wrong: f"{delivery.signature} v1,{wrong}"),
        verdicts=lambda vendor: ANY_MAY_MATCH,
    ),
    Change(
        name="an unknown version",
        after=of_text(lambda delivery, wrong: f"{delivery.signature} v1a,{wrong}"),
        verdicts=lambda vendor: UNKNOWN_IS_SKIPPED,
    ),
    Change(
        name="an unknown version alone",
        after=lambda vendor, delivery, rng: delivery.with_text("v1,", "v2,"),
        reasons=reasons("SIGNATURE_MISSING"),
    ),
    Change(
        name="an entry without a version",
        after=in_front(lambda wrong: f"{wrong} "),
        verdicts=lambda vendor: UNKNOWN_IS_SKIPPED,
    ),
    Change(
        name="no version",
        after=lambda vendor, delivery, rng: delivery.with_text("v1,", ""),
        reasons=reasons("SIGNATURE_MISSING"),
    ),
)

# The libraries that sign the number they parsed accept texts that the vendor has not written.
TIME_WITH_A_SIGN = Change(
    name="time with a plus sign",
    after=lambda vendor, delivery, rng: delivery.with_text(delivery.stamp, f"+{delivery.stamp}"),
    reasons=reasons("TIMESTAMP_MALFORMED"),
)

# Nothing stands between timestamp and body: the signature also holds after a digit has moved from one to the other.
DIGIT_INTO_THE_BODY = Change(
    name="a digit of the time in the body",
    after=lambda vendor, delivery, rng: delivery.with_text(delivery.stamp, delivery.stamp[:-1]).with_body(
        delivery.stamp[-1].encode() + delivery.body
    ),
    reasons=reasons("TIMESTAMP_MALFORMED"),
    verdicts=lambda vendor: only_library_accepts(
        "nothing stands between time and body, and the library takes any time"
    ),
)
DIGIT_OUT_OF_THE_BODY = Change(
    name="a digit of the body in the time",
    before=lambda vendor, draft, rng: dataclasses.replace(draft, body=draft.body + b"1"),
    after=lambda vendor, delivery, rng: delivery.with_text(delivery.stamp, f"1{delivery.stamp}").with_body(
        delivery.body[:-1]
    ),
    reasons=reasons("TIMESTAMP_IN_FUTURE"),
    verdicts=lambda vendor: only_library_accepts(
        "nothing stands between body and time, and the library takes any future"
    ),
)

EMPTY_BODY = Change(
    name="empty body",
    before=lambda vendor, draft, rng: dataclasses.replace(draft, body=b""),
    verdicts=lambda vendor: only_service_accepts("the library refuses an empty body, whatever its signature"),
)


def unsigned(name: str, after: Callable[[WebhookVendor, Delivery, Random], Delivery]) -> Change:
    return Change(name=name, after=after, verdicts=lambda vendor: NOT_SIGNED)


BODY_IS_NOT_SIGNED = unsigned(
    "body", lambda vendor, delivery, rng: delivery.with_body(samples.flip_byte(rng, delivery.body))
)


def signed_as(name: str, formula, verdicts: Verdicts, **row) -> Change:
    """Deliveries that were signed in another way."""
    return Change(name=name, sign=formula.sign, verdicts=lambda vendor: verdicts, **row)


def indented(body: bytes) -> bytes:
    return json.dumps(json.loads(body), indent=3, ensure_ascii=False).encode()


def indented_before(verdicts: Verdicts) -> Change:
    return Change(
        name="an indented body",
        before=lambda vendor, draft, rng: dataclasses.replace(draft, body=indented(draft.body)),
        verdicts=lambda vendor: verdicts,
    )


def indented_after(verdicts: Verdicts) -> Change:
    return Change(
        name="a body indented on its way",
        after=lambda vendor, delivery, rng: delivery.with_body(indented(delivery.body)),
        verdicts=lambda vendor: verdicts,
    )


def with_header(name: str, value: str) -> Callable[[WebhookVendor, Delivery, Random], Delivery]:
    """One header with another value."""

    def after(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
        return delivery.with_headers(tuple((own, value if own == name else text) for own, text in delivery.headers))

    return after


# What libraries make of headers and signatures that no vendor sends.
HEADERS_ARE_A_LIST = only_library_accepts("a repeated header reaches the library joined by a comma, as a list")
LENIENT_BASE64 = only_library_accepts("the library decodes base64 leniently")
REPRINTED_TIME = only_library_accepts("the library signs the number that it parsed, not the text")

NO_AGE = "the library leaves the age of a delivery to its caller"
