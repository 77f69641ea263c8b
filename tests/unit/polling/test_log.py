"""The poller's log."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.delivery.events import WARNING, Change
from cirrus_bridge.polling.log import MOST_LINES, PERIOD_S, LimitedLog


class _SetClock(Clock):
    at_s = 1000.0

    def monotonic_s(self) -> float:
        return self.at_s


@pytest.mark.attacker("server")
def test_news_without_end() -> None:
    """Change a job's message without end: the log has a limited number of lines, and says how many
    were left out."""
    written: list[Change] = []
    clock = _SetClock()
    log = LimitedLog(clock, written.append)
    for number in range(1000):
        clock.at_s += 0.1
        log(Change("failing", f"page {number}", WARNING, "q", 5, target="Paris:L"))
    assert [change.text for change in written] == [f"page {n}" for n in range(MOST_LINES)]
    log(Change("delivered", "Delivered", queue="q", job_id=5, target="Paris:L"))
    assert written[-1].text == "Delivered"
    clock.at_s += PERIOD_S
    log(Change("failing", "page 1000", WARNING, "q", 5, target="Paris:L"))
    summary, last = written[-2:]
    assert summary.text == "980 lines like this were left out; the last one: page 999"
    assert (summary.event, summary.job_id, summary.target) == ("failing", 5, "Paris:L")
    assert last.text == "page 1000"


def test_other_lines_are_not_left_out() -> None:
    """Many lines about one job or server leave out none about others."""
    written: list[Change] = []
    log = LimitedLog(_SetClock(), written.append)
    for number in range(3 * MOST_LINES):
        log(Change("server-away", "x", server="a"))
        log(Change("received", "", queue="q", job_id=number))
    log(Change("server-away", "x", server="b"))
    assert written[-1].server == "b"
    assert len(written) == MOST_LINES + 3 * MOST_LINES + 1
    log.close()
    assert written[-1].text.startswith("40 lines like this were left out")
    log.close()
    assert len(written) == 4 * MOST_LINES + 2
