"""Use case: list the devices of the configured servers for CUPS (backend(7)), with hints.

The output has a line for the scheme, and a line for each active device of the locations in
servers.d. The list is complete after 2 s, whatever the servers do. The devices of a server that is
away come from the cache. No line contains a key.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.api import responses
from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.exchange import Exchange
from cirrus_bridge.api.mdns import LanServer
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
Answer = Exchange | Exception
# smallest answer first, so that a large one delays no small one; the second number breaks ties
Answers = queue.PriorityQueue[tuple[int, int, Place, Answer]]


def discover(
    servers: Iterable[Server],
    api_for: Api,
    cache: DeviceCache,
    clock: Clock,
    tell: Tell,
    *,
    limit_s: float = LIMIT_S,
) -> Iterator[str]:
    """Discovery lines. Each location's lines come as soon as the server has answered.

    Args:
        tell: takes one line of text, with advice, for each location without an answer.
        limit_s: seconds to wait for answers, besides LAST_S for what the cache has.
    """
    yield SCHEME_LINE
    listing = _Listing(cache, tell, clock, clock.cpu_s() + limit_s + LAST_S)
    answers: Answers = queue.PriorityQueue()
    missing = _ask_all(servers, api_for, answers, tell)
    cache.keep_only(missing)
    with contextlib.suppress(queue.Empty):
        while missing:
            place, answer = listing.wait_for(answers)
            missing.remove(place)
            yield from listing.answered(place, answer)
    for place in sorted(missing, key=lambda each: (cache.size_bytes(each), str(each))):
        yield from listing.unanswered(place, TimeoutError(tr("no response in time.")))


@dataclass(slots=True)
class _Listing:
    """Makes lines of devices until `end_s`, and tells what is missing.

    Only the time in which this process works or waits for answers counts. So a busy machine does
    not shorten the list.
    """

    cache: DeviceCache
    tell: Tell
    clock: Clock
    end_s: float
    _waited_s: float = 0.0

    def wait_for(self, answers: Answers) -> tuple[Place, Answer]:
        """The next answer. Raises queue.Empty if no answer came in time."""
        left_s, began_s, worked_s = self._left_s(), self.clock.monotonic_s(), self.clock.cpu_s()
        try:
            *_, place, answer = answers.get(timeout=max(0.0, left_s - LAST_S))
            return place, answer
        finally:
            self._waited_s += self.clock.monotonic_s() - began_s
            self._waited_s -= self.clock.cpu_s() - worked_s  # work of the asking threads

    def answered(self, place: Place, answer: Answer) -> Iterator[str]:
        """The lines of a location whose server has answered, or could not be asked."""
        try:
            if isinstance(answer, Exception):
                raise answer
            if not self._has_time_for(len(answer.answer)):
                self._tell_of_too_many(place)
                return
            found = responses.location(answer)
        except Exception as error:  # noqa: BLE001 - the other servers' devices are listed
            yield from self.unanswered(place, error)
            return
        found = self._within_reason(place, found)
        try:
            self.cache.keep(place, found)
        except OSError as error:
            self.tell(
                tr(
                    "Cannot cache the response of {server} ({error}).",
                    server=place.server,
                    error=error.strerror,
                )
            )
        yield from self._lines(place, found)

    def unanswered(self, place: Place, error: Exception) -> Iterator[str]:
        """The lines of a location without an answer: from the cache, if its server is away."""
        # the server is away, or something else answers in its place; a refusal is neither
        is_away = isinstance(error, Retryable | TimeoutError | ServerMisconfigured)
        has_time = self._has_time_for(self.cache.size_bytes(place))
        last = self.cache.last(place) if is_away and has_time else None
        lines = [] if last is None else list(self._lines(place, last))
        text = tr(
            "No response for location {location} of {server}: {why}",
            location=place.location,
            server=place.server,
            why=_reason(error),
        )
        if lines:
            text = joined(" ", (text, tr("Its devices are listed as they were last seen.")))
        self.tell(text)
        yield from lines

    def _within_reason(self, place: Place, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer with at most MOST_DEVICES devices."""
        found = answer.get("Devices")
        if not isinstance(found, dict) or len(found) <= MOST_DEVICES:
            return answer
        self.tell(
            tr(
                "Location {location} of {server} has {found} devices; only the first {most} are "
                "listed. To add a queue for another device, use its URI.",
                location=place.location,
                server=place.server,
                found=len(found),
                most=MOST_DEVICES,
            )
        )
        return {**answer, "Devices": dict(itertools.islice(found.items(), MOST_DEVICES))}

    def _left_s(self) -> float:
        return self.end_s - self.clock.cpu_s() - self._waited_s

    def _has_time_for(self, size_bytes: int) -> bool:
        """Whether JSON of this size can be parsed in time."""
        return self._left_s() * READ_BYTES_S > size_bytes

    def _lines(self, place: Place, answer: Mapping[str, Any]) -> Iterator[str]:
        for device in devices(place, answer):
            if self._left_s() <= 0:
                self._tell_of_too_many(place)
                return
            yield device.device_line

    def _tell_of_too_many(self, place: Place) -> None:
        self.tell(
            tr(
                "Some devices of location {location} of {server} are not listed (no time left). "
                "To add a queue for such a device, use its URI.",
                location=place.location,
                server=place.server,
            )
        )


def _reason(error: Exception) -> str:
    """Why a location could not be asked, for people."""
    if isinstance(error, CirrusError | TimeoutError):
        return told_by(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    return tr(
        "internal error in Cirrus Bridge ({kind} in {function}, line {line}).",
        kind=type(error).__name__,  # the error's text may contain anything
        function=at.name,
        line=at.lineno,
    )


def _ask_all(servers: Iterable[Server], api_for: Api, answers: Answers, tell: Tell) -> set[Place]:
    """Start the requests for all locations; return the locations that are asked for."""
    asked: set[Place] = set()
    numbers = itertools.count()

    def ask(place: Place, api: Callable[[], CloudApi]) -> None:
        answer: Answer
        try:
            answer = api().unread_location(place.location)
            size_bytes = len(answer.answer)
        except Exception as error:  # noqa: BLE001 - the other servers' devices are listed
            answer, size_bytes = error, 0
        answers.put((size_bytes, next(numbers), place, answer))

    for server in servers:
        if server.company is None and server.locations:
            tell(
                tr(
                    "The entry of {server} in servers.d has locations but no company, so none "
                    "of its devices are listed. Add the company.",
                    server=server.name,
                )
            )
            continue
        places = dict.fromkeys(
            Place(server.name, server.company or "", location) for location in server.locations
        )
        asked.update(places)
        # one client for all locations of a server, made in its thread: a fault is that server's
        api = functools.cache(functools.partial(api_for, server))
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix=f"ask {server.name}")
        for place in places:
            pool.submit(ask, place, api)
        pool.shutdown(wait=False)  # the backend ends without waiting for a server that hangs
    return asked


def unconfigured(servers: Iterable[Server], found: Iterable[LanServer]) -> Iterator[str]:
    """Texts about servers of the local network that are not in the configuration.

    Without a key, such a server neither lists devices nor prints.
    """
    names = [server.name for server in servers]
    for each in found:
        if not any(map(each.is_called, names)):
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
            "There is no [[server]] entry in {folder}/*.toml, so there are no devices to list. "
            "Add an entry with host, company, api_key and locations.",
            folder=folder / "servers.d",
        )
    for server in servers:
        if not server.locations:
            yield tr(
                "The entry of {server} in servers.d has no locations, so none of its devices "
                'are listed. Add locations, such as locations = ["Paris"].',
                server=server.name,
            )
