"""The requests and the journal of an upload, with a stubbed cloud and a test clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import (
    Refused,
    ServerAway,
    ShortSegment,
    StartOver,
    TooLarge,
    UploadNeverEnds,
)
from cirrus_bridge.base.model import DocumentKey, PrintJob, Target
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.concurrency import LEAST
from cirrus_bridge.sending.patience import Patience
from cirrus_bridge.sending.segments import SLOW_S, SMALLEST_BYTES
from cirrus_bridge.sending.temporary_file import MOST_START_OVERS, TRUSTED_S
from cirrus_bridge.sending.upload import EARLY, Upload
from stubs import StubApi, StubClock, StubReport, away, empty_journal, refused

URI = "cirrus://h/C/Paris:L1"
KEY = DocumentKey("urn:uuid:1", 1, 0, URI, 1)
JOB = PrintJob(1, KEY.job_uuid, "u", "t", 1, "q")
SIZE = 100
DATA = bytes(range(250)) * 2  # five segments


class Site:
    """Uploads of one document, by several runs."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(empty_journal(folder))
        self.api = StubApi()
        self.clock = StubClock()
        self.report = StubReport()
        self.progressed = 0
        self.journal.intent(KEY, JOB, [Target("Paris", "L1")], now_s=1.0)

    def upload(
        self,
        *,
        connections: int = 1,
        contimeout_s: int = 10_000,
        segment_bytes: int = SIZE,
        largest_bytes: int = SIZE,
    ) -> Upload:
        """Prepare the upload of a new run, with the journal's knowledge."""
        queue = parse_queue_uri(URI, QueueSettings(contimeout_s=contimeout_s))
        patience = Patience(self.clock, self.report, self.journal, JOB, KEY, queue)
        settings = UploadSettings(connections, segment_bytes, largest_bytes)
        return Upload(self.api, patience, settings, self._progressed)

    def send(self, data: bytes = DATA, *, connections: int = 1, contimeout_s: int = 10_000) -> str:
        """Run once and return the name of the temporary file.

        Raises:
            CirrusError: the run failed.
        """
        upload = self.upload(connections=connections, contimeout_s=contimeout_s)
        name = upload.send(upload.cut([data]))
        assert upload.size_bytes == len(data)
        return name

    def interrupted(self) -> None:
        """Do a run that sends two segments."""
        self.api.script("put_segment", None, None, *[away] * 30)
        with pytest.raises(ServerAway):
            self.send(contimeout_s=60)
        self.api.works()
        self.api.segments.clear()

    def content(self, name: str) -> bytes:
        """The content of a temporary file."""
        return b"".join(data for _, data in sorted(self.api.files[name].items()))

    @property
    def journaled(self) -> dict[int, int]:
        """The index and length of each confirmed segment."""
        there = self.journal.upload(KEY)
        return {at: each.length for at, each in there.segments.items()} if there else {}

    @property
    def sent(self) -> list[int]:
        """The indexes of the segments that the cloud has taken, in order."""
        return [segment.index for segment in self.api.segments]

    @property
    def takes_one_at_a_time(self) -> bool:
        """Whether the journal knows that the server takes one segment at a time."""
        return self.journal.takes_one_at_a_time("h", now_s=self.clock.wall_s())

    def _progressed(self) -> None:
        self.progressed += 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A document that was not sent yet."""
    made = Site(tmp_path)
    with made.journal:
        yield made


@pytest.mark.parametrize("connections", [1, 3])
def test_all_is_there_and_known(site: Site, connections: int) -> None:
    """The journal has each segment that the cloud has taken."""
    assert site.content(site.send(connections=connections)) == DATA
    assert site.journaled == dict.fromkeys(range(0, len(DATA), SIZE), SIZE)
    assert site.progressed == 5
    assert site.report.back > 0


def test_the_name_is_known_before_the_first_segment(site: Site) -> None:
    """The journal has the file's name before the first segment, so the next run uses the same
    file."""
    site.interrupted()
    there = site.journal.upload(KEY)
    assert there is not None
    assert (there.temp_file, sorted(there.segments)) == ("t1", [0, 100])
    assert there.at_s == site.clock.wall_s() - site.clock.passed_s


def test_only_what_was_confirmed_is_known(site: Site) -> None:
    """A segment that fails in any way is sent again, and is in the journal only afterwards."""
    site.api.script("put_segment", None, away, ShortSegment("50 of 100"), None)
    site.clock.at_sleep = lambda: seen.append(site.journaled)
    seen: list[dict[int, int]] = []
    assert site.content(site.send()) == DATA
    assert seen == [{0: SIZE}] * 2
    assert len(site.report.away) == 2


def test_a_run_goes_on_where_the_last_one_was(site: Site) -> None:
    """No confirmed segment is sent again, and there is only one temporary file."""
    site.interrupted()
    assert site.content(site.send()) == DATA
    assert site.sent == [200, 300, 400]
    assert list(site.api.files) == ["t1"]


@pytest.mark.parametrize("place", [0, 99, 100, 199])
def test_the_data_has_changed(site: Site, place: int) -> None:
    """Confirmed segments of other data are not used, and the next run sends everything into a
    new file."""
    site.interrupted()
    changed = bytearray(DATA)
    changed[place] ^= 1
    with pytest.raises(StartOver):
        site.send(bytes(changed))
    assert site.journal.upload(KEY) is None
    assert site.content(site.send(bytes(changed))) == changed
    assert list(site.api.files) == ["t1", "t2"]


def test_a_document_that_changes_in_each_run(site: Site) -> None:
    """A changing document that no run can upload in time is reported, not tried for ever."""
    ends: list[type[Exception]] = []
    for run in range(MOST_START_OVERS):
        site.interrupted()
        with pytest.raises((StartOver, UploadNeverEnds)) as caught:
            site.send(bytes([run + 1]) + DATA[1:])
        ends.append(caught.type)
    assert ends == [StartOver] * (MOST_START_OVERS - 1) + [UploadNeverEnds]
    site.interrupted()
    with pytest.raises(StartOver):  # after a person has released the job
        site.send(bytes([99]) + DATA[1:])


def test_nothing_is_left_of_an_upload_that_is_of_no_use(site: Site) -> None:
    """Segments of a useless upload do not count for the new file."""
    site.interrupted()
    with pytest.raises(StartOver):
        site.send(DATA[::-1])
    site.api.script("put_segment", None, *[away] * 30)
    with pytest.raises(ServerAway):
        site.send(contimeout_s=60)
    site.api.works()
    assert site.journaled == {0: SIZE}
    assert site.content(site.send()) == DATA


def test_a_run_that_ends_before_its_first_segment(site: Site) -> None:
    """After a run without a segment, the next run starts from the beginning."""
    site.api.script("put_segment", *[away] * 30)
    with pytest.raises(ServerAway):
        site.send(contimeout_s=60)
    site.api.works()
    site.clock.passed_s += 2 * TRUSTED_S
    assert site.content(site.send()) == DATA


@pytest.mark.parametrize("length", [100, 150, 199])
def test_the_document_is_shorter_now(site: Site, length: int) -> None:
    """Confirmed segments beyond the document's end would be printed, so the upload is useless."""
    site.interrupted()
    with pytest.raises(StartOver):
        site.send(DATA[:length])
    assert site.content(site.send(DATA[:length])) == DATA[:length]


