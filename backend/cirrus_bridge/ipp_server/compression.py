"""Documents that clients send compressed (RFC 8011, 5.4.32), decompressed as they arrive. Pure."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.message import Status
from cirrus_bridge.ipp_server.requests import Refusal

_INFLATED_BYTES = 1 << 20
_ZLIB_HEAD_BYTES = 2
_FREE_MEMBERS, _BYTES_A_MEMBER = 1000, 1024  # of gzip; each one costs time, however small


async def decompressed(parts: AsyncIterator[bytes], compression: str) -> AsyncIterator[bytes]:
    """The bytes of a document, at most 1 MiB at once.

    Args:
        compression: none, gzip or deflate.

    Raises:
        Refusal: the data are not compressed as they should be.
    """
    if compression == "none":
        async for part in parts:
            yield part
        return
    stream, waiting = None, b""
    async for part in parts:
        waiting += part
        if stream is None and len(waiting) < _ZLIB_HEAD_BYTES:
            continue
        stream = stream or _Stream(compression, waiting)
        for data in stream.inflated(waiting):
            yield data
        waiting = b""
    if stream is None or not stream.is_complete:
        raise _not_compressed()


class _Stream:
    """Compressed data. gzip may have several members (RFC 1952, 2.2)."""

    def __init__(self, compression: str, head: bytes) -> None:
        self._is_gzip = compression == "gzip"
        self._bits = 16 + zlib.MAX_WBITS if self._is_gzip else _deflate_bits(head)
        self._decoder = zlib.decompressobj(self._bits)
        self._members = 1
        self._inflated_bytes = 0

    @property
    def is_complete(self) -> bool:
        return self._decoder.eof

    def inflated(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decoder.eof:
                self._begin_member()
            try:
                inflated = self._decoder.decompress(data, _INFLATED_BYTES)
            except zlib.error:
                raise _not_compressed() from None
            self._inflated_bytes += len(inflated)
            yield inflated
            data = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail

    def _begin_member(self) -> None:
        self._members += 1
        most = _FREE_MEMBERS + self._inflated_bytes // _BYTES_A_MEMBER
        if not self._is_gzip or self._members > most:
            raise _not_compressed()
        self._decoder = zlib.decompressobj(self._bits)


def _deflate_bits(head: bytes) -> int:
    """The form of the data, for zlib. IPP's deflate is RFC 1951; some clients send RFC 1950."""
    is_zlib = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:2]) % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


def _not_compressed() -> Refusal:
    return Refusal(
        Status.COMPRESSION_ERROR, tr("The document is not compressed as the request says.")
    )
