"""The list of jobs on the page: search, filters, pages, and changes of many jobs at once."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.storage.job_lists import Filter, JobLists, Status
from cirrus_cloudlet.storage.jobs import Job, Step
from cirrus_cloudlet.storage.releases import Viewer
from cloudlet_server import CloudletServer
from curl import Answer, Curl
from many_jobs import CountedStore, make_folder
from visitor import Visitor

ACME, RIVAL = (Viewer(company, None, "anna", False) for company in ("ACME", "Rival"))
PERSON = "job-originating-user-name"
_TITLES = (
    "UPDATE job SET title = printf('Invoice %05d for customer %d', sequence * 7919 % 99991,"
    " sequence % 97), props = json_object(?, 'Person ' || (sequence % 53))"
)


@contextlib.contextmanager
def _opened(folder: Path, jobs: int, opened: list[CountedStore]) -> Iterator[Cloud]:
    make_folder(folder, jobs, time.time())

    def open_store(path: Path) -> CountedStore:
        opened.append(CountedStore(path))
        return opened[-1]

    cloud = Cloud(folder, open_store)
    with cloud.store.transaction() as db:
        db.execute(_TITLES, (PERSON,))
    try:
        while not cloud.texts.catch_up():
            time.sleep(0.02)
        yield cloud
    finally:
        cloud.texts.stop(10)
        cloud.store.close()


def _all(lists: JobLists, wanted: Filter, count: int = 50) -> list[str]:
    """The titles of a whole list, read page by page."""
    found, before = [], None
    while True:
        page = lists.page(wanted, count, before)
        found += [job.title for job in page.jobs]
        before = page.next
        if before is None:
            return found


def test_the_time_of_a_page_does_not_grow(tmp_path: Path) -> None:
    """A page of any list costs the database as much with three times as many jobs."""
    lists = {
        "all": Filter(ACME),
        "a location": Filter(ACME, "Office"),
        "a quiet location": Filter(ACME, "Quiet"),
        "waiting": Filter(ACME, status=Status.WAITING),
        "waiting at a location": Filter(ACME, "Away", status=Status.WAITING),
        "failed": Filter(ACME, status=Status.FAILED),
        "a day": Filter(ACME, day=date.today()),
        "a device": Filter(ACME, "Away", "Folder"),
        "a person": Filter(ACME, person="Person 7"),
        "a text": Filter(ACME, text="voice"),
        "a rare text": Filter(ACME, text="customer 96"),
        "no such text": Filter(ACME, text="voiceless"),
        "another company": Filter(RIVAL, text="invoice"),
    }
    found: dict[str, list[int]] = {name: [] for name in lists}
    for jobs in (10_500, 31_500):
        stores: list[CountedStore] = []
        with _opened(tmp_path / f"{jobs}", jobs, stores) as cloud:
            for name, wanted in lists.items():
                before = stores[0].steps
                cloud.lists.page(wanted, 5)
                found[name].append(stores[0].steps - before)
            before = stores[0].steps
            cloud.lists.count(ACME)  # up to a limit
            assert stores[0].steps - before < 20_000
    grown = {name: steps for name, steps in found.items() if steps[1] > 1.5 * steps[0] + 500}
    assert not grown


def _is_in(job: Job, wanted: Filter) -> bool:
    """Tell by the plainest means whether a job is in a list."""
    person = job.props[PERSON].lower()
    return (
        wanted.location in (None, job.location)
        and (wanted.status is Status.ALL or job.step is not Step.DONE)
        and wanted.person in ("", person)
        and all(word in f"{job.title}\n{person}".lower() for word in wanted.text.lower().split())
    )


def test_lists_are_complete(tmp_path: Path) -> None:
    """Pages of a list have each of its jobs once, whatever finds them."""
    stores: list[CountedStore] = []
    with _opened(tmp_path / "data", 3_000, stores) as cloud:
        for wanted in (
            Filter(ACME),
            Filter(ACME, "Away"),
            Filter(ACME, "Away", "Folder"),
            Filter(ACME, status=Status.WAITING),
            Filter(ACME, text="INVOICE 0"),
            Filter(ACME, text="er 13"),
            Filter(ACME, "Office", text="1"),
            Filter(ACME, person="person 7"),
            Filter(ACME, text="17", status=Status.WAITING),
        ):
            expected = [job.title for job in cloud.jobs.newest("ACME") if _is_in(job, wanted)]
            assert 10 < len(expected) < 3_000 or wanted == Filter(ACME)
            assert _all(cloud.lists, wanted, 37) == expected
        assert _all(cloud.lists, Filter(RIVAL, text="invoice")) == []
        assert cloud.lists.count(ACME).waiting == 300
        assert cloud.lists.count(ACME._replace(location="Quiet")) == (0, 0)


def test_a_damaged_or_foreign_index_is_made_again(tmp_path: Path) -> None:
    """A search works after damage of its index, and after cloudlet.db was restored."""
    stores: list[CountedStore] = []
    with _opened(tmp_path / "data", 500, stores) as cloud:
        assert len(_all(cloud.lists, Filter(ACME, text="customer 5 "))) > 5
    index = tmp_path / "data" / "search.db"
    index.write_bytes(b"no database" * 1000)
    cloud = Cloud(tmp_path / "data")
    try:
        while not cloud.texts.catch_up():
            time.sleep(0.02)
        assert len(_all(cloud.lists, Filter(ACME, text="customer 5"))) > 5
        with cloud.store.transaction() as db:
            db.execute("DELETE FROM transition")
            db.execute("UPDATE job SET id = 'restored-' || sequence, title = 'other'")
        while not cloud.texts.catch_up():
            time.sleep(0.02)
        assert len(_all(cloud.lists, Filter(ACME, text="other"))) == 500
    finally:
        cloud.texts.stop(10)
        cloud.store.close()


def _visitor(server: CloudletServer, *arguments: str, company: str = "ACME") -> Visitor:
    name = f"person {len(server.cli('account', 'list').splitlines())}"
    visitor = Visitor(server.url)
    visitor.sign_in(name, server.cli("account", "add", name, "--company", company, *arguments))
    return visitor


def _titles(page: Answer) -> list[str]:
    assert page.status == 200, page
    return re.findall(r'<a href="/jobs/[^"/]+"><bdi>([^<]*)</bdi>', page.text)


def test_search_and_pages(own: CloudletServer, curl_own: Curl) -> None:
    """Jobs are found by words of title and person, in any case and script, and by id."""
    for number in range(60):
        curl_own.submit(title=f"Bulk {number}", props=f"{PERSON}=berta")
    job_id = curl_own.submit(title="Größe 請求書.pdf", props=f"{PERSON}=Anna Álvarez")
    visitor = _visitor(own)
    first = visitor.get("/jobs")
    assert len(_titles(first)) == 50
    older = re.search(r'href="(/jobs\?before=[0-9]+)"', first.text)
    assert older
    assert _titles(visitor.get(older[1])) == [f"Bulk {n}" for n in range(10, -1, -1)]
    for text in (
        "grösse",
        "GRÖSSE",
        "請求",
        "書",
        "anna álv",
        "pdf größe",
        job_id,
        "a\u0301lvarez",
    ):
        assert _titles(visitor.get(f"/jobs?q={quote(text)}")) == ["Größe 請求書.pdf"]
    assert _titles(visitor.get("/jobs?q=bulk+59")) == ["Bulk 59"]
    assert _titles(visitor.get("/jobs?q=%22%27+OR+*")) == []
    assert len(_titles(visitor.get("/jobs?person=BERTA"))) == 50
    assert _titles(visitor.get("/jobs?person=bert")) == []
    today = date.today()
    assert len(_titles(visitor.get(f"/jobs?day={today}&q=anna"))) == 1
    assert _titles(visitor.get(f"/jobs?day={today - timedelta(days=2)}")) == []
    for wrong in ("day=tomorrow", "day=9999-12-31", "status=none", "none=1"):
        assert visitor.get(f"/jobs?{wrong}").status == 400
    assert "No jobs found." in visitor.get("/jobs?place=Nowhere:None").text


@pytest.fixture
def curl_own(own: CloudletServer) -> Curl:
    return Curl(own.url, own.key)


def test_unfinished_jobs(own: CloudletServer, curl_own: Curl, tmp_path: Path) -> None:
    """Links lead to the waiting and the failed jobs, with their numbers, however old they are."""
    own.cli("device", "add", "ACME/Office/C", "--type", "command", "--target", "false")
    own.cli("location", "add", "ACME/Away")
    own.cli("device", "add", "ACME/Away/F")
    own.cli("location", "offline", "ACME/Away")
    failed = curl_own.submit(title="fails", targets="Office:C")
    curl_own.submit(title="waits", targets="Away:F")
    own.wait_for_job(failed, 1, message="somebody delivers it again")
    for number in range(55):
        curl_own.submit(title=f"later {number}")
    visitor = _visitor(own)
    page = visitor.get("/")
    assert "fails" not in page.text
    assert "Not delivered: 1" in page.text
    assert _titles(visitor.get("/jobs?status=failed")) == ["fails"]
    assert "waits" in _titles(visitor.get("/jobs?status=waiting&place=Away:F"))
    assert "fails" not in _titles(visitor.get("/jobs?status=waiting"))
    assert _titles(visitor.get("/jobs?place=Office:C")) == ["fails"]


def test_change_many_jobs(own: CloudletServer, curl_own: Curl, tmp_path: Path) -> None:
    """Selected jobs are delivered again or deleted, after a page that asks; others are left."""
    ready = tmp_path / "ready"
    own.cli("device", "add", "ACME/Office/C", "--type", "command", "--target", f"test -e {ready}")
    jobs = [curl_own.submit(title=f"fails {n}", targets="Office:C") for n in range(3)]
    for job_id in jobs:
        own.wait_for_job(job_id, 1, message="somebody delivers it again")
    done = curl_own.submit(title="done")
    own.wait_for_job(done, 2)
    visitor = _visitor(own)
    query = "&".join(f"job={job_id}" for job_id in (*jobs[:2], done))
    asked = visitor.get(f"/jobs/selected?verb=retry&q=fails&{query}")
    assert "Deliver 2 jobs again?" in asked.text
    assert "1 job is left as it is." in asked.text
    assert [each["state"] for each in own.jobs() if each["id"] in jobs] == [1, 1, 1]
    ready.touch()
    fields = [option for job_id in (*jobs[:2], done) for option in ("-d", f"job={job_id}")]
    answer = visitor.post("/jobs/selected", "-d", "verb=retry", "-d", "q=fails", *fields)
    assert (answer.status, answer.headers["location"]) == (
        303,
        "/jobs?q=fails&changed=2&left=1",
    )
    assert "2 jobs changed." in visitor.get(answer.headers["location"]).text
    for job_id in jobs[:2]:
        own.wait_for_job(job_id, 2)
    assert visitor.post("/jobs/selected", "-d", "verb=delete", "-d", f"job={jobs[2]}").status == 303
    own.wait_for_job(jobs[2], 3)
    assert visitor.get("/jobs/selected?verb=delete").status == 400
    assert visitor.get(f"/jobs/selected?verb=save&job={jobs[2]}").status == 400
    assert visitor.post("/jobs/selected", "-d", f"verb=retry&job={done}", token="").status == 403


def test_home_of_a_location(own: CloudletServer, curl_own: Curl) -> None:
    """A location whose documents wait for a person has a mailbox; another one has a list."""
    own.cli("location", "add", "ACME/Anna", "--browser")
    curl_own.submit(title="printed")
    office = _visitor(own, "--location", "Office").get("/")
    assert _titles(office) == ["printed"]
    assert "Newest jobs" in office.text and ">Trash<" not in office.text
    mailbox = _visitor(own, "--location", "Anna").get("/").text
    assert ">Trash<" in mailbox and "Newest jobs" not in mailbox


@pytest.mark.attacker("page account")
def test_lists_of_other_locations_and_companies(own: CloudletServer, curl_own: Curl) -> None:
    """Search, filter and select jobs of other locations or companies: none is found or changed."""
    own.cli("location", "add", "ACME/Anna", "--browser")
    own.cli("company", "add", "Rival")
    others = curl_own.submit(title="secret of the office", props=f"{PERSON}=otto")
    job_id = curl_own.submit(b"%PDF for Anna", title="for Anna", targets="Anna:browser")
    own.wait_for_job(job_id, 1)
    for visitor in (_visitor(own, "--location", "Anna"), _visitor(own, company="Rival")):
        for query in ("", "q=secret", f"q={others}", "person=otto", "place=Office",
                      "place=Office:Folder", f"day={date.today()}"):  # fmt: skip
            assert "secret of the office" not in _titles(visitor.get(f"/jobs?{query}"))
        assert visitor.get(f"/jobs/selected?verb=delete&job={others}").status == 404
        deleted = visitor.post("/jobs/selected", "-d", f"verb=delete&job={job_id}&job={others}")
        assert deleted.status == 404
    assert own.wait_for_job(job_id, 1)
    anna = _visitor(own, "--location", "Anna")
    assert _titles(anna.get("/jobs?q=anna")) == ["for Anna"]
    assert "Office" not in anna.get("/jobs").text