def test_it_ends_where_the_confirmed_part_ends(site: Site) -> None:
    """A document that ends with the confirmed segments needs no more segments."""
    site.interrupted()
    assert site.content(site.send(DATA[:200])) == DATA[:200]
    assert site.sent == []


def test_the_boundaries_come_again(site: Site) -> None:
    """The boundaries of confirmed segments stay, whatever sizes a run begins with."""
    site.interrupted()
    upload = site.upload(segment_bytes=70)
    upload.send(upload.cut([DATA]))
    assert site.content("t1") == DATA
    assert site.sent == [200, 270, 370, 470]  # sizes grow


def test_a_gap_between_confirmed_segments(site: Site) -> None:
    """The gap is filled, and the segments after it are not sent again."""
    site.api.script("put_segment", None, None, None, *[away] * 30)
    with pytest.raises(ServerAway):
        site.send(contimeout_s=60)
    site.api.works()
    del site.api.files["t1"][100]
    there = site.journal.upload(KEY)
    assert there is not None
    site.journal.forget_upload(KEY)
    site.journal.uploading(KEY, "t1", "", now_s=there.at_s)
    for at in (0, 200):
        sha256 = there.segments[at].sha256
        site.journal.confirmed(KEY, position=at, length=SIZE, sha256=sha256, now_s=there.at_s)
    site.api.segments.clear()
    upload = site.upload(segment_bytes=70)
    upload.send(upload.cut([DATA]))
    assert site.content("t1") == DATA
    assert site.sent == [100, 300, 400]


