"""Jobs that are held until their server works, with a stubbed cloud, a stubbed cupsd, a real
journal and a test clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsNotPossible, KeyRefused, Refused
from cirrus_bridge.base.model import DocumentKey, PrintJob, Receipt, Target
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.cups.jobs import ABORTED, CANCELED, COMPLETED, FINAL, HELD, PROCESSING
from cirrus_bridge.delivery.events import WARNING, Change
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.patience import FOR_CORRECTION, FOR_SERVER
from cirrus_bridge.statusd.outages import LOOK_S, RELEASE_AGAIN_S, AwaitedServer, Outages
from stubs import (
    StubApi,
    StubClock,
    StubCups,
    StubQueries,
    away,
    cups_job,
    empty_journal,
)

CONTIMEOUT_S = 200.0
MAX_HOLD_S = 60.0


class Site:
    """The part of a poller for servers that do not work.

    Queue `q` leads to h, `other` to its company D, and `third` to another server.
    """

    QUEUES = {  # noqa: RUF012
        "q": "cirrus://h/C/Paris:L1",
        "r": "cirrus://h/C/Rome:L1",
        "other": "cirrus://h/D/Paris:L1",
        "third": "cirrus://i/C/Paris:L1",
    }

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend = Journal(empty_journal(folder))
        self.journal = PollerJournal(folder)
        self.clock = StubClock()
        self.cups = StubCups(**self.QUEUES)
        self.told: list[Change] = []
        self.apis = {uri: StubApi() for uri in self.QUEUES.values()}
        self.api = self.apis[self.QUEUES["q"]]
        self.queries = StubQueries[AwaitedServer, object](StubClock())
        self.outages = self.poller()

    def poller(self, max_hold_s: float = 0.0) -> Outages:
        """A poller that was just started."""
        return Outages(
            self.journal,
            self.cups,
            self.clock,
            self.told.append,
            parse_queue_uri,
            lambda queue: self.apis[f"cirrus://{queue.server}/{queue.company}/{queue.targets[0]}"],
            max_hold_s,
            self.queries,
        )

    def waits(
        self,
        job_id: int,
        queue: str = "q",
        waits_for: str = FOR_SERVER,
        *,
        number: int = 1,
        in_doubt: bool = False,
    ) -> DocumentKey:
        """Let a run of this job meet the outage, and CUPS hold the job."""
        uri = self.QUEUES[queue]
        key = DocumentKey(f"urn:uuid:{job_id}", job_id, 0, uri, number)
        now_s = self.clock.wall_s()
        job = PrintJob(job_id, key.job_uuid, "ann", "Report", 1, queue)
        self.backend.intent(key, job, [Target("Paris", "L1")], now_s=now_s)
        if in_doubt:
            self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        self.backend.wait(key, waits_for, uri, give_up_at_s=now_s + CONTIMEOUT_S, now_s=now_s)
        self.cups.put(cups_job(job_id, queue=queue))
        return key

    def goes_on_for(self, seconds: float) -> None:
        """Let time pass, with the poller's turns."""
        until_s = self.clock.passed_s + seconds
        while self.clock.passed_s < until_s:
            self.clock.passed_s += LOOK_S
            for _ in range(2):  # each turn takes the answers to the last turn's probes
                self.outages.step(self.clock.monotonic_s())

    def comes_back(self, *job_ids: int) -> None:
        """The released jobs meet the server, which takes no jobs."""
        for job_id in job_ids:
            self.waits(job_id, self.cups.by_id[job_id].queue)

    def state(self, key: DocumentKey) -> State:
        """The document's state in the journal."""
        return self.backend.entries(key.job_uuid, key.job_id)[0].state

    @property
    def released(self) -> list[object]:
        """The jobs that were released, in order."""
        return self.cups.done("release")

    def events(self, *events: str) -> list[Change]:
        """The changes of these kinds that were reported."""
        return [change for change in self.told if change.event in events]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Nothing waits, and every server works."""
    made = Site(tmp_path)
    with made.backend, made.journal:
        yield made


def test_no_job_waits(site: Site) -> None:
    """No server is probed."""
    site.goes_on_for(60)
    assert site.api.calls == []
    assert site.outages.notices() == {}


def test_jobs_are_released_in_their_order(site: Site) -> None:
    """Each job is released once, in the order of job ids, whichever met the outage first."""
    for job_id in (10, 9, 2, 11):
        site.waits(job_id)
    site.goes_on_for(LOOK_S)
    assert site.released == [2, 9, 10, 11]
    assert [change.job_id for change in site.events("released")] == [2, 9, 10, 11]


def test_a_server_that_does_not_answer(site: Site) -> None:
    """One request at a time probes the server, without the key, and no job is released."""
    site.waits(1)
    site.waits(2)
    site.api.script("version", *[away] * 4)
    site.goes_on_for(LOOK_S)
    assert site.api.calls == ["version"]
    assert site.outages.notices()["q"] == (
        "The print server cannot be reached. (CB-411) 2 jobs are held until h works again"
    )
    while len(site.api.calls) < 5:
        assert site.released == []
        site.goes_on_for(LOOK_S)
    assert set(site.api.calls) == {"version"}
    site.goes_on_for(LOOK_S)
    assert site.released == [1, 2]
    site.comes_back(1)
    site.goes_on_for(2 * RELEASE_AGAIN_S)
    changes = site.events("server-away", "server-back")
    assert [change.event for change in changes] == ["server-away", "server-back"]
    assert changes[0].level == WARNING and changes[0].text == "Cannot reach h. (CB-411)"
    assert site.outages.notices()["q"] == "2 jobs are held until h works again"


def test_probes_become_rare(site: Site) -> None:
    """A failing server is not probed by all pollers all the time."""
    site.waits(1)
    site.api.script("version", *[away] * 1000)
    site.goes_on_for(400)
    assert 8 < len(site.api.calls) < 40


def test_a_slow_server_is_not_asked_twice(site: Site) -> None:
    """No probe is sent before the last one has its answer."""
    site.waits(1)
    site.queries.is_slow = True
    site.goes_on_for(60)
    assert (site.api.calls, site.released) == (["version"], [])
    site.queries.is_slow = False
    site.goes_on_for(LOOK_S)
    assert site.released == [1]


def test_an_answer_that_nobody_waits_for(site: Site) -> None:
    """The jobs are gone when the answer arrives."""
    site.waits(1)
    site.queries.is_slow = True
    site.goes_on_for(LOOK_S)
    _is_accepted(site, 1)
    site.goes_on_for(LOOK_S)
    site.queries.is_slow = False
    site.goes_on_for(LOOK_S)
    assert site.released == []


def test_jobs_that_come_back(site: Site) -> None:
    """The server answers probes, but takes no jobs.

    Then only the first job of each queue is released, less and less often.
    """
    for job_id, queue in ((1, "q"), (2, "q"), (3, "r"), (4, "r")):
        site.waits(job_id, queue)
    site.goes_on_for(LOOK_S)
    assert site.released == [1, 2, 3, 4]
    gaps: list[float] = []
    for _ in range(5):
        site.comes_back(1, 2, 3, 4)
        count, since_s = len(site.released), site.clock.passed_s
        while len(site.released) == count:
            site.goes_on_for(LOOK_S)
        assert site.released[count:] == [1, 3]
        gaps.append(site.clock.passed_s - since_s)
    doubled = [RELEASE_AGAIN_S * 2**n for n in range(5)]
    assert gaps == pytest.approx(doubled, abs=LOOK_S)


def test_a_job_that_is_accepted_ends_the_pauses(site: Site) -> None:
    """The other jobs are released at the next look, not at the end of a long pause."""
    for job_id in (1, 2):
        site.waits(job_id)
    site.goes_on_for(LOOK_S)
    for _ in range(5):
        site.comes_back(1, 2)
        count = len(site.released)
        while len(site.released) == count:
            site.goes_on_for(LOOK_S)
    key = site.backend.entries("urn:uuid:1", 1)[0].key
    _is_accepted(site, 1)
    now_s = site.clock.wall_s()
    site.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
    site.backend.accepted(key, [Receipt(Target("Paris", "L1"), "1-1")], now_s=now_s)
    site.comes_back(2)
    count = len(site.released)
    site.goes_on_for(2 * LOOK_S)
    assert site.released[count:] == [2]


def test_the_first_job_is_taken(site: Site) -> None:
    """The other jobs are released soon."""
    for job_id in (1, 2, 3):
        site.waits(job_id)
    site.goes_on_for(LOOK_S)
    for _ in range(4):
        site.comes_back(1, 2, 3)
        count = len(site.released)
        while len(site.released) == count:
            site.goes_on_for(LOOK_S)
    site.comes_back(2, 3)
    _is_accepted(site, 1)
    count = len(site.released)
    site.goes_on_for(RELEASE_AGAIN_S * 2**4 + LOOK_S)
    assert site.released[count:] == [2, 3]
    site.comes_back(2, 3)
    _is_accepted(site, 2)
    count = len(site.released)
    site.goes_on_for(RELEASE_AGAIN_S + LOOK_S)
    assert site.released[count:] == [3]


def _is_accepted(site: Site, job_id: int) -> None:
    """The run of a released job brings its document to the cloud."""
    key = site.backend.entries(f"urn:uuid:{job_id}", job_id)[0].key
    job = PrintJob(job_id, key.job_uuid, "ann", "Report", 1, "q")
    site.backend.intent(key, job, [Target("Paris", "L1")], now_s=site.clock.wall_s())
    site.cups.put(cups_job(job_id, PROCESSING))


def test_servers_are_told_apart(site: Site) -> None:
    """A server's companies are separate, and so are the causes of a wait."""
    site.waits(1)
    site.waits(2, "other")
    site.waits(3, "third")
    site.waits(4, "q", FOR_CORRECTION)
    for api in site.apis.values():
        api.script("version", *[away] * 3)
    site.api.script("device", lambda: KeyRefused("401"))
    site.apis[site.QUEUES["third"]].works()
    site.goes_on_for(LOOK_S)
    assert site.released == [3]
    assert site.api.calls == ["version", "device"]
    assert set(site.outages.notices()) == {"q", "other", "third"}


