"""Resumed uploads after an outage or a restored server: real HTTP, a real journal, a test clock."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import Refused, ServerAway, StartOver
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, PrintJob
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.delivery.tracking import tracked_deliveries
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.submit import Submission
from cirrus_bridge.sending.temporary_file import TRUSTED_S
from scripted_server import Answer, Request, ScriptedServer
from stubs import StubClock, StubReport

DATA = random.Random(14).randbytes(1_700_000)
JOB = PrintJob(1, "urn:uuid:1", "u", "Report", 1, "q")
TROUBLE = Answer("Error: out of order")
BUSY = Answer("later", status=503)
LATER = Answer("later", status=429)  # a submit without effect


class Cloud:
    """A server with numbered temporary files, so that a restored server gives names again.

    `trouble` may answer the segment of this number instead, `submit_trouble` a submit.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.printed: list[bytes] = []
        self.instance = ""
        self.segments = 0
        self.trouble: Callable[[int], Answer | None] = lambda _: None
        self.submit_trouble: Callable[[], Answer | None] = lambda: None

    def __call__(self, request: Request) -> Answer:
        answer = self._answer(request)
        headers = {"Server-Instance": self.instance} if self.instance else {}
        return dataclasses.replace(answer, headers=headers)

    def temp_file(self) -> str:
        """Create a temporary file; return its name."""
        name = f"t{len(self.files) + 1}"
        self.files[name] = bytearray()
        return name

    def _answer(self, request: Request) -> Answer:
        verb = request.path.removeprefix("/api/")
        if verb == "version":
            return Answer("a\nb\nc\nd")
        if verb == "tempfile":
            return Answer(self.temp_file())
        if verb == "putsegment":
            self.segments += 1
            if answer := self.trouble(self.segments):
                return answer
        if verb == "submitfile" and (answer := self.submit_trouble()):
            return answer
        file = self.files.get(request.fields["file"])
        if file is None:
            return Answer("Error: no such file")
        if verb == "submitfile":
            self.printed.append(bytes(file))
            return Answer(f"20261129-{len(self.printed)}")
        at = int(request.fields["index"])
        file.extend(bytes(max(0, at - len(file))))
        file[at : at + len(request.body)] = request.body
        return Answer(str(len(request.body)))


