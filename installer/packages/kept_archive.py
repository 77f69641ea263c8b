"""Keep the modules of a frozen program open, whatever happens to its files.

Every frozen program runs this second. Modules are imported on demand from their offsets in one
file. PyInstaller opens the file by name each time. After an upgrade, a job under way would read
another version's bytes there.
"""

import os
import sys

_file = os.open(sys.modules["pyimod02_importers"].pyz_archive._filename, os.O_RDONLY)


class _Kept:
    """The file methods that PyInstaller needs.

    Each instance reads at its own position, because processes share the position of an inherited
    file.
    """

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