@pytest.mark.parametrize("answer", [None, lambda: Refused("no such device")])
def test_a_key_that_is_accepted_again(site: Site, answer: Callable[[], Exception] | None) -> None:
    """Any answer about the device shows that the server accepts the key."""
    site.waits(1, "q", FOR_CORRECTION)
    site.api.script("device", lambda: KeyRefused("401"), answer)
    site.goes_on_for(LOOK_S)
    assert site.released == []
    site.goes_on_for(10)
    assert (site.api.calls, site.released) == (["device", "device"], [1])


def test_a_refusal_of_the_probe(site: Site) -> None:
    """A refusal does not show that the server works."""
    site.waits(1)
    site.api.script("version", *[lambda: Refused("404")] * 50)
    site.goes_on_for(20)
    assert site.released == []


def test_an_entry_that_is_missing(site: Site) -> None:
    """The poller cannot probe the server until a person corrects the entry."""
    site.waits(1)
    site.waits(2, "third")
    api = site.apis.pop(site.QUEUES["q"])

    def api_of(queue: object) -> StubApi:
        if api not in site.apis.values():
            raise KeyRefused("No entry.")
        return api

    site.outages.api_of = api_of
    site.goes_on_for(LOOK_S)
    assert site.released == []
    assert "(CB-402)" in site.outages.notices()["q"]
    assert "No entry." in site.events("server-away")[0].text
    site.apis[site.QUEUES["q"]] = api
    site.goes_on_for(10)
    assert sorted(map(str, site.released)) == ["1", "2"]


