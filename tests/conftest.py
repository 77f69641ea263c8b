"""One print site for the tests of a worker, and one of its own for a test that breaks things."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from paths import WELCOME
from print_site import PrintSite

# messages are read in English, whatever language the person speaks who runs the tests
for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"

# nor does it matter that a script started them in the background, with SIGINT ignored (POSIX, XCU
# 2.11): programs inherit that, and some of the tests end one as Ctrl-C does. A SIGTERM ends the
# tests and all programs that the tests have started, as Ctrl-C does
for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.default_int_handler)

# machines are busy: what is tried takes as long as it takes
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

_LONGEST_FIRST = (
    *("packaging", "applications", "faults", "e2e"),
    *("security", "integration", "cloudlet", "fuzz", "unit"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of tests/systems."""
    parser.addoption(
        "--every-release",
        action="store_true",
        help="try the packages on every Debian release, not only on the oldest and the newest",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it at the end.

    The first of the workers gets the tests of the packages, which wait for one another to build
    them; others take (`--dist worksteal`) from the end of its tests.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    return _LONGEST_FIRST.index(item.path.relative_to(Path(__file__).parent).parts[0])


@pytest.fixture(scope="session")
def site() -> Iterator[PrintSite]:
    """A site that tests share; each makes devices and queues of its own."""
    with PrintSite() as shared:
        yield shared


@pytest.fixture
def own_site() -> Iterator[PrintSite]:
    """A site whose servers a test may stop."""
    with PrintSite() as own:
        yield own


@pytest.fixture(scope="session")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Real PDF files by their number of pages."""
    from pypdf import PdfWriter  # late: unit tests have no pypdf

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
