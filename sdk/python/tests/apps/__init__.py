"""An app in each framework, guarded by the middleware; the secrets of its paths come from the environment.

Each handler answers what it read after the middleware: the hash of the raw body, the parsed body and the verdict.
"""

import hashlib
import json
import os
from typing import Any

from countersign import WebhookVerdict, asgi, wsgi

SECRETS = json.loads(os.environ["APP_SECRETS"])
PATHS = [*SECRETS, "/open"]
CREDENTIALS = {"authorization"}


def report(body: bytes, parsed: Any, verdict: WebhookVerdict | None) -> dict[str, Any]:
    proven = sorted(part.value for part in verdict.proven) if verdict else None
    return {"sha256": hashlib.sha256(body).hexdigest(), "parsed": parsed, "proven": proven}


def parsed_json(body: bytes) -> Any:
    return json.loads(body) if body[:1] == b"{" else None


def asgi_url(scope: asgi.Scope) -> str:
    """As the vendor knows it, where a proxy says so."""
    registered = dict(scope["headers"]).get(b"x-registered")
    return registered.decode() if registered else asgi.request_url(scope)


def wsgi_url(environ: wsgi.Environ) -> str:
    return environ.get("HTTP_X_REGISTERED") or wsgi.request_url(environ)
