"""The CUPS backend `cirrus` (backend(7)): the process that works, behind the supervisor.

Without arguments, it lists devices. With five or six, it prints a document and follows it. Every
run ends with one message for people and one exit code. An unexpected error holds the job.
"""

from __future__ import annotations

import os
import sys
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
    """Do the run `noted`, which the process `cupsd` has started; return the exit code."""
    report, clock = CupsReport(sys.stderr.buffer), Clock()
    clock.watch_signals()
    try:
        return _run(report, clock, noted, cupsd)
    except CirrusError as error:
        if isinstance(error, JobUnidentified | JournalBusy):
            noted.held()
        code = report.error(error)
        # cupsd aborts a job with more documents at once, and stops reading
        wait_until_read(sys.stderr.fileno(), clock)
        return code
    except Exception:  # noqa: BLE001 - last resort: hold the job and keep the queue going
        import traceback  # takes 10 ms

        for line in traceback.format_exc().splitlines():
            report.debug(line)
        then = (
            tr("The job is held; the error log has the details. Release the job to try again.")
            if len(sys.argv) > 1
            else tr("Its devices are not listed.")
        )
        report.fault(tr("Internal error in Cirrus Bridge. {then} (CB-900)", then=then))
        return EXIT_CODES[Disposition.HOLD]


def _run(report: CupsReport, clock: Clock, noted: Run, cupsd: int) -> int:
    folder = Path(os.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
    if len(sys.argv) == 1:
        from cirrus_bridge.backend.list_devices import list_devices  # printing does not need it

        list_devices(folder, report, clock)
        return EXIT_CODES[Disposition.DONE]
    if len(sys.argv) not in (6, 7):
        sys.stderr.write(USAGE + "\n")
        raise UsageError(tr("The backend was called with a wrong number of arguments."))
    from cirrus_bridge.backend.print_job import print_job  # discovery does not need it

    return print_job(folder, report, clock, noted.number, cupsd)
