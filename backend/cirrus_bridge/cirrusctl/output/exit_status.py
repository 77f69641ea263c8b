"""The exit statuses of cirrusctl and their meanings."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from cirrus_bridge.base.errors import (
    ApiError,
    CirrusError,
    CupsAway,
    CupsRefused,
    JournalError,
    QueueError,
    UsageError,
)


class ExitStatus(enum.IntEnum):
    """The exit status of a command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    SERVER = 4
    CUPS = 5
    JOURNAL = 6


MEANINGS: Mapping[ExitStatus, str] = {
    ExitStatus.DONE: "done, or nothing to do",
    ExitStatus.FAILED: "something failed; the output says what",
    ExitStatus.USAGE: "the command line is wrong",
    ExitStatus.CONFIGURATION: "the configuration, or a queue's URI, is wrong",
    ExitStatus.SERVER: "a print server cannot be used",
    ExitStatus.CUPS: "CUPS does not answer, or refuses",
    ExitStatus.JOURNAL: "the journal cannot be read",
}
_BY_ERROR: tuple[tuple[type[CirrusError], ExitStatus], ...] = (
    (UsageError, ExitStatus.USAGE),
    (QueueError, ExitStatus.CONFIGURATION),
    (ApiError, ExitStatus.SERVER),
    (CupsAway, ExitStatus.CUPS),
    (CupsRefused, ExitStatus.CUPS),
    (JournalError, ExitStatus.JOURNAL),
)


def exit_status(error: CirrusError) -> ExitStatus:
    """The exit status of a command that ended with `error`."""
    return next(
        (status for kind, status in _BY_ERROR if isinstance(error, kind)), ExitStatus.FAILED
    )


def help_text() -> str:
    """A sentence with all statuses, for the program's help."""
    listed = (f"{status.value} {meaning}" for status, meaning in MEANINGS.items())
    return f"Exit status: {'; '.join(listed)}."
