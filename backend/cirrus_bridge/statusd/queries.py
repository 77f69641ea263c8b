"""Concurrent queries to clouds: threads send them, and a queue collects the answers.

Every query gets an answer, if only an error. A query that hangs does not delay the end of the
program, as `main` does not wait for threads.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cirrus_bridge.base.errors import CirrusError, UnexpectedAnswer
from cirrus_bridge.base.model import JobStatus, Receipt
from cirrus_bridge.base.translation import tr

AT_ONCE = 8

T = TypeVar("T")


class StatusApi(Protocol):
    """A cloud that reports the state of jobs."""

    def job_status(self, receipt: Receipt) -> JobStatus:
        """The status of a submitted job.

        Raises:
            CirrusError: the status cannot be queried.
        """


@dataclass(frozen=True, slots=True)
class QueryResult(Generic[T]):
    """The outcome of the query with this number: a result, such as a job's status, or an error."""

    number: int
    result: T | CirrusError


class Queries(Generic[T]):
    """Runs up to AT_ONCE queries at a time. `open` is the number of queries without an answer."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._answers: queue.SimpleQueue[Future[QueryResult[T]]] = queue.SimpleQueue()
        self.open = 0

    def ask(self, number: int, question: Callable[[], T]) -> None:
        """Run a query in a thread; its answer gets this number."""
        self.open += 1
        self._pool.submit(_ask, number, question).add_done_callback(self._answers.put)

    def answer(self, wait_s: float) -> QueryResult[T] | None:
        """The next answer, or None if no answer arrives within `wait_s` seconds."""
        try:
            found = self._answers.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            return None
        self.open -= 1
        return found.result()


def _ask(number: int, question: Callable[[], T]) -> QueryResult[T]:
    try:
        return QueryResult(number, question())
    except CirrusError as error:
        return QueryResult(number, error)
    except Exception as error:  # noqa: BLE001 - no answer may end the poller
        text = tr("Unexpected response from the server.")
        return QueryResult(number, UnexpectedAnswer(text, detail=repr(error)))
