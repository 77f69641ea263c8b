"""Jobs that wait for their owners: settings, API, commands, expiry, crashes and pages."""

from __future__ import annotations

import contextlib
import html
import re
from pathlib import Path

import pytest
import segno

from cirrus_cloudlet.cloud import HOUR_S, Cloud
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.releases import Releases, Viewer
from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor

ANNA = "job-originating-user-name=anna"


@pytest.fixture
def holding(own: CloudletServer) -> CloudletServer:
    """A server whose device Office:Folder holds jobs, and whose device Office:Other does not."""
    own.cli("device", "add", "ACME/Office/Other")
    own.cli("device", "hold", "ACME/Office/Folder")
    return own


def _state(server: CloudletServer, job: str) -> tuple[int, str]:
    answer = Curl(server.url, server.key).get(f"/api/get/job/ACME/Office/Folder/{job}").json
    return answer["State"], answer["Message"]


@pytest.mark.parametrize(
    ("props", "owner", "said"),
    [
        (ANNA, "anna", ""),
        ("requesting-user-name=berta", "berta", ""),
        (f"requesting-user-name=berta\n{ANNA}", "anna", ""),
        ("", "", ": the job names no user, so only an administrator can release it"),
    ],
)
def test_a_held_job(holding: CloudletServer, props: str, owner: str, said: str) -> None:
    """A held job has state 0 and a message that says so. Other devices print at once."""
    curl = Curl(holding.url, holding.key)
    query = {"targets": "Office:Folder;Office:Other", "title": "t", "props": props}
    held, other = curl.put("/api/putfile", b"%PDF-1.4", **query).lines
    holding.wait_for_job(other, 2)
    assert _state(holding, held) == (0, f"Waiting for release{said}")
    assert {job["id"]: job["held_for"] for job in holding.jobs()} == {held: owner, other: None}


def test_a_release_delivers_once(holding: CloudletServer) -> None:
    """A released job is delivered, and cannot be released again."""
    curl = Curl(holding.url, holding.key)
    first, second = (curl.submit(title=f"{number}.pdf", props=ANNA) for number in range(2))
    holding.cli("job", "release", second)
    holding.wait_for_job(second, 2)
    assert _state(holding, first) == (0, "Waiting for release")
    for job in (second, "20200101000000-1"):
        assert holding.cli_result("job", "release", job).returncode == 1
    assert [path.name for path in (holding.data / "delivered").rglob("*.pdf")] == [
        f"{second}-1.pdf"
    ]
    history = next(job for job in holding.jobs() if job["id"] == second)["history"]
    steps = [(step["state"], step["message"]) for step in history]
    assert steps == [(0, "Waiting for release"), (0, ""), (1, ""), (2, "")]


def test_a_deleted_job_cannot_be_released(holding: CloudletServer) -> None:
    """A held job can be deleted, and stays deleted."""
    job = Curl(holding.url, holding.key).submit(props=ANNA)
    holding.cli("job", "delete", job)
    assert holding.cli_result("job", "release", job).returncode == 1
    assert _state(holding, job) == (3, "")


def test_held_jobs_survive_a_crash(holding: CloudletServer) -> None:
    """After a crash, held jobs are still held, and a job released just before is delivered once."""
    curl = Curl(holding.url, holding.key)
    held, released = (curl.submit(title=f"{number}.pdf", props=ANNA) for number in range(2))
    holding.kill()
    with open_store(holding.data) as store:
        Releases(store).release(released, Actor("root", Origin.CLI))
    holding.come_back()
    holding.wait_for_job(released, 2)
    holding.kill()
    holding.come_back()
    assert _state(holding, held) == (0, "Waiting for release")
    assert len(list((holding.data / "delivered").rglob("*.pdf"))) == 1


