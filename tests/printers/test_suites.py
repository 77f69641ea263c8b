"""The test suites of ipptool(1), on a printer of ours and on CUPS's own `ippeveprinter`."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.ipp.message import Attribute, Group, JobState, Operation
from cirrus_bridge.ipp.values import Keyword
from ipptool_suites import FAILED, PASSED, SKIPPED, SUITES, Results, Suites
from lan import lan
from printer_site import PrinterSite, eventually

_INVENTORY = """
[[company]]
id = "Acme"

[[location]]
company = "Acme"
id = "Paris"

[[device]]
company = "Acme"
location = "Paris"
id = "Laser1"
type = "file"
printer = { driver = "MFP", port = "LPT1:", color = true, duplex = true, trays = [
    "Tray 1", "Tray 2",
], papers = ["A4", "Letter", "4x6"] }
"""
_DECLARED = """
[[device]]
targets = ["*:*"]
finishings.staple-top-left = "Staple=TL"
print-quality.draft = "Quality=1"
print-quality.high = "Quality=3"
"""
_ATTRIBUTES = "get-printer-attributes-suite.test"
# The test says that it requests media-col-database alone, but its request has 'all'. It expects
# that all other attributes are missing.
_CONTRADICTION = ("Get-Printer-Attributes (requested-attributes='media-col-database')", 0)
# 300 and 600 dpi, sgray_8 and srgb_8: 22 samples, each with three kinds of compression. The samples
# of other resolutions and pixels are not for this printer, and ipptool skips them.
_RASTER_PRINTS, _OTHER_RASTER_PRINTS = 66, 366
# What no device of the cloud does: fetch documents itself, put several pages on a sheet, print
# banner sheets. PostScript is for devices that take it. The tests of print-quality never run: they
# look for the attribute print-quality of printers, which does not exist.
_NOT_OFFERED = ("-URI", "PostScript", "2-Up", "Standard Sheet", " Quality")
_BEFORE_SEND_URI = "RFC 8011 section 4.2.4: Create-Job Operation"
_PEER = (
    *("ippeveprinter", "-2", "-s", "10,10", "-p", "8631", "-n", "localhost", "-c", "/bin/true"),
    *("-f", "application/pdf,image/jpeg,image/pwg-raster", "peer"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrinterSite]:
    shared = PrinterSite(inventory=_INVENTORY)
    (shared.config / "devices.toml").write_text(_DECLARED)
    with shared:
        yield shared


@pytest.fixture(scope="module")
def ours(site: PrinterSite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """The results of the suites on our printer."""
    suites = Suites(tmp_path_factory.mktemp("ours") / "suites")
    return {suite: suites.run(suite, site.uri, lambda *words: words) for suite in SUITES}


def test_each_suite(ours: dict[str, Results]) -> None:
    """No test fails, but for the one that contradicts itself. A test that ipptool skips is about
    what the printer does not offer."""
    failed = {suite: _with(results, FAILED) for suite, results in ours.items()}
    assert failed == {suite: [] for suite in SUITES} | {_ATTRIBUTES: [_CONTRADICTION]}
    everywhere = ours["ipp-everywhere.test"]
    raster = collections.Counter(
        result for (name, _), result in everywhere.items() if "dpi, " in name
    )
    assert raster == {PASSED: _RASTER_PRINTS, SKIPPED: _OTHER_RASTER_PRINTS}
    skipped = {name for name, _ in _with(everywhere, SKIPPED) if "dpi, " not in name}
    about = {name for name in skipped if any(each in name for each in _NOT_OFFERED)}
    assert skipped - about == {_BEFORE_SEND_URI}


def test_documents_of_the_suites(site: PrinterSite, ours: dict[str, Results]) -> None:
    """Each document is delivered once, but for those that the suites cancel."""
    asked = [
        Attribute("which-jobs", [Keyword("completed")]),
        Attribute("requested-attributes", [Keyword("job-state"), Keyword("job-state-message")]),
    ]
    waiting = [Attribute("which-jobs", [Keyword("not-completed")])]
    eventually(lambda: not site.ask(Operation.GET_JOBS, waiting).all(Group.JOB), log=site.log)
    jobs = site.ask(Operation.GET_JOBS, asked).all(Group.JOB)
    assert ours["ipp-everywhere.test"]
    delivered = [job for job in jobs if job.number("job-state") == JobState.COMPLETED]
    assert len(delivered) == len(site.cloud.jobs()) > _RASTER_PRINTS
    others = [job for job in jobs if job not in delivered]
    assert {job.number("job-state") for job in others} == {JobState.CANCELED}
    assert all(job.text("job-state-message").startswith("The job was canceled") for job in others)


@pytest.mark.complete
def test_peer(ours: dict[str, Results], tmp_path: Path) -> None:
    """Our printer fails no test that CUPS's own one passes. `ippeveprinter` needs Avahi."""
    few = Suites(tmp_path / "suites", keeps_raster=_is_for_peer, delay_s=0.2)
    with lan("peer") as (machine,), machine.program(*_PEER):
        uri = "ipp://localhost:8631/ipp/print"
        answers = ("ipptool", "-q", uri, "get-printer-attributes.test")
        eventually(lambda: not machine.run(*answers).returncode)
        for suite in ("ipp-everywhere.test", _ATTRIBUTES):  # the first one includes the others
            theirs = few.run(suite, uri, machine.command)
            passed = _with(theirs, PASSED)
            failed_by_us = {test for test in passed if ours[suite].get(test) == FAILED}
            left_out = {name for name, _ in passed if ours[suite].get((name, 0)) is None}
            assert passed and not failed_by_us and not left_out, suite
            if suite == _ATTRIBUTES:
                assert theirs[_CONTRADICTION] == FAILED


def _with(results: Results, result: str) -> list[tuple[str, int]]:
    return [test for test, got in results.items() if got == result]


def _is_for_peer(sample: str) -> bool:
    """Whether `ippeveprinter` prints a sample: the same few kinds, and one document of each."""
    return sample in ("color.jpg-4x6-sgray-8-300dpi.pwg", "color.jpg-4x6-srgb-8-300dpi.pwg")
