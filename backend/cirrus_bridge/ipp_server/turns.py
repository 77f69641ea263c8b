"""Threads for requests, shared among clients: the requests of one client wait for each other, and
never delay those of another client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from cirrus_http.networks import network

AT_ONCE = 2  # of a network; asyncio's own pool has at least five threads
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class _Turn:
    requests: int = 0
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class Turns:
    """Runs functions in threads, at most AT_ONCE of each network at the same time."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    async def run(
        self, address: str, work: Callable[_P, _T], *args: _P.args, **named: _P.kwargs
    ) -> _T:
        """Run a function in a thread when it is the turn of the client with this address. Raises
        what the function raises."""
        name = network(address)
        turn = self._turns.setdefault(name, _Turn())
        turn.requests += 1
        try:
            async with turn.free:
                return await asyncio.to_thread(work, *args, **named)
        finally:
            turn.requests -= 1
            if not turn.requests:
                del self._turns[name]
