"""A time limit for the whole answer to a request, enforced by shutting the connection.

requests and urllib3 limit only the time between two bytes. A server that sends a byte now and then,
or endless `100 Continue`, would block a job and its queue.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from cirrus_bridge.base.clock import Clock


class Deadline:
    """The time limit of one answer, in seconds."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._connected: socket.socket | None = None
        self.is_over = False

    def begin(self, connection: HTTPConnection) -> None:
        """Start the time, after the request was sent over `connection`."""
        self._connected = connection.sock
        _watchman.watch(self, self._limit_s)

    def end(self) -> None:
        """Stop the time."""
        _watchman.forget(self)

    def shut(self) -> None:
        """Shut the connection of a late answer."""
        self.is_over = True
        if self._connected is not None:
            with contextlib.suppress(OSError):
                # the reading thread alone may call an SSLSocket's own shutdown
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


class _Watchman:
    """Shuts connections with late answers. One thread serves all, because the memory of an ended
    thread is not returned."""

    def __init__(self) -> None:
        self._due_s: dict[Deadline, float] = {}
        self._first = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, deadline: Deadline, limit_s: float) -> None:
        """Shut the connection after `limit_s` seconds, unless the deadline is forgotten before."""
        with self._first:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._due_s[deadline] = _clock.monotonic_s() + limit_s
            self._first.notify()

    def forget(self, deadline: Deadline) -> None:
        """Stop watching a complete or failed answer."""
        with self._first:
            self._due_s.pop(deadline, None)

    def _run(self) -> None:
        with self._first:
            while True:
                next_s = min(self._due_s.values(), default=None)
                now_s = _clock.monotonic_s()
                if next_s is None or next_s > now_s:
                    self._first.wait(None if next_s is None else next_s - now_s)
                    continue
                for deadline in [d for d, due_s in self._due_s.items() if due_s <= now_s]:
                    del self._due_s[deadline]
                    deadline.shut()


_clock = Clock()
_watchman = _Watchman()
_of_this_thread = threading.local()


@contextlib.contextmanager
def answer_within(limit_s: float) -> Iterator[None]:
    """Limit the time for the answer to the one request that this thread makes inside the context.

    Args:
        limit_s: seconds, from the end of the request.

    Raises:
        TimeoutError: the answer is not complete in time.
    """
    deadline = _of_this_thread.deadline = Deadline(limit_s)
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
