"""The CUPS backend `cirrus` (backend(7)): the process that works, behind the supervisor.

No argument: discovery. Five or six: print one document and follow it. Whatever happens ends in
one message for people and one exit code. An error that nobody foresaw holds the job.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Disposition,
    JobUnidentified,
    JournalBusy,
    UsageError,
)
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import FOLDER
from cirrus_bridge.cups.job import USAGE
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport, wait_until_read
from cirrus_bridge.journal.run_notes import Run


def run(noted: Run, cupsd: int) -> int:
    """All of the run that was noted so and that the process `cupsd` has started; the exit code."""
    report = CupsReport(sys.stderr.buffer)
    clock = Clock()
    clock.watch_signals()
    try:
        return _run(sys.argv, os.environ, report, clock, noted, cupsd)
    except CirrusError as error:
        if isinstance(error, JobUnidentified | JournalBusy):
            noted.held()
        code = report.error(error)
        # cupsd aborts a job that has more documents at once, and reads no more
        wait_until_read(sys.stderr.fileno(), clock)
        return code
    except Exception:  # noqa: BLE001 - the last net: the job is kept and the queue goes on
        import traceback  # 10 ms that hardly any job needs

        for line in traceback.format_exc().splitlines():
            report.debug(line)
        then = (
            tr("The job is held; the error log has the details. Release the job to try again.")
            if len(sys.argv) > 1
            else tr("Its devices are not listed.")
        )
        report.fault(tr("Internal error in Cirrus Bridge. {then} (CB-900)", then=then))
        return EXIT_CODES[Disposition.HOLD]


def _run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    report: CupsReport,
    clock: Clock,
    noted: Run,
    cupsd: int,
) -> int:
    folder = Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
    if len(argv) == 1:
        from cirrus_bridge.backend.list_devices import list_devices  # printing does not need it

        list_devices(folder, environ, report, clock)
        return EXIT_CODES[Disposition.DONE]
    if len(argv) not in (6, 7):
        sys.stderr.write(USAGE + "\n")
        raise UsageError(tr("The backend was called with a wrong number of arguments."))
    from cirrus_bridge.backend.print_job import print_job  # discovery does not need it

    return print_job(folder, argv, environ, report, clock, number=noted.number, cupsd=cupsd)
