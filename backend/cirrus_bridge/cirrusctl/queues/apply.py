"""Use case: give CUPS the queues that queues.toml declares, and leave other queues unchanged. Offer
the printers without drivers that it declares.

After each change, the queue is read again, because CUPS may ignore a change. A problem with one
queue does not affect the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.errors import CirrusError, CupsAway, CupsRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import ask
from cirrus_bridge.cirrusctl.queues import plan, wanted
from cirrus_bridge.cirrusctl.queues.plan import Action, Step
from cirrus_bridge.cirrusctl.queues.queues_file import declared_printers, read_queues
from cirrus_bridge.cirrusctl.queues.ready_papers import advice, unready_papers
from cirrus_bridge.cirrusctl.queues.wanted import DeclaredQueue, QueueProblem, noted
from cirrus_bridge.config.chosen_devices import add_devices, remove_devices
from cirrus_bridge.cups.queues import CupsQueues, Queue

LOCK = ".apply.lock"


class PrinterChange(NamedTuple):
    """Targets that `[printers]` of bridge.toml gets, and those that it loses."""

    added: Sequence[str]
    removed: Sequence[str]


class PaperWarning(NamedTuple):
    """A declared queue whose default paper phones do not offer, and what to do in cupsd.conf."""

    name: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The steps that were done, or would be done, the problems with queues, and warnings about
    queues that are as declared.

    Attributes:
        printers: None if queues.toml declares no printers without drivers.
        is_cups_away: whether CUPS did not answer, which matters only if there are queues.
    """

    steps: Sequence[Step]
    problems: Sequence[QueueProblem]
    warnings: Sequence[PaperWarning] = ()
    printers: PrinterChange | None = None
    is_cups_away: bool = False

    @property
    def is_as_declared(self) -> bool:
        """Whether our queues in CUPS are, or would be, exactly those declared."""
        return not self.problems and all(step.action is not Action.KEEP for step in self.steps)


@contextlib.contextmanager
def turn(config: Path, tell_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, so that two runs do not undo each other's changes.

    The lock has its own file, which only root can open. The other files may have been made readable
    to other users, who could then hold a lock on them.

    Args:
        tell_wait: called first if another process holds the lock.
    """
    try:
        handle = os.open(config / LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:  # without folder or permission, later steps fail; the disk may be read-only
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def apply(installation: Installation, *, dry_run: bool, force: bool) -> ApplyResult:
    """Apply queues.toml.

    Args:
        dry_run: change nothing, and only return what would be done.
        force: also remove queues that have jobs, or whose device may still exist.

    Raises:
        CirrusError: the configuration is wrong, or CUPS cannot be reached.
    """
    entries = read_queues(installation.config, installation.configuration.servers)
    printers = _apply_printers(installation, dry_run=dry_run)
    cups = installation.cups
    try:
        queues = {queue.name.lower(): queue for queue in cups.queues()}
    except CupsAway:
        if entries or printers is None:
            raise
        return ApplyResult([], [], printers=printers, is_cups_away=True)
    answers = ask(installation, wanted.places(entries))
    declared, problems = wanted.declared_queues(entries, answers, functools.cache(cups.driver))
    steps: list[Step] = []
    for queue in declared:
        there = queues.get(queue.name.lower())
        with noted(problems, queue.name):
            if there is not None:
                plan.refuse_queue_of_another_entry(queue, there, entries, answers)
            steps.append(_step(cups, queue, there))
    names = {queue.name.lower() for queue in declared}
    names |= {problem.name.lower() for problem in problems}
    steps += [
        plan.leftover_step(queue, entries, answers, force=force)
        for name, queue in queues.items()
        if queue.mark is not None and name not in names
    ]
    if not dry_run:
        steps = _carry_out(cups, steps, declared, problems)
    return ApplyResult(steps, problems, _warnings(cups, declared), printers)


def _apply_printers(installation: Installation, *, dry_run: bool) -> PrinterChange | None:
    """Make the list of `[printers]` in bridge.toml the declared one, if one is declared."""
    declared = declared_printers(installation.config)
    if declared is None:
        return None
    there = installation.configuration.printers.devices
    added = [each for each in declared if each not in there]
    removed = [each for each in there if each not in declared]
    if not dry_run:
        remove_devices(installation.config / "bridge.toml", removed)
        add_devices(installation.config / "bridge.toml", added)
    return PrinterChange(added, removed)


def _step(cups: CupsQueues, declared: DeclaredQueue, queue: Queue | None) -> Step:
    installed = plan.InstalledDriver()
    if queue is not None and queue.mark is not None:
        asked = {*declared.entry.options, *queue.mark.options}
        its_defaults = cups.defaults(queue.name, sorted(asked))
        installed = plan.InstalledDriver(cups.ppd(queue.name), its_defaults)
    return plan.step_for(declared, queue, installed)


def _carry_out(
    cups: CupsQueues,
    steps: Sequence[Step],
    declared: Sequence[DeclaredQueue],
    problems: list[QueueProblem],
) -> list[Step]:
    done: list[Step] = []
    away: CupsAway | None = None
    for step in steps:
        with noted(problems, step.name):
            if away is not None:  # the other steps need not wait for cupsd
                raise away
            try:
                if step.action in (Action.ADD, Action.CHANGE):
                    cups.set_queue(step.name, step.change, is_new=step.action is Action.ADD)
                elif step.action is Action.REMOVE:
                    cups.delete_queue(step.name)
            except CupsAway as error:
                away = error
                raise
            done.append(step)
    changed = {step.name.lower() for step in done if step.action in (Action.ADD, Action.CHANGE)}
    if away is None and changed:
        queues = {queue.name.lower(): queue for queue in cups.queues()}
        for queue in declared:
            if queue.name.lower() in changed:
                with noted(problems, queue.name):
                    _check_taken(_step(cups, queue, queues.get(queue.name.lower())))
    return done


def _check_taken(step: Step) -> None:
    if step.differences:
        what = ", ".join(difference.what for difference in step.differences)
        raise CupsRefused(tr("CUPS ignored the change to {what}.", what=what))


def _warnings(cups: CupsQueues, declared: Sequence[DeclaredQueue]) -> list[PaperWarning]:
    names = {queue.name.lower() for queue in declared}
    with contextlib.suppress(CirrusError):  # if cupsd is away, that is a problem of the queues
        papers = cups.papers()
        ours = (p.queue for p in papers if p.is_announced and p.queue.lower() in names)
        unready = unready_papers(papers, {name: cups.ppd(name) for name in ours})
        unready = [each for each in unready if each.default]
        fix = advice(papers, (each.default for each in unready))
        return [PaperWarning(each.queue, each.text, fix) for each in unready]
    return []