@pytest.mark.parametrize(
    ("passed_s", "is_trusted"), [(TRUSTED_S, True), (TRUSTED_S + 1, False), (-1, False)]
)
def test_how_long_a_file_is_trusted(site: Site, passed_s: float, *, is_trusted: bool) -> None:
    """A file is trusted for ten minutes, because a restored server may give its name to someone
    else."""
    site.interrupted()
    site.clock.passed_s = passed_s
    if is_trusted:
        assert site.send() == "t1"
    else:
        with pytest.raises(StartOver):
            site.send()
        assert site.send() == "t2"


@pytest.mark.parametrize("passed_s", [1, 100 * TRUSTED_S])
@pytest.mark.parametrize(("instance", "name"), [("one", "t1"), ("two", "t2")])
def test_a_server_that_says_who_it_is(
    site: Site, instance: str, name: str, passed_s: float
) -> None:
    """A server that announces its instance is asked first, and trusted without a limit or not at
    all."""
    site.api.instance = "one"
    site.interrupted()
    site.clock.passed_s += passed_s
    site.api.instance = instance
    site.api.server_instance = ""  # unknown to this run
    if name == "t2":
        with pytest.raises(StartOver):
            site.send()
        assert site.sent == []
    assert site.content(site.send()) == DATA
    assert list(site.api.files)[-1] == name


def test_a_server_that_is_replaced_in_a_long_outage(site: Site) -> None:
    """Nothing more is written to a file that may now belong to someone else."""
    site.api.instance = "one"

    def replaced() -> Exception:
        site.clock.passed_s += 2 * TRUSTED_S
        site.api.instance = "two"
        site.api.server_instance = "one"  # as last announced
        return away()

    site.api.script("put_segment", None, replaced)
    with pytest.raises(StartOver):
        site.send()
    assert site.sent == [0]


@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_server_that_is_replaced_meanwhile(site: Site, when: int) -> None:
    """A segment that the new server has taken does not count as confirmed."""
    site.api.instance = "one"

    def replaced() -> None:
        site.api.server_instance = "two"

    site.api.script("put_segment", *[None] * when, replaced)
    with pytest.raises(StartOver):
        site.send()
    assert site.journal.upload(KEY) is None


@pytest.mark.parametrize(("outage_s", "is_trusted"), [(TRUSTED_S / 2, True), (TRUSTED_S, False)])
def test_an_outage_during_a_run(site: Site, outage_s: float, *, is_trusted: bool) -> None:
    """A file is not trusted after a long outage, counted from the last confirmed segment."""
    site.clock.passed_s = 5 * TRUSTED_S

    def long_away() -> Exception:
        site.clock.passed_s += outage_s
        return away()

    site.api.script("put_segment", None, long_away)
    if is_trusted:
        assert site.content(site.send()) == DATA
    else:
        with pytest.raises(StartOver):
            site.send()


@pytest.mark.parametrize(
    "is_before",
    [lambda site: site.interrupted(), lambda site: site.api.script("put_segment", away)],
)
def test_a_file_that_is_refused_after_a_doubt(
    site: Site, is_before: Callable[[Site], object]
) -> None:
    """After an earlier run or an outage, the server may have forgotten the file, so a new file
    is tried."""
    is_before(site)
    site.api.script("put_segment", refused)
    with pytest.raises(StartOver):
        site.send()
    assert site.content(site.send()) == DATA


def test_a_file_that_is_refused(site: Site) -> None:
    """Without an earlier run or outage, a refusal is final."""
    site.api.script("put_segment", None, refused)
    with pytest.raises(Refused):
        site.send()
    assert site.journaled == {0: SIZE}


def test_a_refusal_among_others(site: Site) -> None:
    """A refused segment is sent again alone, and the server is then known to take one at a time."""
    site.api.script("put_segment", None, refused)
    assert site.content(site.send(connections=2)) == DATA
    assert site.takes_one_at_a_time


def test_an_outage_makes_no_server_one_that_takes_one_at_a_time(site: Site) -> None:
    """Segments that fail together count as one failure, with one wait."""
    site.api.script("put_segment", *[away] * 3)
    assert site.content(site.send(connections=3)) == DATA
    assert not site.takes_one_at_a_time
    assert len(site.report.away) == 1