def test_settings(holding: CloudletServer) -> None:
    """A location's setting is for all its devices but viewers. A change is for new jobs."""
    curl = Curl(holding.url, holding.key)
    held = curl.submit(props=ANNA)
    assert holding.cli("device", "unhold", "ACME/Office/Folder").endswith(
        "new jobs need no release"
    )
    holding.wait_for_job(curl.submit(props=ANNA), 2)
    assert _state(holding, held)[0] == 0
    holding.cli("device", "add", "ACME/Office/Screen", "--type", "viewer")
    holding.cli("location", "hold", "ACME/Office")
    assert _state(holding, curl.submit(props=ANNA))[0] == 0
    holding.wait_for_job(curl.submit(targets="Office:Screen", props=ANNA), 1)
    holding.cli("device", "unhold", "Office/Folder")
    assert _state(holding, curl.submit(props=ANNA))[0] == 0
    holding.cli("location", "unhold", "ACME/Office")
    holding.wait_for_job(curl.submit(props=ANNA), 2)
    holding.cli("location", "add", "ACME/Hall", "--hold")
    holding.cli("device", "add", "ACME/Office/D", "--hold")
    text = (holding.data / "cloudlet.toml").read_text()
    assert text.count("hold = true") == 2
    for path in ("ACME/Nowhere", "ACME/Office/None", "ACME"):
        noun = "device" if path.count("/") == 2 else "location"
        assert holding.cli_result(noun, "hold", path).returncode == 1
    refused = holding.cli_result("device", "add", "ACME/Office/S", "--hold", "--type", "viewer")
    assert "a viewer's jobs wait for their recipient anyway" in refused.stderr


def test_expiry(tmp_path: Path, holding: CloudletServer) -> None:
    """A job that nobody releases in time is deleted, and its message says so. Its document counts
    as ended from then on."""
    job = Curl(holding.url, holding.key).submit(props=ANNA)
    holding.stop()
    with contextlib.closing(Cloud(holding.data).store) as store:
        jobs = Jobs(store)
        Releases(store).expire(HOUR_S)
        assert jobs.find(job).state == 0  # type: ignore[union-attr]
        store.execute("UPDATE job SET submitted = submitted - 7200")
        Releases(store).expire(1.5 * HOUR_S)
        found = jobs.find(job)
        assert found is not None
        assert (found.state, found.message) == (3, "Not released within 1.5 hours.")
        ((ended,),) = store.execute("SELECT ended FROM document")
        assert ended == found.updated


def test_other_keys(holding: CloudletServer) -> None:
    """Another key of the company sees the state of a held job, but neither title nor properties."""
    job = Curl(holding.url, holding.key).submit(title="secret", props=ANNA)
    path = f"/api/get/job/ACME/Office/Folder/{job}"
    other = Curl(holding.url, holding.new_key("ACME")).get(path)
    assert other.json["Message"] == "Waiting for release"
    assert (other.json["Name"], other.json["Properties"]) == ("", {})
    assert "anna" not in other.text
    for key in (holding.key, holding.new_key("ACME", "admin")):
        assert Curl(holding.url, key).get(path).json["Name"] == "secret"


def _person(server: CloudletServer, name: str, *arguments: str, company: str = "ACME") -> Visitor:
    visitor = Visitor(server.url)
    password = server.cli("account", "add", name, "--company", company, *arguments)
    assert visitor.sign_in(name, password).status == 303
    return visitor


def test_the_owner_releases_on_the_page(holding: CloudletServer) -> None:
    """The page of a device shows the owner's jobs, and releases one or all of them."""
    curl, anna = Curl(holding.url, holding.key), _person(holding, "anna")
    jobs = [curl.submit(title=f"number {number}", props=ANNA) for number in range(3)]
    foreign = curl.submit(title="of berta", props="job-originating-user-name=berta")
    for path in ("/release", "/release/Office/Folder"):
        page = anna.get(path).text
        assert all(f"number {number}" in page for number in range(3))
        assert "of berta" not in page and "berta" not in page
    answer = anna.post(f"/jobs/{jobs[0]}/release")
    assert (answer.status, answer.headers["location"]) == (303, "/release/Office/Folder")
    holding.wait_for_job(jobs[0], 2)
    answer = anna.post("/release/Office/Folder")
    assert answer.headers["location"] == "/release/Office/Folder?released=2"
    assert "2 jobs are released" in anna.get(answer.headers["location"]).text
    for job in jobs[1:]:
        holding.wait_for_job(job, 2)
        assert anna.post(f"/jobs/{job}/release").status == 409
    assert "None of your jobs is waiting" in anna.get("/release").text
    assert _state(holding, foreign)[0] == 0
    assert anna.get("/release/Office/None").status == 404
    assert anna.post("/release/None/Folder").status == 404


