"""The process that CUPS sees: it starts the worker and tells CUPS how the worker really ended.

CONTRIBUTING.md, "Two processes", has the reasons. The supervisor also answers filters, whatever the
worker waits for. This module is part of every job's start and memory, so it imports next to
nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from cirrus_bridge.base.privileges import give_up_new_rights
from cirrus_bridge.config.defaults import STATE_FOLDER
from cirrus_bridge.cups.side_channel import answer_filters
from cirrus_bridge.cups.spool import are_joined, files, is_run_by_cupsd
from cirrus_bridge.journal import run_notes
from cirrus_bridge.journal.run_notes import NOT_NOTED, Run

PAUSE_S = 5  # the cause may pass; CUPS also needs another second to tell two passes apart
LOOK_S = 1
PIPE_BYTES = 64 * 1024
RETRIES = RETRY, RETRY_CURRENT = 6, 7  # CUPS_BACKEND_…, backend(7)
_LOST = (
    b"DEBUG: the cupsd that started this process is gone; the next cupsd runs the job again\n"
    b"ERROR: Printing was interrupted. The job starts again by itself.\n"
)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def run() -> None:
    """Entry point of the program."""
    give_up_new_rights()
    if len(sys.argv) == 1:
        _work(NOT_NOTED, os.getppid())  # discovery
    cupsd = os.getppid()
    if _has_lost_cupsd(cupsd):
        with contextlib.suppress(OSError):  # stderr may be closed
            os.write(2, _LOST)
        sys.exit(RETRY_CURRENT)
    run = begin(sys.argv, os.environ, cupsd)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # the worker unblocks them when ready
    worker = os.fork()
    if worker == 0:
        _work(run, cupsd)
    answer_filters(os.environ)
    status = _watch(worker, cupsd)
    if status and run.is_joined:
        _read_rest(cupsd)
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        run.end(failed=code != 0, again=code in RETRIES)
        sys.exit(code)
    with contextlib.suppress(OSError):
        os.write(2, b"DEBUG: signal %d ended the worker\n" % os.WTERMSIG(status) + interruption())
    signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), PAUSE_S)
    sys.exit(RETRY_CURRENT)


def begin(argv: Sequence[str], environ: Mapping[str, str], cupsd: int) -> Run:
    """Note the run with these arguments (backend(7)), which the process `cupsd` has started."""
    words = argv[5].split(" ") if len(argv) > 5 else []
    started = dict(word.partition("=")[::2] for word in reversed(words)).get("time-at-processing")
    if not (started and started.isdigit() and argv[1].isdigit()):
        return NOT_NOTED
    count = files(argv, environ)
    return run_notes.begin(
        environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER,
        int(argv[1]),
        started,
        cupsd,
        documents=1 if are_joined(argv, environ, count) else count,
        files=count,
    )


def interruption() -> bytes:
    """The status line for a worker that was killed."""
    from cirrus_bridge.base.translation import tr, translated  # few jobs need it

    text = tr("Printing was interrupted; resuming in {pause} seconds.", pause=PAUSE_S)
    return f"INFO: {translated(text)}\n".encode()


def _has_lost_cupsd(parent: int) -> bool:
    """Whether the cupsd that started this process has died already.

    The next cupsd starts the job again. A run that continued with another parent would not know
    which file of the job it has.
    """
    if not is_run_by_cupsd(os.environ):
        return False
    try:
        while parent > 0:  # there may be a script in between
            with open(f"/proc/{parent}/stat", "rb") as file:  # noqa: PTH123 - pathlib takes 10 ms
                name, _, fields = file.read().rpartition(b")")
            if b"(cupsd" in name:
                return False
            parent = int(fields.split()[1])
    except OSError:
        return False  # unknown
    return True


def _work(run: Run, cupsd: int) -> NoReturn:
    gc.set_threshold(50_000)  # a collection right after the imports takes 15 ms
    from cirrus_bridge.backend.call import Call
    from cirrus_bridge.backend.main import run as work
    from cirrus_bridge.base.clock import Clock

    call = Call(sys.argv, os.environ, sys.stdin.buffer, sys.stderr.buffer, cupsd)
    clock = Clock()
    clock.watch_signals()
    ended = work(call, run, clock)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code)  # an orderly shutdown of the interpreter takes 20 ms


def _watch(worker: int, cupsd: int) -> int:
    """Pass on stop signals until the worker ends; return its wait status."""
    while True:
        received = signal.sigtimedwait(_SIGNALS, LOOK_S)
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            return status
        is_stop = received is not None and received.si_signo != signal.SIGCHLD
        if is_stop or os.getppid() != cupsd:
            os.kill(worker, signal.SIGTERM)


def _read_rest(cupsd: int) -> None:
    """Read all files that CUPS joins. If a backend fails before the last file, cupsd aborts the
    job instead of holding or retrying it."""
    import select

    while os.getppid() == cupsd and not signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), 0):
        if select.select([0], [], [], LOOK_S)[0] and not os.read(0, PIPE_BYTES):
            return
