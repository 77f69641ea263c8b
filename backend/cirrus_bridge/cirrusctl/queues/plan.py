"""A plan for `cirrusctl apply`: queues in CUPS and declared queues → a step for each queue. Pure.

A queue without the mark of `apply` is not changed. A queue that is no longer declared is removed,
unless it has jobs. A queue of a glob is kept until its server reports that the device is gone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cirrus_bridge.base.errors import CupsNotPossible
from cirrus_bridge.base.globs import matches
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, tr, trn
from cirrus_bridge.cirrusctl.queues import ppd_defaults
from cirrus_bridge.cirrusctl.queues.find import uri_of
from cirrus_bridge.cirrusctl.queues.queues_file import GENERATED, QueueEntry
from cirrus_bridge.cirrusctl.queues.wanted import Answers, DeclaredQueue
from cirrus_bridge.cups.queues import MARK, RAW, Queue, QueueChange

# CUPS's options → the driver's. If one queue has such a default, lp sends the option with the jobs
# of all queues.
_DRIVERS_WORDS = {"sides": "Duplex", "media": tr("PageSize or InputSlot")}


class Action(enum.Enum):
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"  # removed only by --force
    NONE = "none"


class Difference(NamedTuple):
    """A setting of a queue, its value now and the declared one; empty if there is no value."""

    what: str
    now: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Step:
    """The step for one queue; `reason` says why the queue is removed or kept."""

    name: str
    action: Action
    change: QueueChange = field(default_factory=QueueChange)
    differences: tuple[Difference, ...] = ()
    reason: str = ""


class InstalledDriver(NamedTuple):
    """A queue's PPD, and its defaults of CUPS's own options."""

    ppd: str | None = None
    defaults: Mapping[str, str] = {}


def step_for(wanted: DeclaredQueue, queue: Queue | None, installed: InstalledDriver) -> Step:
    """The step that makes a queue as declared.

    Raises:
        CirrusError: the queue cannot be made or changed.
    """
    _refuse(wanted, queue)
    entry, change = wanted.entry, wanted.change
    driver = installed.ppd if queue is not None else change.ppd
    if queue is not None and wanted.trouble is not None:
        # the last seen state of the device may be older than the queue
        ppd = None if entry.driver == GENERATED else change.ppd
        change = replace(change, ppd=ppd, info=None, location=None)
    of_driver, of_cups = _split_options(entry, change.ppd or installed.ppd)
    former = queue.mark.options if queue is not None and queue.mark else ()
    dropped = [name for name in former if name not in entry.options]
    change = replace(
        change,
        ppd=_driver_wanted(change.ppd, installed.ppd, of_driver, dropped),
        defaults=dict.fromkeys(name for name in dropped if name in installed.defaults)
        | {name: text for name, text in of_cups.items() if installed.defaults.get(name) != text},
    )
    differences = tuple(_differences(change, queue, installed, driver or ""))
    if queue is None:
        return Step(wanted.name, Action.ADD, change, differences)
    if differences or queue.mark != change.mark:
        return Step(queue.name, Action.CHANGE, change, differences)
    return Step(queue.name, Action.NONE)


def _refuse(wanted: DeclaredQueue, queue: Queue | None) -> None:
    """Refuse a queue that must not be changed, or cannot be made now."""
    trouble = wanted.trouble
    if queue is not None and queue.is_class:
        hint = tr(
            "Give the entry another name, or remove the class (lpadmin -x {name}).", name=queue.name
        )
        raise CupsNotPossible(tr("CUPS already has a class {name}.", name=queue.name), hint)
    if queue is not None and queue.mark is None:
        raise CupsNotPossible(
            tr("CUPS already has a queue {name} that cirrusctl did not make.", name=queue.name),
            tr(
                "Give the entry another name, remove the queue (lpadmin -x {name}), "
                "or hand it over (lpadmin -p {name} -o "
                "{mark}-default=handed-over).",
                name=queue.name,
                mark=MARK,
            ),
        )
    if queue is None and wanted.change.ppd is None and trouble is not None:
        what = tr(
            "{trouble} Cannot make a driver without the server's description of the device.",
            trouble=trouble.message,
        )
        again = tr("Then run cirrusctl apply again.")
        hint = joined(" ", filter(None, (trouble.hint, again)))
        raise type(trouble)(what, hint, detail=trouble.detail)


def refuse_queue_of_another_entry(
    wanted: DeclaredQueue, queue: Queue, entries: Iterable[QueueEntry], answers: Answers
) -> None:
    """Refuse to take over another entry's queue while its device may come back.

    A queue's name may come from a device's name, which its server chooses. Jobs for one device must
    not go to another.

    Raises:
        CupsNotPossible: the queue belongs to another entry, and its device may come back.
    """
    name, owner = queue.name, queue.mark and queue.mark.entry
    for entry in entries:
        is_its = owner == entry.name != wanted.entry.name
        if is_its and _stands_for(entry, queue) and (why := _may_be_there(queue, answers)):
            hint = tr(
                "Give an entry another name, or remove the queue (lpadmin -x {name}).", name=name
            )
            raise CupsNotPossible(
                tr(
                    "The queue {name} belongs to the entry {entry}, and {why}.",
                    name=name,
                    entry=owner,
                    why=why,
                ),
                hint,
            )


def _stands_for(entry: QueueEntry, queue: Queue) -> bool:
    """Whether an entry's targets match all devices of a queue."""
    uri = uri_of(queue)
    return (
        uri is not None
        and (uri.server, uri.company) == (entry.server.name, entry.company)
        and all(
            # no id contains the colon, so a glob does not match across it
            any(matches(str(target), str(pattern)) for pattern in entry.targets)
            for target in uri.targets
        )
    )


