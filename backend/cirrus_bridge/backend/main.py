"""The CUPS backend `cirrus` (backend(7)): what a worker does, behind the supervisor or a front.

Without arguments, it lists devices. With five or six, it prints a document and follows it. Every
run ends with one message for people and one exit code. An unexpected error holds the job.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cirrus_bridge.backend.call import Call
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Disposition,
    InternalError,
    JobUnidentified,
    JournalBusy,
    UsageError,
)
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import FOLDER
from cirrus_bridge.cups.job import USAGE
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport, wait_until_read
from cirrus_bridge.journal.run_notes import Run

if TYPE_CHECKING:
    from cirrus_bridge.api.client import SessionFor
    from cirrus_bridge.config.load import Configuration


class Ended(NamedTuple):
    """The end of a run: its exit code, and whether an unexpected error ended it."""

    code: int
    is_faulty: bool = False


def run(
    call: Call,
    noted: Run,
    clock: Clock,
    configuration: Configuration | None = None,
    session_for: SessionFor | None = None,
    is_needed: Callable[[], bool] = lambda: False,
) -> Ended:
    """Do the run `noted` for a call of the backend.

    Args:
        clock: watches signals already.
        configuration: the configuration for the call, if it was read already.
        session_for: returns the session with a server; by default, sessions are new.
        is_needed: whether another job waits for this process.
    """
    report = CupsReport(call.stderr)
    try:
        return Ended(_run(call, report, clock, noted, configuration, session_for, is_needed))
    except CirrusError as error:
        if isinstance(error, JobUnidentified | JournalBusy):
            noted.held()
        code = report.error(error)
        # cupsd aborts a job with more documents at once, and stops reading
        wait_until_read(call.stderr.fileno(), clock)
        return Ended(code)
    except Exception:  # noqa: BLE001 - last resort: hold the job and keep the queue going
        import traceback  # takes 10 ms

        for line in traceback.format_exc().splitlines():
            report.debug(line)
        if len(call.argv) == 1:
            text = tr("Internal error in Cirrus Bridge. Its devices are not listed. (CB-900)")
            report.fault(text)
            return Ended(EXIT_CODES[Disposition.HOLD], is_faulty=True)
        fault = InternalError(
            tr("Internal error in Cirrus Bridge."),
            tr("The job is held; the error log has the details. Release the job to try again."),
        )
        return Ended(report.error(fault), is_faulty=True)


def _run(
    call: Call,
    report: CupsReport,
    clock: Clock,
    noted: Run,
    configuration: Configuration | None,
    session_for: SessionFor | None,
    is_needed: Callable[[], bool],
) -> int:
    if len(call.argv) == 1:
        from cirrus_bridge.backend.list_devices import list_devices  # printing does not need it

        list_devices(Path(call.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER), report, clock)
        return EXIT_CODES[Disposition.DONE]
    if len(call.argv) not in (6, 7):
        call.stderr.write(f"{USAGE}\n".encode())
        raise UsageError(tr("The backend was called with a wrong number of arguments."))
    from cirrus_bridge.backend import print_job  # discovery does not need it

    configuration = configuration or print_job.configuration_for(call)
    return print_job.print_job(
        call, configuration, report, clock, noted.number, session_for, is_needed
    )
