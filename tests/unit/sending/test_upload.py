"""Uploads to a real server that limits the size of a request, and their journal."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import TooLarge
from cirrus_bridge.base.model import DocumentKey, PrintJob, Target
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.journal.submissions import Journal, UploadProgress
from cirrus_bridge.sending.patience import Patience
from cirrus_bridge.sending.segments import SMALLEST_BYTES, smaller_size
from cirrus_bridge.sending.upload import Upload
from scripted_server import Answer, Request, ScriptedServer
from stubs import StubReport

KIB = 1024
KEY = DocumentKey("urn:uuid:1", 1, 0, "cirrus://h/A/P:L", 1)
JOB = PrintJob(1, "urn:uuid:1", "u", "T", 1, "q")


class Limited:
    """A script that stores segments of at most `limit_bytes` in a file of at most `file_bytes`.

    It refuses the upload after `dies_after` stored segments.
    """

    def __init__(self, limit_bytes: int, *, file_bytes: int = 1 << 30, dies_after: int = 1 << 30):
        self.limit_bytes, self.file_bytes = limit_bytes, file_bytes
        self.dies_after = dies_after
        self.file = bytearray()
        self.stored: list[tuple[int, int]] = []
        self.refused: list[int] = []

    def __call__(self, request: Request) -> Answer:
        if request.path == "/api/tempfile":
            return Answer("t1")
        at, size = int(request.fields["index"]), len(request.body)
        if size > self.limit_bytes or at + size > self.file_bytes:
            self.refused.append(size)
            return Answer("<html>Request Entity Too Large</html>", 413)
        if len(self.stored) >= self.dies_after:
            return Answer("Error: no more")
        self.stored.append((at, size))
        self.file.extend(bytes(max(0, at + size - len(self.file))))
        self.file[at : at + size] = request.body
        return Answer(str(size))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with the document."""
    with Journal(tmp_path) as made:
        made.intent(KEY, JOB, [Target("P", "L")], now_s=1.0)
        yield made


def _upload(server: ScriptedServer, journal: Journal, settings: UploadSettings) -> Upload:
    clock = Clock()
    entry = Server(server.name, Secret("sekret-k3y"), "A")
    queue = parse_queue_uri("cirrus://h/A/P:L")
    patience = Patience(clock, StubReport(), journal, JOB, KEY, queue)
    api = CloudApi(entry, "A", https=False, timeouts=settings)
    return Upload(api, patience, settings, lambda: None)


def _send(script: Limited, journal: Journal, data: bytes, **sizes: int) -> bool:
    """Upload `data`; return whether the server was detected to take one segment at a time."""
    with ScriptedServer(script) as server:
        upload = _upload(server, journal, UploadSettings(**sizes))
        upload.send(upload.cut([data]))
    return journal.takes_one_at_a_time("h", now_s=Clock().wall_s())


def _journaled(journal: Journal) -> list[tuple[int, int]]:
    there = journal.upload(KEY) or UploadProgress("", {}, 0.0, "")
    return sorted((at, segment.length) for at, segment in there.segments.items())


@pytest.mark.parametrize("segment_bytes", [1024, 65_536, 600_000])
def test_every_segment_has_the_size_that_is_configured(
    journal: Journal, segment_bytes: int
) -> None:
    """Each segment has the configured size, including the first."""
    script, data = Limited(1 << 30), random.Random(1).randbytes(5 * segment_bytes + 1)
    _send(script, journal, data, segment_bytes=segment_bytes, largest_segment_bytes=segment_bytes)
    assert bytes(script.file) == data
    assert sorted(size for _, size in script.stored) == [1, *[segment_bytes] * 5]


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("limit_kib", [64, 100, 256, 1000])
def test_segments_that_are_too_large(journal: Journal, limit_kib: int, connections: int) -> None:
    """Large segments are split, and later ones are small at once.

    The journal has exactly the stored segments. The server is not detected to take one at a time.
    """
    script, data = Limited(limit_kib * KIB), random.Random(2).randbytes(2_500_000)
    sizes = {"segment_bytes": 512 * KIB, "largest_segment_bytes": 1024 * KIB}
    found = _send(script, journal, data, connections=connections, **sizes)
    assert bytes(script.file) == data
    assert _journaled(journal) == sorted(script.stored)
    assert not found
    halvings = len([kib for kib in (512, 256, 128) if kib > limit_kib]) or 1  # 1024 KiB
    if connections == 1:
        assert len(script.refused) == 2**halvings - 1  # one segment and its pieces


def test_even_the_smallest_is_too_large(journal: Journal) -> None:
    """The message names the limit of a server or proxy, and what to do."""
    script = Limited(SMALLEST_BYTES - 1)
    with pytest.raises(TooLarge, match="segment_bytes"):
        _send(script, journal, random.Random(3).randbytes(300_000))
    assert min(script.refused) == SMALLEST_BYTES
    assert all(size < SMALLEST_BYTES for _, size in script.stored)


def test_a_smaller_size_of_the_configuration_is_kept(journal: Journal) -> None:
    """A failure does not raise a small configured size."""
    script = Limited(20_000)
    _send(script, journal, bytes(100_000), segment_bytes=16_384, largest_segment_bytes=16_384)
    assert script.refused == []
    assert smaller_size(16_384) == 16_384
    assert smaller_size(131_072) == SMALLEST_BYTES


def test_a_small_segment_that_has_grown_is_split(journal: Journal) -> None:
    """A server that takes only tiny segments gets them, if the configuration begins with them."""
    script, data = Limited(50_000), random.Random(5).randbytes(600_000)
    _send(script, journal, data, connections=2, segment_bytes=30_000)
    assert bytes(script.file) == data
    assert script.refused


def test_a_document_that_is_too_large(journal: Journal) -> None:
    """After stored segments of the same size, a refusal concerns the document, not the segment."""
    script = Limited(1 << 30, file_bytes=1_000_000)
    with pytest.raises(TooLarge, match="print it in parts"):
        _send(script, journal, bytes(2_000_000), segment_bytes=131_072, connections=1)


def test_an_upload_in_smaller_pieces_goes_on(journal: Journal) -> None:
    """The next run sends no confirmed piece again."""
    data = random.Random(4).randbytes(3_000_000)
    script = Limited(100 * KIB, dies_after=17)
    with pytest.raises(Exception, match="no more"):
        _send(script, journal, data, connections=3)
    before = list(script.stored)
    assert len(before) == 17
    assert set(_journaled(journal)) <= set(before)
    kept = _journaled(journal)
    script.dies_after = 1 << 30
    _send(script, journal, data, connections=3)
    assert bytes(script.file) == data
    assert not set(kept) & set(script.stored[17:])
    there = _journaled(journal)
    assert [at for at, _ in there] == [0, *(at + size for at, size in there)][:-1]
