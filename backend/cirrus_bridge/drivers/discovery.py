"""Use case: list the devices of the configured servers for CUPS (backend(7)).

The output has a line for the scheme, and a line for each active device of the locations in
servers.d. The list is complete after 2 s, whatever the servers do. The devices of a server that is
away come from the cache. No line contains a key.
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
WORKERS = 16  # threads for each server, so that a slow server does not delay the others
LIMIT_S = 1.3  # a person waits for the dialog; 2 s with the start of the program
LAST_S = 0.2  # added for the cached devices of servers that do not answer
READ_BYTES_S = 12 << 20  # JSON parsed in a second on a slow machine; parsing cannot be stopped
MOST_DEVICES = 20_000  # of a location; more than a dialog can show

Api = Callable[[Server], CloudApi]
Tell = Callable[[str], None]
Answer = UnreadLocation | Exception
# smallest answer first, so that a large one delays no small one; the second number breaks ties
Answers = queue.PriorityQueue[tuple[int, int, Place, Answer]]


def unconfigured(servers: Iterable[Server], found: Iterable[LanServer]) -> Iterator[str]:
    """Texts about servers of the local network that are not in the configuration.

    Without a key, such a server neither lists devices nor prints.
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
    """Texts about a configuration, read from `folder`, in which discovery finds nothing."""
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
    """Discovery lines. Each location's lines come as soon as the server has answered.

    Args:
        api_for: makes the API client of a server.
        tell: takes one line of text, with advice, for each location without an answer.
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
        except Exception as error:  # noqa: BLE001 - the other servers' devices are listed
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
    """The answer with at most MOST_DEVICES devices."""
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
    """Makes lines of devices while there is time.

    Only the time in which this process works or waits for answers counts. So a busy machine does
    not shorten the list.
    """

    clock: Clock
    end_s: float
    tell: Tell
    _waited_s: float = 0.0

    def wait_for(self, answers: Answers) -> tuple[int, int, Place, Answer]:
        """The next answer.

        Raises:
            queue.Empty: no answer came in time.
        """
        left_s, began_s, worked_s = self._left_s(), self.clock.monotonic_s(), self.clock.cpu_s()
        try:
            return answers.get(timeout=max(0.0, left_s - LAST_S))
        finally:
            self._waited_s += self.clock.monotonic_s() - began_s
            self._waited_s -= self.clock.cpu_s() - worked_s  # work of the asking threads

    def has_time_for(self, size_bytes: int) -> bool:
        """Whether JSON of this size can be parsed in time."""
        return self._left_s() * READ_BYTES_S > size_bytes

    def _left_s(self) -> float:
        return self.end_s - self.clock.cpu_s() - self._waited_s

    def tell_of_too_many(self, place: Place) -> None:
        """Report that a location's devices are missing from the list for lack of time."""
        self.tell(
            tr(
                "Not all devices of location {location} of {server} are listed, as there was no "
                "time for more. Queues for them can be made by their URI.",
                location=place.location,
                server=place.server,
            )
        )

    def lines(self, place: Place, answer: Mapping[str, Any]) -> Iterator[str]:
        """The lines of a location's devices, until there is no time left."""
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
    """Start the requests for all locations; return the locations that are asked for."""
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
        # one client for all locations of a server, made in its thread: a fault is that server's
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
    except Exception as error:  # noqa: BLE001 - the other servers' devices are listed
        answer, size_bytes = error, 0
    answers.put((size_bytes, next(numbers), place, answer))


def _without(place: Place, error: Exception, cache: DeviceCache, listed: _Listing) -> Iterator[str]:
    """The cached lines of a location without an answer; tells why there is no answer."""
    if isinstance(error, CirrusError | TimeoutError):
        why = told_by(error)
    else:
        at = traceback.extract_tb(error.__traceback__)[-1]
        why = tr(
            "a fault of Cirrus Bridge itself ({kind} in {function}, line {line}).",
            kind=type(error).__name__,  # the error's text may contain anything
            function=at.name,
            line=at.lineno,
        )
    # the server is away, or something else answers in its place; a refusal is neither
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
