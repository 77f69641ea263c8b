"""Notes about runs of the backend. Writing the note is the first thing that a run does.

If a backend is killed, CUPS counts its document as printed. So each run adds a line to a file of
its pass. The place of the line is the document's number, which CUPS does not tell. The file is
removed when all runs of the pass have ended, or one has failed. A file that remains shows that a
run was killed, even if the journal does not know the run.

Both processes of a run share a lock on the file, which the kernel frees when both have ended
(flock(2)), independently of clocks. A pass never changes the file of another: a run of a dead cupsd
may end while the next pass is under way.

This module is part of every job's start, so it imports next to nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cirrus_bridge.base.privileges import as_owner, make_folder

if TYPE_CHECKING:
    from pathlib import Path


_FOLDER = "runs"


def make_state_folder(state: Path) -> None:
    """Create the folder of the journal and of the notes, if it is missing.

    Raises:
        OSError: the folder cannot be created.
    """
    make_folder(state, 0o700, _FOLDER)


class Run(NamedTuple):
    """A run that has begun.

    Attributes:
        path: the file of the pass, or empty if the run could not be noted.
        number: the document's number in the job, from 1; 0 if the run could not be noted.
        documents: the number of runs that the job needs.
        files: the number of files that the job has.
        lock: the descriptor of the file, whose lock this process keeps; -1 if there is none.
    """

    path: str
    number: int
    documents: int
    files: int
    lock: int = -1

    @property
    def is_joined(self) -> bool:
        """Whether CUPS joins the job's files for this run."""
        return self.documents == 1 and self.files > 1

    def end(self, *, failed: bool, again: bool = False) -> None:
        """Note that the run has ended, before CUPS gets its exit code.

        Args:
            failed: whether CUPS ends the job.
            again: whether the run asks CUPS to run the job again. CUPS ends a job of several runs
                all the same, so its note stays.
        """
        if not self.path or (again and self.documents > 1):
            return
        with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
            if failed and _HELD in _lines(self.path):
                return
            is_over = failed or self.documents == 1
            if is_over or _add(self.path, _ENDED).count(_ENDED) >= self.documents:
                os.unlink(self.path)  # noqa: PTH108 - pathlib takes 10 ms to import

    def held(self) -> None:
        """Note that the job is held for a passing cause that the journal could not record. The note
        stays, and tells the poller to release the job."""
        if self.path:
            with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
                _add(self.path, _HELD)

    def undo(self) -> None:
        """Take the note back, because another process begins the same run."""
        if self.lock < 0:
            return
        line = _NUMBERED % self.documents
        with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
            size = os.fstat(self.lock).st_size - len(line)
            if size == 0:
                os.unlink(self.path)  # noqa: PTH108
            elif os.pread(self.lock, len(line), size) == line:
                os.ftruncate(self.lock, size)

    def unlock(self) -> None:
        """Give up the lock on the note, as far as this process keeps it."""
        if self.lock >= 0:
            os.close(self.lock)

    def forget(self) -> None:
        """Delete the note."""
        with contextlib.suppress(OSError), as_owner(_state_of(self.path)):
            os.unlink(self.path)  # noqa: PTH108


_ENDED = b"ended\n"
_HELD = b"held\n"
_NUMBERED = b"run of %d\n"
NOT_NOTED = Run("", 0, 1, 1)


class UnfinishedPass(NamedTuple):
    """A pass that has not ended.

    Attributes:
        started: when CUPS began to process the job, in seconds since the epoch.
        is_at_work: whether a process of the pass is alive.
        is_held: whether `Run.held` was called.
        runs: the number of runs that have begun.
    """

    run: Run
    started: str
    job_id: int
    is_at_work: bool
    is_held: bool
    runs: int


def begin(state: str, job_id: int, started: str, cupsd: int, *, documents: int, files: int) -> Run:
    """Note that a run of the backend begins; return NOT_NOTED if that cannot be written.

    The lock on the note is kept until this process and its children have ended.

    Args:
        state: the journal's folder.
        started: when CUPS began to process the job, in seconds since the epoch.
        cupsd: the process id of cupsd. Two passes of one job may begin in the same second, but not
            in the same cupsd.
        documents: the number of runs that the job needs.
        files: the number of files that the job has.
    """
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    path = os.path.join(folder, f"{job_id}-{started}-{cupsd}")  # noqa: PTH118
    try:
        if not os.path.isdir(state):  # noqa: PTH112
            from pathlib import Path  # takes 10 ms

            make_state_folder(Path(state))
        with as_owner(state):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            fcntl.flock(file, fcntl.LOCK_SH)  # before the line: a note without a line is ignored
            line = _NUMBERED % documents
            number = _append(file, line).count(line)
    except OSError:  # opening the journal fails next, with the reason
        return NOT_NOTED
    # CUPS may run all of them again within the second; these runs are not further documents
    return Run(path, (number - 1) % documents + 1, documents, files, file)


def left(state: str) -> Iterator[UnfinishedPass]:
    """The passes that have not ended."""
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            if pass_ := look(os.path.join(folder, name)):  # noqa: PTH118
                yield pass_


def look(path: str) -> UnfinishedPass | None:
    """The pass of the note at `path`; None if there is no such note."""
    try:
        job_id, started, _ = os.path.basename(path).split("-")  # noqa: PTH119
        lines = _lines(path)
        documents = int(lines[0].removeprefix(b"run of "))
        runs = sum(line.startswith(b"run of ") for line in lines)
        run = Run(path, 0, documents, 1)
        return UnfinishedPass(run, started, int(job_id), _is_locked(path), _HELD in lines, runs)
    except (OSError, ValueError, LookupError):
        return None


@contextlib.contextmanager
def _opened(path: str, flags: int = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) -> Iterator[int]:
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


def _add(path: str, line: bytes) -> list[bytes]:
    """Add a line to an existing file; return all lines."""
    with _opened(path, os.O_RDWR | os.O_APPEND) as file:
        return _append(file, line)


def _append(file: int, line: bytes) -> list[bytes]:
    """Add a line to an open file, completely or not at all (OSError); return all lines."""
    written = os.write(file, line)
    if written != len(line):
        os.ftruncate(file, os.fstat(file).st_size - written)
        raise OSError("short write")
    return os.pread(file, os.fstat(file).st_size, 0).splitlines(keepends=True)


def _lines(path: str) -> list[bytes]:
    with _opened(path) as file:
        return os.pread(file, 1 << 20, 0).splitlines(keepends=True)


def _is_locked(path: str) -> bool:
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _state_of(path: str) -> str:
    return os.path.dirname(os.path.dirname(path))  # noqa: PTH120
