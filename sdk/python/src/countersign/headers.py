"""The headers of a delivery, from whatever shape a framework hands over to that of the wire."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from countersign.errors import invalid
from countersign.v1 import countersign_pb2 as pb

Text: TypeAlias = str | bytes
#: A mapping, also one with lists of values, pairs, or any framework's own headers.
Headers: TypeAlias = Mapping[str, Any] | Iterable[tuple[Text, Text]] | Any

#: What the service takes by default: so many headers, so many bytes of names and values together.
MAX_HEADERS = 64
MAX_BYTES = 8 * 1024
#: What would give the service somebody's session or password.
CREDENTIALS = frozenset({"cookie", "authorization", "proxy-authorization"})
#: What the names of headers that vendors sign with have in common.
WEBHOOK_NAMES = (
    "signature",
    "timestamp",
    "hook",
    "svix",
    "hmac",
    "delivery",
    "event",
    "-id",
    "token",
    "verification",
    "content-type",
)


def wire_headers(headers: Headers, credential_headers: Collection[str] = ()) -> list[pb.Header]:
    """The headers to send: repeated ones stay repeated, in order.

    Left out are credentials, unless named in `credential_headers`, and names with a value that is not UTF-8 text. Over
    the limits of the service the headers that look like a webhook's go first, and all of one name or none: leaving some
    out never hides a header that was given twice.

    Raises CountersignError for a shape that cannot be read.
    """
    wanted = {credential_headers} if isinstance(credential_headers, str) else set(credential_headers)
    left_out = CREDENTIALS - {name.lower() for name in wanted}
    groups: dict[str, list[pb.Header]] = {}
    for raw_name, raw_value in _pairs(headers):
        name, value = _text(raw_name), _text(raw_value)
        if name is None or name.lower() in left_out:
            continue
        if value is None:
            left_out |= {name.lower()}
            groups.pop(name.lower(), None)
        else:
            groups.setdefault(name.lower(), []).append(pb.Header(name=name.lower(), value=value))
    sent = [group for name, group in groups.items() if _looks_like_webhook(name)]
    count, size = sum(map(len, sent)), sum(map(_size, sent))
    for name, group in groups.items():
        fits = count + len(group) <= MAX_HEADERS and size + _size(group) <= MAX_BYTES
        if fits and not _looks_like_webhook(name):
            count, size = count + len(group), size + _size(group)
            sent.append(group)
    return [header for group in sent for header in group]


def _pairs(headers: Headers) -> Iterator[tuple[Any, Any]]:
    raw = getattr(headers, "raw", None)  # Starlette and httpx: the bytes, with repeats
    items = getattr(headers, "items", None)
    pairs: Any = raw if isinstance(raw, list) else items() if callable(items) else headers
    try:
        for name, value in pairs:
            for each in value if isinstance(value, list | tuple) else (value,):
                yield name, each
    except (TypeError, ValueError):
        raise invalid("headers", "are neither a mapping nor pairs of name and value") from None


def _text(raw: Any) -> str | None:
    """The text, or None if the bytes are not UTF-8. Frameworks read header bytes as Latin-1, which is undone."""
    if isinstance(raw, str):
        if raw.isascii():
            return raw
        try:
            return raw.encode("latin-1").decode()
        except UnicodeError:
            return None if any("\ud800" <= char <= "\udfff" for char in raw) else raw
    if isinstance(raw, bytes | bytearray | memoryview):
        try:
            return bytes(raw).decode()
        except UnicodeDecodeError:
            return None
    raise invalid("headers", "hold something that is neither text nor bytes")


def _looks_like_webhook(name: str) -> bool:
    return any(part in name for part in WEBHOOK_NAMES)


def _size(group: list[pb.Header]) -> int:
    return sum(len(header.name.encode()) + len(header.value.encode()) for header in group)
