"""The order of effects of a submission, with a stubbed cloud, a real journal and a test clock."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest

from cirrus_bridge.base.errors import (
    BadConfiguration,
    EmptyDocument,
    Interrupted,
    KeyRefused,
    Refused,
    RepeatedId,
    ServerAway,
    ServerFault,
    StartOver,
    SubmitDropped,
    SubmitUnanswered,
    TooLarge,
    TryOtherMember,
    WaitsForServer,
)
from cirrus_bridge.base.model import (
    Compression,
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.patience import FOR_CORRECTION, FOR_SERVER, QUEUE_WAIT_S
from cirrus_bridge.sending.submit import SINGLE_REQUEST_BYTES, Submission
from stubs import StubApi, StubClock, StubReport, away, empty_journal, refused, start_poller

URI = "cirrus://h/C/Paris:L1"
JOB = PrintJob(1, "urn:uuid:1", "u", "Report", 1, "q")
SMALL, LARGE = b"x" * 100, bytes(range(250)) * 10  # in one request, and in three segments


class Killed(BaseException):
    """The end of the process, at this point."""


def lost() -> SubmitUnanswered:
    """A submit whose answer is lost."""
    return SubmitUnanswered("The answer is lost.")


class Site:
    """One document's way from a queue to a cloud; `settings` are the queue's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = contextlib.ExitStack()
        self.journal = self.opened.enter_context(Journal(empty_journal(folder)))
        self.api = StubApi()
        self.clock = StubClock()
        self.report = StubReport()
        self.job = JOB
        self.key = DocumentKey(JOB.job_uuid, JOB.job_id, 0, URI, 1)
        self.props: Mapping[str, str] = {}
        self.connections = 1
        self.segment_bytes = 1024
        self.settings = QueueSettings(level=None)

    def run(self, data: bytes = SMALL, **settings: Any) -> list[Receipt]:
        """Run the backend once, up to the submit.

        Raises:
            CirrusError: the run failed.
        """
        self.settings = dataclasses.replace(self.settings, **settings)
        entries = self.journal.entries(JOB.job_uuid, JOB.job_id)
        sizes = UploadSettings(self.connections, self.segment_bytes, self.segment_bytes)
        submission = Submission(
            job=self.job,
            queue=parse_queue_uri(self.key.destination, self.settings),
            key=self.key,
            data=[data],
            props=dict(self.props),
            api=self.api,
            journal=self.journal,
            clock=self.clock,
            report=self.report,
            upload_settings=sizes,
            expected_bytes=len(data),
        )
        with self.clock.stoppable():
            return submission.run(entries[0] if entries else None)

    @property
    def state(self) -> State:
        """The document's state in the journal."""
        return self.state_of(self.key)

    @property
    def open_runs(self) -> int:
        """The number of the last runs that were killed."""
        return self.journal.entries(JOB.job_uuid, JOB.job_id)[0].open_runs

    def state_of(self, key: DocumentKey) -> State:
        """The state of one of the job's documents."""
        entries = self.journal.entries(JOB.job_uuid, JOB.job_id)
        return next(entry.state for entry in entries if entry.key == key)

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Keys of all submits."""
        return [ticket.idempotency_key for ticket in self.api.tickets]

    def is_killed(self) -> None:
        """Do a run that is killed when its submit is sent."""
        self.api.script("put_file", Killed)
        with pytest.raises(Killed):
            self.run()

    def start_poller(self) -> None:
        """Start a poller that follows this journal."""
        self.opened.enter_context(start_poller(self.folder, now_s=self.clock.wall_s()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A document that was not sent yet."""
    made = Site(tmp_path)
    with made.opened:
        yield made


