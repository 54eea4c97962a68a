"""Real web servers for the apps of the tests and the examples."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Of a machine that is busy with other things.
START_SECS = 60

SERVERS = {
    "uvicorn": ["-m", "uvicorn", "--log-level", "warning", "--fd", "{fd}", "{app}"],
    "gunicorn": [
        "-m",
        "gunicorn",
        "--log-level",
        "warning",
        "--preload",
        "--workers",
        "2",
        "--bind",
        "fd://{fd}",
        "{app}",
    ],
    "waitress": [
        "-c",
        "import socket, sys, waitress, importlib\n"
        "module, app = sys.argv[2].split(':')\n"
        "sys.path.insert(0, '.')\n"
        "served = getattr(importlib.import_module(module), app)\n"
        "waitress.serve(served, sockets=[socket.socket(fileno=int(sys.argv[1]))], _quiet=True)",
        "{fd}",
        "{app}",
    ],
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Site:
    port: int
    log: Path

    def post(self, path: str, body: bytes | Iterable[bytes], headers: Mapping[str, str]) -> Answer:
        """Chunked where the body comes in parts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECS)
        with contextlib.closing(connection):
            chunked = not isinstance(body, bytes)
            sent = {**headers, "Transfer-Encoding": "chunked"} if chunked else dict(headers)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # of a server that has read enough
                connection.request("POST", path, body, sent, encode_chunked=chunked)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())


@contextlib.contextmanager
def serving(server: str, app: str, folder: Path, log: Path, **variables: str) -> Iterator[Site]:
    """Runs an app, named as MODULE:APP. Its socket listens before the server runs, so nobody has to wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("w") as output:
        port, fd = listener.getsockname()[1], listener.fileno()
        process = subprocess.Popen(
            [sys.executable, *(part.format(fd=fd, app=app) for part in SERVERS[server])],
            cwd=folder,
            pass_fds=[fd],
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
        )
    try:
        yield Site(port, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def chunks(body: bytes, size: int = 4099) -> Iterator[bytes]:
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


def as_json(answer: Answer) -> Any:
    return json.loads(answer.body)
