"""`cirrusctl apply`: gives CUPS the queues of queues.toml, and offers its printers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cirrus_bridge.base.translation import joined, marked, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, problem, with_code
from cirrus_bridge.cirrusctl.queues.apply import ApplyResult, apply, turn
from cirrus_bridge.cirrusctl.queues.plan import Action
from cirrus_bridge.cirrusctl.queues.queues_file import FILE

_SIGNS = {Action.ADD: "+", Action.CHANGE: "~", Action.REMOVE: "-", Action.KEEP: "="}

# done, or to be done (--dry-run)
COUNTED = {
    Action.ADD: (marked("{count} added"), marked("{count} would be added")),
    Action.CHANGE: (marked("{count} changed"), marked("{count} would be changed")),
    Action.REMOVE: (marked("{count} removed"), marked("{count} would be removed")),
}


def command(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show the changes without making them.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also remove undeclared queues that have jobs, or whose device may still "
            "exist. Their jobs are lost.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the queues and printers that queues.toml declares.

    Changes only queues that this command has added. Removes a queue that is no longer declared,
    unless it has jobs. If the file declares printers without drivers, bridge.toml gets their list.
    """
    output = Output(as_json)
    installation = Installation.here()
    waiting = tr("Waiting for another cirrusctl apply to finish.")
    with turn(installation.config, lambda: output.remark(waiting)):
        applied = apply(installation, dry_run=dry_run, force=force)
    output.document(_document(applied, dry_run), joined("\n", _lines(applied, dry_run)))
    if applied.is_cups_away:
        output.remark(tr("CUPS does not answer. Queues that were declared before stay."))
    if not applied.is_as_declared:
        raise typer.Exit(ExitStatus.FAILED)


def _document(applied: ApplyResult, dry_run: bool) -> dict[str, Any]:
    return {
        "changed": any(step.action in COUNTED for step in applied.steps)
        or any(applied.printers or ()),
        "as_declared": applied.is_as_declared,
        "dry_run": dry_run,
        "queues": [
            {
                "name": step.name,
                "action": step.action,
                "reason": step.reason,
                "differences": [each._asdict() for each in step.differences],
            }
            for step in applied.steps
        ],
        "printers": applied.printers and applied.printers._asdict(),
        "problems": [{"name": each.name, **problem(each.error)} for each in applied.problems],
        "warnings": [
            {"name": name, "message": joined(" ", (text, fix)), "do": fix}
            for name, text, fix in applied.warnings
        ],
    }


def _lines(applied: ApplyResult, dry_run: bool) -> Iterator[str]:
    for sign, devices in zip("+-", applied.printers or (), strict=False):
        yield from (f"{sign} [printers] {device}" for device in devices)
    for step in applied.steps:
        if step.action is not Action.NONE:
            head = f"{_SIGNS[step.action]} {step.name}"
            yield joined(": ", (head, step.reason)) if step.reason else head
        for each in step.differences:
            was = f"{each.now} → " if each.now else ""
            yield joined("", (f"    {each.what}: {was}", each.wanted or tr("(removed)")))
    for name, error in applied.problems:
        yield joined(" ", (f"! {name}:", with_code(error)))
    for name, text, fix in applied.warnings:
        yield joined(" ", (f"? {name}:", text, fix))
    counts = {action: sum(s.action is action for s in applied.steps) for action in Action}
    parts = [
        tr(COUNTED[action][dry_run], count=counts[action]) for action in COUNTED if counts[action]
    ] or [tr("nothing would be changed") if dry_run else tr("nothing was changed")]
    parts.append(tr("{count} as declared", count=counts[Action.NONE]))
    if not applied.is_as_declared:
        missing = len(applied.problems) + counts[Action.KEEP]
        parts.append(tr("{count} not as declared", count=missing))
    yield tr("Queues of {file}: {counts}.", file=FILE, counts=joined(", ", parts))
