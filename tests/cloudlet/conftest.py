"""Fixtures: cloudlet servers and their clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cloudlet_server import CloudletServer
from curl import Curl


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudletServer]:
    """One server for all tests that leave only jobs and ids of their own."""
    server = CloudletServer()
    server.start(tmp_path_factory.mktemp("shared") / "data")
    server.cli("company", "add", "Rival")
    server.cli("location", "add", "ACME/Away")
    server.cli("location", "offline", "Away")
    server.cli("device", "add", "ACME/Away/Folder", "--type", "file")
    server.cli("device", "add", "ACME/Office/PDF only", "--type", "file", "--formats", "pdf")
    yield server
    server.close()


@pytest.fixture
def curl(shared: CloudletServer) -> Curl:
    """A client of the shared server."""
    return Curl(shared.url, shared.key)


@pytest.fixture
def client_of() -> Callable[[CloudletServer], Curl]:
    """Make a client with the server's own key."""
    return lambda server: Curl(server.url, server.key)