def leftover_step(
    queue: Queue, entries: Iterable[QueueEntry], answers: Answers, *, force: bool
) -> Step:
    """The step for a queue of `apply` that is not declared."""
    declared = {entry.name for entry in entries}
    is_declared = queue.mark is not None and queue.mark.entry in declared
    if is_declared and (why := _may_be_there(queue, answers)) and not force:
        return Step(queue.name, Action.KEEP, reason=why)
    if queue.jobs and not force:
        jobs = trn("{count} job", "{count} jobs", queue.jobs)
        why = tr(
            "no longer declared, but has {jobs}; --force removes the queue and its jobs", jobs=jobs
        )
        return Step(queue.name, Action.KEEP, reason=why)
    return Step(queue.name, Action.REMOVE, reason=tr("no longer declared"))


def _may_be_there(queue: Queue, answers: Answers) -> str:
    """The reason why a queue's device may still exist; empty if the device is gone."""
    uri = uri_of(queue)
    if uri is None:
        return ""
    server = uri.server
    for target in uri.targets:
        answer = answers.get(Place(server, uri.company, target.location))
        if answer is None:
            continue  # no entry names this location
        if answer.error is not None:
            return tr(
                "{server} does not report whether {target} still exists",
                server=server,
                target=target,
            )
        if not answer.is_gone(target.device):
            return tr(
                "{target} is inactive at {server}, but still exists", target=target, server=server
            )
    return ""


def _split_options(entry: QueueEntry, ppd: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Split the entry's options into the driver's and CUPS's own."""
    known = {} if ppd in (None, RAW) else ppd_defaults.choices(ppd or "")
    options = {
        name: ppd_defaults.in_driver(name, text, known) for name, text in entry.options.items()
    }
    for mistake in _mistakes(options, known) if known else ():
        raise entry.table.bad(mistake)
    of_driver = {name: text for name, text in options.items() if name in known}
    return of_driver, {name: text for name, text in options.items() if name not in known}


def _mistakes(options: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, text in options.items():
        if name in _DRIVERS_WORDS:
            yield tr(
                "'options.{name}': write {drivers_words} for a queue with a driver (CUPS "
                "would apply {name} to the jobs of other queues, too)",
                name=name,
                drivers_words=_DRIVERS_WORDS[name],
            )
        elif name not in known and name != name.lower():
            # CUPS's own options are in lower case (RFC 8011, 5.1.4)
            yield tr(
                "'options.{name}': the driver has no such option (it has: {known})",
                name=name,
                known=", ".join(known),
            )
        elif text not in known.get(name, [text]):
            yield tr(
                "'options.{name}': the driver has no '{text}' (it has: {known})",
                name=name,
                text=text,
                known=", ".join(known[name]),
            )


def _driver_wanted(
    wanted: str | None, present: str | None, options: Mapping[str, str], dropped: Sequence[str]
) -> str | None:
    """The PPD to install, or RAW; None if the queue already has this driver."""
    if wanted == RAW:
        return None if present is None else RAW
    new = wanted if wanted is not None else present
    if new is None:
        return None
    text = ppd_defaults.with_defaults(new, present, options, dropped)
    return None if text == present else text


def _differences(
    change: QueueChange, queue: Queue | None, installed: InstalledDriver, driver: str
) -> Iterator[Difference]:
    """The settings that a change alters; a new queue is compared with its driver's defaults."""
    for name in ("device_uri", "info", "location", "shared", "error_policy"):
        now, value = getattr(queue, name, None), getattr(change, name)
        if value is not None and value != now:
            yield Difference(name, _word(now), _word(value))
    if change.ppd is not None:
        if installed.ppd is None or ppd_defaults.differs_beside_defaults(installed.ppd, change.ppd):
            now = _driver_name(installed.ppd or "")
            yield Difference("driver", now, _driver_name(change.ppd))
        before = ppd_defaults.defaults(driver)
        for option, choice in ppd_defaults.defaults(change.ppd).items():
            if before.get(option) not in (choice, None) and option != "PageRegion":
                yield Difference(option, before[option], choice)
    for name, text in change.defaults.items():
        yield Difference(name, installed.defaults.get(name, ""), text or "")


def _word(value: str | bool | None) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return value or ""


def _driver_name(ppd: str) -> str:
    if ppd == RAW:
        return RAW
    names = (line.partition(":")[2] for line in ppd.splitlines() if line.startswith("*NickName:"))
    return next(names, "").strip().strip('"')
