"""The journal's notes that runs of the backend begin, before anything else of a run happens.

CUPS takes a backend that was killed for a good one, and goes on: with the job's next document, or
with the next job. So each run leaves a line in a file of its pass (the job's way through the queue,
by one cupsd), which is removed when each run of the pass, or one that failed, has come to its end.
The line's place is the document's number, whatever became of the runs before; and a file that stays
tells that a run was killed, even if nothing else is known of it. No pass touches another's file: a
run of a cupsd that died may end when the next pass is under way. A part of every job's start:
imports next to nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cirrus_bridge.cups_spool import are_joined, files
from cirrus_bridge.privileges import as_owner, make_folder

STATE_FOLDER = "/var/lib/cirrus-bridge"
_FOLDER = "runs"


class Run(NamedTuple):
    """A run that has begun. `number` is its document's place in the job, from 1, or 0 if it could
    not be noted; `documents` how many runs the job needs, `files` how many files it has."""

    path: str
    number: int
    documents: int
    files: int

    def end(self, *, failed: bool, again: bool = False) -> None:
        """This run has come to its end, and CUPS will hear how: it ends the job if the run failed,
        a job of several files even if it is to run the job again."""
        if not self.path or (again and self.files > 1):
            return
        state = os.path.dirname(os.path.dirname(self.path))  # noqa: PTH120
        with contextlib.suppress(OSError), as_owner(state):
            is_over = failed or self.documents == 1
            if is_over or _add(self.path, _ENDED).count(_ENDED) >= self.documents:
                os.unlink(self.path)  # noqa: PTH108 - pathlib takes 10 ms to import


_ENDED = b"ended\n"
NOT_NOTED = Run("", 0, 1, 1)


class Left(NamedTuple):
    """What is left of a pass of which a run did not come to its end; `started` is when CUPS began
    with it."""

    run: Run
    started: str
    job_id: int
    job_uuid: str


def begin(argv: Sequence[str], environ: Mapping[str, str], cupsd: int) -> Run:
    """A run of the backend, with these arguments, begins: noted on the disk, if possible."""
    words = argv[5].split(" ") if len(argv) > 5 else []
    known = dict(word.partition("=")[::2] for word in reversed(words))
    uuid, started = known.get("job-uuid"), known.get("time-at-processing")
    if not (uuid and started and started.isdigit() and argv[1].isdigit()):
        return NOT_NOTED
    count = files(argv, environ)
    documents = 1 if are_joined(argv, environ, count) else count
    line = os.fsencode(f"{uuid} {documents}\n")
    state = environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    # two passes may begin within a second, but not by the same cupsd (its pid stands for it)
    path = os.path.join(folder, f"{int(argv[1])}-{started}-{cupsd}")  # noqa: PTH118
    try:
        if not os.path.isdir(state):  # noqa: PTH112
            from pathlib import Path

            make_folder(Path(state), 0o700)
        with as_owner(state):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102
            number = _add(path, line).count(line)
    except OSError:  # the journal itself will say what is wrong there
        return NOT_NOTED
    # CUPS may run them all again within the second: those are no further documents
    return Run(path, (number - 1) % documents + 1, documents, count)


def _add(path: str, line: bytes) -> list[bytes]:
    """Add a line to a file; all of its lines."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line)
        return os.pread(file, os.fstat(file).st_size, 0).splitlines(keepends=True)
    finally:
        os.close(file)


def left(state: str, before_s: float) -> Iterator[Left]:
    """The passes whose last run began, or ended, before then (seconds since the epoch)."""
    folder = os.path.join(state, _FOLDER)  # noqa: PTH118
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118
        try:
            if os.stat(path).st_mtime >= before_s:  # noqa: PTH116
                continue
            job_id, started, _ = name.split("-")
            with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                uuid, documents = file.readline().split()
            yield Left(Run(path, 0, int(documents), 1), started, int(job_id), uuid)
        except (OSError, ValueError):
            continue
