"""Deliver into a folder.

No existing file is overwritten, and nobody sees an incomplete file. A delivery is safe to
repeat: its path is recorded first, so a file there with the same bytes is its own.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from pathlib import Path

from cirrus_cloudlet.delivery.delivery import Delivery, DeliveryFault
from cirrus_cloudlet.files import sync_folder
from cirrus_cloudlet.inventory.tags import substitute


def deliver_file(delivery: Delivery) -> str:
    """Put the document at the path of the device's target; return no message.

    Raises:
        DeliveryFault: the folder cannot be written, or the path leads out of it.
    """
    job = delivery.job
    if job.delivered_path and _is_document(Path(job.delivered_path), job.size, job.sha256):
        return ""
    wanted = _path(delivery)
    temporary = wanted.with_name(f".{job.id}.part")
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        try:
            with delivery.document.open("rb") as source, temporary.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
                copy.flush()
                os.fsync(copy.fileno())
            _place(delivery, temporary, wanted)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DeliveryFault(f"cannot write {wanted} ({error.strerror})", again=True) from error
    return ""


def _path(delivery: Delivery) -> Path:
    pattern = delivery.device.target
    fixed = Path(pattern.partition("{")[0] + "x").parent  # the folders before the first tag
    base = delivery.folder / fixed
    path = delivery.folder / substitute(pattern, delivery.tags())
    # a symbolic link within the folder must not lead out of it
    if not path.parent.resolve().is_relative_to(base.resolve()):
        raise DeliveryFault(f"{path} is outside of {base}", again=False)
    return path


def _place(delivery: Delivery, temporary: Path, wanted: Path) -> None:
    """Give the finished file the first free name, atomically."""
    others = (wanted.with_name(f"{wanted.stem}-{n}{wanted.suffix}") for n in itertools.count(2))
    for path in itertools.chain([wanted], others):
        if path.exists():
            continue
        delivery.aim(str(path), str(path))
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            continue
        sync_folder(path.parent)
        return


def _is_document(path: Path, size: int, sha256: str) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