class Site:
    """A bridge with this cloud."""

    def __init__(self, server: str, journal: Journal, cloud: Cloud) -> None:
        self._server = server
        self.journal = journal
        self.cloud = cloud
        self.clock = StubClock()
        self.key = DocumentKey(JOB.job_uuid, 1, 0, f"cirrus://{server}/Acme/Paris:L1", 1)

    def run(self, *, contimeout_s: int = 100_000) -> None:
        """Run the backend once, up to the submit.

        Raises:
            CirrusError: the run failed.
        """
        sizes = UploadSettings(connections=1, segment_bytes=512 * 1024)
        settings = QueueSettings(encryption="never", level=None, contimeout_s=contimeout_s)
        entry = Server(self._server, Secret("k"), "Acme", ())
        entries = self.journal.entries(JOB.job_uuid, 1)
        submission = Submission(
            job=JOB,
            queue=parse_queue_uri(self.key.destination, settings),
            key=self.key,
            data=[DATA],
            props={},
            api=CloudApi(entry, "Acme", https=False, timeouts=sizes),
            journal=self.journal,
            clock=self.clock,
            report=StubReport(),
            upload_settings=sizes,
        )
        submission.run(entries[0] if entries else None)

    def broken_off(self) -> None:
        """Do a run that ends after two segments."""
        self.cloud.trouble = lambda number: TROUBLE if number > 2 else None
        with pytest.raises(Refused):
            self.run()
        self.cloud.trouble = lambda _: None
        self.cloud.segments = 0

    def starts_over(self) -> None:
        """Do a run that gives up the earlier upload, and the next run, which uploads again."""
        with pytest.raises(StartOver):
            self.run()
        self.cloud.segments = 0
        self.run()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with a server that announces nothing, like most servers."""
    cloud = Cloud()
    with ScriptedServer(cloud) as server, Journal(tmp_path) as journal:
        yield Site(server.name, journal, cloud)


def test_a_run_that_was_interrupted_goes_on(site: Site) -> None:
    """Segments that were confirmed shortly before are not sent again."""
    site.broken_off()
    site.clock.sleep(TRUSTED_S - 1)
    site.run()
    assert site.cloud.segments < 4
    assert site.cloud.printed == [DATA]


def test_somebody_else_has_the_file(site: Site) -> None:
    """A restored server gives the name again, but the pages of both jobs stay apart."""
    site.broken_off()
    site.cloud.files.clear()
    theirs = site.cloud.files[site.cloud.temp_file()]
    theirs += b"their pages"
    site.clock.sleep(TRUSTED_S + 1)
    site.starts_over()
    assert site.cloud.printed == [DATA]
    assert theirs == b"their pages"


def test_a_clock_that_was_set_back(site: Site) -> None:
    """After a clock was set back, the age of the last segment is unknown."""
    site.broken_off()
    site.clock.sleep(-1)
    site.starts_over()
    assert site.cloud.printed == [DATA]


def test_a_server_that_has_run_all_the_time(site: Site) -> None:
    """A server that has run all the time is trusted, however long the job was away."""
    site.cloud.instance = "one"
    site.broken_off()
    site.clock.sleep(100 * TRUSTED_S)
    site.run()
    assert site.cloud.segments < 4
    assert site.cloud.printed == [DATA]


def test_a_server_that_was_restarted(site: Site) -> None:
    """A server that announces a restart may have lost a confirmed segment."""
    site.cloud.instance = "one"
    site.broken_off()
    site.cloud.instance = "two"
    del site.cloud.files["t1"][500_000:]
    site.starts_over()
    assert site.cloud.printed == [DATA]


def _away_until(site: Site, passed_s: float) -> None:
    site.cloud.trouble = lambda number: (
        BUSY if number > 2 and site.clock.passed_s < passed_s else None
    )


def test_a_short_outage_during_a_run(site: Site) -> None:
    """A short outage changes nothing."""
    _away_until(site, TRUSTED_S / 4)
    site.run()
    assert list(site.cloud.files) == ["t1"]
    assert site.cloud.printed == [DATA]


def test_a_long_outage_during_a_run(site: Site) -> None:
    """After a long outage the file is not trusted, and nothing more is written to it."""
    _away_until(site, 2 * TRUSTED_S)
    with pytest.raises(StartOver):
        site.run()
    site.cloud.trouble = lambda _: None
    site.run()
    assert list(site.cloud.files) == ["t1", "t2"]
    assert site.cloud.printed == [DATA]


def test_a_server_that_is_restored_during_a_run(site: Site) -> None:
    """The server no longer knows the file. The upload starts again, and the job is not held."""

    def trouble(number: int) -> Answer | None:
        if number == 3:
            site.cloud.files.clear()
            return BUSY
        return None

    site.cloud.trouble = trouble
    with pytest.raises(StartOver):
        site.run()
    site.run()
    assert site.cloud.printed == [DATA]


def test_a_server_that_is_restored_before_the_submit(site: Site) -> None:
    """The upload starts again, and the next run finds no submit in doubt."""

    def trouble() -> Answer | None:
        site.cloud.files.clear()
        site.cloud.submit_trouble = lambda: None
        return LATER

    site.cloud.submit_trouble = trouble
    with pytest.raises(StartOver):
        site.run()
    site.run()
    assert site.cloud.printed == [DATA]


def test_a_file_that_no_outage_has_touched(site: Site) -> None:
    """A refusal without an outage is final: a second upload would be useless."""
    site.cloud.trouble = lambda number: TROUBLE if number == 3 else None
    with pytest.raises(Refused):
        site.run()


def test_a_segment_that_is_lost_unseen(site: Site) -> None:
    """The server's size of the job reveals the loss, so the job does not count as delivered."""
    site.cloud.submit_trouble = lambda: LATER
    with pytest.raises(ServerAway):
        site.run(contimeout_s=60)
    del site.cloud.files["t1"][1_548_576:]
    site.cloud.submit_trouble = lambda: None
    site.run()
    (printed,) = site.cloud.printed
    (document,) = site.journal.documents_of(site.key)
    (target,) = tracked_deliveries([document])
    delivered = JobStatus(DeliveryState.DELIVERED, name="Report", size_bytes=len(printed))
    assert not target.learn(delivered)
    assert target.difference == "its size is 1548576 bytes instead of 1700000"


def test_giving_up_keeps_what_is_there(site: Site) -> None:
    """contimeout ends the run, and the next run resumes the upload."""
    site.cloud.trouble = lambda number: BUSY if number > 2 else None
    with pytest.raises(ServerAway):
        site.run(contimeout_s=60)
    site.cloud.trouble = lambda _: None
    site.cloud.segments = 0
    site.run()
    assert site.cloud.segments < 4
    assert site.cloud.printed == [DATA]


def test_what_was_sent_is_in_the_journal(site: Site) -> None:
    """The journal has the sizes of the document and of the upload."""
    site.run()
    (document,) = site.journal.documents_of(site.key)
    assert (document.size_bytes, document.sent_bytes) == (len(DATA), len(DATA))
