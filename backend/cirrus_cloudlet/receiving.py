"""Receive a document while it arrives, and submit it: for the API's uploads and the page's forms.

The bytes are written in the threads of the company's share, and never in memory as a whole.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression, Decompressor
from cirrus_cloudlet.errors import NotSmall
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.uploads import Contents, IncomingFile
from cirrus_cloudlet.submit import Order, Submission

PIECE_BYTES = 256 * 1024


class Receiver:
    """Writes the bytes of one body to an incoming file.

    Args:
        coding: how the body is compressed; the file gets the bytes without this coding.

    Attributes:
        arrived_bytes: the size of the body so far.
    """

    def __init__(
        self, share: Share, received: IncomingFile, coding: Compression = Compression.NONE
    ) -> None:
        self.arrived_bytes = 0
        self._share = share
        self._received = received
        self._turn = share.turn if coding else contextlib.nullcontext()
        self._body = Decompressor(coding)
        self._held = bytearray()

    async def add(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body.

        Raises:
            RequestFault, QuotaFull: as by `IncomingFile.write`.
            Refusal: the compressed data is damaged.
        """
        self._held += data
        self.arrived_bytes += len(data)
        # small pieces are joined, because a thread for each would cost more than the writing
        if len(self._held) >= PIECE_BYTES:
            await self._share.run(self._write, bytes(self._held), is_last=False)
            self._held.clear()

    def finish(self) -> Callable[[], None]:
        """Return what writes the body's last piece, for the thread that needs the body."""
        rest = [bytes(self._held)]

        def write_last() -> None:
            while rest:  # a submit that is done again has written it
                self._write(rest.pop(), is_last=True)

        return write_last

    def _write(self, data: bytes, *, is_last: bool) -> None:
        parts = itertools.chain(self._body.add(data), self._body.finish() if is_last else ())
        while True:
            with self._turn:
                part = next(parts, None)
            if part is None:
                return
            self._received.write(part)


async def submit_received(
    cloud: Cloud,
    share: Share,
    order: Order,
    received: IncomingFile,
    write_last: Callable[[], None],
    *,
    is_small: bool,
) -> list[str]:
    """Submit an incoming file; return the ids of its jobs.

    Args:
        is_small: whether the file is small, unless it is compressed.

    Raises:
        Refusal, QuotaFull: as by `Submission`; no job was made.
    """

    def receive() -> tuple[Order, Contents, None]:
        write_last()
        return order, received.contents(), None

    try:
        submission = Submission(cloud, share, receive, is_small=is_small)
        return await share.submit(submission, is_small=is_small)
    except NotSmall:
        return await share.submit(Submission(cloud, share, receive), is_small=False)
