"""Files and folders: locks, private files, names that survive a crash, folders without links."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_COPIED_BYTES = 1024 * 1024
_RENAME_NOREPLACE = 1  # linux/fs.h; see rename(2)
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h; see sync_file_range(2)
_LIBC = ctypes.CDLL(None, use_errno=True)


@functools.cache
def run_prefix() -> str:
    """Return what begins the names of all files that this process makes."""
    return secrets.token_hex(4)


def new_name() -> str:
    """Return a name that nobody can guess, and that no earlier process has made."""
    return run_prefix() + secrets.token_hex(12)


@contextlib.contextmanager
def lock(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it when its holder ends in any way.

    While another process holds the lock, wait, or raise SettingsError with the text `refusal`.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise SettingsError(refusal) from error
        yield
    finally:
        os.close(descriptor)


def open_private(path: str, flags: int) -> int:
    """Open a file as an `opener`: a new file is for its owner alone, whatever the umask is."""
    return os.open(path, flags, 0o600)


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write all bytes, in as many writes as the kernel needs."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])


class WrittenFile:
    """A file that has all its bytes, but may not be on disk yet."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def begin_sync(self) -> None:
        """Begin to write the bytes to disk. So several files wait for the disk together: the first
        fsync(2) writes the sizes and places of all."""
        whole = ctypes.c_int64(0)
        _LIBC.sync_file_range(self._descriptor, whole, whole, _SYNC_FILE_RANGE_WRITE)

    def sync(self) -> None:
        """Write the bytes to disk, and close the file."""
        try:
            os.fsync(self._descriptor)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def link_or_copy(old: Path, new: Path) -> None:
    """Give a file that never changes another name; copy it where there are no more links."""
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        with old.open("rb") as source, open(new, "xb", opener=open_private) as copy:
            shutil.copyfileobj(source, copy, _COPIED_BYTES)


def sync_folder(folder: Path, parent: int | None = None) -> None:
    """Write a folder's new names to disk; fsync of a file does not write its name.

    A relative path is taken from the descriptor `parent`.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Open a folder by an absolute path without following a link in any part of the path.

    The descriptor is good for reaching the folder's files, not for listing them. With `make`,
    missing folders are made, with the mode that the umask allows, and their names are on disk.

    Raises:
        OSError: a part cannot be opened or made; the error of a link is ELOOP with its path.
    """
    folder = os.open(path.anchor, _FOLDER)
    try:
        for part in reversed([path, *path.parents][:-1]):
            inner = _enter(folder, part, make=make)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _enter(folder: int, path: Path, *, make: bool) -> int:
    try:
        return os.open(path.name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(path.name, dir_fd=folder)
        sync_folder(Path(), folder)
        return _enter(folder, path, make=False)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
        raise


def rename_new(folder: int, old: str, new: str) -> None:
    """Rename a file within a folder; raise FileExistsError if the new name is taken.

    Unlike link(2), this also works on file systems without hard links, such as FAT and SMB.
    """
    if _LIBC.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)
