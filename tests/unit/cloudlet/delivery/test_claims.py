"""Claims of a location's clients, with the clock of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_cloudlet.delivery.claims import Claim, Claims, find_ended
from cirrus_cloudlet.delivery.queue import Queue
from cirrus_cloudlet.inventory.inventory import Limits
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.clients import ClientName, Clients
from cirrus_cloudlet.storage.copies import Copies
from cirrus_cloudlet.storage.jobs import Job, Jobs, JobState, Step
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.quotas import Quotas

ONE, TWO = (ClientName("ACME", "Paris", name) for name in ("one", "two"))
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
ROOT = Actor("root", Origin.CLI)


class Site:
    """A server's claims at a time that the test sets; client ONE is heard at the beginning."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.store = open_store(folder)
        copies = Copies(self.store, folder, Quotas(Limits, lambda _: False))
        self.claims = Claims(self.store, Queue(self.store, copies), lambda: self.now)
        self.clients = Clients(self.store)
        self.jobs = Jobs(self.store)
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO document (id, size, sha256, format, segments, created)"
                " VALUES ('d', 1, '', 'pdf', '[1]', 0)"
            )
        self.hear(ONE)

    def add(self, job_id: str, device: str = "D") -> None:
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO job (id, company, key, location, device, title, document, props,"
                " state, step, submitted, updated)"
                " VALUES (?, 'ACME', 'k', 'Paris', ?, '', 'd', '{}', 0, 'ready', 0, 0)",
                (job_id, device),
            )

    def hear(self, client: ClientName) -> None:
        self.clients.hear(client, self.now)

    def claim(self, client: ClientName = ONE, room: int = 8) -> list[Claim]:
        """Claim what is due; return all that the client has then."""
        self.claims.claim(client, room, lambda job: True)
        return self.claims.list_active(client)

    def job(self, job_id: str) -> Job:
        found = self.jobs.find(job_id)
        assert found
        return found

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.claims.release_silent()

    def finish(self, claim: Claim, age_s: float = 0.0) -> bool:
        return self.claims.finish(claim.job.id, claim.token, "there", "printed", age_s)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Claims with a job j1 for a device D."""
    made = Site(tmp_path)
    made.add("j1")
    yield made
    made.store.close()


def test_a_device_has_one_claim(site: Site) -> None:
    """Two clients never have the same job, nor jobs of one device at once; its order stays."""
    site.add("j2")
    site.add("other", "E")
    (first,) = site.claim(ONE, room=1)
    assert first.job.id == "j1"
    assert [each.job.id for each in site.claim(TWO)] == ["other"]
    assert site.claim(ONE) == [first]
    assert site.claims.begin(first.job, first.token)
    assert site.finish(first)
    assert [each.job.id for each in site.claim(TWO)] == ["other", "j2"]


def test_what_a_client_does_not_know(site: Site) -> None:
    """A claim whose answer was lost is told again; one that is over is told as ended."""
    (claim,) = site.claim()
    assert site.claim() == [claim]
    assert find_ended([claim], [claim.token, "old"]) == ["old"]


def test_a_silent_client_loses_what_it_has_not_begun(site: Site) -> None:
    """After five minutes of silence another client gets the job; the first one must not deliver."""
    (claim,) = site.claim()
    site.pass_time(4 * MINUTE_S)
    assert site.claim(TWO) == []
    site.pass_time(2 * MINUTE_S)
    (again,) = site.claim(TWO)
    assert again.job.id == "j1"
    assert not site.claims.begin(claim.job, claim.token)
    assert not site.finish(claim)
    assert not site.claims.fail(claim.job, claim.token, "no paper", again=True)
    assert site.claims.begin(again.job, again.token)


def test_a_client_that_is_heard_keeps_its_claim(site: Site) -> None:
    """A slow transfer takes as long as the client is heard."""
    (claim,) = site.claim()
    for _ in range(30):
        site.pass_time(4 * MINUTE_S)
        site.hear(ONE)
    assert site.claims.begin(claim.job, claim.token)


def test_a_job_that_may_be_printed_is_held(site: Site) -> None:
    """A client that has begun and is silent for an hour leaves a question, and frees the device."""
    site.add("j2")
    (claim,) = site.claim()
    site.claims.begin(claim.job, claim.token)
    site.pass_time(50 * MINUTE_S)
    assert (site.job("j1").state, site.job("j1").step) == (JobState.RECEIVED, Step.CLAIMED)
    site.pass_time(20 * MINUTE_S)
    held = site.job("j1")
    assert (held.state, held.step) == (JobState.RECEIVED, Step.HELD)
    assert "may be printed already" in held.message
    assert [each.job.id for each in site.claim(TWO)] == ["j2"]


@pytest.mark.parametrize("is_retried", [False, True], ids=["held", "retried"])
def test_a_day_offline(site: Site, is_retried: bool) -> None:
    """A client that was offline for a day reports what it has printed: nothing prints again, even
    if a person has retried the job meanwhile."""
    (claim,) = site.claim()
    site.claims.begin(claim.job, claim.token)
    site.pass_time(DAY_S)
    if is_retried:
        site.jobs.retry("j1", ROOT)
    assert site.finish(claim, age_s=DAY_S - HOUR_S)
    job = site.job("j1")
    assert (job.state, job.step, job.target) == (JobState.DELIVERED, Step.DONE, "there")
    assert job.delivered == 1000.0 + HOUR_S
    assert site.claim(TWO) == []


def test_a_retry_after_a_day_goes_to_another_client(site: Site) -> None:
    """When another client has the job, the late report of the first one counts no longer."""
    (claim,) = site.claim()
    site.claims.begin(claim.job, claim.token)
    site.pass_time(DAY_S)
    site.jobs.retry("j1", ROOT)
    (again,) = site.claim(TWO)
    assert not site.finish(claim)
    assert site.claims.begin(again.job, again.token)
    assert site.finish(again)


def test_a_wrong_clock_at_the_location(site: Site) -> None:
    """A client's ages are limited by what the server knows: received at 1000, reported at 1060."""
    (claim,) = site.claim()
    site.claims.begin(claim.job, claim.token)
    site.pass_time(MINUTE_S)
    assert site.finish(claim, age_s=HOUR_S)
    assert (site.job("j1").received, site.job("j1").delivered) == (1000.0, 1000.0)


