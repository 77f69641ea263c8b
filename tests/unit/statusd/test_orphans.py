"""Documents and runs without a backend, with a stubbed cupsd and a real journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.backend import supervisor
from cirrus_bridge.base.errors import CupsNotPossible, CupsRefused
from cirrus_bridge.base.model import DocumentKey, PrintJob, Receipt
from cirrus_bridge.cups.jobs import ABORTED, CANCELED, COMPLETED, HELD, PROCESSING, CupsJob
from cirrus_bridge.delivery.events import NOTICE, WARNING
from cirrus_bridge.journal import run_notes
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.statusd.orphans import Orphans
from stubs import KEY, PENDING, TARGET, URI, PollerSite, StubCups, cups_job, locked_elsewhere

OPTIONS = f"{URI}?onfailure=reprint"
BEGAN, CUPSD = "1800000000", 4711  # the job's time-at-processing, and cupsd's process id


class Site(PollerSite):
    """The part of a poller that takes care of orphans."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cups = StubCups(q=OPTIONS, other="ipp://printer/")
        self.orphans = Orphans(self.journal, self.cups, self.clock, self.told.append, str(folder))

    def killed(self, state: State, key: DocumentKey = KEY, class_name: str = "") -> None:
        """Record a run that was killed when the document was in this state."""
        now_s = self.clock.wall_s()
        job = PrintJob(1, key.job_uuid, "ann", "Report", 1, "q", class_name=class_name)
        self.backend.intent(key, job, [TARGET], now_s=now_s)
        if state is State.SENDING:
            return
        self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        if state is State.UNANSWERED:
            self.backend.unanswered(key, now_s=now_s)
        elif state is not State.SUBMITTING:
            taken = self.backend.accepted(key, [Receipt(TARGET, f"1-{key.number}")], now_s=now_s)
            assert not taken
        if state in (State.REPRINT, State.HELD):
            self.backend.hand_over([key], "hold", OPTIONS, now_s=now_s)
        if state is State.REPRINT:
            self.journal.reprint([key], now_s=now_s)
        assert self.state(key) is state

    def note(self, documents: int = 1, runs: int = 1, *, is_held: bool = False) -> Path:
        """Write the note of a pass none of whose processes lives."""
        folder = self.folder / "runs"
        folder.mkdir(exist_ok=True)
        note = folder / f"1-{BEGAN}-{CUPSD}"
        note.write_text(f"run of {documents}\n" * runs + "held\n" * is_held)
        return note

    @property
    def did(self) -> list[tuple[object, ...]]:
        """The operations that CUPS was asked for."""
        return self.cups.did


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without jobs."""
    with Site(tmp_path) as made:
        yield made


def _completed(**about: object) -> dict[str, object]:
    times = {"time-at-completed": (1_800_000_100,), "time-at-processing": (int(BEGAN),)}
    names = {"job-originating-user-name": ("ann",), "job-name": ("Report",)}
    return {"attributes": times | names} | about


@pytest.mark.parametrize("state", [State.SENDING, State.SUBMITTING])
def test_cups_took_a_killed_run_for_printed(site: Site, state: State) -> None:
    """The job is restarted once; its backend continues, or reports the decision to make."""
    site.killed(state)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert site.did == [("restart", 1)]
    assert site.events == [("restarted", NOTICE)]
    assert (site.told[0].queue, site.told[0].job_id, site.told[0].user) == ("q", 1, "ann")
    (entry,) = site.backend.entries(KEY.job_uuid, 1)
    assert (entry.state, entry.completed_at, entry.open_runs) == (state, 1_800_000_100, 0)
    site.orphans.look()  # its backend has not begun yet
    assert len(site.did) == 1


def test_another_program_has_printed_it_since(site: Site) -> None:
    """The restarted job ran on a queue that does not write to the journal, so it is not lost
    again."""
    site.killed(State.SENDING)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert site.did == [("restart", 1)]
    assert site.state() is State.ABANDONED


@pytest.mark.parametrize("state", [State.SENDING, State.SUBMITTING, State.REPRINT])
def test_what_another_program_has_printed(site: Site, state: State) -> None:
    """A job that was moved, or printed by another member of its class, is not restarted."""
    site.killed(state)
    site.cups.put(cups_job(1, COMPLETED, **_completed(printer="other")))
    site.orphans.look()
    assert site.did == []
    in_doubt = state is State.SUBMITTING
    assert site.state() is (State.ABANDONED_IN_DOUBT if in_doubt else State.ABANDONED)
    assert site.events == [("may-be-printed", WARNING)] * in_doubt


def test_a_run_that_came_to_its_end(site: Site) -> None:
    """CUPS completed the job elsewhere; a person may have moved it and back."""
    site.killed(State.SENDING)
    site.backend.run_ended(KEY, now_s=site.clock.wall_s())
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert (site.did, site.state()) == ([], State.ABANDONED)


@pytest.mark.parametrize("number", [1, 2])
def test_the_same_document_is_elsewhere(site: Site, number: int) -> None:
    """Another member of a class sent the document; another document does not count."""
    site.killed(State.SENDING)
    elsewhere = DocumentKey(KEY.job_uuid, 1, 0, "cirrus://h/C/Lyon:L2", number)
    site.killed(State.HELD, elsewhere)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert site.cups.done("restart") == ([] if number == 1 else [1])
    assert site.state(elsewhere) is State.HELD
    if number == 1:
        assert (site.state(), site.told) == (State.ABANDONED, [])


@pytest.mark.parametrize("state", [State.SENDING, State.SUBMITTING, State.UNANSWERED])
@pytest.mark.parametrize("how", [CANCELED, ABORTED, None])
def test_a_job_that_cups_has_ended(site: Site, state: State, how: int | None) -> None:
    """The document is abandoned.

    A document that may be printed is reported, unless a person ended the job.
    """
    site.killed(state)
    if how is not None:
        site.cups.put(cups_job(1, how, **_completed()))
    site.orphans.look()
    assert site.did == []
    in_doubt = state is not State.SENDING
    assert site.state() is (State.ABANDONED_IN_DOUBT if in_doubt else State.ABANDONED)
    assert site.events == [("may-be-printed", WARNING)] * (in_doubt and how is None)


@pytest.mark.parametrize("state", [State.SENDING, State.SUBMITTING])
def test_a_job_whose_time_was_over(site: Site, state: State) -> None:
    """The job was stuck after its backend was killed, until CUPS canceled it (MaxJobTime).

    Nobody wanted that, so the poller reports it.
    """
    site.killed(state)
    about = _completed()
    about["attributes"] = {
        "time-at-processing": (int(BEGAN),),
        "time-at-completed": (int(BEGAN) + 20,),
        "job-cancel-after": (20,),
    }
    site.cups.put(cups_job(1, CANCELED, **about))
    site.orphans.look()
    assert site.did == []
    expected = ("not-sent", NOTICE) if state is State.SENDING else ("may-be-printed", WARNING)
    assert site.events == [expected]


def test_cups_has_another_job_of_that_id(site: Site) -> None:
    """Job ids start again with a new spool, so the other job is not touched."""
    site.killed(State.SENDING)
    site.cups.put(cups_job(1, COMPLETED, **_completed(job_uuid="urn:uuid:x")))
    site.orphans.look()
    assert (site.did, site.state()) == ([], State.ABANDONED)


def test_cups_cannot_restart_it(site: Site) -> None:
    """The job's data is gone: the poller reports that, and abandons the document."""
    site.killed(State.SENDING)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.cups.fails["restart"] = CupsRefused("CUPS has no files of it.")
    site.orphans.look()
    assert site.events == [("not-restarted", WARNING)]
    assert "no files" in site.told[0].text
    assert site.state() is State.ABANDONED


