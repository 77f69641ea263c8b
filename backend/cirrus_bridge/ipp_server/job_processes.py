"""A process for each run of a job, so that no document can harm the service or another job.

The service starts this module's child process before its threads, when a fork is safe. The child
has loaded what a run needs, and forks once more for each run. Runs tell their news as datagrams.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.privileges import end_with_parent, name_process

Tell = Callable[[Mapping[str, Any]], None]
Run = Callable[[int, Tell, Clock], None]
_DATAGRAM_BYTES = 64 * 1024
OUT_OF_TIME = int(signal.SIGXCPU)  # ended a run beyond its processor time (`documents.limits`)
STOP_S = 1.5  # for runs, when the service ends
_CHILD_ENDED = "the process that starts runs has ended"
ENDED = "ended"  # the key of a run's last news: its job


class JobProcesses:
    """Starts runs, and stops them. `run` does a job by its id, in a process of its own.

    The news of runs come as mappings from `socket`: those that a run tells, with the key `job`, and
    at the end `{ENDED: job, "signal": number}`, where number is 0 unless a signal ended the run.
    """

    def __init__(self, run: Run) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.child = os.fork()
        if self.child == 0:
            self.socket.close()
            _Starter(theirs, run).work()
        theirs.close()
        self.socket.setblocking(False)

    def start(self, job_id: int) -> None:
        """Start a run of a job. Raises EOFError if the child has ended."""
        self._ask({"start": job_id})

    def stop(self, job_id: int) -> None:
        """Ask the run of a job to stop, if there is one. Raises EOFError if the child has ended."""
        self._ask({"stop": job_id})

    def _ask(self, what: Mapping[str, int]) -> None:
        try:
            self.socket.send(json.dumps(what).encode())
        except OSError as error:
            raise EOFError(_CHILD_ENDED) from error

    def news(self) -> list[dict[str, Any]]:
        """The news that has come. Raises EOFError if the child has ended."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := self.socket.recv(_DATAGRAM_BYTES):
                found.append(json.loads(data))
            if not found:
                raise EOFError(_CHILD_ENDED)
        return found

    def close(self) -> list[dict[str, Any]]:
        """End the child, which stops all runs and kills those that do not stop; return the last
        news."""
        news = []
        with self.socket, contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(STOP_S + 1.0)
            while data := self.socket.recv(_DATAGRAM_BYTES):
                news.append(json.loads(data))
        return news


class _Starter:
    """The child: it has no threads, so it may fork."""

    def __init__(self, control: socket.socket, run: Run) -> None:
        self._control, self._run = control, run
        self._processes: dict[int, tuple[int, int]] = {}  # job id → process id and its descriptor
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, 0)

    def work(self) -> NoReturn:
        status = 1
        try:
            name_process("cirrus starter")
            Clock().watch_signals()  # signals end the service, which ends this process
            self._serve()
            self._end_all()
            status = 0
        except BaseException:  # noqa: BLE001 - this process must never go on as the service
            traceback.print_exc()
        os._exit(status)

    def _serve(self) -> None:
        """Start and stop runs until the service has ended."""
        while True:
            for key, _ in self._selector.select():
                if key.data:
                    self._end(key.data)
                elif not self._hear():
                    self._selector.unregister(self._control)
                    return

    def _end_all(self) -> None:
        """Stop all runs; kill those that do not stop, which a run survives at every step."""
        clock = Clock()
        until_s = clock.monotonic_s() + STOP_S
        for job_id in self._processes:
            self._signal(job_id, signal.SIGTERM)
        while self._processes:
            left_s = until_s - clock.monotonic_s()
            if left_s <= 0:
                for job_id in self._processes:
                    self._signal(job_id, signal.SIGKILL)
            for key, _ in self._selector.select(left_s if left_s > 0 else None):
                self._end(key.data)

    def _hear(self) -> bool:
        """Do what the service asks; False if the service has ended."""
        data = self._control.recv(_DATAGRAM_BYTES)
        if data:
            said = json.loads(data)
            if "start" in said:
                self._start(said["start"])
            else:
                self._signal(said["stop"], signal.SIGTERM)
        return bool(data)

    def _start(self, job_id: int) -> None:
        sys.stderr.flush()
        # a signal that comes before the run has its own handlers waits for them
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        process = os.fork()
        if process:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            handle = os.pidfd_open(process)
            self._processes[job_id] = (process, handle)
            self._selector.register(handle, selectors.EVENT_READ, job_id)
            return
        status = 1
        try:
            end_with_parent(signal.SIGTERM)  # if only this process is killed
            clock = Clock()
            clock.watch_signals()
            name_process(f"cirrus {job_id}")
            self._run(job_id, self._tell, clock)
            status = 0
        except BaseException:  # noqa: BLE001 - as above
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)

    def _signal(self, job_id: int, number: signal.Signals) -> None:
        if job_id in self._processes:
            process, _ = self._processes[job_id]
            os.kill(process, number)

    def _end(self, job_id: int) -> None:
        """Tell the service of a run that has ended."""
        process, handle = self._processes.pop(job_id)
        self._selector.unregister(handle)
        os.close(handle)
        _, status = os.waitpid(process, 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self._tell({ENDED: job_id, "signal": number})

    def _tell(self, news: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the service has ended
            self._control.send(json.dumps(news).encode())
