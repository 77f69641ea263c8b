"""Notes that a run of the backend begins, before anything else happens.

This module is part of every job's start, so it imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cirrus_bridge.config.defaults import STATE_FOLDER
from cirrus_bridge.cups.spool import are_joined, files
from cirrus_bridge.journal import run_notes
from cirrus_bridge.journal.run_notes import NOT_NOTED, Run


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