@pytest.mark.parametrize("job_state", [PENDING, PROCESSING, HELD])
@pytest.mark.parametrize("state", [State.SENDING, State.SUBMITTING, State.UNANSWERED])
def test_a_job_that_cups_still_has(site: Site, job_state: int, state: State) -> None:
    """CUPS runs the backend again, or a person decides."""
    site.killed(state)
    site.cups.put(cups_job(1, job_state))
    site.orphans.look()
    assert (site.did, site.told, site.state()) == ([], [], state)


def test_a_backend_is_at_work(site: Site) -> None:
    """The document is not an orphan, whatever CUPS reports of the job."""
    site.killed(State.SENDING)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    with locked_elsewhere(site.folder, KEY.job_uuid, 1):
        site.orphans.look()
    assert (site.did, site.state()) == ([], State.SENDING)


class _SlowCups(StubCups):
    """A cupsd that runs `meanwhile` when the poller asks for a job."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(q=OPTIONS)
        self._meanwhile = meanwhile

    def job(self, job_id: int) -> CupsJob:
        self._meanwhile()
        return super().job(job_id)


def test_a_run_that_ends_while_the_poller_looks(site: Site) -> None:
    """The list of orphans is outdated by then, so the job is not restarted."""
    site.killed(State.SUBMITTING)

    def accept() -> None:
        site.backend.accepted(KEY, [Receipt(TARGET, "1-1")], now_s=site.clock.wall_s())

    site.cups = site.orphans.cups = _SlowCups(accept)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert (site.did, site.told, site.state()) == ([], [], State.LEFT)


@pytest.mark.parametrize("job_state", [COMPLETED, ABORTED])
def test_a_pass_that_ends_while_the_poller_looks(site: Site, job_state: int) -> None:
    """The last run of the pass removes its note, so nothing remains to settle."""
    note = site.note(documents=2)
    site.cups = site.orphans.cups = _SlowCups(note.unlink)
    site.cups.put(cups_job(1, job_state, **_completed()))
    site.orphans.look()
    assert (site.did, site.told) == ([], [])


@pytest.mark.parametrize("job_state", [COMPLETED, CANCELED, None])
@pytest.mark.parametrize(("queue_uri", "kept"), [(OPTIONS, OPTIONS), ("ipp://x/", URI), ("", URI)])
def test_what_the_cloud_has(site: Site, job_state: int | None, queue_uri: str, kept: str) -> None:
    """The document is followed, with the queue's options if the queue still leads to its
    destination."""
    site.killed(State.FOLLOWED)
    site.cups = StubCups(**({"q": queue_uri} if queue_uri else {}))
    site.orphans.cups = site.cups
    if job_state:
        site.cups.put(cups_job(1, job_state, **_completed()))
    site.orphans.look()
    assert (site.did, site.state()) == ([], State.LEFT)
    assert site.backend.documents_of(KEY)[0].device_uri == kept


def test_a_reprint_that_was_not_released(site: Site) -> None:
    """A poller was killed before the release. The poller respects a time that a person has set."""
    site.killed(State.REPRINT)
    site.cups.put(cups_job(1, hold_until="night"))
    site.orphans.look()
    assert site.did == []
    site.cups.put(cups_job(1))
    site.orphans.look()
    assert (site.did, site.state()) == ([("release", 1)], State.REPRINT)


def test_a_reprint_that_cups_took_for_printed(site: Site) -> None:
    """The backend was killed before it wrote anything, so the job is restarted once."""
    site.killed(State.REPRINT)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert (site.did, site.state()) == ([("restart", 1)], State.SENDING)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert len(site.did) == 1


# --- notes of runs that may be missing in the journal


@pytest.mark.parametrize("job_state", [COMPLETED, ABORTED])
def test_a_run_that_was_killed_before_it_wrote_anything(site: Site, job_state: int) -> None:
    """The job is restarted, and the note stays for the next run."""
    note = site.note()
    site.cups.put(cups_job(1, job_state, **_completed()))
    site.orphans.look()
    assert site.did == [("restart", 1)]
    assert site.events == [("restarted", NOTICE)]
    assert (site.told[0].user, site.told[0].title) == ("ann", "Report")
    assert note.exists()


def test_another_program_has_worked_on_the_job_since(site: Site) -> None:
    """The other program printed the job, so the note is removed."""
    note = site.note()
    times = {"time-at-processing": (int(BEGAN) + 5,), "time-at-completed": (int(BEGAN) + 9,)}
    site.cups.put(cups_job(1, COMPLETED, attributes=times))
    site.orphans.look()
    assert (site.did, note.exists()) == ([], False)


@pytest.mark.parametrize("job_state", [CANCELED, None])
def test_a_job_that_nobody_wants(site: Site, job_state: int | None) -> None:
    """The job was canceled, or CUPS has forgotten the job."""
    note = site.note()
    if job_state:
        site.cups.put(cups_job(1, job_state, **_completed()))
    site.orphans.look()
    assert (site.did, note.exists()) == ([], False)


@pytest.mark.parametrize(("documents", "is_restarted"), [(1, False), (2, True)])
def test_the_cloud_has_what_the_runs_were_for(
    site: Site, documents: int, *, is_restarted: bool
) -> None:
    """The job is restarted only if the cloud lacks a document."""
    note = site.note(documents)
    site.killed(State.HELD)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert site.cups.done("restart") == [1] * is_restarted
    assert note.exists() is is_restarted


def test_cups_says_that_a_printed_job_was_aborted(site: Site) -> None:
    """The backend had asked for another run, which completes the job."""
    site.note(2)
    site.killed(State.HELD)
    site.killed(State.HELD, DocumentKey(KEY.job_uuid, 1, 0, URI, 2))
    site.cups.put(cups_job(1, ABORTED, **_completed()))
    site.orphans.look()
    assert site.cups.done("restart") == [1]
    assert {entry.completed_at for entry in site.backend.entries(KEY.job_uuid, 1)} == {
        1_800_000_100
    }


def test_cups_cannot_restart_what_a_note_tells_of(site: Site) -> None:
    """The refusal is reported once."""
    note = site.note()
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.cups.fails["restart"] = CupsRefused("CUPS has no files of it.")
    site.orphans.look()
    site.orphans.look()
    assert site.events == [("not-restarted", WARNING)]
    assert not note.exists()


@pytest.mark.parametrize("person_is_quicker", [True, False])
def test_a_job_that_is_held_for_a_cause_that_passes(site: Site, *, person_is_quicker: bool) -> None:
    """The job, held while the journal was in use, is released once."""
    note = site.note(is_held=True)
    site.cups.put(cups_job(1, HELD, **_completed()))
    if person_is_quicker:
        site.cups.fails["release"] = CupsNotPossible("The job is not held.")
    site.orphans.look()
    assert site.cups.done("release") == [1] * (not person_is_quicker)
    assert [event for event, _ in site.events] == ["released"] * (not person_is_quicker)
    assert not note.exists()


def test_a_job_that_is_held_for_such_a_cause_and_by_a_person(site: Site) -> None:
    """The poller respects a time that a person has set."""
    note = site.note(is_held=True)
    site.cups.put(cups_job(1, HELD, **_completed(hold_until="night")))
    site.orphans.look()
    assert (site.did, note.exists()) == ([], True)


def test_a_job_that_is_held_for_another_cause(site: Site) -> None:
    """A job that a person holds stays held."""
    note = site.note()
    site.cups.put(cups_job(1, HELD, **_completed()))
    site.orphans.look()
    assert (site.did, note.exists()) == ([], True)


@pytest.mark.parametrize("job_state", [HELD, PROCESSING, PENDING])
def test_another_program_is_at_the_job(site: Site, job_state: int) -> None:
    """Another backend has worked on the job since, so only the note is removed."""
    note = site.note(is_held=True)
    site.cups.put(cups_job(1, job_state, attributes={"time-at-processing": (int(BEGAN) + 5,)}))
    site.orphans.look()
    assert (site.did, note.exists()) == ([], False)


def test_a_job_that_stands_still(site: Site) -> None:
    """CUPS waits for a filter, and no run began between two looks: the poller reports this once."""
    note = site.note(3)
    site.cups.put(cups_job(1, PROCESSING, **_completed()))
    site.orphans.look()
    site.note(3, runs=2)
    site.orphans.look()
    assert site.told == []
    for _ in range(3):
        site.orphans.look()
    assert site.events == [("stuck", WARNING)]
    assert (site.did, note.exists()) == ([], True)


def test_a_run_that_is_at_work(site: Site) -> None:
    """The note stays locked while one of the run's processes lives, whatever CUPS reports."""
    argv = ["cirrus", "1", "u", "t", "1", f"time-at-processing={BEGAN}", "file"]
    state = {"CIRRUS_BRIDGE_STATE": str(site.folder)}
    supervisor.begin(argv, state, CUPSD)  # this process keeps the lock
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert site.did == []
    (left,) = run_notes.left(str(site.folder))
    assert left.is_at_work