SiteCall = Callable[[Site], object]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (SMALL, [("put_file", State.SUBMITTING)]),
        (LARGE, [("temp_file", State.SENDING), ("submit_file", State.SUBMITTING)]),
    ],
)
def test_the_journal_is_ahead_of_each_request(
    site: Site, data: bytes, expected: list[tuple[str, State]]
) -> None:
    """The journal has intent, about to submit and accepted before a run can be killed at the
    next request."""
    seen: list[tuple[str, State]] = []
    site.api.at_call = lambda name: seen.append((name, site.state))
    (receipt,) = site.run(data)
    assert seen == expected
    assert (site.state, site.api.printed) == (State.FOLLOWED, [data])
    (document,) = site.journal.documents_of(site.key)
    assert any(hashlib.sha256(data).hexdigest() in text for text in site.report.said)
    assert document.deliveries[0].receipt == receipt
    assert document.deliveries[0].status.state is DeliveryState.SUBMITTED
    assert (document.size_bytes, document.sent_bytes) == (len(data), len(data))


def test_killed_before_the_answer(site: Site) -> None:
    """The next run knows that the document may be printed, and sends nothing."""
    site.is_killed()
    with pytest.raises(SubmitUnanswered, match="may be printed") as caught:
        site.run()
    assert caught.value.consequence == ""
    assert (len(site.api.tickets), site.state) == (1, State.UNANSWERED)
    assert site.open_runs == 0


def test_killed_while_it_uploads(site: Site) -> None:
    """The next run sends the document, because nothing was submitted."""
    site.api.at_call = _kill_at("temp_file")
    with pytest.raises(Killed):
        site.run(LARGE)
    site.api.at_call = lambda name: None
    site.run(LARGE)
    assert site.api.printed == [LARGE]


def _kill_at(request: str) -> Callable[[str], None]:
    def at_call(name: str) -> None:
        if name == request:
            raise Killed

    return at_call


def test_a_person_releases_a_job_in_doubt(site: Site) -> None:
    """By releasing the job, a person allows a second submit."""
    site.api.script("put_file", lost)
    with pytest.raises(SubmitUnanswered):
        site.run()
    assert site.state is State.UNANSWERED
    site.run()
    assert (len(site.api.tickets), site.state) == (2, State.FOLLOWED)


@pytest.mark.parametrize(
    ("policy", "error", "state", "submits"),
    [
        ("hold", SubmitUnanswered, State.UNANSWERED, 1),
        ("drop", SubmitDropped, State.DROPPED, 1),
        ("resubmit", None, State.FOLLOWED, 2),
    ],
)
@pytest.mark.parametrize("is_killed", [True, False])
def test_what_the_queue_wants_of_an_unanswered_submit(
    site: Site,
    policy: str,
    error: type[Exception] | None,
    state: State,
    submits: int,
    *,
    is_killed: bool,
) -> None:
    """The queue's `onambiguous` decides in the same run and in the next run."""
    site.api.script("put_file", Killed if is_killed else lost)
    if is_killed:
        with pytest.raises(Killed):
            site.run(onambiguous=policy)
    if error:
        with pytest.raises(error):
            site.run(onambiguous=policy)
    else:
        site.run(onambiguous=policy)
    assert (site.state, len(site.api.tickets)) == (state, submits)


def test_a_server_that_knows_repeated_submits(site: Site) -> None:
    """The server gets the same key in each attempt and run, and the job stays in doubt."""
    site.api.knows_keys = True
    site.api.script("put_file", lost, *[away] * 20)
    with pytest.raises(ServerAway) as caught:
        site.run(contimeout_s=60)
    assert "may be printed" in caught.value.consequence
    states = [site.state]
    site.api.works()
    site.run()
    states.append(site.state)
    assert states == [State.SUBMITTING, State.FOLLOWED]
    assert site.report.away[0].startswith("The answer is lost.")
    assert len(site.api.tickets) > 2
    assert len(set(site.keys)) == 1
    assert site.keys[0]


def test_a_reprint_is_another_submit(site: Site) -> None:
    """A reprint gets another key. A server that recognizes repeated submits would print nothing."""
    site.run()
    site.journal.hand_over([site.key], "hold", URI, now_s=site.clock.wall_s())
    with PollerJournal(site.folder) as journal:
        journal.reprint([site.key], now_s=site.clock.wall_s())
    site.run()
    first, second = site.keys
    assert second not in ("", first)


