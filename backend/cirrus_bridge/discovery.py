"""Use case: the devices of the configured servers as CUPS's discovery lines (backend(7)).

One line for each active device of the locations that servers.d names, and one for the scheme
itself; done in 2 s, whatever the servers do. One that is away has its devices listed as they were
last seen, and costs nothing but its own lines. No key is in any line.
"""

from __future__ import annotations

import functools
import itertools
import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.api import CloudApi
from cirrus_bridge.clock import Clock
from cirrus_bridge.config_servers import Server
from cirrus_bridge.device_cache import DeviceCache
from cirrus_bridge.drivers import devices
from cirrus_bridge.errors import CirrusError, Retryable, UnexpectedAnswer
from cirrus_bridge.lan import LanServer
from cirrus_bridge.model import Place
from cirrus_bridge.words import joined, told_by, tr

SCHEME_LINE = 'network cirrus "Unknown" "Cirrus Bridge (cloud printing)"'
WORKERS = 16
LIMIT_S = 1.5  # a person waits in front of a dialog; with the start of the program, 2 s
LAST_S = 0.2  # of it more for what was seen last of those that do not answer
WORK_S = 1.0  # of a processor, that a machine which has no time for us does not shorten the list
MOST_DEVICES = (
    20_000  # of a location; more than any dialog can show, and no more than there is time
)

Api = Callable[[Server], CloudApi]
Tell = Callable[[str], None]
Answer = Mapping[str, Any] | Exception


def strangers(servers: Iterable[Server], found: Iterable[LanServer]) -> Iterator[str]:
    """What to say of servers on the local network that the configuration does not have.

    They are no devices in the dialog: without a key nothing can be asked of them, nor printed.
    """
    names = [server.name for server in servers]
    for each in found:
        if not any(each.is_called(name) for name in names):
            where: str = f"{each.hosts[0]}:{each.port}"
            if each.company:
                where = tr('{server} (company "{company}")', server=where, company=each.company)
            yield tr(
                '"{name}" is a server on this network, {where}. To print to its devices, add it to '
                "servers.d with a key.",
                name=each.name,
                where=where,
            )


def nothing_to_ask(folder: Path, servers: Sequence[Server]) -> Iterator[str]:
    """What to say of a configuration, read from `folder`, that lets discovery find nothing."""
    if not servers:
        yield tr(
            "There is no [[server]] entry in {folder}/*.toml, so there are no devices to list. Add "
            "one with its host, company, api_key and locations.",
            folder=folder / "servers.d",
        )
    for server in servers:
        if not server.locations:
            yield tr(
                "The entry of {server} in servers.d has no locations, so none of its devices are "
                'listed. Add them, such as locations = ["Paris"].',
                server=server.name,
            )


def discover(
    servers: Iterable[Server], api_for: Api, cache: DeviceCache, clock: Clock, tell: Tell
) -> Iterator[str]:
    """Discovery lines, each location's as soon as its server has answered.

    Args:
        api_for: makes the API client of a server.
        tell: takes one line of text for each location that could not be asked: what is wrong, and
            what to do.
    """
    yield SCHEME_LINE
    deadline_s = clock.monotonic_s() + LIMIT_S
    listed = _Listing(clock, deadline_s + LAST_S, clock.cpu_s() + WORK_S, tell)
    answers: queue.SimpleQueue[tuple[Place, Answer]] = queue.SimpleQueue()
    missing = _ask_all(servers, api_for, answers, tell)
    cache.keep_only(missing)
    while missing:
        try:
            place, answer = answers.get(timeout=max(0.0, deadline_s - clock.monotonic_s()))
        except queue.Empty:
            break
        missing.remove(place)
        if isinstance(answer, Exception):
            yield from _without(place, answer, cache, listed)
            continue
        answer = _within_reason(place, answer, tell)
        try:
            cache.keep(place, answer)
        except OSError as error:
            tell(
                tr(
                    "What {server} answered can not be kept for later: {error}.",
                    server=place.server,
                    error=error.strerror,
                )
            )
        yield from listed.lines(place, answer)
    for place in sorted(missing, key=str):
        yield from _without(place, TimeoutError(tr("no answer in time.")), cache, listed)


