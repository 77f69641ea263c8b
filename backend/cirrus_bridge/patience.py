"""Waiting between the tries of one request, told as it goes, until a limit is over."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from cirrus_bridge.clock import Clock
from cirrus_bridge.errors import ApiError, Retryable, ServerAway, TryOtherMember
from cirrus_bridge.retry import waits
from cirrus_bridge.words import tr

CLASS_WAIT_S = 5.0  # a class with no member that works must not spin

T = TypeVar("T")


class Report(Protocol):
    """Where waiting is told."""

    def debug(self, text: str) -> None: ...
    def server_away(self, text: str) -> None: ...
    def server_back(self) -> None: ...


@dataclass(slots=True)
class Patience:
    """Waits after failed tries; a success begins it anew.

    `limit_s` is counted from the first failure. `in_class` says that CUPS has other printers
    for the job, which are better than waiting.
    """

    clock: Clock
    report: Report
    limit_s: float
    in_class: bool = False
    rng: random.Random = field(default_factory=random.Random)
    _waits: Iterator[float] | None = None
    _since_s: float = 0.0

    def insist(self, request: Callable[[], T]) -> T:
        """Make a request that may be repeated, until it works or the limit is over."""
        while True:
            try:
                result = request()
            except Retryable as error:
                self.wait_after(error)
            else:
                self.succeeded()
                return result

    def succeeded(self) -> None:
        """The server works."""
        self._waits = None
        self.report.server_back()

    def wait_after(self, error: ApiError) -> None:
        """Wait before the next try, at least for as long as the server has asked for.

        Raises:
            ServerAway: the limit would be over before it.
            TryOtherMember: the job's class may have another member that works.
            Interrupted: a signal asked for an end.
        """
        if self._waits is None:
            self._waits, self._since_s = waits(self.rng), self.clock.monotonic_s()
        wait_s = next(self._waits)
        if isinstance(error, Retryable) and error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        if self.in_class:
            self.report.server_away(error.text)
            self.clock.sleep(CLASS_WAIT_S)
            raise TryOtherMember(
                tr("{error} CUPS tries another printer of the class.", error=error)
            ) from error
        if self.clock.monotonic_s() - self._since_s + wait_s > self.limit_s:
            limit = f"{self.limit_s:.0f}"
            raise ServerAway(
                tr(
                    "{error} Gave up after {limit} seconds (contimeout). When the server is back, "
                    "release the job.",
                    error=error,
                    limit=limit,
                ),
                detail=error.detail,
            ) from error
        again = f"{self.clock.now() + timedelta(seconds=wait_s):%H:%M:%S}"
        self.report.debug(f"{error.code} {error.detail}")
        self.report.server_away(tr("{error} Next try at {time}.", error=error, time=again))
        self.clock.sleep(wait_s)