def test_a_reprint_is_another_upload(site: Site) -> None:
    """A reprint does not use the upload of the first print."""
    site.run(LARGE)
    site.journal.hand_over([site.key], "hold", URI, now_s=site.clock.wall_s())
    with PollerJournal(site.folder) as journal:
        journal.reprint([site.key], now_s=site.clock.wall_s())
    site.api.script("put_segment", None, *[away] * 40)
    with pytest.raises(ServerAway):
        site.run(LARGE, contimeout_s=60)
    there = site.journal.upload(site.key)
    assert there is not None
    assert (there.temp_file, list(there.segments)) == ("t2", [0])
    site.api.works()
    site.run(LARGE)
    assert site.api.printed == [LARGE, LARGE]


def test_keys_of_documents_are_their_own(site: Site) -> None:
    """Each document has a key of its own that does not follow from the job's data."""
    site.run()
    site.key = site.key._replace(number=2)
    site.run()
    assert len(set(site.keys)) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda site: setattr(site, "props", {"copies": "2"}),
        lambda site: setattr(site, "job", dataclasses.replace(JOB, title="Salaries")),
        lambda site: setattr(site, "settings", dataclasses.replace(site.settings, level=1)),
    ],
    ids=["props", "title", "compression"],
)
def test_a_changed_job_in_doubt(site: Site, change: SiteCall) -> None:
    """A changed job in doubt is another submit.

    It needs a person's release and gets another key.
    """
    site.api.knows_keys = True
    site.is_killed()
    change(site)
    with pytest.raises(SubmitUnanswered, match=r"changed after it was sent.*may be printed"):
        site.run()
    assert (len(site.api.tickets), site.state) == (1, State.UNANSWERED)
    site.run()
    assert (len(set(site.keys)), site.state) == (2, State.FOLLOWED)


def test_a_submit_without_a_key(site: Site) -> None:
    """A submit of an older version has no key: it is neither repeated nor taken for changed."""
    site.api.knows_keys = True
    now_s = site.clock.wall_s()
    site.journal.intent(site.key, JOB, [Target("Paris", "L1")], now_s=now_s)
    site.journal.submitting(site.key, "ab", 9, 5, submit_key="", submit_form="", now_s=now_s)
    with pytest.raises(SubmitUnanswered, match="interrupted while it was sent"):
        site.run()
    assert (site.api.tickets, site.state) == ([], State.UNANSWERED)


def test_a_refusal_while_in_doubt(site: Site) -> None:
    """A refusal says nothing about the first submit, so the job stays in doubt."""
    site.api.script("put_file", lost, refused)
    with pytest.raises(Refused) as caught:
        site.run(onambiguous="resubmit")
    assert "may be printed" in caught.value.consequence
    assert site.state is State.SUBMITTING


def test_a_refusal(site: Site) -> None:
    """A refusal is final without a doubt: the next run sends without asking."""
    site.api.script("put_file", refused)
    with pytest.raises(Refused) as caught:
        site.run()
    assert (caught.value.consequence, site.state) == ("", State.SENDING)
    site.run()
    assert site.state is State.FOLLOWED


def test_killed_while_it_waits(site: Site) -> None:
    """A submit without effect is journaled as such before the run waits."""
    site.api.script("put_file", away, Killed)
    seen: list[State] = []
    site.clock.at_sleep = lambda: seen.append(site.state)
    with pytest.raises(Killed):
        site.run()
    assert seen == [State.SENDING]


def test_the_outage_ends_with_the_submit(site: Site) -> None:
    """A successful submit ends the outage: people are told, and contimeout starts again."""
    site.api.script("put_file", away)
    site.run()
    assert (len(site.report.away), site.report.back) == (1, 1)
    assert site.journal.trying_since_s(site.key) is None


def test_a_class_gets_no_job_in_doubt(site: Site) -> None:
    """A class takes over a job only before it is in doubt.

    Another member could print it a second time.
    """
    site.job = dataclasses.replace(JOB, class_name="all")
    site.api.script("put_file", away)
    with pytest.raises(TryOtherMember):
        site.run()
    site.api.knows_keys = True
    site.api.script("put_file", lost, away, away)
    site.run()
    site.api.knows_keys = False
    assert site.state is State.FOLLOWED


