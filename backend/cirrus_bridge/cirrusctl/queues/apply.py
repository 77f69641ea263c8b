"""Use case: give CUPS the queues that queues.toml declares, and leave other queues unchanged.

After each change, the queue is read again, because CUPS may ignore a change. A problem with one
queue does not affect the others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.errors import CirrusError, CupsAway, CupsRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import ask
from cirrus_bridge.cirrusctl.queues.plan import (
    Action,
    InstalledDriver,
    Step,
    leftover_step,
    refuse_queue_of_another_entry,
    step_for,
)
from cirrus_bridge.cirrusctl.queues.queues_file import read_queues
from cirrus_bridge.cirrusctl.queues.wanted import (
    DeclaredQueue,
    DeclaredQueues,
    QueueProblem,
    declared_queues,
    places,
)
from cirrus_bridge.cups.queues import CupsQueues, Queue


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The steps that were done, or would be done, and the problems with queues."""

    steps: Sequence[Step]
    problems: Sequence[QueueProblem]

    @property
    def has_changed(self) -> bool:
        """Whether a queue was changed, or would be changed."""
        return any(s.action in (Action.ADD, Action.CHANGE, Action.REMOVE) for s in self.steps)

    @property
    def is_as_declared(self) -> bool:
        """Whether our queues in CUPS are, or would be, exactly those declared."""
        return not self.problems and all(step.action is not Action.KEEP for step in self.steps)


def apply(installation: Installation, *, dry_run: bool, force: bool) -> ApplyResult:
    """Apply queues.toml.

    Args:
        dry_run: change nothing, and only return what would be done.
        force: also remove queues that have jobs, or whose device may still exist.

    Raises:
        CirrusError: the configuration is wrong, or CUPS cannot be reached.
    """
    servers = installation.configuration.servers
    entries = read_queues(installation.config, servers)
    cups = installation.cups
    queues = {queue.name.lower(): queue for queue in cups.queues()}
    answers = ask(
        places(entries, servers).items(),
        lambda server, location: installation.api(server).location(location),
        installation.devices_seen,
    )
    declared = declared_queues(entries, servers, answers, functools.cache(cups.driver))
    problems = list(declared.problems)
    steps: list[Step] = []
    for queue in declared.queues:
        there = queues.get(queue.name.lower())
        try:
            if there is not None:
                refuse_queue_of_another_entry(queue, there, entries, answers)
            steps.append(_step(cups, queue, there))
        except CirrusError as error:
            problems.append(QueueProblem(queue.name, error))
    leftovers = _leftovers(queues.values(), declared)
    steps += [leftover_step(left, entries, answers, force=force) for left in leftovers]
    if not dry_run:
        steps, failed = _carry_out(cups, steps, declared)
        problems += failed
    return ApplyResult(steps, problems)


def _step(cups: CupsQueues, declared: DeclaredQueue, queue: Queue | None) -> Step:
    """The step for a declared queue, given the queue in CUPS."""
    installed = InstalledDriver(None, {})
    if queue is not None and queue.mark is not None:
        asked = {*declared.entry.options, *queue.mark.options}
        installed = InstalledDriver(cups.ppd(queue.name), cups.defaults(queue.name, sorted(asked)))
    return step_for(declared, queue, installed)


def _leftovers(queues: Iterable[Queue], declared: DeclaredQueues) -> Iterator[Queue]:
    """Our queues that no entry declares."""
    names = {queue.name.lower() for queue in declared.queues}
    names |= {problem.name.lower() for problem in declared.problems}
    for queue in queues:
        if queue.mark is not None and queue.name.lower() not in names:
            yield queue


def _carry_out(
    cups: CupsQueues, steps: Sequence[Step], declared: DeclaredQueues
) -> tuple[list[Step], list[QueueProblem]]:
    """Do the steps, and return the completed steps and the problems."""
    done: list[Step] = []
    problems: list[QueueProblem] = []
    away: CupsAway | None = None
    for step in steps:
        try:
            if away is not None:
                raise away
            _do(cups, step)
        except CupsAway as error:  # the other steps need not wait for cupsd
            away = error
            problems.append(QueueProblem(step.name, error))
        except CirrusError as error:
            problems.append(QueueProblem(step.name, error))
        else:
            done.append(step)
    if away is None:
        problems += _not_taken(cups, done, declared)
    return done, problems


def _do(cups: CupsQueues, step: Step) -> None:
    match step.action:
        case Action.ADD | Action.CHANGE:
            cups.set_queue(step.name, step.change, is_new=step.action is Action.ADD)
        case Action.REMOVE:
            cups.delete_queue(step.name)


def _not_taken(
    cups: CupsQueues, done: Sequence[Step], declared: DeclaredQueues
) -> Iterator[QueueProblem]:
    """The changes that CUPS accepted but ignored."""
    changed = {step.name.lower() for step in done if step.action in (Action.ADD, Action.CHANGE)}
    if not changed:
        return
    queues = {queue.name.lower(): queue for queue in cups.queues()}
    for queue in declared.queues:
        if queue.name.lower() in changed:
            try:
                left = _step(cups, queue, queues.get(queue.name.lower())).differences
                if left:
                    what = ", ".join(difference.what for difference in left)
                    raise CupsRefused(tr("CUPS ignored the change to {what}.", what=what))
            except CirrusError as error:
                yield QueueProblem(queue.name, error)