def _within_reason(place: Place, answer: Mapping[str, Any], tell: Tell) -> Mapping[str, Any]:
    """The answer, with no more devices than can be handled while a person waits."""
    found = answer.get("Devices")
    if not isinstance(found, dict) or len(found) <= MOST_DEVICES:
        return answer
    tell(
        tr(
            "Location {location} of {server} has {found} devices, of which the first {most} are "
            "listed. Queues for the others can be made by their URI.",
            location=place.location,
            server=place.server,
            found=len(found),
            most=MOST_DEVICES,
        )
    )
    return {**answer, "Devices": dict(itertools.islice(found.items(), MOST_DEVICES))}


@dataclass(frozen=True, slots=True)
class _Listing:
    """Makes lines of devices until a point of the monotonic clock, and of work."""

    clock: Clock
    end_s: float
    work_end_s: float
    tell: Tell

    def is_over(self) -> bool:
        """Whether there is no time for more."""
        clock = self.clock
        return clock.monotonic_s() >= self.end_s and clock.cpu_s() >= self.work_end_s

    def lines(self, place: Place, answer: Mapping[str, Any]) -> Iterator[str]:
        """The lines of a location's devices; of those that there is no time for, one is told."""
        for device in devices(place, answer):
            if self.is_over():
                self.tell(
                    tr(
                        "Not all devices of location {location} of {server} are listed, as there "
                        "was no time for more. Queues for them can be made by their URI.",
                        location=place.location,
                        server=place.server,
                    )
                )
                return
            yield device.device_line


def _ask_all(
    servers: Iterable[Server],
    api_for: Api,
    answers: queue.SimpleQueue[tuple[Place, Answer]],
    tell: Tell,
) -> set[Place]:
    """Begin to ask for every location; those that an answer will come for."""
    tasks: queue.SimpleQueue[tuple[Place, Server]] = queue.SimpleQueue()
    asked: set[Place] = set()
    for server in servers:
        if server.company is None and server.locations:
            tell(
                tr(
                    "The entry of {server} in servers.d has locations but no company, without "
                    "which they can not be asked for their devices. Add the company.",
                    server=server.name,
                )
            )
        for location in dict.fromkeys(server.locations) if server.company is not None else ():
            place = Place(server.name, server.company or "", location)
            asked.add(place)
            tasks.put((place, server))
    api_of = functools.cache(api_for)  # one client for all locations of a server

    def work() -> None:
        while True:
            try:
                place, server = tasks.get_nowait()
            except queue.Empty:
                return
            try:
                answers.put((place, api_of(server).location(place.location)))
            except Exception as error:  # noqa: BLE001 - the other servers' devices are still there
                answers.put((place, error))

    for _ in range(min(WORKERS, len(asked))):
        # daemons: a server that hangs must not keep the program from ending
        threading.Thread(target=work, daemon=True).start()
    return asked


def _without(place: Place, error: Exception, cache: DeviceCache, listed: _Listing) -> Iterator[str]:
    """What there is to list and to say of a location that could not be asked."""
    if isinstance(error, CirrusError | TimeoutError):
        why = told_by(error)
    else:
        at = traceback.extract_tb(error.__traceback__)[-1]
        why = tr(
            "a fault of Cirrus Bridge itself ({kind} in {function}, line {line}).",
            kind=type(error).__name__,  # its text could hold anything
            function=at.name,
            line=at.lineno,
        )
    # away, or something else answers in its place; not one that says no
    away = isinstance(error, Retryable | TimeoutError | UnexpectedAnswer)
    last = cache.last(place) if away and not listed.is_over() else None
    lines = [] if last is None else list(listed.lines(place, last))
    text = tr(
        "No answer for location {location} of {server}: {why}",
        location=place.location,
        server=place.server,
        why=why,
    )
    if lines:
        text = joined(" ", (text, tr("Its devices are listed as they were last seen.")))
    listed.tell(text)
    yield from lines