def test_a_class_gets_no_job_of_which_an_earlier_run_is_in_doubt(site: Site) -> None:
    """A class does not take over a job that an earlier run left in doubt, even before the next
    submit."""
    site.job = dataclasses.replace(JOB, class_name="all")
    site.api.knows_keys = True
    site.is_killed()
    site.api.script("repeats_safely", away, away)
    site.api.script("put_file", away)
    site.run()
    assert len(set(site.keys)) == 1


@pytest.mark.parametrize("knows_keys", [True, False])
def test_another_member_of_the_class_is_in_doubt(site: Site, *, knows_keys: bool) -> None:
    """A submit of another member cannot be repeated from here, so a person decides."""
    site.api.knows_keys = knows_keys
    site.is_killed()
    first = site.key
    site.key = first._replace(destination="cirrus://h/C/Lyon:L2")
    with pytest.raises(SubmitUnanswered, match="interrupted while it was sent"):
        site.run()
    assert (len(site.api.tickets), site.state_of(first)) == (1, State.UNANSWERED)


def test_another_member_of_the_class_may_send_it_again(site: Site) -> None:
    """`onambiguous=resubmit` allows another member to send the document, as a submit of its own."""
    site.is_killed()
    site.key = site.key._replace(destination="cirrus://h/C/Lyon:L2")
    site.api.script("put_file", refused)
    with pytest.raises(Refused):
        site.run(onambiguous="resubmit")
    assert site.state is State.SENDING


def test_stopped_at_the_submit(site: Site) -> None:
    """The message does not claim that nothing was printed, and the next run decides."""

    def stop() -> Exception:
        site.clock.stop_requested = True
        return Interrupted("Nothing was printed.")

    site.api.script("put_file", stop)
    with pytest.raises(Interrupted, match="may be printed"):
        site.run(onambiguous="drop")
    assert site.state is State.SUBMITTING


def test_stopped_while_it_waits_in_doubt(site: Site) -> None:
    """The usual message of a stop, "nothing was printed", is not used while in doubt."""
    site.api.script("put_file", lost, away)

    def stop() -> None:
        site.clock.stop_requested = True

    site.clock.at_sleep = stop
    with pytest.raises(Interrupted, match="may be printed"):
        site.run(onambiguous="resubmit")
    assert site.state is State.SUBMITTING


def test_stopped_before_the_submit(site: Site) -> None:
    """The message says that nothing was printed."""

    def stop() -> None:
        site.clock.stop_requested = True

    site.clock.at_sleep = stop
    site.api.script("temp_file", away)
    with pytest.raises(Interrupted, match="nothing was printed"):
        site.run(LARGE)
    assert site.state is State.SENDING


def test_a_stop_does_not_come_between_answer_and_journal(site: Site) -> None:
    """The answer of the server is journaled before the run stops."""

    def stop() -> None:
        site.clock.stop_requested = True

    site.api.script("put_file", stop)
    (receipt,) = site.run()
    assert site.state is State.FOLLOWED
    assert site.journal.documents_of(site.key)[0].deliveries[0].receipt == receipt


@pytest.mark.parametrize("policy", ["hold", "resubmit", "drop"])
def test_an_id_that_another_document_has(site: Site, policy: str) -> None:
    """With a repeated id the outcome is unknown: a person decides, whatever the queue's
    settings."""
    site.api.script("put_file", *[lambda: [Receipt(Target("Paris", "L1"), "9-9")]] * 2)
    site.run()
    first, site.key = site.key, site.key._replace(number=2)
    with pytest.raises(RepeatedId, match="may be printed"):
        site.run(onambiguous=policy)
    assert site.state is State.UNANSWERED
    assert site.state_of(first) is State.FOLLOWED
    assert site.journal.documents_of(site.key)[0].key == first


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("level", "how", "read"), [(None, Compression.NONE, bytes), (1, Compression.ZLIB, decompress)]
)
def test_how_it_is_compressed(
    site: Site, data: bytes, level: int | None, how: Compression, read: Callable[[bytes], bytes]
) -> None:
    """The submit names the compression of the upload."""
    site.run(data, level=level)
    assert site.api.tickets[0].compression is how
    assert read(site.api.printed[0]) == data
    (document,) = site.journal.documents_of(site.key)
    assert (document.size_bytes, document.sent_bytes) == (len(data), len(site.api.printed[0]))