@pytest.mark.parametrize("hold_until", ["12:30:00", "night", "weekend"])
def test_a_time_that_a_person_has_set(site: Site, hold_until: str) -> None:
    """The poller respects the time."""
    site.waits(1)
    site.cups.put(cups_job(1, hold_until=hold_until))
    site.goes_on_for(CONTIMEOUT_S + 60)
    assert site.released == []


@pytest.mark.parametrize("hold_until", ["", "indefinite"])
def test_a_job_that_waits_for_the_server(site: Site, hold_until: str) -> None:
    """A hold of a backend has no time, or a time without an end."""
    site.waits(1)
    site.cups.put(cups_job(1, hold_until=hold_until))
    site.goes_on_for(LOOK_S)
    assert site.released == [1]


def test_a_job_that_a_person_has_released(site: Site) -> None:
    """Its backend is running."""
    site.waits(1)
    site.cups.put(cups_job(1, PROCESSING))
    site.goes_on_for(60)
    assert (site.released, site.told) == ([], [])


def test_a_person_is_quicker(site: Site) -> None:
    """The other jobs are released."""
    site.waits(1)
    site.waits(2)
    site.cups.fails["release"] = CupsNotPossible("The job is not held.")
    site.goes_on_for(LOOK_S)
    assert site.events("released") == []
    del site.cups.fails["release"]
    site.goes_on_for(RELEASE_AGAIN_S)
    assert site.released == [1, 2]


