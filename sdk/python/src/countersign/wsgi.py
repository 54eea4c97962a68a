"""Webhooks in front of a WSGI app, such as one of Flask or Django."""

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from countersign import middleware
from countersign.client import Countersign
from countersign.errors import CountersignError
from countersign.middleware import Guard, Reply

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


class WebhookMiddleware:
    """Hands on only deliveries that are genuine, with the verdict in `environ["countersign"]`, which is
    `request.environ["countersign"]` in Flask and `request.META["countersign"]` in Django. The body stays readable.

    `secret` is that of every request, or a mapping of paths to secrets; other paths are handed on unverified, without
    a verdict. `url` makes the URL that the vendor has registered, for apps behind a proxy that changes it.
    `credential_headers` are those of `verify_webhook`.

    WSGI servers join headers that were sent twice by a comma before anybody sees them.
    """

    def __init__(
        self,
        app: App,
        secret: str | Mapping[str, str],
        *,
        client: Countersign | None = None,
        max_body_bytes: int = middleware.MAX_BODY_BYTES,
        url: Callable[[Environ], str] | None = None,
        credential_headers: Collection[str] = (),
    ):
        self._app = app
        self._guard = Guard(secret, max_body_bytes, credential_headers)
        self._client = client or Countersign()
        self._url = url or request_url

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path, prefix = (_bytes(environ, part).decode(errors="replace") for part in ("PATH_INFO", "SCRIPT_NAME"))
        secret = self._guard.secret_for(path, prefix)
        if secret is None:
            return self._app(environ, start_response)
        body = self._body(environ)
        reply = middleware.too_large() if body is None else self._reply(secret, environ, body)
        if reply:
            start_response(reply.status_line, reply.headers)
            return [reply.body]
        environ["wsgi.input"] = io.BytesIO(body or b"")
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(len(body or b""))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return self._app(environ, start_response)

    def _reply(self, secret: str, environ: Environ, body: bytes) -> Reply | None:
        """None if the delivery is genuine; then the app finds the verdict."""
        try:
            verdict = self._client.verify_webhook(
                secret,
                _headers(environ),
                body,
                method=environ["REQUEST_METHOD"],
                url=self._url(environ),
                credential_headers=self._guard.credential_headers,
            )
        except CountersignError as error:
            return middleware.no_verdict(error)
        environ["countersign"] = verdict
        return middleware.refusal(verdict)

    def _body(self, environ: Environ) -> bytes | None:
        """The whole body; None if it is too large."""
        length = environ.get("CONTENT_LENGTH") or None
        if self._guard.is_too_large(length):
            return None
        if not (length.isdecimal() if length else environ.get("wsgi.input_terminated")):
            return b""
        # Without a length the server itself ends the stream; one byte more shows that a body is too large.
        left = self._guard.max_body_bytes + 1 if length is None else int(length)
        body = bytearray()
        while left and (part := environ["wsgi.input"].read(left)):
            body += part
            left -= len(part)
        return bytes(body) if len(body) <= self._guard.max_body_bytes else None


def request_url(environ: Environ) -> str:
    """The URL that the request says it came to."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    raw = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "")
    if not raw.startswith("/"):
        query = environ.get("QUERY_STRING")
        path = _bytes(environ, "SCRIPT_NAME") + _bytes(environ, "PATH_INFO")
        raw = quote(path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")
    url = f"{environ['wsgi.url_scheme']}://{host}{raw}"
    return url.encode("latin-1", errors="replace").decode(errors="replace")


def _bytes(environ: Environ, part: str) -> bytes:
    return str(environ.get(part, "")).encode("latin-1", errors="replace")


def _headers(environ: Environ) -> Iterator[tuple[str, bytes]]:
    """The bytes of the headers: text in an environ is Latin-1 by name alone."""
    for key, value in environ.items():
        if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value):
            yield key.removeprefix("HTTP_").replace("_", "-").lower(), value.encode("latin-1", errors="replace")
