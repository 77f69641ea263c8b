"""Exit statuses of cirrusctl."""

from __future__ import annotations

from cirrus_bridge.base.errors import (
    BadConfiguration,
    CupsAway,
    CupsGone,
    CupsNotPossible,
    JournalBusy,
    KeyRefused,
    StartOver,
    UnknownServer,
)
from cirrus_bridge.cirrusctl.mistakes import UnknownName, WrongAnswer
from cirrus_bridge.cirrusctl.output.exit_status import MEANINGS, ExitStatus, exit_status


def test_exit_statuses() -> None:
    """Each kind of error has an exit status, and each status a meaning."""
    assert set(MEANINGS) == set(ExitStatus)
    wanted = {
        WrongAnswer: 2,
        BadConfiguration: 3,
        KeyRefused: 4,
        CupsAway: 5,
        CupsNotPossible: 5,
        JournalBusy: 6,
        CupsGone: 7,
        UnknownName: 7,
        UnknownServer: 7,
        StartOver: 1,
    }
    assert {kind: int(exit_status(kind(""))) for kind in wanted} == wanted
