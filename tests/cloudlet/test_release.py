"""Jobs that wait for their owner's release: settings, API, commands, expiry and crashes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from cirrus_cloudlet.cloud import HOUR_S, Cloud
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import Jobs
from cloudlet_server import CloudletServer
from curl import Curl

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
    with Store(holding.data) as store:
        Jobs(store).release(released, Actor("root", Origin.CLI))
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
        jobs.expire_unreleased(HOUR_S)
        assert jobs.find(job).state == 0  # type: ignore[union-attr]
        store.execute("UPDATE job SET submitted = submitted - 7200")
        jobs.expire_unreleased(1.5 * HOUR_S)
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
