"""Deliver into a folder, even one that other users may write to.

The folders before the first tag of a target are the administrator's: their symbolic links are
followed, once. Below them, no link is followed, because anyone may have made it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cirrus_cloudlet.delivery.ways import JOB_WAITS, Delivery, DeliveryFault
from cirrus_cloudlet.files import open_folder, rename_new, sync_folder
from cirrus_cloudlet.inventory.tags import substitute
from cirrus_cloudlet.storage.jobs import Job

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP)  # link(2): EPERM of FAT and FUSE, EOPNOTSUPP of SMB


def deliver_file(delivery: Delivery) -> str:
    """Put the document at the path of the device's target, inside its folder; return no message.

    No existing file is overwritten, and nobody sees an incomplete file. A delivery is safe to
    repeat: the path is recorded first, so the server finds a file of its own with the same bytes.

    Raises:
        DeliveryFault: the document cannot be written, or a link is in its way.
    """
    if _is_delivered(delivery):
        return ""
    base, wanted = _path(delivery)
    try:
        with open_folder(wanted.parent, make=True) as folder:
            _write(delivery, wanted, folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DeliveryFault(
                f"{error.filename} is a symbolic link, which may lead outside of {base};"
                f" replace the link with a folder; {JOB_WAITS}",
                again=False,
            ) from error
        raise DeliveryFault(f"cannot write {wanted} ({error.strerror})", again=True) from error
    return ""


def remove_leftover(job: Job) -> None:
    """Remove the temporary file that a crash has left of this job's delivery, if any."""
    if job.delivered_path:
        # a folder that is out of reach now may be within reach at the next start
        with contextlib.suppress(OSError), open_folder(Path(job.delivered_path).parent) as folder:
            _unlink(_temporary_name(job), folder)


def _path(delivery: Delivery) -> tuple[Path, Path]:
    """The administrator's folder without links, and the wanted path in that folder."""
    before, slash, _ = delivery.device.target.partition("{")[0].rpartition("/")
    fixed = before + slash
    base = Path(os.path.realpath(delivery.folder / fixed))
    rest = substitute(delivery.device.target, delivery.tags()).removeprefix(fixed)
    return base, base / rest


def _write(delivery: Delivery, wanted: Path, folder: int) -> None:
    free = _free_paths(wanted, folder)
    temporary = _temporary_name(delivery.job)
    path = next(free)
    # recorded before anything is written: the temporary file's name follows from the record
    delivery.aim(str(path), str(path))
    with delivery.document.open("rb") as source, _new_file(temporary, folder) as copy:
        shutil.copyfileobj(source, copy, 1024 * 1024)
        copy.flush()
        os.fsync(copy.fileno())
        while not _place(copy.fileno(), temporary, path.name, folder):
            path = next(free)
            delivery.aim(str(path), str(path))
    sync_folder(Path(), folder)


def _temporary_name(job: Job) -> str:
    # nobody else can know this name before the file exists: a document's id is secret
    return f".{hashlib.sha256(f'{job.document} {job.id}'.encode()).hexdigest()[:32]}.part"


@contextlib.contextmanager
def _new_file(name: str, folder: int) -> Iterator[BinaryIO]:
    """Make a file, which loses this name at the end."""
    _unlink(name, folder)  # left by a crash
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    finally:
        _unlink(name, folder)


def _unlink(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _free_paths(wanted: Path, folder: int) -> Iterator[Path]:
    others = (wanted.with_name(f"{wanted.stem}-{n}{wanted.suffix}") for n in itertools.count(2))
    for path in itertools.chain([wanted], others):
        try:
            os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            yield path


def _place(file: int, temporary: str, name: str, folder: int) -> bool:
    """Give the open file its name, atomically; return False if the name is taken."""
    try:
        try:
            # by the descriptor, because the temporary name may be another user's file by now
            os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            rename_new(folder, temporary, name)
    except FileExistsError:
        return False
    return True


def _is_delivered(delivery: Delivery) -> bool:
    """Whether the recorded path has the document, as a file of this process's user."""
    if not delivery.job.delivered_path:
        return False
    path = Path(delivery.job.delivered_path)
    # O_NONBLOCK: another user's FIFO must not stop the delivery
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with (
            open_folder(path.parent) as folder,
            os.fdopen(os.open(path.name, flags, dir_fd=folder), "rb") as file,
            delivery.document.open("rb") as document,
        ):
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return False
            if found.st_size != os.fstat(document.fileno()).st_size:
                return False
            digests = [hashlib.file_digest(each, "sha256").digest() for each in (file, document)]
            return digests[0] == digests[1]
    except OSError:
        return False
