"""Tables for terminals and for programs."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from rich.cells import cell_len

from cirrus_bridge.cirrusctl.output.table import Column, Shape, table

TODAY = date(2026, 11, 24)
COLUMNS = (
    Column("job", "JOB"),
    Column("user", "USER", shape=Shape.LEFT_OUT),
    Column("title", "TITLE", shape=Shape.SHORTENED),
    Column("never", "NEVER"),
    Column("at", "AT", shape=Shape.LEFT_OUT),
    Column("progress", "PROGRESS", shape=Shape.PERCENTAGE),
    Column("says", "SAYS", shape=Shape.NOTE),
)
ROWS = [
    {
        "job": 1,
        "user": "somebody",
        "title": "A long title with \N{CJK UNIFIED IDEOGRAPH-5370}\N{CJK UNIFIED IDEOGRAPH-5237}",
        "at": datetime(2026, 11, 24, 9, 12, 30, tzinfo=UTC),
        "progress": 50,
        "says": "much that people should read before they do anything about it " * 3,
    },
    {"job": 12, "user": "x", "title": "short", "at": None, "progress": None, "says": ""},
]


@pytest.mark.parametrize("width", [120, 65, 45, 36])
def test_a_terminal(width: int) -> None:
    """Every line fits, empty columns are left out, and free text is below its row."""
    lines = [line.plain for line in table(ROWS, COLUMNS, width, TODAY)]
    assert all(cell_len(line) <= width for line in lines)
    assert "NEVER" not in lines[0] and "SAYS" not in lines[0] and "TITLE" in lines[0]
    assert ("USER" in lines[0]) is (width > 40)
    assert ("AT" in lines[0]) is (width > 50)
    assert lines[2].startswith("    much that people")
    assert lines[-1].startswith("12 ")
    assert "\u2501" * 5 + "\u2500" * 5 in lines[1]  # distinct without colors, too
    assert ("\u2026" in lines[1]) is (width < 60)


def test_a_terminal_gets_the_date_of_another_day() -> None:
    """Times of another day have a date, times of today have seconds."""
    at = {"at": ROWS[0]["at"]}
    lines = [table([at], COLUMNS, 80, day)[1].plain for day in (TODAY, date(2026, 11, 25))]
    assert lines == ["09:12:30", "2026-11-24 09:12"]


def test_no_terminal() -> None:
    """Each row is a line with all values, and with numbers instead of bars."""
    first, second, third = (line.plain for line in table(ROWS, COLUMNS, None, TODAY))
    assert first.split() == [column.title for column in COLUMNS]
    assert "50 %" in second and str(ROWS[0]["says"]).strip() in second
    assert str(ROWS[0]["title"]) in second
    assert third.startswith("12 ")
