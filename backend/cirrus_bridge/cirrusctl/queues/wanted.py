"""The declared queues: entries of queues.toml and answers of servers → queues. Pure.

An entry with globs declares a queue for each matching active device. Any other entry declares one
queue. A problem affects only its own queue or entry.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from cirrus_bridge.base.errors import CirrusError, Refused
from cirrus_bridge.base.globs import is_glob, matches
from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.queues.names import fill, queue_name
from cirrus_bridge.cirrusctl.queues.queues_file import GENERATED, QueueEntry
from cirrus_bridge.config.queue_uri import format_queue_uri
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.queues import RAW, Mark, QueueChange
from cirrus_bridge.drivers.devices import Driver

URI_BYTES = 1023  # RFC 8011, 5.1.6
Answers = Mapping[Place, LocationAnswer]


class DeclaredQueue(NamedTuple):
    """A declared queue.

    Attributes:
        change: all settings but the options. `ppd` is None if the driver cannot be made now; `info`
            and `location` are None if they are unknown.
        trouble: why the server did not answer. The device's data are then as last seen.
    """

    name: str
    entry: QueueEntry
    change: QueueChange
    trouble: CirrusError | None


class QueueProblem(NamedTuple):
    """The reason why a queue or entry of this name is not as declared."""

    name: str
    error: CirrusError


@contextlib.contextmanager
def noted(problems: list[QueueProblem], name: str) -> Iterator[None]:
    """Add an error inside the context to the problems, under the name of its queue or entry."""
    try:
        yield
    except CirrusError as error:
        problems.append(QueueProblem(name, error))


def places(entries: Iterable[QueueEntry]) -> dict[Place, Server]:
    """The locations whose devices these entries depend on, and their servers."""
    return {
        entry.place(location): entry.server
        for entry in entries
        for target in entry.targets
        for location in _locations(entry, target)
    }


def declared_queues(
    entries: Iterable[QueueEntry], answers: Answers, named_driver: Callable[[str], str]
) -> tuple[list[DeclaredQueue], list[QueueProblem]]:
    """The queues that these entries declare, and the problems with others.

    Args:
        answers: the answer for each of `places`.
        named_driver: returns the text of a driver by its name; raises CirrusError if there is none.
    """
    queues: list[DeclaredQueue] = []
    problems: list[QueueProblem] = []
    # includes queues that cannot be made now: their names stay taken
    count: Counter[str] = Counter()
    for entry in entries:
        for name, targets in _queues(entry, answers, problems):
            count[name.lower()] += 1
            with noted(problems, name):
                queues.append(_queue(name, entry, targets, answers, named_driver))
    for queue in queues:
        if count[queue.name.lower()] > 1:
            reason = tr(
                "'name': several devices or entries would use the same queue name, {name}",
                name=queue.name,
            )
            problems.append(QueueProblem(queue.name, queue.entry.table.bad(reason)))
    return [queue for queue in queues if count[queue.name.lower()] == 1], problems


def _queues(
    entry: QueueEntry, answers: Answers, problems: list[QueueProblem]
) -> Iterator[tuple[str, Sequence[Target]]]:
    """The name and targets of each queue of an entry."""
    if not entry.is_template:
        yield entry.name, entry.targets
        return
    seen: set[Target] = set()
    for pattern in entry.targets:
        locations = _locations(entry, pattern)
        if not locations:
            reason = tr(
                "'targets': no location in the entry of {server} in servers.d matches '{location}'",
                server=entry.server.name,
                location=pattern.location,
            )
            guess = did_you_mean(pattern.location, entry.server.locations)
            problems.append(QueueProblem(entry.name, entry.table.bad(reason, guess)))
        for location in locations:
            answer = answers[entry.place(location)]
            if answer.error is not None:
                problems.append(QueueProblem(entry.name, answer.error))
            for device, driver in answer.drivers.items():
                target = Target(location, device)
                if target in seen or not matches(device, pattern.device):
                    continue
                seen.add(target)
                with noted(problems, entry.name):  # the name may be too long
                    yield queue_name(entry.name, _words(entry, target, driver)), [target]


def _queue(
    name: str,
    entry: QueueEntry,
    targets: Sequence[Target],
    answers: Answers,
    named_driver: Callable[[str], str],
) -> DeclaredQueue:
    first, *others = (_device(entry, target, answers) for target in targets)
    words = _words(entry, targets[0], first)
    info = fill(entry.info, words) if entry.info is not None else None
    location = fill(entry.location, words) if entry.location is not None else None
    if info is None and first is not None:
        info = f"{first.info} (+{len(others)})" if others else first.info
    if location is None and first is not None:
        location = first.place
    options = "&".join(f"{key}={quote(text, safe='')}" for key, text in entry.uri_options.items())
    uri = format_queue_uri(entry.server.name, entry.company, targets)
    uri += options and f"?{options}"
    if len(uri) > URI_BYTES:
        reason = tr(
            "'targets': the queue's URI would be longer than {uri_bytes} bytes", uri_bytes=URI_BYTES
        )
        raise entry.table.bad(reason)
    change = QueueChange(
        device_uri=uri,
        info=info,
        location=location,
        shared=entry.shared,
        error_policy=entry.error_policy,
        ppd=_ppd(entry, first, named_driver),
        mark=Mark(entry.name, tuple(sorted(entry.options))),
    )
    errors = (answers[entry.place(target.location)].error for target in targets)
    return DeclaredQueue(name, entry, change, next(filter(None, errors), None))


def _device(entry: QueueEntry, target: Target, answers: Answers) -> Driver | None:
    """A target's device; None if its server is away and the device was never seen."""
    answer = answers[entry.place(target.location)]
    driver = answer.drivers.get(target.device)
    if driver is None and answer.error is None:
        what = tr(
            "{server} has no active device {device} at {location} (active: {there}).",
            server=entry.server.name,
            device=target.device,
            location=target.location,
            there=", ".join(answer.drivers) or tr("none"),
        )
        raise Refused(what, did_you_mean(target.device, answer.drivers))
    if driver is None and not answer.content and isinstance(answer.error, Refused):
        raise answer.error
    return driver


def _ppd(entry: QueueEntry, first: Driver | None, named_driver: Callable[[str], str]) -> str | None:
    if entry.driver == RAW:
        return RAW
    if entry.driver != GENERATED:
        try:
            return named_driver(entry.driver)
        except CirrusError as error:
            reason = tr(
                "'driver': CUPS has no driver {driver} (lpinfo -m lists them): {error}",
                driver=entry.driver,
                error=error,
            )
            raise entry.table.bad(reason) from error
    if first is not None and first.language is None:
        reason = tr(
            "'driver': cannot make a driver for {info} (no CUPS filter produces a format "
            'that it accepts); name a driver, or "{raw}"',
            info=first.info,
            raw=RAW,
        )
        raise entry.table.bad(reason)
    return first.ppd() if first else None


def _words(entry: QueueEntry, target: Target, driver: Driver | None) -> dict[str, str]:
    name = None if driver is None else driver.location["Devices"][driver.key].get("Name")
    device_name = " ".join(one_line(name).split()) if isinstance(name, str) else ""
    return {
        "server": entry.server.name,
        "company": entry.company,
        "location": target.location,
        "device": target.device,
        "location_name": target.location if driver is None else driver.place,
        "device_name": device_name or target.device,
    }


def _locations(entry: QueueEntry, target: Target) -> Sequence[str]:
    """The locations that match. A named location need not be in servers.d, which may be partial."""
    if not is_glob(target.location):
        return [target.location]
    return [each for each in entry.server.locations if matches(each, target.location)]
