"""What the poller and CUPS have logged, in one order: the system's journal, and error_log of CUPS.

Reads both and writes nothing. A source that can not be read is told of, and costs only its lines.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cirrus_bridge.base.subprocesses import ProgramFailed, read_program
from cirrus_bridge.base.translation import tr

POLLER, CUPSD = "cirrus-statusd", "cupsd"
_ERROR_LOG = Path("/var/log/cups/error_log")  # cups-files.conf(5)
_IN_JOURNAL = ("syslog", "stderr")
_TAIL_BYTES = 4 << 20  # of error_log that are looked through,
_JOURNAL_LINES = 20_000  # and lines of the system's journal
_LIMIT_S = 20.0
_ENTRY = re.compile(r"([A-Za-z]) \[(\d\d/\w{3}/\d{4}:[0-9:.]+ [+-]\d{4})\] (.*)")
_JOB = re.compile(r"(?:\[Job |\bjob=)(\d+)\b")
_OURS = re.compile(r"cirrus|\(CB-\d{3}\)", re.IGNORECASE)
# cupsd registers each queue's colour profiles at colord, and takes every no for a warning
_OTHERS = re.compile(r"\bColorManager\b|\bcolord\b")
_SEVERE = tuple("XAECW")  # levels of error_log(5): emergency, alert, error, critical, warning


class LogLine(NamedTuple):
    """A line: when, which program wrote it, for which job of CUPS if it says so, and what."""

    at: datetime
    program: str
    job: int | None
    text: str


class NotRead(NamedTuple):
    """A source that could not be read, and why."""

    source: str
    why: str


def log_lines(
    cups_folder: Path, *, job: int | None, most: int
) -> tuple[list[LogLine], list[NotRead]]:
    """The last lines, the oldest first.

    Args:
        cups_folder: where cups-files.conf is.
        job: only of this job; else all of the poller, and of CUPS what is about us, or severe.
        most: how many at most.
    """
    path = _error_log(cups_folder)
    failed: list[NotRead] = []
    found: list[LogLine] = []
    programs = [POLLER] if path else [POLLER, CUPSD]
    try:
        found += _from_journal(programs, most if job is None else _JOURNAL_LINES)
    except ProgramFailed as error:
        failed.append(NotRead(tr("the system's journal"), f"journalctl {error}"))
    try:
        found += _from_error_log(path) if path else ()
    except OSError as error:
        failed.append(NotRead(str(path), error.strerror or "unreadable"))
    wanted = [line for line in found if (_is_telling(line) if job is None else line.job == job)]
    return sorted(wanted, key=lambda line: line.at)[-most:], failed


def _from_journal(programs: list[str], most: int) -> Iterator[LogLine]:
    named = [word for program in programs for word in ("-t", program)]
    data = read_program(
        ["journalctl", "--no-pager", "-q", "-o", "json", "-n", str(most), *named], limit_s=_LIMIT_S
    )
    for line in data.splitlines():
        entry = json.loads(line)
        text = _message(entry.get("MESSAGE"))
        at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6, UTC).astimezone()
        yield LogLine(at, str(entry.get("SYSLOG_IDENTIFIER", "")), _job(text), text)


def _message(value: Any) -> str:
    """A message as journalctl(1) has it. Everybody can log, in our name as well, and anything."""
    match value:
        case str():
            return value
        case [int(), *_]:  # what is no UTF-8
            return bytes(value).decode("utf-8", "replace")
        case list():  # several
            return " ".join(map(_message, value))
        case _:  # none, or one that is too long
            return ""


def _from_error_log(path: Path) -> Iterator[LogLine]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        data = file.read()
    for line in data.decode("utf-8", "replace").split("\n"):  # U+2028 and others end no line
        if entry := _ENTRY.fullmatch(line):
            level, time, text = entry.groups()
            form = "%d/%b/%Y:%H:%M:%S.%f %z" if "." in time else "%d/%b/%Y:%H:%M:%S %z"
            with contextlib.suppress(ValueError):  # no time, so none of cupsd's lines
                at = datetime.strptime(time, form).astimezone()
                yield LogLine(at, CUPSD, _job(text), f"{level} {text}")


def _is_telling(line: LogLine) -> bool:
    if line.program != CUPSD:
        return True
    if line.job is None and _OTHERS.search(line.text):
        return False
    return line.text.startswith(_SEVERE) or bool(_OURS.search(line.text))


def _job(text: str) -> int | None:
    found = _JOB.search(text)
    return int(found[1]) if found else None


def _error_log(cups_folder: Path) -> Path | None:
    """Where cupsd logs; None if to the system's journal."""
    try:
        text = (cups_folder / "cups-files.conf").read_text("utf-8", "replace")
    except OSError:
        return _ERROR_LOG
    named = re.search(r"^\s*ErrorLog\s+(\S+)", text, re.MULTILINE | re.IGNORECASE)
    if named and named[1] in _IN_JOURNAL:
        return None
    return cups_folder / named[1] if named else _ERROR_LOG
