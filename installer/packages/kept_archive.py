"""Second thing in a frozen program: it keeps its own modules, whoever replaces or removes files.

Modules are imported when they are needed, by their places in one file. PyInstaller opens that by
its name each time, so that after an upgrade a job under way would read there what is another's.
"""

import os
import sys

_file = os.open(sys.modules["pyimod02_importers"].pyz_archive._filename, os.O_RDONLY)


class _Kept:
    """What PyInstaller needs of a file. It reads at a place of its own, which a file does not that
    two processes have in common."""

    def __init__(self, *_: object) -> None:
        self._at = 0

    def __enter__(self) -> "_Kept":
        return self

    def __exit__(self, *_: object) -> None: ...

    def seek(self, at: int) -> None:
        self._at = at

    def read(self, size: int) -> bytes:
        return os.pread(_file, size, self._at)


vars(sys.modules["pyimod01_archive"])["open"] = _Kept
