"""The formula of a signature in a header, as a vendor's page states it: for vendors without a library, and to sign for
libraries that only check."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from delivery import Delivery, Draft, Header
from webhook_vendor import Accept, Sign, accepts, one_by_one


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a signature may be made of."""

    stamp: str
    id: str
    body: bytes
    method: str
    url: str


def seconds(at_ms: int) -> str:
    return str(at_ms // 1000)


def milliseconds(at_ms: int) -> str:
    return str(at_ms)


def rfc3339(at_ms: int) -> str:
    """A time of day in one of the forms in the field: in UTC, or in some zone."""
    at = datetime.fromtimestamp(at_ms // 1000, timezone.utc)
    hours = at_ms % 5
    if not hours:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.astimezone(timezone(timedelta(hours=-hours))).isoformat()


def utc(at_ms: int) -> str:
    """A time of day in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms // 1000, timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S.{at_ms % 1000:03}Z")


def delivery_uuid(draft: Draft) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, draft.noise))


def message_id(draft: Draft) -> str:
    return f"msg_{draft.noise[:27]}"


def hexadecimal(digest: bytes) -> str:
    return digest.hex()


def upper_hexadecimal(digest: bytes) -> str:
    return digest.hex().upper()


def base64_text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def hmac_sha256(key: str, text: bytes) -> bytes:
    return hmac.new(key.encode(), text, hashlib.sha256).digest()


def hmac_sha1(key: str, text: bytes) -> bytes:
    return hmac.new(key.encode(), text, hashlib.sha1).digest()


def sha256(key: str, text: bytes) -> bytes:
    """The hash of a text that starts with the key."""
    return hashlib.sha256(key.encode() + text).digest()


def text_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def pairs(value: str, separator: str = ",") -> list[tuple[str, str]]:
    """The `name=value` entries of a list header."""
    return [(name.strip(), text) for name, _, text in (entry.partition("=") for entry in value.split(separator))]


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A signature over a text, in a header of its own; the timestamp and the id stand in others."""

    header: str
    text: Callable[[Parts], bytes] = lambda parts: parts.body
    digest: Callable[[str, bytes], bytes] = hmac_sha256
    encode: Callable[[bytes], str] = hexadecimal
    # What stands before the signature.
    prefix: str = ""
    stamp: Callable[[int], str] = lambda at_ms: ""
    stamp_header: str = ""
    id: Callable[[Draft], str] = lambda draft: ""
    id_header: str = ""
    # What else the vendor sends.
    beside: Callable[[Draft], tuple[Header, ...]] = lambda draft: ()

    def write(self, signature: str, stamp: str) -> str:
        """The value of the header."""
        return self.prefix + signature

    def signature(self, key: str, parts: Parts) -> str:
        return self.encode(self.digest(key, self.text(parts)))

    def deliver(self, key: str, draft: Draft) -> Delivery:
        stamp, id = self.stamp(draft.at_ms), self.id(draft)
        parts = Parts(stamp=stamp, id=id, body=draft.body, method=draft.method, url=draft.url)
        signature = self.signature(key, parts)
        headers = [(self.header, self.write(signature, stamp)), (self.stamp_header, stamp), (self.id_header, id)]
        return Delivery(
            headers=tuple(header for header in headers if header[0]) + self.beside(draft) + draft.headers,
            body=draft.body,
            method=draft.method,
            url=draft.url,
            signature=signature,
            stamp=stamp,
            id=id,
        )

    def holds(self, key: str, headers: dict[str, str], delivery: Delivery) -> bool:
        parts = Parts(
            stamp=headers[self.stamp_header.lower()] if self.stamp_header else "",
            id=headers[self.id_header.lower()] if self.id_header else "",
            body=delivery.body,
            method=delivery.method,
            url=delivery.url,
        )
        return text_equal(headers[self.header.lower()], self.prefix + self.signature(key, parts))

    @property
    def sign(self) -> Sign:
        return one_by_one(self.deliver)

    @property
    def accept(self) -> Accept:
        return accepts(self.holds, KeyError)


@dataclass(frozen=True, kw_only=True)
class ListFormula(Formula):
    """A signature in a list of `name=value`, which may hold several, and the timestamp."""

    name: str
    stamp_name: str = ""
    separator: str = ","

    def write(self, signature: str, stamp: str) -> str:
        entries = [f"{self.stamp_name}={stamp}"] if self.stamp_name else []
        return self.separator.join([*entries, f"{self.name}={signature}"])

    def holds(self, key: str, headers: dict[str, str], delivery: Delivery) -> bool:
        entries = pairs(headers[self.header.lower()], self.separator.strip())
        stamp = dict(entries).get(self.stamp_name, "")
        parts = Parts(stamp=stamp, id="", body=delivery.body, method=delivery.method, url=delivery.url)
        expected = self.signature(key, parts)
        return any(name == self.name and text_equal(text, expected) for name, text in entries)
