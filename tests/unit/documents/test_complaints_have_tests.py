"""Every complaint about other bridges that concerns this one has a test that names its thread."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from paths import REPO

TESTS = REPO / "tests"
THREADS = (
    "apple/cups#3810",  # printed again after a reboot
    "apple/cups#669, #953, #4073",  # a lost status answer sends the job again
    "OpenPrinting/cups-browsed#75",  # deleted on purpose, retried forever
    "simoncadman/CUPS-Cloud-Print#96",  # a field of another type stops every queue
    "simoncadman/CUPS-Cloud-Print#118",  # "Printing Failed", and no reason
    "apple/cups#2555",  # an outage stops the queue or drops jobs
    "armooo/cloudprint#93",  # queued forever without a message
    "armooo/cloudprint#28",  # a page of HTML ends the daemon
    "apple/cups#2328",  # only the first of several files is printed
    "apple/cups#5541, OpenPrinting/cups#149, #499",  # copies lost, or squared
    "CUPS-Cloud-Print's own copy loop",  # one submit for each copy
    "apple/cups#4757, #5735, #5544, PR #5123",  # any failure stops the queue
    "apple/cups#4185, #3661",  # the job never ends
    "apple/cups#5372, #3174, #1259",  # credentials of the URI are shown
    "apple/cups#3307, #2026, OpenPrinting/cups#641, apple/cups#3596",  # slow discovery
    "apple/cups#5485, #853",  # the proxy does not reach the backend
    "captdriver#50, OpenPrinting/cups#206, xpra#2265, cloud-print-connector#387",  # confinement
    "apple/cups#2181, #2935",  # EACCES without a message
    "simoncadman/CUPS-Cloud-Print#102",  # a title in another script
    "cloud-print-connector#279",  # Custom.595x842
    "apple/cups#6198",  # landscape is turned twice
    "cloud-print-connector#334, #343",  # finished jobs again; files pile up
    "cloud-print-connector#459, apple/cups#1122",  # "printed", while the far end was offline
)


def _docstrings(path: Path) -> list[str]:
    return [
        " ".join((ast.get_docstring(node) or "").split())
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.fixture(scope="module")
def docstrings() -> list[str]:
    """The docstrings of all tests."""
    return [text for path in TESTS.rglob("test_*.py") for text in _docstrings(path)]


@pytest.mark.parametrize("thread", THREADS)
def test_it_has_one(docstrings: list[str], thread: str) -> None:
    """A test names the complaint's thread in its docstring."""
    assert any(thread in text for text in docstrings)
