"""Fixtures for a shared print site, and for a site of one test's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import forked
from cirrus_cloudlet.storage.opening import choose_database
from cloudlet_server import CloudletServer
from paths import WELCOME
from postgresql_server import PostgresqlServer
from print_site import PrintSite

pytest_plugins = ["tiers"]

# tests read English messages, whatever the user's language
for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"

# A script in the background starts the tests with SIGINT ignored (POSIX, XCU 2.11), and programs
# inherit that. Some tests end a program as Ctrl-C does. SIGTERM ends the tests and their programs,
# as Ctrl-C does.
for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.default_int_handler)

_LONGEST_FIRST = (
    *("packaging", "applications", "faults", "e2e"),
    *("attacks", "printers", "integration", "cloudlet", "fuzz", "unit"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of tests/systems."""
    parser.addoption(
        "--every-release",
        action="store_true",
        help="try the packages on every Debian release, not only on the oldest and the newest",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Save the start of many programs in the everyday tier. The first process of pytest would give
    its own main module to each program that it forks, so only workers fork."""
    forked.use(hasattr(config, "workerinput") and not config.getoption("complete"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker runs one alone at the end.

    The first worker gets the tests of the packages, which share one build. Other workers take from
    the end of its tests (`--dist worksteal`).
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    return _LONGEST_FIRST.index(item.path.relative_to(Path(__file__).parent).parts[0])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL for all tests of a process; each makes databases of its own."""
    server = PostgresqlServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of the cloud's database; tests/cloudlet/conftest.py names the tests of both."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def new_database(engine: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Make an empty database, and return its address; empty for a folder's own database."""
    if engine == "sqlite":
        return str
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return lambda: server.url(server.new_database())


@pytest.fixture
def folder(tmp_path: Path, new_database: Callable[[], str]) -> Path:
    """A data folder without settings, whose database is empty."""
    if address := new_database():
        choose_database(tmp_path, address)
    return tmp_path


@pytest.fixture
def own(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[CloudletServer]:
    """An embedded cloud for one test."""
    server = CloudletServer(database=new_database())
    server.start(tmp_path / "data")
    yield server
    server.close()


@pytest.fixture(scope="session")
def site() -> Iterator[PrintSite]:
    """A site that tests share; each makes devices and queues of its own."""
    with PrintSite() as shared:
        yield shared


@pytest.fixture
def own_site() -> Iterator[PrintSite]:
    """A site whose servers a test may stop. It has no warm workers, whose service would take longer
    to start than the few jobs of a test take."""
    with PrintSite(is_warm=False) as own:
        yield own


@pytest.fixture(scope="session")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Real PDF files by their number of pages."""
    from pypdf import PdfWriter  # late: the unit tests' environment lacks pypdf

    folder = tmp_path_factory.mktemp("pdfs")
    files = {4: WELCOME}
    for pages in (1, 20):
        writer = PdfWriter()
        for number in range(pages):
            writer.append(WELCOME, pages=(number % 4, number % 4 + 1))
        files[pages] = folder / f"{pages}.pdf"
        writer.write(files[pages])
        writer.close()
    return files
