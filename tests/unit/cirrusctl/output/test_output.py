"""The output of cirrusctl, as text and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.cirrusctl.output.output import Output, Snapshot, complain
from cirrus_bridge.cirrusctl.output.table import Column

COLUMNS = (Column("name", "NAME"), Column("at", "AT"), Column("good", "GOOD"))
ROWS: list[dict[str, object]] = [
    {"name": "a\x1b[2J\u202eb", "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "good": True},
    {"name": "a long name " * 20, "at": None, "good": False, "more": ["x", "y"]},
]


def test_text_is_whole_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, nothing is cut, and no control sequences remain."""
    Output(False).rows(ROWS, COLUMNS, none="Nothing.")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["NAME", "AT", "GOOD"]
    assert lines[1].startswith(r"a\u001b[2J\u202eb ")
    assert lines[1].endswith("2026-01-02 03:04:05  yes")
    assert "a long name " * 19 in lines[2]


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has times in ISO 8601, and values that people are not shown."""
    Output(True).rows(ROWS, COLUMNS, none="Nothing.")
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {"name": ROWS[0]["name"], "at": "2026-01-02T03:04:05+00:00", "good": True}
    assert found[1]["more"] == ["x", "y"]


def test_json_is_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no control sequences, and a lone surrogate is no obstacle."""
    row = {"name": "\x9b2J\x7f\u2028\ud800é😀"}
    error = BadConfiguration(row["name"])
    output = Output(True)
    output.rows([row], COLUMNS, none="Nothing.")
    output.event(row, "")
    output.watch([Snapshot([], row, "")], COLUMNS)
    complain(error, as_json=True)
    text = capsys.readouterr().out
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("é😀") == 4
    first, end = json.JSONDecoder().raw_decode(text)
    assert first == [row]
    event, watched, complaint = map(json.loads, text[end:].split("\n")[1:-1])
    assert event == watched == row and complaint["error"]["message"] == str(error)


def test_a_list_that_changes_is_harmless_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remarks in place of rows and below them may contain foreign names."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if there were a terminal
    Output(False).watch([Snapshot([], None, "user a\x9b2Jb", "c\x1b]0;d")], COLUMNS)
    text = capsys.readouterr().out
    assert r"user a\u009b2Jb" in text and r"c\u001b]0;d" in text


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """People are told that there are none; programs get an empty list."""
    Output(False).rows([], COLUMNS, none="Nothing.")
    Output(True).rows([], COLUMNS, none="Nothing.")
    assert capsys.readouterr().out == "Nothing.\n[]\n"


def test_complaints(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors go to standard error for people, and to standard output for programs, with codes."""
    error = BadConfiguration("It is wrong.", detail="line\x1b3")
    complain(error, as_json=False)
    complain(error, as_json=True)
    out, err = capsys.readouterr()
    assert "It is wrong. (CB-202)" in err and "explain CB-202" in err and "\x1b" not in err
    assert json.loads(out)["error"]["code"] == "CB-202"
