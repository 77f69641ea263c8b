"""A warm worker: does jobs one after another, each as a separate process would.

A worker keeps nothing of a job except the connections to servers, for KEEP_S. After a job that was
stopped, failed in an unexpected way, or left something running, the worker ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from cirrus_bridge.api.session import Sessions
from cirrus_bridge.backend import main
from cirrus_bridge.backend.front import Front, Job
from cirrus_bridge.backend.print_job import configuration_for
from cirrus_bridge.backend.supervisor import RETRIES, begin, interruption
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.privileges import name_process
from cirrus_bridge.base.threads import has_left_threads
from cirrus_bridge.config.defaults import STATE_FOLDER
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.cups import side_channel
from cirrus_bridge.journal.run_notes import Run

KEEP_S = 3.0  # not longer: an idle connection blocks a server with a single thread
IDLE_S = 30.0
MOST_JOBS = 500  # limits what a leak in a library can add up to
IDLE, NEEDED = b"i", b"n"  # said on the control socket by the worker, and by the service


class WarmWorker:
    """A worker of the service, which passes on the connections of fronts through `control`. The
    service may have `credentials`: a folder with copies of the key files."""

    def __init__(self, control: socket.socket, credentials: Path | None) -> None:
        self._control, self._credentials = control, credentials
        self._sessions = Sessions()
        self._user = os.geteuid()
        self._is_needed = False

    def run(self, connection: socket.socket | None) -> NoReturn:
        """Do this front's job, then other fronts' jobs, until none comes for IDLE_S or the service
        has ended."""
        with contextlib.suppress(OSError):  # the service has ended
            for _ in range(MOST_JOBS):
                if connection is None or not self._take(connection):
                    break
                name_process("cirrus idle")
                self._control.send(IDLE)
                connection = self._next()
        os._exit(0)

    def _next(self) -> socket.socket | None:
        """Wait for the next front; None if the worker is to end."""
        for wait_s in (KEEP_S, IDLE_S):
            while select.select([self._control], [], [], wait_s)[0]:
                said, files, _, _ = socket.recv_fds(self._control, 1, 1)
                if said != NEEDED:  # which was about the last job
                    return socket.socket(fileno=files[0]) if files else None
            self._sessions.close()
        return None

    def _needed(self) -> bool:
        """Whether the service has asked for this worker since the job began."""
        with contextlib.suppress(OSError):
            self._is_needed |= self._control.recv(1, socket.MSG_DONTWAIT) == NEEDED
        return self._is_needed

    def _take(self, connection: socket.socket) -> bool:
        """Do the job of a front, or leave it to the front; return whether this worker can do
        another job."""
        job, clock, self._is_needed = None, Clock(), False
        try:
            with connection:
                front = Front(connection)
                job = front.job()
                if job is None:
                    return True
                os.environ.clear()
                os.environ.update(job.call.environ)
                clock.change_time_zone()
                name_process(f"cirrus {job.call.argv[1]}")
                return self._offer(job, front, clock)
        except OSError:  # the front is gone
            return False
        finally:
            clock.ignore_signals()
            self._sessions.end_job()
            os.environ.clear()
            if job is not None:
                job.close()

    def _configuration(self, job: Job) -> Configuration | None:
        """The configuration for a job; None if the job may need root, to read newer keys, to reach
        all files or to report a mistake."""
        if self._credentials is not None:
            copied_ns = [copy.stat().st_ctime_ns for copy in self._credentials.iterdir()]
            if min(copied_ns, default=0) <= job.newest_key_ns:  # ctime, inode(7)
                return None
        if not _has_rights(job):
            return None
        try:
            return configuration_for(job.call, self._credentials)
        except CirrusError:
            return None

    def _offer(self, job: Job, front: Front, clock: Clock) -> bool:
        """Note the run first: if the front is killed, CUPS counts its document as printed."""
        run = begin(job.call.argv, job.call.environ, job.call.cupsd)
        try:
            configuration = self._configuration(job)
            if configuration is None:
                run.undo()
                return True
            clock.watch_signals()
            agrees = front.lets_do(run.lock, interruption(), is_joined=run.is_joined)
            if agrees is False:
                run.undo()
            return not agrees or self._do(job, run, configuration, front, clock)
        finally:
            run.unlock()

    def _do(
        self, job: Job, run: Run, configuration: Configuration, front: Front, clock: Clock
    ) -> bool:
        call = job.call
        with _filters_answered(job):
            code, is_faulty = main.run(
                call, run, clock, configuration, self._sessions.session_for, self._needed
            )
        if front.is_alive():  # otherwise, the note tells the poller
            run.end(failed=code != 0, again=code in RETRIES)
        job.close()
        # when the front has ended, no signal can be for this job
        is_over = front.ended(code)
        return is_over and not is_faulty and not clock.stop_requested and self._is_clean()

    def _is_clean(self) -> bool:
        """Whether the last job left no thread, and did not change the user."""
        return not has_left_threads() and os.geteuid() == self._user


def _has_rights(job: Job) -> bool:
    """Whether this process may write the journal, and read the document and the queue's PPD. The
    administrator may have chosen another group for CUPS (cups-files.conf(5))."""
    environ, file = job.call.environ, "".join(job.call.argv[6:7])
    state = environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER
    spool = str(Path(file or environ.get("TMPDIR", "")).parent)
    reads = all(_is_readable(path) for path in (file, environ.get("PPD", "")) if path)
    return reads and os.access(state, os.W_OK | os.X_OK) and os.access(spool, os.X_OK)


def _is_readable(path: str) -> bool:
    """Whether a file can be read, or is missing: CUPS also names the PPD of a queue without one."""
    try:
        Path(path).stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return os.access(path, os.R_OK)


@contextlib.contextmanager
def _filters_answered(job: Job) -> Iterator[None]:
    """Answer the filters inside the context (`side_channel`)."""
    if job.side_channel is None:
        yield
        return
    # the backends of all files of a job share the channel, so this one must not shut it down
    stop, stopper = os.pipe()
    about = (job.side_channel.fileno(), job.call.environ.get("PPD", ""), stop)
    thread = threading.Thread(target=side_channel.serve, args=about, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(stopper)
        thread.join()
        os.close(stop)
