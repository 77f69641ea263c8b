"""`cirrusctl job`: shows the history of one print job."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.cells import cell_len

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.translation import joined, tr, translated
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.own import find_own_job, sees_only_own_jobs
from cirrus_bridge.cirrusctl.jobs.view import find_job
from cirrus_bridge.cirrusctl.output.output import AsJson, Output

_TITLES = (
    ("title", tr("Title")),
    ("queue", tr("Queue")),
    ("user", tr("User")),
    ("state", tr("In CUPS")),
    ("message", tr("Message")),
)


def command(
    job: Annotated[int, typer.Argument(metavar="JOB", help="The job's number in CUPS.")],
    as_json: AsJson = False,
) -> None:
    """Show the history of one job.

    Shows from CUPS and the journal when the job was created, accepted, received and delivered.
    Users other than root see their own jobs, as far as CUPS knows them.
    """
    output = Output(as_json)
    installation = Installation.here()
    is_user = sees_only_own_jobs(installation)
    view = find_own_job(installation, job) if is_user else find_job(installation, job)
    if view is None:
        nowhere = tr("There is no job {job}, neither in CUPS nor in the journal.", job=job)
        if is_user:
            nowhere = tr("You have no job {job} in CUPS.", job=job)
        raise CupsGone(nowhere, tr("See cirrusctl jobs."))
    about = view.document
    width = max(cell_len(translated(title)) for _, title in _TITLES) + len(": ")
    lines: list[str] = [tr("Job {job}", job=job)]
    for key, title in _TITLES:
        if about[key]:
            head = translated(title) + ":"
            lines.append(joined(" ", (f"  {head}{' ' * (width - cell_len(head))}", about[key])))
    for at, what in view.moments:
        lines.append(joined("  ", (f"{at:%Y-%m-%d %H:%M:%S}", what)))
    output.document(
        about | {"moments": [each._asdict() for each in view.moments]}, joined("\n", lines)
    )
