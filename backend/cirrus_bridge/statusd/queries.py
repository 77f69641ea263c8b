"""Questions to clouds, several at once: each is asked in a thread, and its answer comes by a queue.

Whatever a server answers, an answer comes back for each question. A question that hangs does not
keep the program from ending, since `main` does not wait for threads.
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
    """A cloud that can be asked for a job."""

    def job_status(self, receipt: Receipt) -> JobStatus:
        """Where a submitted job is now.

        Raises:
            CirrusError: the cloud does not say.
        """


@dataclass(frozen=True, slots=True)
class QueryResult(Generic[T]):
    """What came of the question of this number, such as a job's status, or why nothing did."""

    number: int
    result: T | CirrusError


class Queries(Generic[T]):
    """AT_ONCE threads that ask; `open` questions have no answer yet."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._answers: queue.SimpleQueue[Future[QueryResult[T]]] = queue.SimpleQueue()
        self.open = 0

    def ask(self, number: int, question: Callable[[], T]) -> None:
        """Ask, in a thread; the answer will have this number."""
        self.open += 1
        self._pool.submit(_ask, number, question).add_done_callback(self._answers.put)

    def answer(self, wait_s: float) -> QueryResult[T] | None:
        """The next answer, if one comes within so many seconds."""
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
        text = tr("The answer makes no sense.")
        return QueryResult(number, UnexpectedAnswer(text, detail=repr(error)))
