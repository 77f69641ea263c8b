"""The runs of jobs in one process, with a scripted cloud."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.ipp.message import Attributes, JobState
from cirrus_bridge.ipp_server.job_attributes import encoded
from cirrus_bridge.ipp_server.job_worker import JobWorker
from cirrus_bridge.ipp_server.run import Folders
from cirrus_bridge.ipp_server.spool import Spool, SpooledJob
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.submissions import Journal
from paths import WELCOME
from scripted_server import Answer, Request, ScriptedServer
from stubs import empty_journal, start_poller

WAITS, RECEIVED, DELIVERED = (f'{{"State": {number}}}' for number in range(3))


class Site:
    """A worker, its spool, and a cloud that answers each query with `status`."""

    def __init__(self, folder: Path) -> None:
        self.status = DELIVERED
        self.news: list[Mapping[str, Any]] = []
        self.server = ScriptedServer(self._script)
        self.state = empty_journal(folder / "state")
        configuration = folder / "etc"
        (configuration / "servers.d").mkdir(parents=True)
        (configuration / "bridge.toml").write_text('[defaults]\nencryption = "never"\n')
        entry = configuration / "servers.d" / "site.toml"
        entry.touch(mode=0o600)
        entry.write_text(
            f'[[server]]\nhost = "{self.server.name}"\ncompany = "Acme"\napi_key = "k"\n'
        )
        (folder / "cache").mkdir()
        self.spool = Spool(self.state)
        self.worker = JobWorker(Folders(self.state, folder / "cache", configuration))

    def _script(self, request: Request) -> Answer:
        if request.method == "PUT":
            return Answer(f"20260101000000-{len(self.queries(request.method)) + 1}")
        if request.path == "/api/version":
            return Answer("a\nb\nc\nd", headers={"Idempotency-Supported": "1"})
        return Answer(self.status)

    def queries(self, method: str = "GET") -> list[Request]:
        """The requests about jobs so far."""
        return [
            each
            for each in self.server.requests
            if each.method == method and each.path != "/api/version"
        ]

    def run(self, document: bytes = WELCOME.read_bytes(), kind: str = "application/pdf") -> bool:
        """Run a job with this document; return whether the worker may go on."""
        name = f"d{len(self.news)}"
        (self.state / "spool" / name).write_bytes(document)
        job = SpooledJob(
            job_id=0,
            job_uuid=f"urn:uuid:{name}",
            printer="p",
            queue_uri=f"cirrus://{self.server.name}/Acme/Paris:L1",
            user="ann",
            host="h",
            title="Report",
            language="en",
            attributes=encoded(Attributes([])),
            media_type=kind,
            document=name,
            size_bytes=len(document),
        )
        return self.worker.run(self.spool.add(job).job_id, self.news.append, Clock())

    def entry_state(self) -> State:
        """The state of the only document in the journal."""
        with Journal(self.state) as journal:
            (entry,) = journal.entries("urn:uuid:d0", 1)
            return entry.state


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose service has a poller."""
    made = Site(tmp_path)
    poller = start_poller(made.state, now_s=Clock().wall_s())
    with made.server, contextlib.closing(made.spool), poller:
        yield made


def test_a_document_that_is_delivered_at_once(site: Site) -> None:
    """One query shows that, and the run tells the outcome, so the poller need not ask again."""
    assert site.run()
    (news,) = site.news
    assert news["outcome"][0] == JobState.COMPLETED
    assert news["log"].startswith("event=delivered queue=paris-l1-")
    assert len(site.queries()) == 1
    assert site.entry_state() is State.CLOSED


@pytest.mark.parametrize("status", [WAITS, RECEIVED])
def test_a_document_that_is_not_delivered_at_once(site: Site, status: str) -> None:
    """After one query, the document is the poller's, so the next job need not wait."""
    site.status = status
    assert site.run()
    assert site.news == [{"job": 1, "accepted": True}]
    assert len(site.queries()) == 1
    assert site.entry_state() is State.LEFT


def test_a_document_whose_location_deletes_it_at_once(site: Site) -> None:
    """The poller tells the bad news."""
    site.status = '{"State": 3}'
    assert site.run()
    assert site.news == [{"job": 1, "accepted": True}]
    assert site.entry_state() is State.LEFT


def test_connections_are_kept(site: Site) -> None:
    """Jobs use the same connection, until the worker rests."""
    assert site.run()
    assert site.run()
    assert len({each.client_port for each in site.server.requests}) == 1
    site.worker.rest()
    assert site.run()
    assert len({each.client_port for each in site.server.requests}) == 2


def test_after_an_error_or_a_conversion(site: Site, tmp_path: Path) -> None:
    """The process may be damaged or large, so it does no other job."""
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert not site.run((tmp_path / "a.png").read_bytes(), "image/png")
    assert site.news[-1]["accepted"]
    assert not site.run(b"%PDF-1.7 nothing")
    assert site.news[-1]["then"] == "abort"
