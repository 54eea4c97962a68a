"""The changes that every vendor's deliveries go through. Unless the vendor's row says otherwise, both sides refuse."""

import string
from collections.abc import Callable
from random import Random

import samples
from delivery import Delivery
from webhook_vendor import (
    BOTH_REFUSE,
    Change,
    Verdicts,
    WebhookVendor,
    both_accept,
    only_library_accepts,
    only_service_accepts,
)

# How far from the edge of a window the tests stay, for the time that signing and checking take.
MARGIN_SECS = 10
DAY_SECS = 24 * 3600
YEAR_SECS = 365 * DAY_SECS

ALPHABETS = {
    "hex": string.hexdigits[:16],
    "HEX": "0123456789ABCDEF",
    "base64": string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/",
    "base64url": string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_",
    None: string.ascii_letters + string.digits,
}


def flip_body(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_body(vendor.flip(rng, delivery.body))


def flip_signature(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_signatures(lambda signature: flipped(vendor, signature, rng))


def flipped(vendor: WebhookVendor, signature: str, rng: Random) -> str:
    """Another digit, which stands for other bits: the last one of base64 may hold none."""
    at = rng.randrange(len(signature.rstrip("=")) - 1)
    digit = rng.choice([digit for digit in ALPHABETS[vendor.encoding] if digit != signature[at]])
    return signature[:at] + digit + signature[at + 1 :]


def cut_signature(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_signatures(lambda signature: signature[: -rng.randint(4, 20)])


def empty_signature(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_signatures(lambda signature: "")


def lengthen_signature(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    """More digits after the last, in whole groups of the encoding."""
    more = "".join(rng.choices(ALPHABETS[vendor.encoding], k=4))
    return delivery.with_signatures(lambda signature: with_last(signature, lambda last: last + more))


def other_case(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_signatures(str.swapcase)


def without_padding(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_signatures(lambda signature: signature.rstrip("="))


def other_unused_bits(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    """The same bytes to a lenient decoder: a bit of the last digit that belongs to no byte is set."""
    alphabet = ALPHABETS[vendor.encoding]

    def change(signature: str) -> str:
        if not signature.endswith("="):
            return signature
        return with_last(signature, lambda last: alphabet[alphabet.index(last) ^ 1])

    return delivery.with_signatures(change)


def with_last(signature: str, change: Callable[[str], str]) -> str:
    """The signature with its last digit before the padding changed."""
    digits = signature.rstrip("=")
    return digits[:-1] + change(digits[-1]) + signature[len(digits) :]


def double_header(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_headers(delivery.headers + delivery.signature_headers())


def drop_header(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    signed = delivery.signature_headers()
    return delivery.with_headers(tuple(header for header in delivery.headers if header not in signed))


def other_time(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    """The time with another digit near its end, so that it stays fresh."""
    at = max(place for place, digit in enumerate(delivery.stamp[:19]) if digit.isdigit())
    digit = str((int(delivery.stamp[at]) + 1) % 10)
    return delivery.with_text(delivery.stamp, delivery.stamp[:at] + digit + delivery.stamp[at + 1 :])


def other_id(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_text(delivery.id, samples.flip_letter(rng, delivery.id))


def other_url(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_url(vendor.other_url(delivery.url))


def other_method(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    others = {"GET", "POST", "PUT", "PATCH", "DELETE"} - {delivery.method}
    return delivery.with_method(rng.choice(sorted(others)))


def too_old(vendor: WebhookVendor, rng: Random) -> int:
    """An age beyond both windows; without any, of a year."""
    edge = max(vendor.past_secs or YEAR_SECS, vendor.library_past_secs or 0) + MARGIN_SECS
    return rng.choice([edge, edge + rng.randrange(DAY_SECS), YEAR_SECS + MARGIN_SECS])


def too_early(vendor: WebhookVendor, rng: Random) -> int:
    edge = max(vendor.future_secs or 0, vendor.library_future_secs or 0) + MARGIN_SECS
    return -rng.choice([edge, edge + rng.randrange(DAY_SECS), YEAR_SECS])


def between(service_secs: int, library_secs: int) -> int:
    return (service_secs + library_secs) // 2


def wider(service_secs: int, library_secs: int) -> Verdicts:
    if service_secs > library_secs:
        return only_service_accepts(f"{service_secs} s here, {library_secs} s by the library")
    return only_library_accepts(f"{library_secs} s by the library, {service_secs} s here")


def where_there_is_no_past_window(vendor: WebhookVendor) -> Verdicts:
    return BOTH_REFUSE if vendor.past_secs else both_accept("the vendor states no window")


def where_there_is_no_future_window(vendor: WebhookVendor) -> Verdicts:
    if vendor.future_secs is not None:
        return BOTH_REFUSE
    return both_accept("only the past is limited" if vendor.past_secs else "the vendor states no window")


def signs(part: str) -> Callable[[WebhookVendor], bool]:
    return lambda vendor: part in vendor.proven


def has_plain_time(vendor: WebhookVendor) -> bool:
    return signs("TIMESTAMP")(vendor) and vendor.encoding != "base64url"


def in_a_header(vendor: WebhookVendor) -> bool:
    return vendor.signature_in_header


def has_hex(vendor: WebhookVendor) -> bool:
    return vendor.encoding in ("hex", "HEX")


def has_padding(vendor: WebhookVendor) -> bool:
    return vendor.encoding == "base64" and vendor.padded


def reasons(*names: str) -> frozenset[str]:
    return frozenset(names)


# A signature of another length may still be one of an algorithm whose signatures vary, and a token is any text.
WRONG_FORM = reasons("SIGNATURE_MALFORMED", "SIGNATURE_MISSING", "SIGNATURE_MISMATCH", "TOKEN_MALFORMED")

CHANGES = [
    Change(name="body", after=flip_body, applies=signs("BODY")),
    Change(name="signature", after=flip_signature),
    Change(name="signature cut", after=cut_signature, reasons=WRONG_FORM),
    Change(name="signature empty", after=empty_signature, reasons=WRONG_FORM | {"HEADER_MISSING"}),
    Change(name="signature longer", after=lengthen_signature, reasons=WRONG_FORM),
    Change(
        name="signature in the other case",
        after=other_case,
        applies=has_hex,
        verdicts=lambda vendor: only_service_accepts("the service compares digests, the library their text"),
    ),
    Change(name="signature without padding", after=without_padding, reasons=WRONG_FORM, applies=has_padding),
    Change(name="signature's unused bits", after=other_unused_bits, reasons=WRONG_FORM, applies=has_padding),
    Change(name="header twice", after=double_header, reasons=reasons("HEADER_AMBIGUOUS"), applies=in_a_header),
    Change(name="header missing", after=drop_header, reasons=reasons("HEADER_MISSING"), applies=in_a_header),
    Change(name="secret", other_secret=True),
    # The windows of Paddle and Box are so narrow, on one side, that any other time may be outside.
    Change(
        name="time",
        after=other_time,
        applies=has_plain_time,
        reasons=reasons("SIGNATURE_MISMATCH", "TIMESTAMP_TOO_OLD", "TIMESTAMP_IN_FUTURE"),
    ),
    Change(
        name="old",
        age=too_old,
        applies=signs("TIMESTAMP"),
        verdicts=where_there_is_no_past_window,
        reasons=reasons("TIMESTAMP_TOO_OLD"),
    ),
    Change(
        name="early",
        age=too_early,
        applies=signs("TIMESTAMP"),
        verdicts=where_there_is_no_future_window,
        reasons=reasons("TIMESTAMP_IN_FUTURE"),
    ),
    Change(
        name="as old as only one side allows",
        age=lambda vendor, rng: between(vendor.past_secs, vendor.library_past_secs),
        applies=lambda vendor: vendor.library_past_secs is not None,
        verdicts=lambda vendor: wider(vendor.past_secs, vendor.library_past_secs),
        reasons=reasons("TIMESTAMP_TOO_OLD"),
    ),
    Change(
        name="as early as only one side allows",
        age=lambda vendor, rng: -between(vendor.future_secs, vendor.library_future_secs),
        applies=lambda vendor: vendor.library_future_secs is not None,
        verdicts=lambda vendor: wider(vendor.future_secs, vendor.library_future_secs),
        reasons=reasons("TIMESTAMP_IN_FUTURE"),
    ),
    Change(name="id", after=other_id, applies=signs("ID")),
    Change(name="url", after=other_url, applies=signs("URL")),
    Change(name="method", after=other_method, applies=signs("METHOD")),
]


def changes_of(vendor: WebhookVendor) -> list[Change]:
    """Those that make sense for a vendor, and its own."""
    return [change for change in CHANGES if change.applies(vendor)] + list(vendor.changes)