def test_the_owner_deletes(holding: CloudletServer) -> None:
    """The owner may delete a held job, and it then cannot be released."""
    anna = _person(holding, "anna")
    job = Curl(holding.url, holding.key).submit(props=ANNA)
    assert anna.post(f"/jobs/{job}/delete").status == 303
    assert anna.post(f"/jobs/{job}/release").status == 409
    assert _state(holding, job)[0] == 3


def test_an_administrator(holding: CloudletServer) -> None:
    """An administrator releases one job for another person, but all jobs for nobody else."""
    curl, admin = Curl(holding.url, holding.key), _person(holding, "root", "--role", "admin")
    first, second = (curl.submit(title="x", props=ANNA) for _ in range(2))
    page = admin.get("/release/Office/Folder").text
    assert page.count("<bdi>anna</bdi>") == 2 and "release-all" not in page
    location = admin.post("/release/Office/Folder").headers["location"]
    assert location.endswith("?released=0")
    assert admin.post(f"/jobs/{first}/release").status == 303
    holding.wait_for_job(first, 2)
    assert _state(holding, second)[0] == 0
    assert f"job release\t{first}" in holding.cli("audit", "list")


@pytest.mark.parametrize("person", ["anna", ""])
def test_a_job_without_a_user(holding: CloudletServer, person: str) -> None:
    """Nobody but an administrator sees and releases a job that names no user, not even a person
    whose user name is not known."""
    job = Curl(holding.url, holding.key).submit(title="whose?")
    viewer = Viewer("ACME", None, person, is_administrator=False)
    with open_store(holding.data) as store:
        releases, by = Releases(store), Actor("anna", Origin.PAGE, "ACME")
        assert releases.waiting(viewer, 10) == []
        assert releases.release_all(viewer, ("Office", "Folder"), by) == 0
        (found,) = releases.waiting(viewer._replace(is_administrator=True), 10)
        assert found.id == job
        assert not viewer.may_release(found)
        assert viewer._replace(is_administrator=True).may_release(found)
        rival = viewer._replace(company="Rival", is_administrator=True)
        assert releases.waiting(rival, 10) == [] and not rival.sees(found)


def test_a_code_leads_to_the_device(holding: CloudletServer) -> None:
    """The sheet has a code for each device that holds; it leads through the sign-in to the page."""
    holding.cli("device", "add", "ACME/Office/2nd floor, ü", "--hold")
    password = holding.cli("account", "add", "anna", "--company", "ACME")
    anna = Visitor(holding.url)
    anna.sign_in("anna", password)
    page = anna.get("/release-codes").text
    urls = [html.unescape(url) for url in re.findall(r'class="address" dir="ltr">([^<]+)<', page)]
    paths = ["/release/Office/Folder", "/release/Office/2nd%20floor%2C%20%C3%BC"]
    assert urls == [holding.url + path for path in paths]
    assert page.count('class="code"') == 2
    made = segno.make(urls[0], error="m", micro=False)
    assert made.svg_inline(svgclass="code", lineclass=None, omitsize=True, border=4) in page
    for path in paths:
        stranger = Visitor(holding.url)
        asked = stranger.get(path)
        assert asked.status == 303
        door = asked.headers["location"]
        next_path = html.unescape(
            re.findall('name="next" value="([^"]+)"', stranger.get(door).text)[0]
        )
        form = ("--data-urlencode", f"next={next_path}")
        answer = stranger.sign_in("anna", password, *form)
        assert answer.headers["location"] == path
        assert stranger.get(path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "/\\evil.example",
        "https://evil.example/",
        "evil",
        "/a b",
        "/x\r\nSet-Cookie: a",
    ],
)
def test_the_sign_in_leads_nowhere_else(shared: CloudletServer, path: str) -> None:
    """A link to the sign-in page cannot lead people to another server after it."""
    name = f"lured to {path!r}"
    password = shared.cli("account", "add", name, "--company", "ACME")
    visitor = Visitor(shared.url)
    assert (
        'name="next"'
        not in visitor.get("/sign-in", "--get", "--data-urlencode", f"next={path}").text
    )
    answer = visitor.sign_in(name, password, "--data-urlencode", f"next={path}")
    assert answer.headers["location"] == "/"
