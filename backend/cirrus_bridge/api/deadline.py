"""A time limit for the whole answer to a request, enforced by shutting the connection.

requests and urllib3 limit only the time between two bytes. A server that sends a byte now and then,
or endless `100 Continue`, would block a job and its queue.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterator

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from cirrus_bridge.base.clock import Clock

_clock = Clock()
_of_this_thread = threading.local()
_changed = threading.Condition()
_due_s: dict[Deadline, float] = {}


class Deadline:
    """The time limit of one answer, in seconds. `reached` is called once the request's connection
    exists, before TLS."""

    def __init__(self, limit_s: float, reached: Callable[[], None] = lambda: None) -> None:
        self._limit_s, self.reached = limit_s, reached
        self._connected: socket.socket | None = None
        self.is_over = False

    def begin(self, connection: HTTPConnection) -> None:
        """Start the time, after the request was sent over `connection`."""
        self._connected = connection.sock
        self.reached()  # an idle connection of an earlier request is not connected again
        with _changed:
            _start_watching()
            _due_s[self] = _clock.monotonic_s() + self._limit_s
            _changed.notify()

    def end(self) -> None:
        """Stop the time."""
        with _changed:
            _due_s.pop(self, None)

    def shut(self) -> None:
        """Shut the connection of a late answer."""
        self.is_over = True
        if self._connected is not None:
            with contextlib.suppress(OSError):
                # the reading thread alone may call an SSLSocket's own shutdown
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


@functools.cache
def _start_watching() -> None:
    # one thread for all deadlines, because the memory of an ended thread is not returned
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    with _changed:
        while True:
            now_s = _clock.monotonic_s()
            for late in [each for each, due_s in _due_s.items() if due_s <= now_s]:
                del _due_s[late]
                late.shut()
            next_s = min(_due_s.values(), default=None)
            _changed.wait(None if next_s is None else next_s - now_s)


@contextlib.contextmanager
def answer_within(limit_s: float, reached: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Limit the time for the answer to the one request that this thread makes inside the context.
    If the answer is not complete `limit_s` seconds after the request, TimeoutError is raised.
    `reached` is that of Deadline."""
    deadline = _of_this_thread.deadline = Deadline(limit_s, reached)
    try:
        yield
    except (OSError, HTTPError) as error:
        if deadline.is_over:
            raise TimeoutError("timed out") from error
        raise
    finally:
        deadline.end()
    if deadline.is_over:
        raise TimeoutError("timed out")


def current_deadline() -> Deadline:
    """The deadline of the request that this thread makes inside `answer_within`."""
    deadline: Deadline = _of_this_thread.deadline
    return deadline
