"""Notes that runs of the backend begin, before anything else of a run happens.

CUPS takes a backend that was killed for a good one and goes on: with the job's next document, or
with the next job. So each run leaves a line in a file of its pass (the job's way through the queue,
by one cupsd). The file is removed when each run of the pass, or a failed one, has come to its end.
The line's place is the document's number, which CUPS does not tell. A file that stays shows that a
run was killed, even if the journal knows nothing of it.

Each run keeps a lock on the file, which both of its processes share. The lock ends with the last of
them, so the file tells at any moment whether somebody is at work, whatever the clocks say. No pass
touches the file of another: a run of a cupsd that died may end when the next pass is under way.
A part of the start of every job: imports next to nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

from cirrus_bridge.base.privileges import as_owner, make_folder

_FOLDER = "runs"


class Run(NamedTuple):
    """A run that has begun.

    `number` is its document's place in the job, from 1, or 0 if the run could not be noted;
    `documents` how many runs the job needs; `files` how many files it has.
    """

    path: str
    number: int
    documents: int
    files: int

    @property
    def is_joined(self) -> bool:
        """CUPS joins the job's files for this run."""
        return self.documents == 1 and self.files > 1

    def end(self, *, failed: bool, again: bool = False) -> None:
        """The run has come to its end, and CUPS will hear how: CUPS ends the job if the run failed,
        a job of several runs even if this one asks CUPS to run the job again."""
        if not self.path or (again and self.documents > 1):
            return
        with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
            if failed and _HELD in _lines(self.path):
                return
            is_over = failed or self.documents == 1
            if is_over or _add(self.path, _ENDED).count(_ENDED) >= self.documents:
                os.unlink(self.path)  # noqa: PTH108 - pathlib takes 10 ms to import

    def held(self) -> None:
        """The job is held for a cause that passes, which the journal could not take down: the note
        stays, and the poller releases the job by it."""
        if self.path:
            with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
                _add(self.path, _HELD)

    def forget(self) -> None:
        """Take the note away."""
        with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
            os.unlink(self.path)  # noqa: PTH108


_ENDED = b"ended\n"
_HELD = b"held\n"
_NUMBERED = b"run of %d\n"
NOT_NOTED = Run("", 0, 1, 1)


class UnfinishedPass(NamedTuple):
    """What is left of a pass; `started` is when CUPS began to process the job, in seconds since the
    epoch. `is_at_work` says that one of its processes lives, `is_held` is `Run.held`; `runs` counts
    those that have begun."""

    run: Run
    started: str
    job_id: int
    is_at_work: bool
    is_held: bool
    runs: int


def begin(state: str, job_id: int, started: str, cupsd: int, *, documents: int, files: int) -> Run:
    """Note on the disk, if possible, that a run of the backend begins.

    The note's lock is kept until this process, and those that it forks, have ended.

    Args:
        state: the journal's folder.
        started: when CUPS began to process the job, in seconds since the epoch.
        cupsd: the process id of cupsd: two passes may begin within a second, but not by the same
            cupsd.
        documents: the number of runs that the job needs.
        files: the number of files that the job has.
    """
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    path = os.path.join(folder, f"{job_id}-{started}-{cupsd}")  # noqa: PTH118
    try:
        if not os.path.isdir(state):  # noqa: PTH112
            from pathlib import Path

            make_folder(Path(state), 0o700)
        with as_owner(state):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            fcntl.flock(file, fcntl.LOCK_SH)  # before the line, without which a note counts nothing
            line = _NUMBERED % documents
            number = _append(file, line).count(line)
    except OSError:  # the journal itself will say what is wrong there
        return NOT_NOTED
    # CUPS may run them all again within the second: those are no further documents
    return Run(path, (number - 1) % documents + 1, documents, files)


def left(state: str) -> Iterator[UnfinishedPass]:
    """The passes that have not come to their end."""
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return
    for name in names:
        pass_ = look(os.path.join(folder, name))  # noqa: PTH118
        if pass_ is not None:
            yield pass_


def look(path: str) -> UnfinishedPass | None:
    """What the note at `path` says now; None if there is no such note."""
    try:
        job_id, started, _ = os.path.basename(path).split("-")  # noqa: PTH119
        lines = _lines(path)
        documents = int(lines[0].removeprefix(b"run of "))
        runs = sum(line.startswith(b"run of ") for line in lines)
        run = Run(path, 0, documents, 1)
        return UnfinishedPass(run, started, int(job_id), _is_locked(path), _HELD in lines, runs)
    except (OSError, ValueError, LookupError):
        return None


def _add(path: str, line: bytes) -> list[bytes]:
    """Add a line to a file that is there; all of its lines."""
    file = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        return _append(file, line)
    finally:
        os.close(file)


def _append(file: int, line: bytes) -> list[bytes]:
    """Add a line to an open file; all of its lines.

    Raises:
        OSError: not all of it could be written.
    """
    written = os.write(file, line)
    if written != len(line):
        os.ftruncate(file, os.fstat(file).st_size - written)
        raise OSError("short write")
    return os.pread(file, os.fstat(file).st_size, 0).splitlines(keepends=True)


def _lines(path: str) -> list[bytes]:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.pread(file, 1 << 20, 0).splitlines(keepends=True)
    finally:
        os.close(file)


def _is_locked(path: str) -> bool:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _state_of(path: str) -> str:
    return os.path.dirname(os.path.dirname(path))  # noqa: PTH120
