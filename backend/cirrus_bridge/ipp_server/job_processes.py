"""Processes for the runs of jobs, so that no document can harm the service or its other runs.

The service starts this module's child process before its threads, when a fork is safe. The child
has loaded what a run needs, and forks a process for a run if none is idle. Such a process goes on
with the next job as long as its worker says so. Runs tell their news as datagrams.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.privileges import end_with_parent, name_process
from cirrus_bridge.base.threads import has_left_threads

Tell = Callable[[Mapping[str, Any]], None]
_DATAGRAM_BYTES = 64 * 1024
OUT_OF_TIME = int(signal.SIGXCPU)  # ended a run beyond its processor time (`documents.limits`)
STOP_S = 1.5  # for runs, when the service ends
IDLE_S = 30.0  # of a process, before it ends
REST_S = 3.0  # of a process, before its worker rests
MOST_JOBS = 500  # of a process, which limits what a leak in a library can add up to
_CHILD_ENDED = "the process that starts runs has ended"
ENDED = "ended"  # the key of a run's last news: its job
_DONE = b"d"  # said by a process that waits for its next job


class Worker(Protocol):
    """Does the jobs of one process, one after another."""

    def run(self, job_id: int, tell: Tell, clock: Clock) -> bool:
        """Do a job, and tell its news; return whether this process may do another job."""
        ...

    def rest(self) -> None:
        """Let go of what was kept for the next job, because none has come for a while."""
        ...


class JobProcesses:
    """Starts runs, and stops them. `worker` makes the worker of each process, in that process.

    The news of runs come as mappings from `socket`: those that a run tells, with the key `job`, and
    at the end `{ENDED: job, "signal": number}`, where number is 0 unless a signal ended the run.
    """

    def __init__(self, worker: Callable[[], Worker]) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.child = os.fork()
        if self.child == 0:
            self.socket.close()
            _Starter(theirs, worker).work()
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


@dataclass(eq=False, slots=True)
class _Process:
    """A process for runs.

    Attributes:
        handle: a descriptor of the process (pidfd_open(2)).
        control: the socket on which it gets jobs.
        job_id: the job that it does; None if it is idle.
        idle_since_s: monotonic seconds.
        is_leaving: whether it gets no further job: it was asked to end, or got a signal, which may
            come only after its job.
    """

    pid: int
    handle: int
    control: socket.socket
    job_id: int | None
    idle_since_s: float = 0.0
    is_leaving: bool = False

    def is_idle(self) -> bool:
        """Whether it waits for a job."""
        return self.job_id is None and not self.is_leaving

    def leave(self) -> None:
        """Ask an idle process to end."""
        self.is_leaving = True
        with contextlib.suppress(OSError):  # it has just ended
            self.control.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.control.close()
        os.close(self.handle)


class _Starter:
    """The child: it has no threads, so it may fork."""

    def __init__(self, control: socket.socket, worker: Callable[[], Worker]) -> None:
        self._control, self._worker, self._clock = control, worker, Clock()
        self._processes: dict[int, _Process] = {}  # by process id
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, 0)

    def work(self) -> NoReturn:
        status = 1
        try:
            name_process("cirrus starter")
            self._clock.watch_signals()  # signals end the service, which ends this process
            self._serve()
            self._end_all()
            status = 0
        except BaseException:  # noqa: BLE001 - this process must never go on as the service
            traceback.print_exc()
        os._exit(status)

    def _serve(self) -> None:
        """Start and stop runs until the service has ended."""
        while True:
            for key, _ in self._selector.select(self._end_idle()):
                if key.data:
                    self._hear_process(key.data, key.fd)
                elif not self._hear():
                    self._selector.unregister(self._control)
                    return

    def _end_idle(self) -> float | None:
        """End the processes that were idle for IDLE_S; return the seconds until the next look, or
        None if no process is idle."""
        idle = [each for each in self._processes.values() if each.is_idle()]
        for process in idle:
            if self._clock.monotonic_s() >= process.idle_since_s + IDLE_S:
                process.leave()
        return IDLE_S if idle else None

    def _end_all(self) -> None:
        """Stop all runs; kill those that do not stop, which a run survives at every step."""
        until_s = self._clock.monotonic_s() + STOP_S
        self._signal_all(signal.SIGTERM)
        while self._processes:
            left_s = until_s - self._clock.monotonic_s()
            if left_s <= 0:
                self._signal_all(signal.SIGKILL)
            for key, _ in self._selector.select(left_s if left_s > 0 else None):
                self._hear_process(key.data, key.fd)

    def _hear(self) -> bool:
        """Do what the service asks; False if the service has ended."""
        data = self._control.recv(_DATAGRAM_BYTES)
        if data:
            said = json.loads(data)
            if "start" in said:
                self._start(said["start"])
            else:
                self._stop(said["stop"])
        return bool(data)

    def _start(self, job_id: int) -> None:
        # the last one has the freshest connections
        idle = [each for each in self._processes.values() if each.is_idle()]
        for process in sorted(idle, key=lambda each: each.idle_since_s, reverse=True):
            with contextlib.suppress(OSError):  # it has just ended
                process.control.send(str(job_id).encode())
                process.job_id = job_id
                return
        self._fork(job_id)

    def _fork(self, job_id: int) -> None:
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # a signal that comes before the run has its own handlers waits for them
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become_process(theirs, job_id)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        theirs.close()
        process = self._processes[pid] = _Process(pid, os.pidfd_open(pid), ours, job_id)
        self._selector.register(process.handle, selectors.EVENT_READ, pid)
        self._selector.register(process.control, selectors.EVENT_READ, pid)

    def _become_process(self, control: socket.socket, job_id: int) -> NoReturn:
        status = 1
        try:
            end_with_parent(signal.SIGTERM)  # if only the starter is killed
            for other in self._processes.values():  # whose sockets are not this process's business
                other.close()
            self._selector.close()
            _do_jobs(self._worker(), control, self._tell, job_id)
            status = 0
        except BaseException:  # noqa: BLE001 - this process must never go on as the starter
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)

    def _stop(self, job_id: int) -> None:
        for process in self._processes.values():
            if process.job_id == job_id:
                process.is_leaving = True
                os.kill(process.pid, signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.is_leaving = True
            os.kill(process.pid, number)

    def _hear_process(self, pid: int, descriptor: int) -> None:
        """Hear that a process waits for its next job, or has ended."""
        process = self._processes.get(pid)
        if process is None:
            return
        if descriptor == process.handle:
            self._forget(process)
            return
        with contextlib.suppress(OSError):
            if process.control.recv(1) == _DONE:
                self._end_run(process, 0)
                process.idle_since_s = self._clock.monotonic_s()
                if process.is_leaving:
                    process.leave()
                return
        self._selector.unregister(process.control)  # `handle` tells of the end

    def _forget(self, process: _Process) -> None:
        """Clean up after a process that has ended."""
        self._selector.unregister(process.handle)
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.control)
        del self._processes[process.pid]
        process.close()
        _, status = os.waitpid(process.pid, 0)
        self._end_run(process, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)

    def _end_run(self, process: _Process, number: int) -> None:
        """Tell the service that a process no longer does its job, if it had one."""
        if process.job_id is not None:
            self._tell({ENDED: process.job_id, "signal": number})
            process.job_id = None

    def _tell(self, news: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the service has ended
            self._control.send(json.dumps(news).encode())


def _do_jobs(worker: Worker, control: socket.socket, tell: Tell, job_id: int) -> None:
    """Do a job, then those that come through `control`, until that ends. A job that was stopped, or
    that left a thread, is the last one."""
    for _ in range(MOST_JOBS):
        clock = Clock()
        clock.watch_signals()
        name_process(f"cirrus {job_id}")
        may_go_on = worker.run(job_id, tell, clock)
        clock.ignore_signals()  # a late signal for this job ends the process
        if not may_go_on or clock.stop_requested or has_left_threads():
            return
        name_process("cirrus idle")
        control.send(_DONE)
        if not select.select([control], [], [], REST_S)[0]:
            worker.rest()
        said = control.recv(_DATAGRAM_BYTES)
        if not said:
            return
        job_id = int(said)
