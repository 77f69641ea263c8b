"""Fixtures: cloudlet servers and their clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

# whose tests run with each engine
_ON_EACH_ENGINE = frozenset(
    {
        *("test_growth", "test_inventory", "test_job_status", "test_location_clients"),
        *("test_putfile", "test_release", "test_submitfile"),
    }
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of what the API and the page promise with each engine."""
    if "engine" in metafunc.fixturenames and metafunc.definition.path.stem in _ON_EACH_ENGINE:
        metafunc.parametrize("engine", ["sqlite", "postgresql"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def shared(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[CloudletServer]:
    """One server for all tests that leave only jobs and ids of their own."""
    server = CloudletServer(database=new_database())
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
