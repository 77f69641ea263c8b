"""The process that CUPS sees: starts the worker, and tells CUPS how it really ended.

cupsd takes a backend that was killed (by a person, or for want of memory) for one that has printed
its job, and starts a second one when it has died itself while the first lives on. So a process that
does nothing stands in front: a killed worker runs again, and one whose cupsd is gone is stopped. If
this process is killed, the worker goes on to its end. Filters get their answers from it, whatever
the worker waits for. Imports next to nothing, for it is a part of every job's start and of its
memory.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import NoReturn

from cirrus_bridge.backend.run_markers import begin
from cirrus_bridge.cups.side_channel import answer_filters
from cirrus_bridge.cups.spool import is_run_by_cupsd
from cirrus_bridge.journal.run_notes import NOT_NOTED, Run

PAUSE_S = 5  # what killed the worker may pass; and CUPS tells its passes apart by the second
LOOK_S = 1
PIPE_BYTES = 64 * 1024
RETRY, RETRY_CURRENT = 6, 7  # CUPS_BACKEND_…, backend(7)
RUN_AGAIN = (RETRY, RETRY_CURRENT)
_LOST = b"ERROR: No cupsd is above this process any more. The next one starts the job again.\n"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def run() -> None:
    """Entry point of the program."""
    if len(sys.argv) == 1:
        _work(NOT_NOTED, os.getppid())  # discovery: nothing can get lost
    cupsd = os.getppid()
    if _has_lost_cupsd(cupsd):
        with contextlib.suppress(OSError):  # nobody may be left to read it
            os.write(2, _LOST)
        sys.exit(RETRY_CURRENT)
    run = begin(sys.argv, os.environ, cupsd)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # the worker takes them when it is ready
    worker = os.fork()
    if worker == 0:
        _work(run, cupsd)
    answer_filters(os.environ)
    status = _watch(worker, cupsd)
    if status and run.is_joined:
        _read_rest(cupsd)
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        run.end(failed=code != 0, again=code in RUN_AGAIN)
        sys.exit(code)
    from cirrus_bridge.base.translation import tr, translated  # which hardly any job needs here

    text = tr(
        "Printing was interrupted by signal {signal}; resuming in {pause} seconds.",
        signal=os.WTERMSIG(status),
        pause=PAUSE_S,
    )
    sys.stderr.buffer.write(f"INFO: {translated(text)}\n".encode())
    sys.stderr.flush()
    signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), PAUSE_S)
    sys.exit(RETRY_CURRENT)


def _has_lost_cupsd(parent: int) -> bool:
    """Whether cupsd has started this and died before it could be looked at. Its next one starts the
    job again; a run that takes its heir for cupsd would not know which of the files it has."""
    if not is_run_by_cupsd(os.environ):
        return False
    try:
        while parent > 0:  # there may be a script between
            with open(f"/proc/{parent}/stat", "rb") as file:  # noqa: PTH123 - pathlib takes 10 ms
                name, _, fields = file.read().rpartition(b")")
            if b"(cupsd" in name:
                return False
            parent = int(fields.split()[1])
    except OSError:
        return False  # nobody knows
    return True


def _work(run: Run, cupsd: int) -> NoReturn:
    gc.set_threshold(50_000)  # looking for garbage in what was just imported takes 15 ms
    from cirrus_bridge.backend.main import run as work

    code = work(run, cupsd)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # nothing is left to be done, and taking everything down takes 20 ms


def _watch(worker: int, cupsd: int) -> int:
    """Pass on what CUPS wants until the worker has ended; its wait status."""
    while True:
        received = signal.sigtimedwait(_SIGNALS, LOOK_S)
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            return status
        is_stop = received is not None and received.si_signo != signal.SIGCHLD
        if is_stop or os.getppid() != cupsd:
            os.kill(worker, signal.SIGTERM)


def _read_rest(cupsd: int) -> None:
    """Let CUPS hand over all files that it joins: cupsd aborts the job of a backend that fails
    before the last one, and neither holds it nor runs it again."""
    import select

    while os.getppid() == cupsd and not signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), 0):
        if select.select([0], [], [], LOOK_S)[0] and not os.read(0, PIPE_BYTES):
            return
