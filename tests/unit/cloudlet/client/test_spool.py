"""The client's spool: documents that arrive in pieces."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_cloudlet.client.spool import Spool, WrongDocument

DATA = bytes(range(256)) * 10
DIGEST = hashlib.sha256(DATA).hexdigest()


class Server:
    """A server that sends its document from any position, and breaks once.

    Attributes:
        positions: those that were asked for.
        knows_positions: whether the server sends a part, or the whole document each time.
    """

    def __init__(self, data: bytes, breaks_at: int | None = None) -> None:
        self.data = data
        self.breaks_at = breaks_at
        self.positions: list[int] = []
        self.knows_positions = True

    @contextlib.contextmanager
    def __call__(self, *, position: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        self.positions.append(position)
        start = position if self.knows_positions else 0
        yield start, self._pieces(start)

    def _pieces(self, start: int) -> Iterator[bytes]:
        end = self.breaks_at or len(self.data)
        for at in range(start, end, 100):
            yield self.data[at : min(at + 100, end)]
        if self.breaks_at is not None:
            self.breaks_at = None
            raise ConnectionError


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool")


def fetch(spool: Spool, server: Server) -> None:
    spool.fetch("token", len(DATA), DIGEST, server, lambda here: None)


@pytest.mark.parametrize("knows_positions", [True, False])
def test_a_transfer_continues(spool: Spool, knows_positions: bool) -> None:
    """What has arrived is kept; a server that sends everything again is understood, too."""
    server = Server(DATA, breaks_at=1050)
    server.knows_positions = knows_positions
    with pytest.raises(ConnectionError):
        fetch(spool, server)
    assert not spool.has("token")
    assert spool.count_bytes("token") == 1050
    fetch(spool, server)
    assert server.positions == [0, 1050]
    assert spool.path("token").read_bytes() == DATA


@pytest.mark.parametrize("data", [DATA[:-1] + b"x", DATA + b"x"], ids=["digest", "size"])
def test_a_wrong_document(spool: Spool, data: bytes) -> None:
    """Other bytes are never delivered; the next transfer begins from the first byte."""
    with pytest.raises(WrongDocument):
        fetch(spool, Server(data))
    assert not spool.has("token")
    server = Server(DATA)
    fetch(spool, server)
    assert server.positions == [0]
    assert spool.path("token").read_bytes() == DATA


def test_a_document_that_ends_early(spool: Spool) -> None:
    """A server that sends less than it has announced is asked again."""
    with pytest.raises(ConnectionError):
        fetch(spool, Server(DATA[:500]))
    fetch(spool, Server(DATA))
    assert spool.path("token").read_bytes() == DATA


def test_what_nobody_needs_is_removed(spool: Spool, tmp_path: Path) -> None:
    """Documents without a claim are left by a crash."""
    fetch(spool, Server(DATA))
    spool.keep_only(["token"])
    assert spool.has("token")
    spool.keep_only(["other"])
    assert list((tmp_path / "spool").iterdir()) == []
