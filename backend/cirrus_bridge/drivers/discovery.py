"""Use case: the devices of the configured servers as CUPS's discovery lines (backend(7)).

One line for each active device of the locations that servers.d names, and one for the scheme
itself; done in 2 s, whatever the servers do. One that is away has its devices listed as they were
last seen, and costs nothing but its own lines. No key is in any line.
"""

from __future__ import annotations

import functools
import itertools
import queue
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.mdns import LanServer
from cirrus_bridge.api.responses import UnreadLocation
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, Retryable, ServerMisconfigured
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, told_by, tr
from cirrus_bridge.config.servers import Server
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import devices

SCHEME_LINE = 'network cirrus "Unknown" "Cirrus Bridge (cloud printing)"'
WORKERS = 16  # of each server, that one which is away does not keep the others waiting
LIMIT_S = 1.3  # a person waits in front of a dialog; with the start of the program, 2 s
LAST_S = 0.2  # of it more for what was seen last of those that do not answer
READ_BYTES_S = 12 << 20  # of JSON, on a slow machine; what was begun can not be stopped
MOST_DEVICES = 20_000  # of a location; more than a dialog can show, and there is time for these

Api = Callable[[Server], CloudApi]
Tell = Callable[[str], None]
Answer = UnreadLocation | Exception
# the smallest first: a large answer costs the small ones nothing; the number keeps the order strict
Answers = queue.PriorityQueue[tuple[int, int, Place, Answer]]


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
    listed = _Listing(clock, clock.cpu_s() + LIMIT_S + LAST_S, tell)
    answers: Answers = queue.PriorityQueue()
    missing = _ask_all(servers, api_for, answers, tell)
    cache.keep_only(missing)
    while missing:
        try:
            size_bytes, _, place, answer = listed.wait_for(answers)
        except queue.Empty:
            break
        missing.remove(place)
        if isinstance(answer, UnreadLocation) and not listed.has_time_for(size_bytes):
            listed.tell_of_too_many(place)
            continue
        try:
            found = _read(answer)
        except Exception as error:  # noqa: BLE001 - the other servers' devices are still there
            yield from _without(place, error, cache, listed)
            continue
        found = _within_reason(place, found, tell)
        try:
            cache.keep(place, found)
        except OSError as error:
            tell(
                tr(
                    "What {server} answered can not be kept for later: {error}.",
                    server=place.server,
                    error=error.strerror,
                )
            )
        yield from listed.lines(place, found)
    for place in sorted(missing, key=lambda each: (cache.size_bytes(each), str(each))):
        yield from _without(place, TimeoutError(tr("no answer in time.")), cache, listed)


def _read(answer: Answer) -> Mapping[str, Any]:
    if isinstance(answer, Exception):
        raise answer
    return answer.read()


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


@dataclass(slots=True)
class _Listing:
    """Makes lines of devices, while there is time.

    What counts is the time in which this process worked or waited for answers, not that in which a
    busy machine ran others instead of it: that must not shorten the list.
    """

    clock: Clock
    end_s: float
    tell: Tell
    _waited_s: float = 0.0

    def wait_for(self, answers: Answers) -> tuple[int, int, Place, Answer]:
        """The next answer.

        Raises:
            queue.Empty: none came in time.
        """
        left_s, began_s, worked_s = self._left_s(), self.clock.monotonic_s(), self.clock.cpu_s()
        try:
            return answers.get(timeout=max(0.0, left_s - LAST_S))
        finally:
            self._waited_s += self.clock.monotonic_s() - began_s
            self._waited_s -= self.clock.cpu_s() - worked_s  # by the threads that ask

    def has_time_for(self, size_bytes: int) -> bool:
        """Whether JSON of this size is read in time."""
        return self._left_s() * READ_BYTES_S > size_bytes

    def _left_s(self) -> float:
        return self.end_s - self.clock.cpu_s() - self._waited_s

    def tell_of_too_many(self, place: Place) -> None:
        """That there was no time for some of a location's devices, or for all."""
        self.tell(
            tr(
                "Not all devices of location {location} of {server} are listed, as there was no "
                "time for more. Queues for them can be made by their URI.",
                location=place.location,
                server=place.server,
            )
        )

    def lines(self, place: Place, answer: Mapping[str, Any]) -> Iterator[str]:
        """The lines of a location's devices; of those that there is no time for, one is told."""
        for device in devices(place, answer):
            if self._left_s() <= 0:
                self.tell_of_too_many(place)
                return
            yield device.device_line


def _ask_all(
    servers: Iterable[Server],
    api_for: Api,
    answers: Answers,
    tell: Tell,
) -> set[Place]:
    """Begin to ask for every location; those that an answer will come for."""
    asked: set[Place] = set()
    numbers = itertools.count()
    for server in servers:
        if server.company is None and server.locations:
            tell(
                tr(
                    "The entry of {server} in servers.d has locations but no company, without "
                    "which they can not be asked for their devices. Add the company.",
                    server=server.name,
                )
            )
            continue
        places = [
            Place(server.name, server.company or "", location)
            for location in dict.fromkeys(server.locations)
        ]
        asked.update(places)
        # one client for all locations of a server, made where a fault is that server's own
        api = functools.cache(functools.partial(api_for, server))
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix=f"ask {server.name}")
        for place in places:
            pool.submit(_ask, place, api, answers, numbers)
        pool.shutdown(wait=False)  # the backend ends without waiting for a server that hangs
    return asked


def _ask(
    place: Place, api: Callable[[], CloudApi], answers: Answers, numbers: Iterator[int]
) -> None:
    answer: Answer
    try:
        answer = api().unread_location(place.location)
        size_bytes = answer.size_bytes
    except Exception as error:  # noqa: BLE001 - the other servers' devices are still there
        answer, size_bytes = error, 0
    answers.put((size_bytes, next(numbers), place, answer))


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
    away = isinstance(error, Retryable | TimeoutError | ServerMisconfigured)
    has_time = listed.has_time_for(cache.size_bytes(place))
    last = cache.last(place) if away and has_time else None
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