def test_an_empty_document(site: Site) -> None:
    """An empty document is not sent and leaves no doubt."""
    with pytest.raises(EmptyDocument):
        site.run(b"")
    assert (site.api.calls, site.state) == ([], State.SENDING)


def test_one_request_is_too_large(site: Site) -> None:
    """A document that is too large for one request goes by segments, with the same key."""
    site.api.script("put_file", lambda: TooLarge("413"))
    seen: list[State] = []
    site.api.at_call = lambda name: seen.append(site.state)
    site.run()
    assert site.api.calls == ["put_file", "temp_file", "put_segment", "submit_file"]
    assert seen == [State.SUBMITTING, State.SENDING, State.SUBMITTING]
    assert (site.api.printed, len(set(site.keys))) == ([SMALL], 1)


@pytest.mark.parametrize(
    ("size_bytes", "request_"),
    [(SINGLE_REQUEST_BYTES, "put_file"), (SINGLE_REQUEST_BYTES + 1, "submit_file")],
)
def test_one_request_or_several(site: Site, size_bytes: int, request_: str) -> None:
    """The size limit of a single request is that of the API's document."""
    site.segment_bytes = 2 * SINGLE_REQUEST_BYTES
    site.run(bytes(size_bytes))
    assert site.api.calls[-1] == request_


def test_an_upload_goes_on_though_one_request_would_do(site: Site) -> None:
    """A small document resumes an earlier upload by segments."""
    site.api.script("put_file", lambda: TooLarge("413"))
    site.api.script("submit_file", refused)
    with pytest.raises(Refused):
        site.run()
    site.api.calls.clear()
    site.run()
    assert site.api.calls == ["submit_file"]


def test_a_server_that_takes_one_segment_at_a_time(site: Site) -> None:
    """The next run knows that the server takes one segment at a time."""
    site.connections = 3
    site.api.script("put_segment", None, refused)
    site.run(LARGE)
    site.key = site.key._replace(number=2)
    site.api.script("put_segment", None, refused)
    with pytest.raises(Refused):
        site.run(LARGE)


def test_progress(site: Site) -> None:
    """Progress reaches 99 % before the submit, but not 100 %."""
    site.run(LARGE)
    assert "99 %" in site.report.said
    assert "100 %" not in site.report.said


def test_a_request_line_that_is_too_long(site: Site) -> None:
    """Long props go into the body of submitfile."""
    site.props = {"note": "ä" * 1000}
    site.run()
    assert site.api.calls == ["temp_file", "put_segment", "submit_file"]


@pytest.mark.parametrize("has_poller", [True, False])
@pytest.mark.parametrize(("documents", "may_hold"), [(1, True), (2, False)])
def test_a_fault_of_the_configuration(
    site: Site, documents: int, *, has_poller: bool, may_hold: bool
) -> None:
    """The poller takes over the job, if there is a poller and CUPS does not end the job."""
    if has_poller:
        site.start_poller()
    site.job = dataclasses.replace(JOB, documents=documents)
    site.api.script("put_file", KeyRefused("401"))
    with pytest.raises(KeyRefused) as caught:
        site.run()
    waits = has_poller and may_hold
    assert ("continues by itself" in caught.value.consequence) is waits
    assert ("Then release the job." in caught.value.afterwards) is not waits
    assert "release" not in caught.value.for_person
    assert site.state is (State.WAITING if waits else State.SENDING)
    with PollerJournal(site.folder) as journal:
        assert [each.waits_for for each in journal.waiting()] == [FOR_CORRECTION] * waits


def test_a_fault_here_is_no_outage(site: Site) -> None:
    """An unreadable configuration is not an outage: an administrator fixes it and releases the
    job."""
    site.start_poller()
    site.api.script("put_file", lambda: BadConfiguration("Cannot read the ca_file."))
    with pytest.raises(BadConfiguration):
        site.run()
    assert site.state is State.SENDING


def test_a_refusal_of_the_job_alone(site: Site) -> None:
    """A refused job does not wait for the poller, which could not know when to release it."""
    site.start_poller()
    site.api.script("put_file", refused)
    with pytest.raises(Refused):
        site.run()
    assert site.state is State.SENDING


