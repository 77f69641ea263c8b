"""`cirrusctl job`: shows the history of one print job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from rich.cells import cell_len

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.translation import joined, tr, translated
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.own import find_own_job, sees_only_own_jobs
from cirrus_bridge.cirrusctl.jobs.printer_jobs import find_printer_job, lacks_cups
from cirrus_bridge.cirrusctl.jobs.view import JobView, Origin, find_job
from cirrus_bridge.cirrusctl.output.codes import Explanation, explanations
from cirrus_bridge.cirrusctl.output.output import AsJson, Output

_TITLES = (
    ("title", tr("Title")),
    ("queue", tr("Queue")),
    ("user", tr("User")),
    ("client", tr("From")),
    ("state", tr("State")),
    ("message", tr("Message")),
)
_CAUSE, _TO_DO = tr("Cause"), tr("What to do")
_CODE = re.compile(r"\bCB-\d{3}\b")


def command(
    job: Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")],
    origin: Annotated[
        Origin | None,
        typer.Option(
            metavar="ORIGIN",
            help="The job of CUPS (cups), or of a printer without a driver (printers).",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the history of one job.

    Shows from CUPS and the journal when the job was created, accepted, received and delivered. CUPS
    and the printers without drivers both number their jobs. Without --origin, the job of CUPS is
    shown if both have one.
    If the job's message has an error code, also shows the cause and what to do.
    Users other than root see their own jobs, as far as CUPS knows them.
    """
    output = Output(as_json)
    installation = Installation.here()
    is_user = sees_only_own_jobs(installation)
    views = list(_found(installation, job, origin, is_user=is_user))
    if not views:
        nowhere = tr("There is no job {job}, neither in CUPS nor in the journal.", job=job)
        if is_user and origin is not Origin.PRINTERS:
            nowhere = tr("You have no job {job} in CUPS.", job=job)
        raise CupsGone(nowhere, tr("See cirrusctl jobs."))
    view = views[0]
    about = view.document
    causes = _causes(about["message"])
    said = [(title, about[key]) for key, title in _TITLES if about[key]]
    for cause in causes:
        said.append((_CAUSE, joined(" ", (cause.what, f"({cause.code})"))))
        if cause.do:
            said.append((_TO_DO, cause.do))
    moments = [joined("  ", (f"{at:%Y-%m-%d %H:%M:%S}", what)) for at, what in view.moments]
    output.document(
        about
        | {"causes": [{"code": each.code, "what": each.what, "do": each.do} for each in causes]}
        | {"moments": [each._asdict() for each in view.moments]},
        joined("\n", [tr("Job {job}", job=job), *_aligned(said), *moments]),
    )
    if len(views) > 1:
        output.remark(
            tr(
                "A printer without a driver also has a job {job}: cirrusctl job {job} "
                "--origin printers",
                job=job,
            )
        )


def _found(
    installation: Installation, job: int, origin: Origin | None, *, is_user: bool
) -> Iterator[JobView]:
    """The jobs with this number: that of CUPS, then that of a printer without a driver."""
    if origin is Origin.CUPS or (origin is None and not lacks_cups(installation)):
        view = find_own_job(installation, job) if is_user else find_job(installation, job)
        if view is not None:
            yield view
    if origin is Origin.PRINTERS or (origin is None and not is_user):
        view = find_printer_job(installation, job)
        if view is not None:
            yield view


def _causes(message: str) -> list[Explanation]:
    """The explanations of the codes in a job's message, which is for the person who printed."""
    codes = dict.fromkeys(_CODE.findall(message))
    return [known for code in codes if (known := explanations().get(code))]


def _aligned(said: Iterable[tuple[str, str]]) -> Iterable[str]:
    """The lines of titles and texts, with the texts in one column."""
    heads = [(f"{translated(title)}:", text) for title, text in said]
    width = max((cell_len(head) for head, _ in heads), default=0)
    for head, text in heads:
        yield joined(" ", (f"  {head}{' ' * (width - cell_len(head))}", text))
