"""What the disk has of a print after a power cut, and how often a print waits for the disk.

SQLite writes to the end of the WAL, and waits for the disk if `PRAGMA synchronous` is FULL. So the
disk has at least the WAL up to the last transaction that waited.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.backend.run import OK, BackendRun
from cirrus_bridge.base.errors import SubmitUnanswered
from cirrus_bridge.base.model import DeliveryState, JobStatus, PrintJob
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.job import SpooledDocument
from cirrus_bridge.cups.status_lines import CupsReport
from cirrus_bridge.journal.submissions import Journal
from stubs import URI, StubApi, StubClock, empty_journal

FULL = 2  # https://sqlite.org/pragma.html#pragma_synchronous
JOB = PrintJob(1, "urn:uuid:1", "u", "Report", 1, "q", documents=1)
SEGMENT_BYTES, LARGE_BYTES = 1000, 20_000


class PowerCut(BaseException):
    """The machine stops."""


class DiskJournal(Journal):
    """A journal that counts its transactions, and those that wait for the disk."""

    written = synced = synced_bytes = 0
    most = 1_000

    @contextlib.contextmanager
    def _immediate(self, **how: Any) -> Iterator[None]:
        with super()._immediate(**how):
            yield
        self.written += 1
        if self._db.execute("PRAGMA synchronous").fetchone() == (FULL,):
            self.synced += 1
            self.synced_bytes = self._wal.stat().st_size
        if self.written == self.most:
            raise PowerCut

    @property
    def _wal(self) -> Path:
        return self._files.folder / "journal.db-wal"

    def after_power_cut(self, folder: Path) -> Path:
        """Write into `folder` what the disk has at least; the witness may be new."""
        folder.mkdir()
        for name in ("journal.db", "journal.db-wal", "jobs.lock"):
            content = (self._files.folder / name).read_bytes()
            kept = content[: self.synced_bytes] if name.endswith("wal") else content
            (folder / name).write_bytes(kept)
            (folder / name).chmod(0o600)
        return folder


def _print(journal: Journal, api: StubApi, folder: Path, size: int = 1, **settings: Any) -> int:
    """Run the backend once."""
    spool = folder / "d00001-001"
    spool.write_bytes(b"x" * size)
    defaults = QueueSettings(level=None, **settings)
    upload = UploadSettings(1, SEGMENT_BYTES, SEGMENT_BYTES)
    configuration = Configuration(folder, defaults, upload, (Server("h", Secret("k"), "C", ()),))
    queue, report = parse_queue_uri(URI, defaults), CupsReport(io.BytesIO())
    clock = StubClock()
    with spool.open("rb") as stdin, clock.stoppable():
        data = SpooledDocument(JOB, stdin, os.getpid())
        asked = (lambda: False, lambda: 1)
        run = BackendRun(JOB, queue, configuration, lambda _: api, journal, clock, report, *asked)
        return run.print(data)


@pytest.mark.parametrize("size", [1, LARGE_BYTES], ids=["small", "large"])
@pytest.mark.parametrize("wait", ["submitted", "delivered"])
def test_waits_for_the_disk(tmp_path: Path, size: int, wait: str) -> None:
    """A print waits three times: about to submit, accepted, and closed or handed over. A segment
    does not wait."""
    api = StubApi()
    api.status = JobStatus(DeliveryState.DELIVERED)
    with DiskJournal(empty_journal(tmp_path / "state")) as journal:
        assert _print(journal, api, tmp_path, size, wait=wait) == OK
        assert len(api.segments) == (size // SEGMENT_BYTES if size > 1 else 0)
        assert journal.synced == 3
        assert journal.written > 3 + len(api.segments)


@pytest.mark.parametrize("size", [1, LARGE_BYTES // 8], ids=["small", "large"])
@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_power_cut(tmp_path: Path, size: int, handover: str) -> None:
    """After a power cut at any transaction, the next run prints what was not printed, and nothing
    twice. It asks a person only if the submit was about to begin."""
    ends = []
    for most in itertools.count(1):
        folder = tmp_path / f"{most}"
        folder.mkdir()
        api = StubApi()
        with DiskJournal(empty_journal(folder / "state")) as journal:
            journal.most = most
            with contextlib.suppress(PowerCut):
                _print(journal, api, folder, size, handover=handover)
            left = journal.after_power_cut(folder / "left")
            is_over = journal.written < most
        printed_before = len(api.printed)
        with Journal(left) as journal:
            assert journal.trusted_since_s() == 0  # nobody has restored it
            try:
                _print(journal, api, folder, size, handover=handover)
                ends.append("printed")
                assert len(api.printed) == 1
            except SubmitUnanswered:
                ends.append("held")
                assert len(api.printed) == printed_before
        if is_over:
            break
    assert ends.count("held") == 1
    assert ends[-1] == "printed"


def test_power_cut_before_the_answer_is_noted(tmp_path: Path) -> None:
    """A submit that was accepted is never repeated without a person."""
    api = StubApi()
    api.script("put_file", PowerCut)
    with DiskJournal(empty_journal(tmp_path / "state")) as journal:
        with pytest.raises(PowerCut):
            _print(journal, api, tmp_path)
        left = journal.after_power_cut(tmp_path / "left")
    with Journal(left) as journal, pytest.raises(SubmitUnanswered):
        _print(journal, api, tmp_path)
    assert api.calls.count("put_file") == 1
