"""How a channel is made, and what goes along with every call: bearer token, deadline, call id and retries."""

import ipaddress
import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import grpc
import grpc.aio

from countersign import errors

DEFAULT_SERVER = "http://127.0.0.1:50051"
DEADLINE_SECS = 5.0

#: The id of a call, which all its attempts share, so that the service can tell a retry from a second delivery.
_CALL_ID = "countersign-call-id"
# The largest page of a list, and the largest body that a server may be set to take, with room for its headers.
_MAX_ANSWER_BYTES = 64 << 20
_MAX_REQUEST_BYTES = 17 << 20
# What may be repeated: it changes nothing, or carries a request_id.
_REPEATABLE = {
    "CountersignService": ["Sign", "Verify", "VerifyWebhook"],
    "SecretService": ["GetSecret", "ListSecrets", "CreateSecret", "RotateSecret"],
    "SchemeService": ["GetScheme", "ListSchemes"],
    "TokenService": ["ListTokens"],
    "AuditService": ["ListAuditRecords"],
}
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": f"countersign.v1.{service}", "method": method}
                for service, methods in _REPEATABLE.items()
                for method in methods
            ],
            # gRPC adds a jitter of a fifth.
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # Above its 256 KiB gRPC would give up retries without a word.
    ("grpc.per_rpc_retry_buffer_size", _MAX_REQUEST_BYTES),
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    # A server that is back must not wait for its clients.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


@dataclass(frozen=True)
class Settings:
    """Where to connect and how. Making one raises CountersignError for what cannot be used."""

    server: str
    deadline: float
    token: str | None = field(repr=False)
    ca_certificate: bytes | None = field(repr=False)
    client_certificate: bytes | None = field(repr=False)
    client_key: bytes | None = field(repr=False)
    target: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        secure, host, port = _parsed(self.server)
        seconds = isinstance(self.deadline, int | float) and 0 < self.deadline < float("inf")
        _check(seconds, "deadline", "is not a number of seconds above 0")
        if self.token is not None:
            _check(
                secure or _is_loopback(host),
                "token",
                "is not sent over plain http to another machine: use https://, or a loopback address",
            )
            visible = isinstance(self.token, str) and re.fullmatch(r"[!-~]+", self.token) is not None
            _check(visible, "token", "is not visible ASCII text, without a line end: check where it came from")
        _check_pem(self.ca_certificate, b"CERTIFICATE", "ca_certificate", secure)
        _check_pem(self.client_certificate, b"CERTIFICATE", "client_certificate", secure)
        _check_pem(self.client_key, b"PRIVATE KEY", "client_key", secure)
        both = (self.client_certificate is None) == (self.client_key is None)
        _check(both, "client_certificate", "and client_key belong together: give both or none")
        object.__setattr__(self, "target", f"dns:///{f'[{host}]' if ':' in host else host}:{port}")
        object.__setattr__(self, "server", f"{'https' if secure else 'http'}://{self.target[7:]}")

    def options(self) -> list[tuple[str, Any]]:
        # A proxy of the environment would see in the clear what is meant to stay on this machine.
        return [*_OPTIONS, ("grpc.enable_http_proxy", int(self.secure))]

    @property
    def secure(self) -> bool:
        return self.server.startswith("https:")

    def channel_credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.ca_certificate, self.client_key, self.client_certificate)

    def completed(self, details: Any, deadline: float | None) -> Any:
        """The details of a call, with what the caller has not set."""
        metadata = dict.fromkeys(key for key, _ in details.metadata or ())
        mine = [(_CALL_ID, uuid.uuid4().hex)]
        if self.token is not None:
            mine.append(("authorization", f"Bearer {self.token}"))
        added = [(key, value) for key, value in mine if key not in metadata]
        timeout = deadline if details.timeout is None else details.timeout
        return details._replace(metadata=grpc.aio.Metadata(*(details.metadata or ()), *added), timeout=timeout)


class _Unary(grpc.UnaryUnaryClientInterceptor, grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, settings: Settings):
        self._settings = settings

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        # Of a channel of asyncio the continuation gives something to await, which is passed on as well.
        return continuation(self._settings.completed(details, self._settings.deadline), request)


class _Streaming(grpc.UnaryStreamClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """A stream, such as a backup, takes as long as it takes."""

    def __init__(self, settings: Settings):
        self._settings = settings

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._settings.completed(details, None), request)


def open_blocking(settings: Settings) -> grpc.Channel:
    if settings.secure:
        channel = grpc.secure_channel(settings.target, settings.channel_credentials(), settings.options())
    else:
        channel = grpc.insecure_channel(settings.target, settings.options())
    return grpc.intercept_channel(channel, _Unary(settings), _Streaming(settings))


def open_async(settings: Settings) -> grpc.aio.Channel:
    both: list[grpc.aio.ClientInterceptor] = [_Unary(settings), _Streaming(settings)]
    if settings.secure:
        credentials = settings.channel_credentials()
        return grpc.aio.secure_channel(settings.target, credentials, settings.options(), interceptors=both)
    return grpc.aio.insecure_channel(settings.target, settings.options(), interceptors=both)


C = TypeVar("C")


class Connection(Generic[C]):
    """A channel that is opened at the first call: a client may be made before a server forks or an event loop runs.

    `place` tells where a channel works: a process, or an event loop of it. Elsewhere another one is opened.
    """

    def __init__(self, settings: Settings, place: Callable[[], object], opened: Callable[[Settings], C]):
        self.settings = settings
        self._place = place
        self._opened = opened
        self._lock = threading.Lock()
        self._current: tuple[object, C, dict[Any, Any]] | None = None
        self._closed = False

    def channel(self) -> C:
        return self._ready()[1]

    def stub(self, kind: Any) -> Any:
        _, channel, stubs = self._ready()
        if kind not in stubs:
            stubs[kind] = kind(channel)
        return stubs[kind]

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> C | None:
        """The channel to close, if there is one."""
        self._closed = True
        current, self._current = self._current, None
        return current[1] if current and current[0] == self._place() else None

    def _ready(self) -> tuple[object, C, dict[Any, Any]]:
        place = self._place()
        with self._lock:
            if self._closed:
                raise errors.closed()
            if self._current is None or self._current[0] != place:
                self._current = (place, self._opened(self.settings), {})
            return self._current


def _check(holds: bool, setting: str, description: str) -> None:
    if not holds:
        raise errors.invalid(setting, description)


def _check_pem(pem: bytes | None, kind: bytes, setting: str, secure: bool) -> None:
    if pem is not None:
        _check(secure, setting, "needs a server that starts with https://")
        is_pem = isinstance(pem, bytes) and b"-----BEGIN " in pem and kind + b"-----" in pem
        _check(is_pem, setting, "is not PEM text of what it must be")


def _parsed(server: str) -> tuple[bool, str, int]:
    """Whether it speaks TLS, the host and the port of http://HOST:PORT or https://HOST:PORT."""
    try:
        url = urlsplit(server)
        secure = url.scheme == "https"
        host, port = url.hostname, url.port or (443 if secure else 80)
    except (ValueError, AttributeError, TypeError):
        host = None
    more = host and (url.username or url.password or url.path.strip("/") or url.query or url.fragment)
    if not host or more or url.scheme not in ("http", "https") or not host.isprintable() or " " in host:
        raise errors.invalid("server", "is not http://HOST:PORT or https://HOST:PORT")
    return secure, host, port


def _is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine. A name other than localhost is not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
