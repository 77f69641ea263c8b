"""Concurrent queries to clouds: threads send them, and a queue collects the answers.

Every query gets an answer, if only an error. A query that hangs does not delay the end of the
program, as `main` does not wait for threads.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from cirrus_bridge.base.errors import CirrusError, UnexpectedAnswer
from cirrus_bridge.base.translation import tr

AT_ONCE = 8

About = TypeVar("About")
T = TypeVar("T")


class Queries(Generic[About, T]):
    """Runs up to AT_ONCE queries at a time. `open` is the number of queries without an answer."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._answers: queue.SimpleQueue[tuple[About, Future[T]]] = queue.SimpleQueue()
        self.open = 0

    def ask(self, about: About, question: Callable[[], T]) -> None:
        """Run a query in a thread."""
        self.open += 1
        answered = self._pool.submit(question)
        answered.add_done_callback(lambda answer: self._answers.put((about, answer)))

    def close(self) -> None:
        """Start no more queries. Queries that run are not waited for, and get no answer."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def answers(self, wait_s: float) -> Iterator[tuple[About, T | CirrusError]]:
        """The answers that have arrived. For the first one, wait at most `wait_s` seconds."""
        while True:
            try:
                about, answer = self._answers.get(timeout=max(0.0, wait_s))
            except queue.Empty:
                return
            self.open -= 1
            wait_s = 0.0
            error = answer.exception()
            if error is None:
                yield about, answer.result()
            elif isinstance(error, CirrusError):
                yield about, error
            else:  # no answer may end the poller
                text = tr("Unexpected response from the server.")
                yield about, UnexpectedAnswer(text, detail=repr(error))
