"""One server and one client for the whole run."""

import os
from pathlib import Path

import pytest

import table
from service import Client, DidNotStart, Secrets, running_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-readme", action="store_true", help="write the tables of README.md, and test nothing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--write-readme"):
        table.write()
        items.clear()


@pytest.fixture(scope="session")
def client() -> Client:
    log = Path(os.environ["ORACLES_WORK"], "server.log")
    try:
        with running_server(Path(os.environ["COUNTERSIGN_BIN"]), log) as client:
            yield client
    except DidNotStart as reason:
        pytest.exit(str(reason), returncode=1)


@pytest.fixture(scope="session")
def secrets(client) -> Secrets:
    return Secrets(client)
