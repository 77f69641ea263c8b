"""Lines of the log that clients cause."""

import logging

import pytest

from cirrus_bridge.ipp_server.rare_lines import PERIOD_S, RareLines


def test_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Of each kind, one line a minute is logged, and the next one tells how many are missing."""
    now_s = [0.0]
    lines = RareLines(logging.getLogger("test"), lambda: now_s[0])
    with caplog.at_level(logging.INFO):
        for number in range(3):
            lines.log(logging.INFO, "a", f"a {number} %s")
        lines.log(logging.ERROR, "b", "b")
        now_s[0] = PERIOD_S
        lines.log(logging.INFO, "a", "a later")
        now_s[0] += PERIOD_S
        lines.log(logging.INFO, "a", "a again")
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", "a 0 %s"),
        ("ERROR", "b"),
        ("INFO", "a later (2 lines like this were left out)"),
        ("INFO", "a again"),
    ]
