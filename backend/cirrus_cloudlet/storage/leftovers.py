"""Leftovers: files that a crash has left, which the database does not name.

Looking for them takes as long as there are files. So this happens in a thread, while the server
runs, and with pauses.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_cloudlet.files import run_prefix

log = logging.getLogger(__name__)
_BATCH, _PAUSE_S = 100, 0.02


class Leftovers:
    """The search in the folders of one data folder, from `start` to `stop`.

    Args:
        folders: each folder, and what tells whether the database names a file there.
        unused: folders that are removed with their files.
    """

    def __init__(
        self, folders: Mapping[Path, Callable[[str], bool]], unused: Callable[[], list[Path]]
    ) -> None:
        self._folders = folders
        self._unused = unused
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        self._stopping.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            for folder in self._unused():
                shutil.rmtree(folder)
            for folder, is_stored in self._folders.items():
                self._remove(folder, is_stored)
        except Exception:  # the next start looks again
            log.exception("the search for leftovers failed")

    def _remove(self, folder: Path, is_stored: Callable[[str], bool]) -> None:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number % _BATCH == _BATCH - 1 and self._stopping.wait(_PAUSE_S):
                    return
                # this process may be about to name its own files
                if not entry.name.startswith(run_prefix()) and not is_stored(entry.name):
                    Path(entry).unlink(missing_ok=True)
