"""How many files a job has, banner pages among them, and whether CUPS joins them for one run.

They are in CUPS's spool. In the options CUPS names only those that the client has named, not the
banner pages that it adds itself (job-sheets), each of which has a run of its own. A part of every
job's start: imports next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

_NAMED = "document-name-supplied="
_SINGLE_FILE = b"*cupssinglefile:"


def is_run_by_cupsd(environ: Mapping[str, str]) -> bool:
    """Whether a cupsd runs this program (it sets SOFTWARE), or a person."""
    return environ.get("SOFTWARE", "").startswith("CUPS/")


def files(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """The number of the job's files, from backend(7)'s arguments and environment; at least 1."""
    words = argv[5].split(" ") if len(argv) > 5 else []
    named = sum(word.startswith(_NAMED) for word in words)
    return max(1, sum(1 for _ in spooled(argv, environ)) or named)


def spooled(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """The job's files in CUPS's spool, in their order; none if they cannot be seen."""
    spool = _spool(argv, environ)
    if spool and argv[1].isascii() and argv[1].isdigit():
        number = 1
        while os.path.exists(path := _file(spool, int(argv[1]), number)):  # noqa: PTH110 - pathlib
            yield path  # takes 10 ms to import
            number += 1


def are_joined(argv: Sequence[str], environ: Mapping[str, str], count: int) -> bool:
    """Whether CUPS gives `count` files to one run, by standard input: it does without a driver,
    and with one that does not forbid it."""
    if count == 1 or len(argv) != 6:
        return False
    if "FINAL_CONTENT_TYPE" not in environ:
        return True
    try:
        with open(environ.get("PPD", ""), "rb") as ppd:  # noqa: PTH123
            said = [line.lower() for line in ppd if line.lower().startswith(_SINGLE_FILE)]
    except OSError:
        return False  # as ours are
    return not any(b"true" in line for line in said)


def _spool(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """CUPS's folder of the job's files: TempDir is in it, unless cups-files.conf says otherwise."""
    path = argv[6] if len(argv) > 6 else environ.get("TMPDIR", "")
    return os.path.dirname(path)  # noqa: PTH120


def _file(spool: str, job_id: int, number: int) -> str:
    return f"{spool}/d{job_id:05d}-{number:03d}"
