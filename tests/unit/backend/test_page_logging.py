"""Whether pdftopdf counts the pages in the next run of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.backend.page_logging import OFF, ON, setting_to_change
from cirrus_bridge.base.errors import Disposition
from cirrus_bridge.base.model import DocumentKey, PrintJob, Target
from cirrus_bridge.cups.status_lines import EXIT_CODES
from cirrus_bridge.journal.submissions import Journal
from stubs import EPOCH_S, empty_journal

DONE, HOLD, CANCEL, RUN_AGAIN, FAIL = (
    EXIT_CODES[Disposition[name]] for name in ("DONE", "HOLD", "CANCEL", "RUN_AGAIN", "FAIL")
)


@pytest.mark.parametrize(
    ("counted", "number", "code", "before", "change"),
    [
        ([1], 1, HOLD, ON, OFF),  # the job is run again
        ([1], 1, FAIL, ON, OFF),
        ([1], 1, RUN_AGAIN, ON, OFF),
        ([1], 1, HOLD, OFF, None),  # and again
        ([1, 2], 2, DONE, OFF, ON),  # and is over: a person may restart it
        ([1, 2], 2, DONE, ON, None),
        ([1, 2], 2, CANCEL, OFF, ON),
        ([1], 1, DONE, OFF, ON),  # the next document was not printed yet
        ([1], 1, DONE, ON, None),
        ([1, 2], 1, DONE, ON, OFF),  # the next document was printed
        ([1, 2], 1, DONE, OFF, None),
        ([1, 2], 2, RUN_AGAIN, ON, OFF),  # only the second document is run again
        ([], 1, HOLD, ON, None),  # no run has read a document
    ],
)
def test_next_run(
    tmp_path: Path, counted: list[int], number: int, code: int, before: str, change: str | None
) -> None:
    """The next run does not count a document of this print that an earlier run has counted."""
    options = {} if before == ON else {"page-logging": before}
    job = PrintJob(1, "urn:uuid:1", "ann", "x", 1, "q", options=options, documents=2, number=number)
    with Journal(empty_journal(tmp_path / "state")) as journal:
        for print_run, numbers in ((0, [1, 2]), (1600, counted)):
            for each in numbers:
                key = DocumentKey(job.job_uuid, job.job_id, print_run, "cirrus://h/C/L:D", each)
                journal.intent(key, job, [Target("L", "D")], now_s=EPOCH_S)
        entries = journal.entries(job.job_uuid, job.job_id)
    if not counted:
        entries = []
    assert setting_to_change(job, code, entries) == change
