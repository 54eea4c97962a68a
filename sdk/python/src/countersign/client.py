"""The two faces of the client: `Countersign` blocks, `AsyncCountersign` is for asyncio."""

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import grpc
import grpc.aio

from countersign import connection, errors
from countersign.calls import Call, Calls
from countersign.connection import Connection, Settings

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")


class _Client(Generic[C]):
    _connection: Connection[C]

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        deadline: float = connection.DEADLINE_SECS,
        ca_certificate: str | bytes | None = None,
        client_certificate: str | bytes | None = None,
        client_key: str | bytes | None = None,
    ):
        """Connects at the first call.

        `server` is http://HOST:PORT or https://HOST:PORT; without one COUNTERSIGN_SERVER holds, and without a `token`
        COUNTERSIGN_TOKEN. `deadline` is the seconds that a call may take, retries included. Certificates and key are
        PEM texts, not paths; without `ca_certificate` those hold that grpcio brings.

        Raises CountersignError for what cannot be used, such as a token that would go over a network in the clear.
        """
        settings = Settings(
            server=server or os.environ.get("COUNTERSIGN_SERVER") or connection.DEFAULT_SERVER,
            token=token if token is not None else os.environ.get("COUNTERSIGN_TOKEN") or None,
            deadline=deadline,
            ca_certificate=_pem(ca_certificate),
            client_certificate=_pem(client_certificate),
            client_key=_pem(client_key),
        )
        self._connection = self._connect(settings)

    def _connect(self, settings: Settings) -> Connection[C]:
        raise NotImplementedError

    @property
    def channel(self) -> C:
        """A channel for the generated stubs: token, deadline and retries hold for their calls too."""
        return self._connection.channel()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.settings.server!r})"


def _pem(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def _blocking(
    asked: Callable[Concatenate[Calls, P], Call[T]],
) -> Callable[Concatenate["Countersign", P], T]:
    @functools.wraps(asked)
    def method(self: "Countersign", /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = asked(Calls(), *args, **kwargs)
        send = getattr(self._connection.stub(call.stub), call.method)
        try:
            answer = send(call.request)
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from error
        return call.read(answer)

    return method


def _awaitable(
    asked: Callable[Concatenate[Calls, P], Call[T]],
) -> Callable[Concatenate["AsyncCountersign", P], Coroutine[Any, Any, T]]:
    @functools.wraps(asked)
    async def method(self: "AsyncCountersign", /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = asked(Calls(), *args, **kwargs)
        send = getattr(self._connection.stub(call.stub), call.method)
        try:
            answer = await send(call.request)
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from error
        except asyncio.CancelledError:
            # gRPC cancels the calls of a channel that is closed; the task itself goes on.
            if self._connection.closed:
                raise errors.closed() from None
            raise
        return call.read(answer)

    return method


class Countersign(_Client[grpc.Channel]):
    """A client that blocks. Safe to share among threads, and to make before a server forks its workers."""

    verify_webhook = _blocking(Calls.verify_webhook)
    verify = _blocking(Calls.verify)
    sign = _blocking(Calls.sign)
    explain = _blocking(Calls.explain)
    create_secret = _blocking(Calls.create_secret)
    rotate_secret = _blocking(Calls.rotate_secret)

    def _connect(self, settings: Settings) -> Connection[grpc.Channel]:
        return Connection(settings, os.getpid, connection.open_blocking)

    def close(self) -> None:
        """Ends the connection, and the calls that are under way."""
        if channel := self._connection.close():
            channel.close()

    def __enter__(self) -> "Countersign":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class AsyncCountersign(_Client[grpc.aio.Channel]):
    """A client for asyncio. It may be made before an event loop runs."""

    verify_webhook = _awaitable(Calls.verify_webhook)
    verify = _awaitable(Calls.verify)
    sign = _awaitable(Calls.sign)
    explain = _awaitable(Calls.explain)
    create_secret = _awaitable(Calls.create_secret)
    rotate_secret = _awaitable(Calls.rotate_secret)

    def _connect(self, settings: Settings) -> Connection[grpc.aio.Channel]:
        return Connection(settings, asyncio.get_running_loop, connection.open_async)

    async def close(self) -> None:
        """Ends the connection, and the calls that are under way."""
        if channel := self._connection.close():
            await channel.close()

    async def __aenter__(self) -> "AsyncCountersign":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()