@pytest.mark.parametrize(
    ("first", "state"), [(away, State.WAITING), (lost, State.WAITING_IN_DOUBT)]
)
def test_left_to_the_poller(site: Site, first: Callable[[], Exception], state: State) -> None:
    """The next run resumes with the same key, whether the job is in doubt or not."""
    site.start_poller()
    site.api.knows_keys = True
    site.api.script("put_file", first, *[away] * 40)
    with pytest.raises(WaitsForServer):
        site.run()
    assert (site.state, site.open_runs) == (state, 0)
    assert QUEUE_WAIT_S / 2 < site.clock.passed_s <= QUEUE_WAIT_S
    with PollerJournal(site.folder) as journal:
        (waiting,) = journal.waiting()
    assert (waiting.key, waiting.waits_for) == (site.key, FOR_SERVER)
    site.api.works()
    seen: list[State] = []
    site.api.at_call = lambda name: seen.append(site.state)
    site.run()
    assert set(seen) == {State.SUBMITTING}  # in doubt from the first request
    assert (len(set(site.keys)), site.state) == (1, State.FOLLOWED)


def test_a_changed_job_that_was_left_to_the_poller_in_doubt(site: Site) -> None:
    """A release by the poller is not a person's permission to submit again."""
    site.start_poller()
    site.api.knows_keys = True
    site.api.script("put_file", lost, *[away] * 40)
    with pytest.raises(WaitsForServer):
        site.run()
    site.api.works()
    count = len(site.api.tickets)
    site.props = {"copies": "2"}
    with pytest.raises(SubmitUnanswered, match="changed after it was sent"):
        site.run()
    assert (len(site.api.tickets), site.state) == (count, State.UNANSWERED)


def test_a_job_that_cups_would_cancel_soon(site: Site) -> None:
    """The job waits in the queue for at most half of MaxJobTime."""
    site.start_poller()
    site.job = dataclasses.replace(JOB, cancel_after_s=20)
    site.api.script("put_file", *[away] * 40)
    with pytest.raises(WaitsForServer):
        site.run()
    assert site.clock.passed_s <= 10


def test_a_busy_server_is_waited_for(site: Site) -> None:
    """A wait is as long as the server asks."""
    site.api.script("put_file", ServerFault("503", retry_after_s=77))
    site.run()
    assert site.clock.passed_s >= 77


def test_the_file_is_forgotten_in_an_outage(site: Site) -> None:
    """The upload starts again, and no submit is in doubt."""
    site.api.script("submit_file", away, refused)
    with pytest.raises(StartOver):
        site.run(LARGE)
    assert (site.state, site.journal.upload(site.key)) == (State.SENDING, None)
    site.run(LARGE)
    assert site.api.printed == [LARGE]


def test_the_file_is_not_trusted_after_an_outage(site: Site) -> None:
    """A server that was replaced may have another file of the same name."""
    site.api.instance = "one"

    def replaced() -> Exception:
        site.api.server_instance = "two"
        return away()

    site.api.script("submit_file", replaced)
    with pytest.raises(StartOver):
        site.run(LARGE)
    assert site.api.printed == []


@pytest.mark.parametrize("remembers", [True, False])
def test_a_server_that_was_set_back(site: Site, *, remembers: bool) -> None:
    """A restored server has forgotten the last job, and would print a repeated submit again.

    A person decides.
    """
    other = site.key._replace(job_uuid="urn:uuid:2", job_id=2)
    now_s = site.clock.wall_s()
    job = dataclasses.replace(JOB, job_uuid="urn:uuid:2", job_id=2)
    site.journal.intent(other, job, [Target("Paris", "L1")], now_s=now_s)
    site.journal.submitting(other, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
    site.journal.accepted(other, [Receipt(Target("Paris", "L1"), "1-9")], now_s=now_s)
    site.api.status = JobStatus(DeliveryState.SUBMITTED) if remembers else refused()
    site.api.script("put_file", lost)
    site.api.script("repeats_safely", True)
    if remembers:
        site.run()
        assert site.state is State.FOLLOWED
    else:
        with pytest.raises(SubmitUnanswered):
            site.run()
        assert site.state is State.UNANSWERED
