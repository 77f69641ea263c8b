"""Status lines in CUPS's form, with any text."""

from __future__ import annotations

import io

import pytest

from cirrus_bridge.base.errors import BadQueueUri, KeyRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cups.status_lines import CupsReport


def test_one_line_a_message() -> None:
    """A line break in a text, for example of a server, cannot begin another message."""
    stream = io.BytesIO()
    CupsReport(stream).info("paper jam\nATTR: job-media-progress=1\rSTATE: +x")
    assert stream.getvalue().count(b"\n") == 1
    assert stream.getvalue().startswith(b"INFO: paper jam ATTR:")


def test_long_and_odd_text() -> None:
    """A line fits cupsd's buffer and is valid UTF-8."""
    stream = io.BytesIO()
    CupsReport(stream).info("ü" * 5000 + "\ud800")
    line = stream.getvalue()
    assert len(line) < 1100
    assert line.decode("utf-8").endswith("…\n")


def test_connecting_to_device_is_set_and_taken_back_once() -> None:
    """The reason is set at the first failure and removed at the first success."""
    stream = io.BytesIO()
    report = CupsReport(stream)
    for _ in range(2):
        report.server_away("away")
    for _ in range(2):
        report.server_back()
    states = [line for line in stream.getvalue().splitlines() if line.startswith(b"STATE")]
    assert states == [b"STATE: +connecting-to-device", b"STATE: -connecting-to-device"]


def test_error_gives_message_code_and_exit_code() -> None:
    """An error is one ERROR line with its code, for the person who printed. The text for the
    administrator and the detail go to the log."""
    stream = io.BytesIO()
    error = KeyRefused("h refused the key.", "Put another into servers.d.", detail="status 401")
    assert CupsReport(stream).error(error) == 3
    assert stream.getvalue().decode().splitlines() == [
        "DEBUG: status 401",
        "ERROR: The print server did not accept this printer's key. Tell your administrator. "
        "(CB-402)",
        "WARNING: h refused the key. Put another into servers.d. (CB-402)",
        "INFO: ",
    ]


def test_only_a_queue_that_stops_keeps_the_message() -> None:
    """The text about a job does not stay at the queue, where everyone reads it."""
    stream = io.BytesIO()
    assert CupsReport(stream).error(BadQueueUri("The URI is wrong.")) == 4
    assert stream.getvalue().splitlines()[-1] == (
        b"INFO: This printer is not set up correctly. Tell your administrator. (CB-201)"
    )


def test_the_log_is_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job speaks the language of its owner, and the log the administrator's."""
    monkeypatch.setenv("LANGUAGE", "de")
    stream = io.BytesIO()
    CupsReport(stream).error(KeyRefused(tr("CUPS sent an incomplete response.")))
    person, log = stream.getvalue().decode().splitlines()[:2]
    assert person.startswith("ERROR: Der Druckserver hat den Schlüssel")
    assert log == "WARNING: CUPS sent an incomplete response. (CB-402)"


def test_closed_stream_does_no_harm() -> None:
    """A closed stream does not fail the job."""
    stream = io.BytesIO()
    stream.close()
    CupsReport(stream).info("x")


def test_pages() -> None:
    """CUPS takes a total, which it can compare with its own count."""
    stream = io.BytesIO()
    CupsReport(stream).pages(7)
    assert stream.getvalue() == b"PAGE: total 7\n"
