"""The list of jobs as a file for spreadsheets (CSV), with the filters of the page.

The file is sent while it is read, so its size costs no memory.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.storage.job_lists import Filter
from cirrus_cloudlet.storage.jobs import Job
from cirrus_cloudlet.storage.text_index import PERSON
from cirrus_cloudlet.translation import answering, language, tr
from cirrus_cloudlet.web.job_list import FILTERS, read_filter
from cirrus_cloudlet.web.job_views import state_of
from cirrus_cloudlet.web.routes import Route, Visit

_JOBS = 500  # that are read at once
_MARK = "\ufeff"  # tells spreadsheets that the file is UTF-8
# what makes a cell a formula, also in its full-width form (OWASP, CSV injection). In many
# languages, spreadsheets begin a cell at a semicolon instead of a comma
_FORMULA = re.compile(r"""(^|[;|\t\r\n])(?=[ "']*[=+\-@\t\r\n＝＋－＠])""")


async def _export(visit: Visit) -> Response:
    _, wanted = read_filter(visit)
    return StreamingResponse(
        _pieces(visit, wanted, language()),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="jobs.csv"'},
    )


async def _pieces(visit: Visit, wanted: Filter, of_visit: str) -> AsyncIterator[str]:
    """The file, page by page, in the language of the visit."""
    with answering(of_visit):
        head = _written([_head()])
    yield _MARK + head
    before: int | None = None
    while True:
        page = await visit.share.run(visit.cloud.lists.page, wanted, _JOBS, before)
        with answering(of_visit):
            rows = _written([_row(visit, job) for job in page.jobs])
        yield rows
        before = page.next
        if before is None:
            return


def _head() -> list[str]:
    return [
        tr("Job"),
        tr("Submitted"),
        tr("Title"),
        tr("Person"),
        tr("Location"),
        tr("Device"),
        tr("State"),
        tr("Delivered"),
        tr("Bytes"),
        tr("Message"),
    ]


def _row(visit: Visit, job: Job) -> list[str]:
    location, device = visit.cloud.inventory.current().find(job.company, job.location, job.device)
    word, _ = state_of(job, device)
    texts = (
        job.title,
        job.props.get(PERSON, ""),
        (location.name if location else "") or job.location,
        (device.name if device else "") or job.device,
    )
    submitted, delivered = (timestamp(at) or "" for at in (job.submitted, job.delivered))
    return [
        *(job.id, submitted),
        *map(_safe, texts),
        *(word, delivered, str(job.size), _safe(job.message)),
    ]


def _safe(text: str) -> str:
    """A text that no spreadsheet calculates."""
    return _FORMULA.sub(r"\1'", text)


def _written(rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


ROUTES = (Route("/jobs.csv", "GET", _export, fields=FILTERS),)
