"""Status lines in CUPS's form, with any text."""

from __future__ import annotations

import io

from cirrus_bridge.base.errors import KeyRefused
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
    """An error is one ERROR line with its code. The detail goes to the log."""
    stream = io.BytesIO()
    code = CupsReport(stream).error(KeyRefused("Key refused.", detail="status 401"))
    assert code == 3
    assert stream.getvalue() == b"DEBUG: status 401\nERROR: Key refused. (CB-402)\n"


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
