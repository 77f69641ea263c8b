"""Texts in the charset that a device takes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.charsets import can_stay, convert
from cirrus_cloudlet.delivery.ways import JOB_WAITS, DeliveryFault
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.files import run_prefix
from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.storage.jobs import Job

_PIECE_BYTES = 1024 * 1024


@contextlib.contextmanager
def in_charset_of(device: Device, job: Job, document: Path) -> Iterator[Path]:
    """Make a converted copy of a text for the block, unless the document can stay as it is.

    Raises:
        DeliveryFault: the device's charset was changed, and lacks a character.
    """
    charset = device.text_charset
    if job.format != "txt" or charset is None or can_stay(job.charset, charset):
        yield document
        return
    # beside the document, where the next run of the server removes what a crash has left
    with (
        document.open("rb") as original,
        tempfile.NamedTemporaryFile(
            dir=document.parent, prefix=run_prefix(), suffix=".txt"
        ) as copy,
    ):
        pieces = iter(lambda: original.read(_PIECE_BYTES), b"")
        try:
            for piece in convert(pieces, job.charset, charset):
                copy.write(piece)
        except Refusal as refusal:
            why = f"the device takes texts in {charset}, and {refusal}; {JOB_WAITS}"
            raise DeliveryFault(why, again=False) from refusal
        copy.flush()
        yield Path(copy.name)
