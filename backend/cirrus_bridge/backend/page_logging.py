"""The setting that makes pdftopdf count the pages of each document once.

After a job was held or retried, CUPS runs all its filters again, and adds up their counts. An
option of pdftopdf in cups-filters turns its count off. pstops and rastertohp have no such option.
"""

from __future__ import annotations

from collections.abc import Iterable

from cirrus_bridge.base.errors import Disposition
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.cups.jobs import PAGE_LOGGING
from cirrus_bridge.cups.status_lines import EXIT_CODES
from cirrus_bridge.journal.documents import Document

ON, OFF = "auto", "off"


def setting_to_change(job: PrintJob, code: int, entries: Iterable[Document]) -> str | None:
    """The setting that the next run of the job needs; None if the job already has it.

    Args:
        code: the exit code of this run.
        entries: the journal's entries for the job, in the order of the runs.
    """
    listed = [entry.key for entry in entries]
    counted = {key.number for key in listed if key.print_run == listed[-1].print_run}
    wanted = OFF if _next_number(job, code) in counted else ON
    return None if wanted == job.options.get(PAGE_LOGGING, ON) else wanted


def _next_number(job: PrintJob, code: int) -> int:
    """The number of the document that CUPS prints next; 0 after the end of the job."""
    if code == EXIT_CODES[Disposition.RUN_AGAIN]:
        return job.number
    if code == EXIT_CODES[Disposition.DONE] and not job.is_last(job.number):
        return job.number + 1
    return 0 if code in (EXIT_CODES[Disposition.DONE], EXIT_CODES[Disposition.CANCEL]) else 1
