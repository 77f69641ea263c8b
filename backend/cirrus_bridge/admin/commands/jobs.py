"""`cirrusctl jobs`: what became of print jobs, in CUPS and in the cloud."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cirrus_bridge.admin.find_jobs import find_jobs
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.job_view import STATES, JobView
from cirrus_bridge.admin.output import AsJson, Output
from cirrus_bridge.admin.table import Column, Shape

WATCH_S = 2.0
NONE = "There are no such jobs."


def _color(state: str | None) -> str:
    if state in ("delivered", "saved", "completed"):
        return "green"
    if state in ("deleted", "trashed", "unknown to the server", "aborted", "canceled", "stopped"):
        return "red"
    return "yellow" if state in ("waiting", "received", "held") else ""


_COLUMNS = (
    Column("job", "JOB"),
    Column("queue", "QUEUE"),
    Column("user", "USER", shape=Shape.LEFT_OUT),
    Column("title", "TITLE", shape=Shape.SHORTENED),
    Column("created", "CREATED", shape=Shape.LEFT_OUT),
    Column("state", "IN CUPS", _color),
    Column("progress", "PROGRESS", shape=Shape.PERCENTAGE),
    Column("target", "DEVICE"),
    Column("cloud_job", "CLOUD JOB", shape=Shape.LEFT_OUT),
    Column("cloud_state", "IN THE CLOUD", _color),
    Column("says", "SAYS", shape=Shape.NOTE),
)


def _states(incomplete: str) -> list[str]:
    return [state for state in STATES if state.startswith(incomplete)]


def _known_state(states: list[str]) -> list[str]:
    for state in states:
        if state not in STATES:
            raise typer.BadParameter(f"'{state}' is none of {', '.join(STATES)}")
    return states


def command(
    queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Of this queue.", show_default=False)
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Of this user.", show_default=False)
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(metavar="ID", help="For devices of this location.", show_default=False),
    ] = None,
    state: Annotated[
        list[str],
        typer.Option(
            metavar="STATE",
            help="In this state in CUPS; may be given several times.",
            autocompletion=_states,
            callback=_known_state,
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    ended: Annotated[
        int, typer.Option(min=0, metavar="N", help="So many of the jobs that ended last, too.")
    ] = 20,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on looking.")] = False,
    as_json: AsJson = False,
) -> None:
    """List print jobs, in CUPS and in the cloud.

    All that have not ended, and the last that have; the newest first.
    """
    output = Output(as_json)

    def look() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        installation = Installation.of(os.environ)
        views = [
            view
            for view in find_jobs(installation, ended=ended)
            if queue in (None, view.queue)
            and user in (None, view.user)
            and (location is None or location in _locations(view))
            and (not state or view.state in state)
        ]
        return [row for view in views for row in view.rows], [view.document for view in views]

    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            output.watch(_again_and_again(look), _COLUMNS, NONE)
        return
    rows, document = look()
    output.rows(rows, _COLUMNS, none=NONE, document=document)


def _again_and_again(look: Any) -> Iterator[Any]:
    clock = Installation.of(os.environ).clock
    while True:
        yield look()
        clock.sleep(WATCH_S)


def _locations(view: JobView) -> set[str]:
    return {each.target.location for document in view.documents for each in document.deliveries}
