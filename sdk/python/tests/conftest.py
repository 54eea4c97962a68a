"""The servers of the testbed, in whose environment these tests run, and the two faces of the client as one."""

import asyncio
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from countersign import AsyncCountersign, Countersign

Connect = Callable[..., Any]


class Waiting:
    """An AsyncCountersign that waits for each answer."""

    def __init__(self, *args: Any, **settings: Any):
        self._client = AsyncCountersign(*args, **settings)
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))

    def unary(self, stub: Any, method: str, request: Any, **settings: Any) -> Any:
        """A call of a generated stub."""

        async def call() -> Any:
            return await getattr(stub(self._client.channel), method)(request, **settings)

        return self._loop.run_until_complete(call())

    def end(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()

    def __repr__(self) -> str:
        return repr(self._client)


class Blocking(Countersign):
    def unary(self, stub: Any, method: str, request: Any, **settings: Any) -> Any:
        return getattr(stub(self.channel), method)(request, **settings)

    def end(self) -> None:
        self.close()


@pytest.fixture(params=[Blocking, Waiting], ids=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients, of either face."""
    clients: list[Any] = []

    def connected(*args: Any, **settings: Any) -> Any:
        clients.append(request.param(*args, **settings))
        return clients[-1]

    yield connected
    for client in clients:
        client.end()


@pytest.fixture
def client(connect: Connect) -> Any:
    """A client of the open server."""
    return connect()


@pytest.fixture(scope="session")
def server() -> str:
    return setting("COUNTERSIGN_SERVER")


def setting(name: str) -> str:
    if name not in os.environ:
        pytest.exit(f"{name} is not set: run these tests with sdk/python/check", returncode=2)
    return os.environ[name]


def text_of(name: str) -> str:
    """The content of the file that a variable of the testbed names."""
    return pathlib.Path(setting(name)).read_text().strip()
