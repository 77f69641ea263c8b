"""The exit statuses of cirrusctl, which mean the same in each command."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from cirrus_bridge.base import errors
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.cirrusctl.mistakes import UnknownName


class ExitStatus(enum.IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    SERVER = 4
    CUPS = 5
    JOURNAL = 6
    UNKNOWN = 7
    HOST = 8


MEANINGS: Mapping[ExitStatus, str] = {
    ExitStatus.DONE: "done, or nothing to do",
    ExitStatus.FAILED: "something does not work; the output says what",
    ExitStatus.USAGE: "the command line is wrong",
    ExitStatus.CONFIGURATION: "the configuration, or a queue's URI, is wrong",
    ExitStatus.SERVER: "a print server cannot be used",
    ExitStatus.CUPS: "CUPS does not answer, or refuses",
    ExitStatus.JOURNAL: "the journal cannot be read",
    ExitStatus.UNKNOWN: "there is no job, queue, device, server or code of this name",
    ExitStatus.HOST: "a host gave no answer (--host, --inventory)",
}
# the first match counts
_BY_ERROR: Mapping[type[CirrusError], ExitStatus] = {
    UnknownName: ExitStatus.UNKNOWN,
    errors.CupsGone: ExitStatus.UNKNOWN,
    errors.UnknownServer: ExitStatus.UNKNOWN,
    errors.UsageError: ExitStatus.USAGE,
    errors.QueueError: ExitStatus.CONFIGURATION,
    errors.ApiError: ExitStatus.SERVER,
    errors.CupsAway: ExitStatus.CUPS,
    errors.CupsRefused: ExitStatus.CUPS,
    errors.JournalError: ExitStatus.JOURNAL,
}


def exit_status(error: CirrusError) -> ExitStatus:
    found = (status for kind, status in _BY_ERROR.items() if isinstance(error, kind))
    return next(found, ExitStatus.FAILED)
