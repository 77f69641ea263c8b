"""installer/docs/wire.md has every assumption that the doctor tries, and no other."""

from __future__ import annotations

import re

import pytest

from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.wire.examination import ASSUMPTIONS
from paths import REPO

PAGE = (REPO / "installer" / "docs" / "wire.md").read_text()
PACKAGE = REPO / "backend" / "cirrus_bridge"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| assumption", "| ---"))
]


def test_every_assumption_has_its_row() -> None:
    """Rows have the doctor's order, and a source."""
    assert [name for name, *_ in ROWS] == [str(each.name) for each in ASSUMPTIONS]
    assert all(re.match("API document|public manual|ours", source) for _, _, source, _ in ROWS)


PLACES = re.findall(r"`((?!tests/)[a-z_/]+/[a-z_]+\.py)`(?:: `(\w+)`)?", PAGE)


@pytest.mark.parametrize("place", dict.fromkeys(PLACES), ids=" ".join)
def test_every_place_exists(place: tuple[str, str]) -> None:
    """Each module exists in the package, and has the names of the table."""
    path, name = place
    assert re.search(rf"\b{name}\b", (PACKAGE / path).read_text())


def test_names_and_needs() -> None:
    """Names are unique, and an assumption needs only earlier ones."""
    names = [str(each.name) for each in ASSUMPTIONS]
    for number, each in enumerate(ASSUMPTIONS):
        assert names.count(str(each.name)) == 1
        assert set(each.needs) <= set(ASSUMPTIONS[:number])
        assert each.fix and each.severity in (Severity.WARNING, Severity.ERROR)
