"""A running server, a client of it, and the secrets that the tests keep in it."""

import functools
import os
import secrets
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from countersign.v1 import countersign_pb2_grpc, scheme_pb2_grpc, secret_pb2, secret_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vendor import PublicKey, Vendor

START_SECS = 30
STOP_SECS = 20
CALL_SECS = 10


class DidNotStart(Exception):
    """The server ended, or was not SERVING in time; says so with the server's log."""


class Client:
    """The generated client, with the caller's token and a deadline on every call."""

    def __init__(self, channel: grpc.Channel, token: str):
        def authenticated(method):
            return functools.partial(method, metadata=[("authorization", f"Bearer {token}")], timeout=CALL_SECS)

        data_plane = countersign_pb2_grpc.CountersignServiceStub(channel)
        self.sign = authenticated(data_plane.Sign)
        self.verify = authenticated(data_plane.Verify)
        self.batch_verify = authenticated(data_plane.BatchVerify)
        self.list_schemes = authenticated(scheme_pb2_grpc.SchemeServiceStub(channel).ListSchemes)
        self.create_secret = authenticated(secret_pb2_grpc.SecretServiceStub(channel).CreateSecret)


@dataclass(frozen=True)
class Secret:
    """A secret of the service, and its key as the vendor shows it: of an asymmetric scheme, the public one."""

    name: str
    key: str


class Secrets:
    """The secrets of the vendors, created when first asked for."""

    def __init__(self, client: Client):
        self._client = client
        self._made: dict[str, Secret] = {}

    def of(self, vendor: Vendor, number: int = 1) -> Secret:
        """One of the vendor's secrets. Each number has a key of its own."""
        name = f"oracle/{vendor.scheme}/{vendor.name}-{number}"
        if name not in self._made:
            self._made[name] = self._create(vendor, name)
        return self._made[name]

    def signing(self, vendor: Vendor) -> Secret:
        """A secret that signs: of an asymmetric scheme, one whose private key the service made."""
        secret = self.of(vendor)
        if not isinstance(secret.key, PublicKey):
            return secret
        name = f"{secret.name}-generated"
        if name not in self._made:
            answer = self._request(vendor, name, key="")
            self._made[name] = Secret(name, PublicKey(answer.secret.versions[0].public_key))
        return self._made[name]

    def _create(self, vendor: Vendor, name: str) -> Secret:
        key = vendor.new_key(vendor.rng(name))
        self._request(vendor, name, key)
        return Secret(name, key)

    def _request(self, vendor: Vendor, name: str, key: str) -> secret_pb2.CreateSecretResponse:
        return self._client.create_secret(
            secret_pb2.CreateSecretRequest(
                request_id=str(uuid.uuid4()), name=name, scheme=vendor.scheme, imported_key=key, **vendor.options
            )
        )


@contextmanager
def running_server(binary: Path, log: Path) -> Iterator[Client]:
    """Serves from a fresh directory on a free loopback port; ends with the process that it started."""
    address = f"127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory(prefix="countersign-oracles-") as directory:
        config = _write_config(Path(directory), address)
        token = _first_token(binary, config)
        with log.open("wb") as output:
            process = subprocess.Popen([binary, "serve", "--config", config], stdout=output, stderr=subprocess.STDOUT)
        try:
            with grpc.insecure_channel(address) as channel:
                _wait_until_serving(channel, process, log)
                yield Client(channel, token)
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _first_token(binary: Path, config: Path) -> str:
    token_file = config.parent / "token"
    subprocess.run([binary, "init", "--config", config, "--out", token_file], check=True, stdout=subprocess.DEVNULL)
    return token_file.read_text().strip()


def _write_config(directory: Path, address: str) -> Path:
    key_file = _private_file(directory / "kek", secrets.token_hex(32))
    return _private_file(
        directory / "countersign.toml",
        f"""
listen = "{address}"
data_dir = "{directory / "data"}"

[key_encryption]
key_file = "{key_file}"

[log]
format = "json"
level = "info"
""",
    )


def _private_file(path: Path, text: str) -> Path:
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    return path


def _wait_until_serving(channel: grpc.Channel, process: subprocess.Popen, log: Path) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    deadline = time.monotonic() + START_SECS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DidNotStart(f"the server ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True)
        except grpc.RpcError:
            continue
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return
        time.sleep(0.05)
    raise DidNotStart(f"the server was not SERVING within {START_SECS} s:\n{log.read_text(errors='replace')}")


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
