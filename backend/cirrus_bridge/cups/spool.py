"""The files of a job in CUPS's spool, and whether CUPS joins them for one run.

CUPS's banner pages (job-sheets) are files of the job as well, each with a run of its own. CUPS's
options name only the files that the client has named. Each job's start runs this module, so it
imports next to nothing.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

_NAMED = "document-name-supplied="
_SINGLE_FILE = b"*cupssinglefile:"


def is_run_by_cupsd(environ: Mapping[str, str]) -> bool:
    """Whether cupsd runs this program (cupsd sets SOFTWARE), not a person."""
    return environ.get("SOFTWARE", "").startswith("CUPS/")


def files(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Count the job's files, from backend(7)'s arguments and environment; at least 1."""
    words = argv[5].split(" ") if len(argv) > 5 else []
    named = sum(word.startswith(_NAMED) for word in words)
    return max(1, len([*spooled(argv, environ)]) or named)


def spooled(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """List the job's files in CUPS's spool, in their order; none if the spool is inaccessible."""
    # TempDir is in the folder of the job's files, unless cups-files.conf says otherwise
    near = argv[6] if len(argv) > 6 else environ.get("TMPDIR", "")
    folder = os.path.dirname(near)  # noqa: PTH120 - pathlib takes 10 ms to import
    if folder and argv[1].isascii() and argv[1].isdigit():
        paths = (f"{folder}/d{int(argv[1]):05d}-{number:03d}" for number in itertools.count(1))
        yield from itertools.takewhile(os.path.exists, paths)


def are_joined(argv: Sequence[str], environ: Mapping[str, str], count: int) -> bool:
    """Whether CUPS joins `count` files for one run, by standard input: it does unless the driver
    forbids it (cupsSingleFile)."""
    if count == 1 or len(argv) != 6:
        return False
    if "FINAL_CONTENT_TYPE" not in environ:
        return True
    try:
        with open(environ.get("PPD", ""), "rb") as ppd:  # noqa: PTH123
            said = [line.lower() for line in ppd if line.lower().startswith(_SINGLE_FILE)]
    except OSError:
        return False  # our own drivers forbid it
    return not any(b"true" in line for line in said)
