"""Questions to clouds, several at once: each is asked in a thread, and its answer comes by a queue.

Whatever a server answers, an answer comes back for each question. The threads are daemons: what
hangs in one does not keep the program from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
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
class Answer(Generic[T]):
    """What came of the question of this number, such as a job's status, or why nothing did."""

    number: int
    result: T | CirrusError


class Askers(Generic[T]):
    """AT_ONCE threads that ask; `open` questions have no answer yet."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer[T]] = queue.SimpleQueue()
        self.open = 0
        self._started = False

    def ask(self, number: int, question: Callable[[], T]) -> None:
        """Ask, in a thread; the answer will have this number."""
        if not self._started:
            self._started = True
            for _ in range(AT_ONCE):
                threading.Thread(target=self._run, daemon=True).start()
        self.open += 1
        self._questions.put((number, question))

    def answer(self, wait_s: float) -> Answer[T] | None:
        """The next answer, if one comes within so many seconds."""
        try:
            found = self._answers.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            return None
        self.open -= 1
        return found

    def _run(self) -> None:
        while True:
            number, question = self._questions.get()
            result: T | CirrusError
            try:
                result = question()
            except CirrusError as error:
                result = error
            except Exception as error:  # noqa: BLE001 - no answer may end the poller
                result = UnexpectedAnswer(tr("The answer makes no sense."), detail=repr(error))
            self._answers.put(Answer(number, result))
