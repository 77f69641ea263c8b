"""`cirrusctl logs`: what the poller and CUPS have logged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from cirrus_bridge.base.translation import joined
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.log_lines import LogLine, NotRead, log_lines
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output
from cirrus_bridge.cups.cupsd import find_daemon

FOLLOW_S = 1.0
FOLLOWED_LINES = 1000  # so many new ones at once, at most


def command(
    job: Annotated[
        int | None,
        typer.Option(
            metavar="JOB", help="Only what is about this job of CUPS.", show_default=False
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, metavar="N", help="Show at most this many lines.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep showing new lines until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the poller and CUPS have logged.

    From the system's journal and CUPS's error_log. Without a job, of CUPS only what is about Cirrus
    Bridge, or severe. With --json, each of their lines is one line of JSON.
    """
    output = Output(as_json)
    folder = find_daemon(Installation.of(os.environ).cups_address).server_root
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(output, folder, job, lines)
        return
    found, failed = _first(output, folder, job, lines)
    if failed and not found:
        raise typer.Exit(ExitStatus.FAILED)


def _first(
    output: Output, folder: Path, job: int | None, most: int
) -> tuple[list[LogLine], list[NotRead]]:
    found, failed = log_lines(folder, job=job, most=most)
    for source, why in failed:
        output.remark(joined(" ", (joined("", ("! ", source, ":")), why)))
    _show(output, found)
    return found, failed


def _follow(output: Output, folder: Path, job: int | None, most: int) -> None:
    clock = Installation.of(os.environ).clock
    known, _ = _first(output, folder, job, most)
    while True:
        clock.sleep(FOLLOW_S)
        found, _ = log_lines(folder, job=job, most=max(most, FOLLOWED_LINES))
        since = known[-1].at if known else None
        new = [line for line in found if line not in known and (not since or line.at >= since)]
        _show(output, new)
        known = [*known, *new][-FOLLOWED_LINES:]


def _show(output: Output, lines: list[LogLine]) -> None:
    for line in lines:
        which = f" job {line.job}" if line.job is not None else ""
        head = f"{line.at:%Y-%m-%d %H:%M:%S} {line.program}{which}"
        output.event(line._asdict(), f"{head}: {line.text}")