def test_contimeout(site: Site) -> None:
    """The job is released at its end, to report the failure, though the server does not work."""
    site.waits(1)
    site.clock.passed_s += 100
    site.waits(2)
    site.api.script("version", *[away] * 1000)
    site.goes_on_for(CONTIMEOUT_S - 100 - LOOK_S)
    assert site.released == []
    site.goes_on_for(LOOK_S)
    assert site.released == [1]


def test_contimeout_in_one_round(site: Site) -> None:
    """A poller that makes a single round releases the job, too."""
    site.waits(1)
    site.clock.passed_s += CONTIMEOUT_S
    site.api.script("version", away)
    site.outages.run_once()
    assert site.released == [1]


def test_one_round(site: Site) -> None:
    """Each server is probed once."""
    site.waits(1)
    site.waits(2, "third")
    site.apis[site.QUEUES["third"]].script("version", away)
    site.outages.run_once()
    assert site.released == [1]
    assert site.apis[site.QUEUES["third"]].calls == ["version"]


@pytest.mark.parametrize("how", [CANCELED, ABORTED, COMPLETED, None])
def test_a_job_that_cups_has_ended(site: Site, how: int | None) -> None:
    """The job no longer waits; `orphans` handles its document."""
    site.waits(1)
    if how is None:
        del site.cups.by_id[1]
    else:
        site.cups.put(cups_job(1, how))
    site.goes_on_for(LOOK_S)
    assert (site.released, site.api.calls, site.told) == ([], [], [])
    assert site.outages.notices() == {}


@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_job_that_a_person_has_moved(site: Site, *, in_doubt: bool) -> None:
    """The job no longer waits for this server."""
    key = site.waits(1, in_doubt=in_doubt)
    site.cups.put(cups_job(1, queue="third"))
    site.goes_on_for(LOOK_S)
    assert (site.released, site.told) == ([], [])
    assert site.state(key) is (State.ABANDONED_IN_DOUBT if in_doubt else State.ABANDONED)


def test_a_queue_that_leads_elsewhere_now(site: Site) -> None:
    """The queue's new server is probed, not its old one."""
    site.waits(1)
    site.cups.by_name["q"] = dataclasses.replace(
        site.cups.by_name["q"], device_uri=site.QUEUES["third"]
    )
    site.goes_on_for(LOOK_S)
    assert site.released == [1]
    assert site.api.calls == []


def test_a_person_who_holds_a_released_job(site: Site) -> None:
    """No backend has written about the job since its release, so a person holds the job."""
    site.waits(1)
    site.goes_on_for(LOOK_S)
    site.cups.put(cups_job(1))
    site.goes_on_for(600)
    assert site.released == [1]


def test_a_job_that_is_restarted_after_its_end(site: Site) -> None:
    """The job waits like any other job."""
    key = site.waits(1)
    site.cups.put(cups_job(1, CANCELED))
    site.goes_on_for(LOOK_S)
    site.journal.abandon(key, now_s=site.clock.wall_s())  # as `orphans` does
    site.waits(1)
    site.goes_on_for(2 * RELEASE_AGAIN_S)
    assert site.released == [1]