@pytest.mark.parametrize("before", [0, 4])
def test_all_are_under_way_when_one_fails(site: Site, before: int) -> None:
    """A failed segment is sent again, even after the end of the document."""
    site.api.script("put_segment", *[None] * before, away)
    assert site.content(site.send(connections=8)) == DATA


@pytest.mark.parametrize(
    ("connections", "expected_bytes", "early"),
    [(5, 100 * SIZE, 5), (20, 100 * SIZE, 20), (20, 3 * SIZE, 3), (20, 0, EARLY), (5, 0, 5)],
)
def test_connections_are_opened_at_once(
    site: Site, connections: int, expected_bytes: int, early: int
) -> None:
    """Each of the first segments has a connection before the server has created the file. The
    request for the file connects first, so that a server with one thread answers that."""
    seen: list[int] = []

    def temp_file(reached: Callable[[], None]) -> None:
        site.api.has_connected.acquire(timeout=0.05)  # would succeed if one did not wait
        seen.append(site.api.connected)
        reached()
        while site.api.connected < early - 1:
            assert site.api.has_connected.acquire(timeout=10)
        seen.append(site.api.connected)

    site.api.at_temp_file = temp_file
    upload = site.upload(connections=connections)
    assert site.content(upload.send(upload.cut([DATA]), expected_bytes)) == DATA
    assert seen == [0, early - 1]


def test_no_connection_is_opened_early_for_one_at_a_time(site: Site) -> None:
    """A server that takes one segment at a time gets one connection."""
    site.journal.found_one_at_a_time("h", now_s=site.clock.wall_s())
    site.send(connections=8)
    assert site.api.connected == 0


def test_the_first_segments_do_not_end_together(site: Site) -> None:
    """The first segments have sizes from the configured one to its double; later ones have the
    configured size."""
    upload = site.upload(connections=5, segment_bytes=SIZE // 2)
    sizes = [len(segment.data) for segment in upload.cut([DATA])]
    assert sizes == [50, 60, 70, 80, 90, 50, 50, 50]


@pytest.mark.parametrize(
    ("segment_bytes", "took_s", "connections"),
    [(SIZE, SLOW_S / 2, 8), (SIZE, 2 * SLOW_S, LEAST), (4 * SMALLEST_BYTES, 2 * SLOW_S, 8)],
)
def test_a_slow_line_gets_fewer_connections(
    site: Site, segment_bytes: int, took_s: float, connections: int
) -> None:
    """Slow segments become smaller. Once they are as small as possible, fewer are sent at once."""
    together = threading.Barrier(8)

    def slow() -> None:
        if together.wait(10) == 0:
            site.clock.passed_s += took_s
        together.wait(10)

    site.api.script("put_segment", *[slow] * 8)
    upload = site.upload(connections=8, segment_bytes=segment_bytes, largest_bytes=segment_bytes)
    upload.send(upload.cut([bytes(segment_bytes)] * 8))
    assert upload._limit.now == connections


@pytest.mark.parametrize("connections", [1, 3, 16])
def test_memory_is_bounded(site: Site, connections: int) -> None:
    """At most `connections` segments are in memory."""
    cut, most = 0, 0

    def data() -> Iterator[bytes]:
        nonlocal cut, most
        for _ in range(40):
            cut += 1
            most = max(most, cut - len(site.api.segments))
            yield DATA[:SIZE]

    upload = site.upload(connections=connections)
    upload.send(upload.cut(data()))
    assert most <= connections + 1  # one more is being cut


def test_a_long_upload(site: Site) -> None:
    """Trust in the file counts from the last confirmed segment, not the first."""

    def slow() -> None:
        site.clock.passed_s += TRUSTED_S / 2

    site.api.script("put_segment", slow, slow, slow, away)
    assert site.content(site.send()) == DATA


@pytest.mark.parametrize("connections", [1, 3])
def test_a_fault_of_ours(site: Site, connections: int) -> None:
    """A fault in a sender's thread ends the run."""
    site.api.script("put_segment", ValueError("ours"))
    with pytest.raises(ValueError, match="ours"):
        site.send(connections=connections)


def test_a_small_segment_that_is_too_large(site: Site) -> None:
    """A segment of the smallest size cannot be split."""
    site.api.script("put_segment", TooLarge("413"))
    with pytest.raises(TooLarge):
        site.send()
