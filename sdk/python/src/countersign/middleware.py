"""What the middlewares for ASGI and WSGI have in common: which requests are webhooks, and what they are answered."""

import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from countersign.errors import CountersignError
from countersign.verdict import WebhookVerdict

MAX_BODY_BYTES = 1 << 20

_log = logging.getLogger("countersign")


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status_line(self) -> str:
        known = self.status in HTTPStatus.__members__.values()
        return f"{self.status} {HTTPStatus(self.status).phrase if known else 'Handshake'}"


@dataclass(frozen=True)
class Guard:
    """One secret for every request, or a secret for each path; requests of other paths are none of its business.

    An app may be mounted below a prefix, and a framework may route by the path with or without it, so a request is
    guarded if one of the two is a guarded path.
    """

    secret: str | Mapping[str, str]
    max_body_bytes: int = MAX_BODY_BYTES
    credential_headers: Collection[str] = field(default=())

    def secret_for(self, path: str, prefix: str = "") -> str | None:
        """Of a path without the prefix, or of one that still has it."""
        if isinstance(self.secret, str):
            return self.secret
        below = path.removeprefix(prefix) if path.startswith(prefix + "/") else path
        paths = {_plain(form) for form in (path, prefix + path, below)}
        return next((secret for guarded, secret in self.secret.items() if _plain(guarded) in paths), None)

    def is_too_large(self, length: str | None) -> bool:
        """Of a Content-Length that was announced."""
        return length is not None and length.isdecimal() and (len(length) > 18 or int(length) > self.max_body_bytes)


def _plain(path: str) -> str:
    """The path as a framework may read it: doubled slashes and those at the end, white space and control characters do
    not tell one route from another everywhere."""
    seen = "".join(char for char in path if char.isprintable()).replace(" ", "")
    return re.sub(r"/+", "/", "/" + seen).rstrip("/").lower()


def refusal(verdict: WebhookVerdict) -> Reply | None:
    """What to answer instead of handing the request on; None for an event that is genuine."""
    if verdict.handshake:
        handshake = verdict.handshake
        headers = [pair for pair in handshake.headers if pair[0].lower() != "content-length"]
        length = ("content-length", str(len(handshake.body)))
        return Reply(handshake.status, [*headers, length], handshake.body)
    if verdict.verified:
        return None
    return _json(401, error="webhook_refused", reason=verdict.reason and verdict.reason.value)


def no_verdict(error: CountersignError) -> Reply:
    """What the sender did wrong is the sender's to know; all else is logged, and the sender is to come again."""
    if error.reason == "BODY_TOO_LARGE":
        return too_large()
    field = error.violations[0].field if error.violations else ""
    if error.reason == "FIELD_INVALID" and field in ("headers", "method", "url"):
        return _json(400, error="webhook_malformed", field=field)
    _log.error("no verdict on a webhook: %s", error)
    reply = _json(503, error="verification_unavailable")
    return Reply(reply.status, [*reply.headers, ("retry-after", "1")], reply.body)


def too_large() -> Reply:
    return _json(413, error="body_too_large")


def _json(status: int, **content: str | None) -> Reply:
    body = json.dumps(content, separators=(",", ":")).encode()
    return Reply(status, [("content-type", "application/json"), ("content-length", str(len(body)))], body)
