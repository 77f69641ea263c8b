"""`cirrusctl job`: one print job's way, from the queue to the devices."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cirrus_bridge.admin.exit_status import ExitStatus
from cirrus_bridge.admin.find_jobs import find_job
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.output import AsJson, Output

_TITLES = (
    ("title", "Title"),
    ("queue", "Queue"),
    ("user", "User"),
    ("state", "In CUPS"),
    ("message", "Says"),
)


def command(
    job: Annotated[int, typer.Argument(metavar="JOB", help="CUPS's number of the job.")],
    as_json: AsJson = False,
) -> None:
    """Show one job's way.

    As CUPS and the journal have it: when it came, was accepted by the cloud, received, delivered.
    """
    output = Output(as_json)
    view = find_job(Installation.of(os.environ), job)
    if view is None:
        output.remark(f"There is no job {job}, neither in CUPS nor in the journal.")
        raise typer.Exit(ExitStatus.FAILED)
    about = view.document
    lines = [f"Job {job}"]
    lines += [f"  {title + ':':<9} {about[key]}" for key, title in _TITLES if about[key]]
    lines += [f"{moment.at:%Y-%m-%d %H:%M:%S}  {moment.what}" for moment in view.moments]
    output.document(
        about | {"moments": [each._asdict() for each in view.moments]}, "\n".join(lines)
    )
