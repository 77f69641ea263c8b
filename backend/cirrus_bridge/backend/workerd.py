"""The service `cirrus-workerd`: it keeps workers that have loaded everything a job needs.

Starting Python, its imports and the handshake with the server take most of a small job's time.
So this process imports all of it once, and forks a worker when a front (front.c) connects and no
worker is idle. The process itself does nothing else: it has no threads and no open journal, which a
fork would break.

Workers that are busy when the service ends do their job to its end, and then end as well.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import selectors
import socket
import struct
import sys
import traceback
from collections import deque
from pathlib import Path
from typing import NamedTuple, NoReturn

from cirrus_bridge.backend.worker import IDLE, NEEDED, WarmWorker
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import Interrupted
from cirrus_bridge.base.privileges import give_up_new_rights
from cirrus_bridge.version import __version__

SOCKET = "/run/cirrus-bridge/workers.sock"
BACKLOG = 128
# A worker takes 11 MiB and does a small job in a few hundredths of a second. So a burst of jobs
# gets only a few workers at once, and more as long as these are busy.
AT_ONCE = 2 * (os.cpu_count() or 1)
GROW_S = 0.05
# Many workers would mostly follow jobs that no location fetches, which the poller can do. So beyond
# MOST, a front gets a worker that has given way, or a new one after PATIENT_S (front.c waits 3 s).
MOST = max(16, AT_ONCE)
PATIENT_S = 2.0
UNDISTURBED_S = 0.5  # a worker's time for a job before it may have to give way
_PEER = struct.Struct("=iII")  # struct ucred
_NEEDED_LATE = (  # by some jobs only, so their modules import these when they need them
    *("concurrent.futures.thread", "encodings.idna", "gettext", "stringprep", "traceback"),
    *("cirrus_bridge.api.session", "cirrus_bridge.cups.tiff", "multiprocessing.util"),
)


def run() -> None:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(
        prog="cirrus-workerd",
        description="Keeps worker processes ready, so that print jobs start quickly.",
    )
    parser.add_argument("--version", action="version", version=f"cirrus-bridge {__version__}")
    parser.parse_args()
    give_up_new_rights()
    os.umask(0o077)
    for module in _NEEDED_LATE:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a worker that collects garbage would copy all pages (gc.freeze's documentation)
    gc.set_threshold(50_000)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    path = os.environ.get("CIRRUS_BRIDGE_WORKERS") or SOCKET
    try:
        service = _Service(path, Path(credentials) if credentials else None)
    except OSError as error:
        _say(f"cannot listen at {path}: {error.strerror or error}. Create its folder.")
        sys.exit(1)
    service.run()


class _Control(NamedTuple):
    """The socket of a worker, and its process id."""

    socket: socket.socket
    worker: int


class _Waiting(NamedTuple):
    """The socket of a front that waits for a worker, and since when, on the monotonic clock."""

    socket: socket.socket
    since_s: float


class _Service:
    """The socket for fronts, and the workers, which each have a control socket."""

    def __init__(self, path: str, credentials: Path | None) -> None:
        self._path, self._credentials = path, credentials
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - the path is a text for bind
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)  # the umask closes it to all but this user and root
        self._listener.listen(BACKLOG)
        self._idle: list[_Control] = []  # the last one has the freshest connections
        self._busy: dict[_Control, float] = {}  # since when; without those that were asked
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._clock = Clock()
        self._grows_at_s = 0.0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Pass on the fronts to workers until SIGTERM. Each worker notices the end of its control
        socket when it is idle."""
        self._clock.watch_signals()
        with contextlib.suppress(Interrupted), self._clock.stoppable():
            while True:
                for key, _ in self._selector.select(GROW_S if self._waiting else None):
                    self._accept() if key.data is None else self._hear(key.data)
                self._serve_waiting()
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108

    def _accept(self) -> None:
        """Let the next front wait for a worker."""
        connection, _ = self._listener.accept()
        if _user_of(connection) in (0, os.geteuid()):
            self._waiting.append(_Waiting(connection, self._clock.monotonic_s()))
        else:
            connection.close()

    def _serve_waiting(self) -> None:
        """Give waiting fronts the idle workers, or new ones if another worker is allowed: one of
        the first AT_ONCE, or one after a wait of GROW_S, or beyond MOST of PATIENT_S."""
        if not self._waiting or self._idle:
            self._grows_at_s = self._clock.monotonic_s() + GROW_S
        while self._waiting and (self._idle or self._count < AT_ONCE or self._is_late()):
            with self._waiting.popleft().socket as connection:
                # a worker may just have ended
                idle = (self._idle.pop() for _ in range(len(self._idle)))
                if any(self._pass_on(connection, worker) for worker in idle):
                    continue
                self._grows_at_s = self._clock.monotonic_s() + GROW_S
                try:
                    self._fork(connection)
                except OSError as error:  # the front does the job by itself
                    _say(f"cannot start a worker: {error.strerror}")
        if self._waiting and self._count >= MOST:
            self._ask_to_give_way()

    def _is_late(self) -> bool:
        now_s = self._clock.monotonic_s()
        if self._count >= MOST:
            return now_s >= self._waiting[0].since_s + PATIENT_S
        return now_s >= self._grows_at_s

    def _ask_to_give_way(self) -> None:
        """Ask the worker with the oldest job to leave that job to the poller. A worker that still
        sends its document does so afterwards."""
        control, since_s = next(iter(self._busy.items()), (None, 0.0))
        if control is not None and self._clock.monotonic_s() >= since_s + UNDISTURBED_S:
            del self._busy[control]
            with contextlib.suppress(OSError):  # the worker has just ended
                control.socket.send(NEEDED)

    def _pass_on(self, connection: socket.socket, control: _Control) -> bool:
        """Give a front to a worker; return False if the worker has just ended."""
        try:
            socket.send_fds(control.socket, [b"j"], [connection.fileno()])
        except OSError:
            return False
        self._busy[control] = self._clock.monotonic_s()
        return True

    def _fork(self, connection: socket.socket) -> None:
        """Start a worker for a front."""
        ours, theirs = socket.socketpair()
        worker = os.fork()
        if worker == 0:
            ours.close()
            self._become_worker(theirs, connection)
        theirs.close()
        control = _Control(ours, worker)
        self._selector.register(ours, selectors.EVENT_READ, control)
        self._busy[control] = self._clock.monotonic_s()
        self._count += 1

    def _become_worker(self, control: socket.socket, connection: socket.socket) -> NoReturn:
        try:
            self._clock.ignore_signals()
            keys = [*self._selector.get_map().values()]
            self._selector.close()
            for key in keys:
                (self._listener if key.data is None else key.data.socket).close()
            for waiting in self._waiting:
                waiting.socket.close()
            WarmWorker(control, self._credentials).run(connection)
        except BaseException:  # noqa: BLE001 - this process must never go on as the service
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def _hear(self, control: _Control) -> None:
        """Note that a worker is idle, or has ended."""
        self._busy.pop(control, None)
        with contextlib.suppress(OSError):
            if control.socket.recv(1) == IDLE:
                self._idle.append(control)
                return
        if is_idle := control in self._idle:
            self._idle.remove(control)
        self._count -= 1
        self._selector.unregister(control.socket)
        control.socket.close()
        _, status = os.waitpid(control.worker, 0)
        if os.WIFSIGNALED(status):
            signal = os.WTERMSIG(status)
            then = "" if is_idle else "; its job resumes"
            _say(f"signal {signal} ended worker {control.worker}{then}")
        elif status:
            _say(f"worker {control.worker} failed")


def _user_of(connection: socket.socket) -> int:
    """The user id of the process at the other end (SO_PEERCRED, unix(7))."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(peer)
    return int(user)


def _say(text: str) -> None:
    """Write a line to the service's log."""
    sys.stderr.write(f"<4>cirrus-workerd: {text}\n")
    sys.stderr.flush()