def test_reports_are_safe_to_repeat(site: Site) -> None:
    """A report whose answer was lost is repeated: it counts once."""
    (claim,) = site.claim()
    for _ in range(3):
        assert site.claims.begin(claim.job, claim.token)
        claim = site.claims.list_active(ONE)[0]
    assert site.job("j1").attempts == 1
    assert site.claims.fail(claim.job, claim.token, "no paper", again=False)
    assert not site.claims.fail(claim.job, claim.token, "no paper", again=False)
    assert (site.job("j1").step, site.job("j1").message) == (Step.HELD, "Error: no paper")


def test_failures_are_tried_again(site: Site) -> None:
    """A failure that may pass is tried again after 1, 2, 5 and 15 seconds, then the job is held."""
    waits_s = []
    for _ in range(5):
        (claim,) = site.claim()
        site.claims.begin(claim.job, claim.token)
        (claim,) = site.claims.list_active(ONE)
        site.claims.fail(claim.job, claim.token, "disk full", again=True)
        waits_s.append(site.job("j1").due - site.now)
        assert site.claim() == []
        site.now = max(site.now, site.job("j1").due)
    assert waits_s[:4] == [1.0, 2.0, 5.0, 15.0]
    assert site.job("j1").step is Step.HELD
    assert "gave up after 5 attempts" in site.job("j1").message


def test_a_failure_before_the_delivery(site: Site) -> None:
    """A job that could not even be received can be retried by a person."""
    (claim,) = site.claim()
    assert site.claims.fail(claim.job, claim.token, "gone", again=False)
    assert (site.job("j1").state, site.job("j1").attempts) == (JobState.RECEIVED, 1)
    site.jobs.retry("j1", ROOT)
    assert len(site.claim()) == 1


def test_a_deleted_job_frees_its_device(site: Site) -> None:
    """A person deletes a claimed job: the client must not deliver it, and the next job follows."""
    site.add("j2")
    (claim,) = site.claim()
    site.jobs.end("j1", "delete", ROOT)
    assert not site.claims.begin(claim.job, claim.token)
    assert [each.job.id for each in site.claim(TWO)] == ["j2"]
    assert site.job("j1").state is JobState.DELETED
