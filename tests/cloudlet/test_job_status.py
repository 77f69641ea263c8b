"""Job Status: the sentences of the API document, each as a test."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

FIELDS = [
    "Name", "Submitted", "Size", "Ext", "State", "Data", "Segments", "Properties", "RawPrint",
    "Target", "Received", "Delivered", "Message", "Updated",
]  # fmt: skip


@pytest.mark.parametrize("method", ["get", "post"])
def test_fields(curl: Curl, shared: CloudletServer, method: str) -> None:
    """A JSON object with these fields."""
    before = int(time.time())
    body = b"%PDF-1.4 twelve"
    job_id = curl.submit(body, title="Übung.pdf", props="copies=3")
    shared.wait_for_job(job_id, 2)
    job = getattr(curl, method)(f"/api/get/job/ACME/Office/Folder/{job_id}").json
    assert list(job) == FIELDS
    assert (job["Name"], job["Size"], job["Ext"], job["State"]) == (
        "Übung.pdf",
        len(body),
        "pdf",
        2,
    )
    assert (job["Data"], job["Segments"], job["RawPrint"]) == (None, [len(body)], False)
    assert job["Properties"] == {"copies": "3"}
    assert job["Target"].endswith(f"/Office/Folder/{job_id}-Übung.pdf")
    assert job["Message"] == ""
    assert type(job["Updated"]) is int
    assert before <= job["Updated"] <= time.time()
    times = [datetime.fromisoformat(job[name]) for name in ("Submitted", "Received", "Delivered")]
    assert times == sorted(times)
    assert all(moment.utcoffset() is not None for moment in times)


def test_submitted(curl: Curl, shared: CloudletServer) -> None:
    """State - 0=submitted; Received and Delivered have not happened."""
    job_id = curl.submit(targets="Away:Folder")
    job = curl.get(f"/api/get/job/ACME/Away/Folder/{job_id}").json
    assert (job["State"], job["Received"], job["Delivered"]) == (0, None, None)
    assert job["Submitted"]


def test_received_saved_trashed_deleted(own: CloudletServer) -> None:
    """State - 1=received at client, 8-saved, 9-trashed (8 and 9 are for browser users)."""
    own.cli("device", "add", "ACME/Office/browser", "--type", "viewer")
    curl = Curl(own.url, own.key)
    job_id = curl.submit(targets="Office:browser")
    path = f"/api/get/job/ACME/Office/browser/{job_id}"
    own.wait_for_job(job_id, 1)
    job = curl.get(path).json
    assert (job["State"], job["Delivered"]) == (1, None)
    assert job["Received"]
    for verb, state in (("save", 8), ("trash", 9), ("save", 8), ("delete", 3)):
        own.cli("job", verb, job_id)
        assert curl.get(path).json["State"] == state
    assert own.cli_result("job", "save", job_id).returncode == 1
    states = [step["state"] for step in own.jobs()[0]["history"]]
    assert states == [0, 1, 8, 9, 8, 3]


def test_deleted_before_it_was_received(own: CloudletServer) -> None:
    """State - 3-deleted; a deleted job is never delivered."""
    own.cli("location", "offline", "Office")
    curl = Curl(own.url, own.key)
    gone, kept = curl.submit(), curl.submit()
    own.cli("job", "delete", gone)
    own.cli("location", "online", "Office")
    own.wait_for_job(kept, 2)
    job = curl.get(f"/api/get/job/ACME/Office/Folder/{gone}").json
    assert (job["State"], job["Received"]) == (3, None)


@pytest.mark.parametrize(
    "path", ["Office/Folder/20200101000000-1", "Away/Folder/{}", "Office/PDF%20only/{}"]
)
def test_unknown_job(curl: Curl, path: str) -> None:
    """Endpoint: /api/get/job/CompID/LocID/DevID/JobID: all four have to be the job's."""
    job_id = curl.submit()
    curl.get(f"/api/get/job/ACME/{path.format(job_id)}").refused("unknown job")


def test_parameters_none(curl: Curl) -> None:
    """Parameters: none."""
    answer = curl.get(f"/api/get/job/ACME/Office/Folder/{curl.submit()}", x="1")
    assert answer.status == 400
    assert "'x'" in answer.text
