"""`cirrusctl jobs`: lists print jobs in CUPS and in the cloud."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import typer

from cirrus_bridge.base.errors import CupsAway
from cirrus_bridge.base.translation import joined, tr, verbatim
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.fleet.options import (
    Hosts,
    HostTimeout,
    Inventory,
    Parallel,
    SshConfig,
    Sudo,
    fleet_of,
)
from cirrus_bridge.cirrusctl.fleet.report import report
from cirrus_bridge.cirrusctl.jobs.own import find_own_jobs, sees_only_own_jobs
from cirrus_bridge.cirrusctl.jobs.printer_jobs import (
    find_all_jobs,
    find_earlier_printer_jobs,
    lacks_cups,
)
from cirrus_bridge.cirrusctl.jobs.view import (
    STATES,
    JobView,
    Origin,
    find_earlier_jobs,
    job_rows,
)
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer, with_guess
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, Snapshot, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape, some
from cirrus_bridge.cirrusctl.queues.find import cloud_queues, unknown_queue
from cirrus_bridge.journal.history import MOST_ROWS

WATCH_S = 2.0
ENDED = 20
ONLY_OWN = tr("These are your own jobs in CUPS. Root sees all jobs, and each step to the device.")

MORE = tr(
    "! The journal has more than {count} documents; the oldest are left out.", count=MOST_ROWS
)
ONLY_PRINTERS = tr("CUPS is not running. These are the jobs of the printers without drivers.")


def _color(state: str | None) -> str:
    if state in ("delivered", "saved", "completed"):
        return "green"
    if state in ("deleted", "trashed", "unknown to the server", "aborted", "canceled", "stopped"):
        return "red"
    return "yellow" if state in ("waiting", "received", "held") else ""


_COLUMNS = (
    Column("job", tr("JOB")),
    Column("queue", tr("QUEUE")),
    Column("user", tr("USER"), shape=Shape.LEFT_OUT),
    Column("from", tr("FROM"), shape=Shape.LEFT_OUT),
    Column("title", tr("TITLE"), shape=Shape.SHORTENED),
    Column("created", tr("CREATED"), shape=Shape.LEFT_OUT),
    Column("state", tr("STATE"), _color),
    Column("progress", tr("PROGRESS"), shape=Shape.PERCENTAGE),
    Column("target", tr("DEVICE")),
    Column("cloud_job", tr("CLOUD JOB"), shape=Shape.LEFT_OUT),
    Column("cloud_state", tr("IN THE CLOUD"), _color),
    Column("says", tr("MESSAGE"), shape=Shape.NOTE),
)


class Filter(NamedTuple):
    """A filter for jobs with one of the `wanted` values; without such values, all jobs pass."""

    what: str
    wanted: Sequence[str | None]
    values: Callable[[JobView], set[str]]


def _states(incomplete: str) -> list[str]:
    return [state for state in STATES if state.startswith(incomplete)]


def _known_state(states: list[str]) -> list[str]:
    for state in states:
        if state not in STATES:
            wrong = tr("There is no state {state}.", state=state)
            states_there = tr("The states are {states}.", states=", ".join(STATES))
            raise WrongAnswer(wrong, with_guess(state, STATES, states_there))
    return states


def command(
    queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Only jobs of this queue.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only jobs of this user.")
    ] = None,
    location: Annotated[
        str | None, typer.Option(metavar="ID", help="Only jobs for devices of this location.")
    ] = None,
    state: Annotated[
        list[str],
        typer.Option(
            metavar="STATE",
            help="Only jobs in this state; may be given several times.",
            autocompletion=_states,
            callback=_known_state,
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer copies the list
    origin: Annotated[
        Origin | None,
        typer.Option(
            metavar="ORIGIN",
            help="Only jobs of CUPS (cups), or of clients of printers without drivers (printers).",
            show_default=False,
        ),
    ] = None,
    ended: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="How many of the last ended jobs to list, too."),
    ] = ENDED,
    before: Annotated[
        int | None,
        typer.Option(
            metavar="JOB",
            help="List only ended jobs, the last ones that ended before this job.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep the list up to date until Ctrl-C.")
    ] = False,
    host: Hosts = None,
    inventory: Inventory = None,
    ssh_config: SshConfig = None,
    sudo: Sudo = False,
    parallel: Parallel = None,
    host_timeout: HostTimeout = None,
    as_json: AsJson = False,
) -> None:
    """List print jobs in CUPS, of printers without drivers, and in the cloud.

    Lists all jobs that have not ended, and the last ended jobs. The newest job comes first. With
    --before and the last job of the list, the next older ones are listed: those of CUPS, or with
    --origin printers those of clients. Users other than root see their own jobs, as far as CUPS
    knows them.
    """
    output = Output(as_json)
    fleet = fleet_of(
        host, inventory, ssh_config, sudo=sudo, parallel=parallel, host_timeout=host_timeout
    )
    if fleet is not None:
        if watch or before is not None:
            raise WrongAnswer(
                tr("--watch and --before cannot be combined with --host or --inventory.")
            )
        words = _arguments(queue, user, location, state, origin, ended)
        nothing = tr("No host has such print jobs for the cloud.")
        raise typer.Exit(report(fleet, ["jobs", *words], output, _of_host, _COLUMNS, nothing))
    known_filters = (
        Filter(tr("queue"), [queue], lambda view: {view.queue}),
        Filter(tr("user"), [user], lambda view: {view.user}),
        Filter(tr("location"), [location], _locations),
        Filter(tr("state"), state, lambda view: {view.state}),
    )
    filters = [each for each in known_filters if any(each.wanted)]

    installation = Installation.here()

    def look() -> Snapshot:
        known, is_all = _found(installation, origin, before, ended)
        if queue is not None and not watch:
            _check_queue(queue, known)
        views = [view for view in known if all(f.values(view) & {*f.wanted} for f in filters)]
        rows = [row for view in views for row in view.rows]
        note = "" if is_all else MORE
        return Snapshot(rows, [view.document for view in views], _none(known, filters), note)

    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            output.watch(_snapshots(look, as_json=as_json), _COLUMNS)
        return
    rows, document, none, note = look()
    output.rows(rows, _COLUMNS, none=none, document=document)
    for text in filter(None, (note, _part(installation, origin))):
        output.remark(text)


def _found(
    installation: Installation, origin: Origin | None, before: int | None, ended: int
) -> tuple[list[JobView], bool]:
    """The jobs that this user may see, and whether the whole journal was read."""
    if before is not None:
        is_cups = origin is not Origin.PRINTERS
        find_earlier = find_earlier_jobs if is_cups else find_earlier_printer_jobs
        return find_earlier(installation, before, ended=ended)
    if sees_only_own_jobs(installation) and origin is not Origin.PRINTERS:
        return find_own_jobs(installation, ended=ended), True
    return find_all_jobs(installation, origin, ended=ended)


def _part(installation: Installation, origin: Origin | None) -> str:
    """What is missing in the list; empty if nothing is."""
    if sees_only_own_jobs(installation):
        return ONLY_OWN
    return ONLY_PRINTERS if origin is None and lacks_cups(installation) else ""


def _arguments(
    queue: str | None,
    user: str | None,
    location: str | None,
    states: Sequence[str],
    origin: Origin | None,
    ended: int,
) -> list[str]:
    """The options for other hosts. Defaults are left out, so that a rule of sudo is short."""
    options = {"--queue": queue, "--user": user, "--location": location, "--origin": origin}
    words = [f"{name}={value}" for name, value in options.items() if value is not None]
    words += [f"--state={state}" for state in states]
    return [*words, f"--ended={ended}"] if ended != ENDED else words


def _of_host(document: Any) -> Iterator[dict[str, Any]]:
    """The rows of another host; its states are words of ours. Raises ValueError and the like."""
    for job in document:
        if job["progress"] not in (None, *range(101)):
            raise ValueError(job["progress"])
        created = datetime.fromisoformat(job["created"]) if job["created"] else None
        for row in job_rows({**job, "created": created}):
            states = {key: verbatim(row[key]) for key in ("state", "cloud_state") if row.get(key)}
            yield {**row, **states}


def _check_queue(name: str, known: Sequence[JobView]) -> None:
    """Refuse the name of a queue that has no jobs and does not exist."""
    if name not in (there := {view.queue for view in known}):
        there |= {queue.name for queue in cloud_queues(Installation.here())}
        if name not in there:
            raise unknown_queue(name, there)


def _none(known: Sequence[JobView], filters: Iterable[Filter]) -> str:
    if not known:
        return tr("There are no print jobs for the cloud.")
    there = (
        (each.what, some(sorted(value for view in known for value in each.values(view))))
        for each in filters
    )
    listed = joined("; ", (joined(" ", (what, values or tr("none"))) for what, values in there))
    return tr("None of {count} jobs matches. There are: {listed}.", count=len(known), listed=listed)


def _snapshots(look: Callable[[], Snapshot], *, as_json: bool) -> Iterator[Snapshot]:
    """Yield a snapshot every WATCH_S seconds.

    While CUPS is away, for example during a restart, people see the last snapshot with a note.
    """
    clock = Installation.here().clock
    seen = look()
    yield seen
    while True:
        clock.sleep(WATCH_S)
        try:
            seen = look()
        except CupsAway as error:
            if not as_json:
                yield seen._replace(note=joined(" ", ("!", with_code(error))))
        else:
            yield seen


def _locations(view: JobView) -> set[str]:
    return {
        each.receipt.target.location for document in view.documents for each in document.deliveries
    }
