"""The declared queues: entries of queues.toml and answers of servers → queues. Pure.

An entry with globs declares a queue for each matching active device. Any other entry declares one
queue. A problem affects only its own queue or entry.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from cirrus_bridge.base.errors import BadConfiguration, CirrusError, Refused
from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.queues.names import fill, queue_name
from cirrus_bridge.cirrusctl.queues.queues_file import GENERATED, Pattern, QueueEntry, is_glob
from cirrus_bridge.config.queue_uri import format_queue_uri
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.queues import RAW
from cirrus_bridge.drivers.devices import Driver

URI_BYTES = 1023  # RFC 8011, 5.1.6


@dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """A declared queue.

    Attributes:
        ppd: the driver's text, RAW, or None if the driver cannot be made now.
        info, location: None if unknown.
        trouble: why the server did not answer. The device's data are then as last seen.
    """

    name: str
    entry: QueueEntry
    uri: str
    ppd: str | None
    info: str | None
    location: str | None
    trouble: CirrusError | None


@dataclass(frozen=True, slots=True)
class QueueProblem:
    """The reason why a queue or entry of this name is not as declared."""

    name: str
    error: CirrusError


@dataclass(frozen=True, slots=True)
class DeclaredQueues:
    """All declared queues, and the problems with others."""

    queues: Sequence[DeclaredQueue]
    problems: Sequence[QueueProblem]


def places(entries: Iterable[QueueEntry], servers: Iterable[Server]) -> dict[Place, Server]:
    """The locations whose devices these entries depend on, and their servers."""
    known = list(servers)
    found: dict[Place, Server] = {}
    for entry in entries:
        here = _server(entry, known)
        for pattern in entry.patterns:
            for location in _locations(pattern, here):
                found[Place(entry.server, entry.company, location)] = here
    return found


def declared_queues(
    entries: Iterable[QueueEntry],
    servers: Iterable[Server],
    answers: Mapping[Place, LocationAnswer],
    named_driver: Callable[[str], str],
) -> DeclaredQueues:
    """The queues that these entries declare.

    Args:
        answers: the answer for each of `places`.
        named_driver: returns the text of a driver by its name; raises CirrusError if there is none.
    """
    known = list(servers)
    queues: list[DeclaredQueue] = []
    problems: list[QueueProblem] = []
    count: Counter[str] = (
        Counter()
    )  # includes queues that cannot be made now: their names stay taken
    for entry in entries:
        for name, targets in _queues(entry, _server(entry, known), answers, problems):
            count[name.lower()] += 1
            try:
                queues.append(_queue(name, entry, targets, answers, named_driver))
            except CirrusError as error:
                problems.append(QueueProblem(name, error))
    problems += [_not_alone(queue) for queue in queues if count[queue.name.lower()] > 1]
    return DeclaredQueues([queue for queue in queues if count[queue.name.lower()] == 1], problems)


def _not_alone(queue: DeclaredQueue) -> QueueProblem:
    error = queue.entry.table.bad(
        tr(
            "'name': several devices or entries would use the same queue name, {name}",
            name=queue.name,
        )
    )
    return QueueProblem(queue.name, error)


def _queues(
    entry: QueueEntry,
    server: Server,
    answers: Mapping[Place, LocationAnswer],
    problems: list[QueueProblem],
) -> Iterator[tuple[str, list[Target]]]:
    """The name and targets of each queue of an entry."""
    if not entry.is_template:
        yield entry.name, [Target(pattern.location, pattern.device) for pattern in entry.patterns]
        return
    seen: set[Target] = set()
    for pattern in entry.patterns:
        locations = _locations(pattern, server)
        if not locations:
            problems.append(QueueProblem(entry.name, entry.table.bad(
                tr("'targets': no location in the entry of {server} in servers.d matches "
                "'{location}'", server=entry.server, location=pattern.location)
            )))  # fmt: skip
        for location in locations:
            answer = answers[Place(entry.server, entry.company, location)]
            if answer.error is not None:
                problems.append(QueueProblem(entry.name, answer.error))
            for device, driver in answer.drivers.items():
                target = Target(location, device)
                if target in seen or not matches(device, pattern.device):
                    continue
                seen.add(target)
                try:
                    yield queue_name(entry.name, _words(entry, target, driver)), [target]
                except BadConfiguration as error:
                    problems.append(QueueProblem(entry.name, error))


def _queue(
    name: str,
    entry: QueueEntry,
    targets: Sequence[Target],
    answers: Mapping[Place, LocationAnswer],
    named_driver: Callable[[str], str],
) -> DeclaredQueue:
    drivers = [_device(entry, target, answers) for target in targets]
    first = drivers[0]
    words = _words(entry, targets[0], first)
    info = fill(entry.info, words) if entry.info is not None else None
    location = fill(entry.location, words) if entry.location is not None else None
    if info is None and first is not None:
        info = first.info if len(drivers) == 1 else f"{first.info} (+{len(drivers) - 1})"
    if location is None and first is not None:
        location = first.place
    options = "&".join(f"{key}={quote(text, safe='')}" for key, text in entry.uri_options.items())
    uri = format_queue_uri(entry.server, entry.company, targets) + (options and f"?{options}")
    if len(uri) > URI_BYTES:
        raise entry.table.bad(
            tr(
                "'targets': the queue's URI would be longer than {uri_bytes} bytes",
                uri_bytes=URI_BYTES,
            )
        )
    ppd = _ppd(entry, first, named_driver)
    here = (Place(entry.server, entry.company, target.location) for target in targets)
    trouble = next((error for place in here if (error := answers[place].error)), None)
    return DeclaredQueue(name, entry, uri, ppd, info, location, trouble)


def _device(
    entry: QueueEntry, target: Target, answers: Mapping[Place, LocationAnswer]
) -> Driver | None:
    """A target's device; None if its server is away and the device was never seen.

    Raises:
        Refused: the server does not have the device, or refuses the request.
    """
    answer = answers[Place(entry.server, entry.company, target.location)]
    driver = answer.drivers.get(target.device)
    if driver is None and answer.error is None:
        there = ", ".join(answer.drivers) or tr("none")
        raise Refused(
            tr(
                "{server} has no active device {device} at {location} (active: {there}).",
                server=entry.server,
                device=target.device,
                location=target.location,
                there=there,
            )
        )
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
            raise entry.table.bad(
                tr(
                    "'driver': CUPS has no driver {driver} (lpinfo -m lists them): {error}",
                    driver=entry.driver,
                    error=error,
                )
            ) from error
    if first is None:
        return None
    if first.language is None:
        raise entry.table.bad(
            tr(
                "'driver': cannot make a driver for {info} (no CUPS filter produces a format "
                'that it accepts); name a driver, or "{raw}"',
                info=first.info,
                raw=RAW,
            )
        )
    return first.ppd()


def _words(entry: QueueEntry, target: Target, driver: Driver | None) -> dict[str, str]:
    """The values of placeholders."""
    device = {} if driver is None else driver.location["Devices"][driver.key]
    return {
        "server": entry.server,
        "company": entry.company,
        "location": target.location,
        "device": target.device,
        "location_name": target.location if driver is None else driver.place,
        "device_name": _line(device.get("Name")) or target.device,
    }


def _line(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join(one_line(text).split())


def _server(entry: QueueEntry, servers: Sequence[Server]) -> Server:
    here = [server for server in servers if server.name == entry.server]
    return next((each for each in here if each.company == entry.company), here[0])


def _locations(pattern: Pattern, server: Server) -> list[str]:
    """The locations that match. A named location need not be in servers.d, which may be partial."""
    if not is_glob(pattern.location):
        return [pattern.location]
    return [each for each in server.locations if matches(each, pattern.location)]


def matches(text: str, pattern: str) -> bool:
    """Whether a glob matches. Only `*` and `?` are special; device names may contain brackets."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
