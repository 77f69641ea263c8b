"""A small file system on a folder, and a way to fill it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, size_kb: int, *, files: int = 0) -> Iterator[Path]:
    """A file system on a folder (tmpfs), which ends with its last user.

    `files` limits the number of files.
    """
    folder.mkdir(exist_ok=True)
    how = ["-o", f"size={size_kb}k,nr_inodes={files},mode=0700"]
    subprocess.run(["mount", "-t", "tmpfs", *how, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take the last block of a file system."""
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    return folder / "filler"
