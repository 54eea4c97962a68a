"""Webhooks in front of an ASGI app, such as one of FastAPI, Starlette or Django."""

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, TypeAlias

from countersign import middleware
from countersign.client import AsyncCountersign
from countersign.errors import CountersignError
from countersign.middleware import Guard, Reply

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class WebhookMiddleware:
    """Hands on only deliveries that are genuine, with the verdict in `scope["state"]["countersign"]`, which is
    `request.state.countersign` in Starlette and FastAPI. The body stays readable.

    `secret` is that of every request, or a mapping of paths to secrets; other paths are handed on unverified, without
    a verdict. `url` makes the URL that the vendor has registered, for apps behind a proxy that changes it.
    `credential_headers` are those of `verify_webhook`.
    """

    def __init__(
        self,
        app: App,
        secret: str | Mapping[str, str],
        *,
        client: AsyncCountersign | None = None,
        max_body_bytes: int = middleware.MAX_BODY_BYTES,
        url: Callable[[Scope], str] | None = None,
        credential_headers: Collection[str] = (),
    ):
        self._app = app
        self._guard = Guard(secret, max_body_bytes, credential_headers)
        self._client = client or AsyncCountersign()
        self._url = url or request_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] in ("http", "websocket")
        secret = self._guard.secret_for(scope["path"], scope.get("root_path", "")) if guarded else None
        if secret is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # there are no webhooks over WebSocket
        else:
            await self._verified(secret, scope, receive, send)

    async def _verified(self, secret: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(scope, receive)
        reply = middleware.too_large() if body is None else await self._reply(secret, scope, body)
        if reply:
            await _answer(send, reply)
        else:
            await self._app(scope, _replayed(body or b"", receive), send)

    async def _reply(self, secret: str, scope: Scope, body: bytes) -> Reply | None:
        """None if the delivery is genuine; then the app finds the verdict."""
        try:
            verdict = await self._client.verify_webhook(
                secret,
                scope["headers"],
                body,
                method=scope["method"],
                url=self._url(scope),
                credential_headers=self._guard.credential_headers,
            )
        except CountersignError as error:
            return middleware.no_verdict(error)
        scope.setdefault("state", {})["countersign"] = verdict
        return middleware.refusal(verdict)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None if it is too large, or of a sender who hung up, whom no answer reaches."""
        lengths = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-length"]
        if any(map(self._guard.is_too_large, lengths)):
            return None
        body = bytearray()
        while True:
            part = await receive()
            body += part.get("body", b"")
            if part["type"] == "http.disconnect" or len(body) > self._guard.max_body_bytes:
                return None
            if not part.get("more_body", False):
                return bytes(body)


def request_url(scope: Scope) -> str:
    """The URL that the request says it came to."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope.get("query_string") else b""
    url: bytes = scope.get("scheme", "http").encode() + b"://" + host + path + query
    return url.decode(errors="replace")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever else comes."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return parts.pop() if parts else await receive()

    return replayed


async def _answer(send: Send, reply: Reply) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