def test_a_job_of_another_with_the_same_id(site: Site) -> None:
    """Job ids start again with a new spool, so the other job is not touched."""
    site.waits(1)
    site.cups.put(cups_job(1, job_uuid="urn:uuid:x"))
    site.goes_on_for(LOOK_S)
    assert (site.released, site.api.calls) == ([], [])


def test_a_job_that_is_younger_than_the_list(site: Site) -> None:
    """The job is released at the next look, and not abandoned."""
    key = site.waits(1)
    site.cups.too_young.add(1)
    site.goes_on_for(LOOK_S)
    assert site.state(key) is State.WAITING
    site.cups.too_young.clear()
    site.goes_on_for(LOOK_S)
    assert site.released == [1]


def test_several_documents_of_a_job(site: Site) -> None:
    """The job is released once."""
    site.waits(1)
    site.waits(1, number=2)
    site.goes_on_for(LOOK_S)
    assert len(site.events("released")) == 1


def test_cupsd_is_away(site: Site) -> None:
    """The next turn tries again."""
    site.waits(1)
    site.cups.fails["jobs"] = CupsAway("cupsd does not answer.")
    with pytest.raises(CupsAway):
        site.goes_on_for(LOOK_S)
    del site.cups.fails["jobs"]
    site.goes_on_for(2 * RELEASE_AGAIN_S)
    assert site.released == [1]


def test_max_hold_time(site: Site) -> None:
    """CUPS counts MaxHoldTime from the last hold, so waiting jobs are held again.

    Jobs that others hold are left alone.
    """
    site.outages = site.poller(MAX_HOLD_S)
    site.waits(1)
    site.waits(2)
    site.waits(3)
    site.waits(5)
    site.cups.too_young.add(5)
    site.cups.put(cups_job(2, job_uuid="urn:uuid:x"), cups_job(3, PROCESSING), cups_job(4))
    site.api.script("version", *[away] * 1000)
    site.goes_on_for(MAX_HOLD_S)
    assert site.cups.done("hold") == [1] * 3
    assert site.cups.by_id[1].state == HELD


def test_max_hold_time_and_a_job_that_was_just_released(site: Site) -> None:
    """The poller does not hold a running job, as no one would release it."""
    site.outages = site.poller(MAX_HOLD_S + 3)
    site.waits(1)
    site.api.script("version", *[away] * 1000)
    for _ in range(20):
        site.cups.put(cups_job(1))
        site.goes_on_for(LOOK_S)
        site.cups.put(cups_job(1, PROCESSING))
        held = site.cups.done("hold")
        site.clock.passed_s += 1
        site.outages.step(site.clock.monotonic_s())
        assert site.cups.done("hold") == held
    assert held


def test_max_hold_time_and_the_time_of_a_person(site: Site) -> None:
    """Another hold would remove the time that the person has set."""
    site.outages = site.poller(MAX_HOLD_S)
    site.waits(1)
    site.cups.put(cups_job(1, hold_until="night"))
    site.api.script("version", *[away] * 1000)
    site.goes_on_for(MAX_HOLD_S)
    assert site.cups.by_id[1].hold_until == "night"


def test_nothing_is_held_again_without_a_limit(site: Site) -> None:
    """MaxHoldTime is not set."""
    site.waits(1)
    site.api.script("version", *[away] * 1000)
    site.goes_on_for(MAX_HOLD_S)
    assert site.cups.done("hold") == []


def test_an_outage_that_is_over(site: Site) -> None:
    """The queue shows nothing about the outage, and its server is not probed."""
    key = site.waits(1)
    site.api.script("version", away)
    site.goes_on_for(LOOK_S)
    assert set(site.outages.notices()) == {"q"}
    site.cups.put(cups_job(1, PROCESSING))
    job = PrintJob(1, key.job_uuid, "ann", "Report", 1, "q")
    site.backend.intent(key, job, [Target("Paris", "L1")], now_s=site.clock.wall_s())
    site.goes_on_for(60)
    assert site.outages.notices() == {}
    assert site.api.calls == ["version"]
    assert dataclasses.asdict(site.cups.by_id[1])["state"] not in FINAL
