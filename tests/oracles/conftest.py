"""One server and one client for the whole run."""

import os
from pathlib import Path

import pytest

from service import Client, Secrets, running_server


@pytest.fixture(scope="session")
def client() -> Client:
    log = Path(os.environ["ORACLES_WORK"], "server.log")
    with running_server(Path(os.environ["COUNTERSIGN_BIN"]), log) as client:
        yield client


@pytest.fixture(scope="session")
def secrets(client) -> Secrets:
    return Secrets(client)