def test_quiet_documents_of_others(site: Site) -> None:
    """Documents that are followed or closed are not orphans."""
    site.killed(State.HELD)
    now_s = site.clock.wall_s()
    site.backend.close([KEY], now_s=now_s)
    site.cups.put(cups_job(1, COMPLETED, **_completed()))
    site.orphans.look()
    assert (site.did, site.told, site.state()) == ([], [], State.CLOSED)


@pytest.mark.parametrize("in_doubt", [True, False])
@pytest.mark.parametrize("how", [CANCELED, COMPLETED, None])
def test_a_job_that_waited_for_its_server(site: Site, how: int | None, *, in_doubt: bool) -> None:
    """CUPS ended the job by cancel, or by a print elsewhere.

    A document that may be printed is reported, unless a person canceled the job.
    """
    site.killed(State.SUBMITTING if in_doubt else State.SENDING)
    now_s = site.clock.wall_s()
    site.backend.wait(KEY, "server", OPTIONS, give_up_at_s=now_s + 9, now_s=now_s)
    site.cups.put(cups_job(1, HELD))
    site.orphans.look()
    assert site.told == []
    if how is None:
        del site.cups.by_id[1]
    else:
        site.cups.put(cups_job(1, how, **_completed()))
    site.orphans.look()
    assert site.state() is (State.ABANDONED_IN_DOUBT if in_doubt else State.ABANDONED)
    is_told = in_doubt and how != CANCELED
    assert site.events == ([("may-be-printed", WARNING)] if is_told else [])
