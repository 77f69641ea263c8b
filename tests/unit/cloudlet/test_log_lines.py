"""The limit on the lines of the cloud's log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from cirrus_cloudlet.log_lines import LineLimit, describe


class Log:
    """A logger with a limit and a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._text = io.StringIO()
        handler = logging.StreamHandler(self._text)
        handler.addFilter(LineLimit(lambda: self.now_s))
        self.logger = logging.Logger("limited")
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self._text.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    yield Log()


def test_lines_of_a_kind(log: Log) -> None:
    """20 lines of each kind are logged in a minute, and then a count of the rest."""
    for number in range(100):
        log.logger.error("a client at %s failed", number)
    log.logger.error("another")
    assert len(log.lines) == 21
    log.now_s = 60
    log.logger.error("a client at %s failed", "x")
    log.logger.error("a client at %s failed", "y")
    assert log.lines[21:] == [
        "a client at x failed [80 earlier lines left out]",
        "a client at y failed",
    ]


def test_lines_in_all(log: Log) -> None:
    """The log has at most 200 lines in a minute, of all kinds together."""
    for number in range(1000):
        log.logger.error(f"kind {number}")
    assert len(log.lines) == 200


def test_tracebacks_count_as_lines(log: Log) -> None:
    """A traceback belongs to its line."""
    for _ in range(1000):
        log.logger.error("failed", exc_info=ValueError("x"))
    assert sum("failed" in line for line in log.lines) == 20


def test_unexpected_errors() -> None:
    """An error is described in one line, without its text."""
    try:
        int("secret\ntext")
    except ValueError as error:
        line = describe(error)
    assert line.startswith("ValueError at test_log_lines.py:")
    assert "secret" not in line
