"""Clients of a location: they fetch the location's jobs, and deliver them on their machine."""

from __future__ import annotations

import hashlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from location_client import LocationClient

PDF = b"%PDF-1.4 the document\n%%EOF\n"


@pytest.fixture
def cloud(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[CloudletServer]:
    """A server whose location Office is left to clients."""
    server = CloudletServer(database=new_database())
    server.start(tmp_path / "data")
    server.cli("location", "clients", "Office")
    yield server
    server.close()


@pytest.fixture
def client(cloud: CloudletServer, tmp_path: Path) -> Iterator[Callable[..., LocationClient]]:
    """Make a client of the location Office that may run commands below the test's folder."""
    key = new_key(cloud)
    made: list[LocationClient] = []

    def make(name: str = "client") -> LocationClient:
        made.append(LocationClient(tmp_path / name, key))
        return made[-1]

    yield make
    for each in made:
        each.close()


def new_key(cloud: CloudletServer, location: str = "ACME/Office") -> str:
    """Add a key for a location's clients."""
    return cloud.cli("key", "add", "--role", "client", "--location", location)


def test_a_job_is_received_and_delivered(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """The client fetches a document into its folder; the states are those of the API."""
    there = client().start(cloud.url)
    body = PDF + random.Random(1).randbytes(3_000_000)
    job = cloud.wait_for_job(Curl(cloud.url, cloud.key).submit(body, title="plan.pdf"), 2)
    path = Path(job["target"])
    assert path == there.delivered / "Office" / "Folder" / f"{job['id']}-plan.pdf"
    assert path.read_bytes() == body
    assert [each["state"] for each in job["history"]] == [0, 1, 2]
    assert not (cloud.data / "delivered" / "Office").exists()
    there.stop()
    assert not list((there.data / "spool").iterdir())


def test_without_a_client_jobs_wait(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """The server delivers nothing itself, also after a restart; a client then fetches it all."""
    curl = Curl(cloud.url, cloud.key)
    ids = [curl.submit(PDF, title=f"{number}.pdf") for number in range(5)]
    cloud.restart()
    assert {job["state"] for job in cloud.jobs()} == {0}
    client().start(cloud.url)
    done = [cloud.wait_for_job(each, 2) for each in ids]
    assert sorted(done, key=lambda job: job["delivered"]) == done


def test_other_locations_are_served_as_before(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """The server delivers to a location without clients, and to a viewer at any location."""
    cloud.cli("device", "add", "--parents", "ACME/Away/Folder")
    cloud.cli("device", "add", "ACME/Office/Screen", "--type", "viewer")
    curl = Curl(cloud.url, cloud.key)
    job = cloud.wait_for_job(curl.submit(PDF, targets="Away:Folder"), 2)
    assert Path(job["delivered_path"]).is_relative_to(cloud.data)
    cloud.wait_for_job(curl.submit(PDF, targets="Office:Screen"), 1)


def test_commands_need_permission(
    cloud: CloudletServer, client: Callable[..., LocationClient], tmp_path: Path
) -> None:
    """A client runs a device's command only if its own administrator allows commands."""
    target = f"sh -c 'cat >{tmp_path}/out; echo $CIRRUS_PROP_COPIES >>{tmp_path}/out'"
    cloud.cli("device", "add", "ACME/Office/D", "--type", "command", "--target", target)
    there = client().start(cloud.url)
    job_id = Curl(cloud.url, cloud.key).submit(PDF, targets="Office:D", props="copies=3")
    cloud.wait_for_job(job_id, 1, message="--allow-commands")
    assert not (tmp_path / "out").exists()
    there.stop()
    there.start(cloud.url, "--allow-commands")
    cloud.cli("job", "retry", job_id)
    cloud.wait_for_job(job_id, 2)
    assert (tmp_path / "out").read_bytes() == PDF + b"3\n"


def test_folders_need_permission(
    cloud: CloudletServer, client: Callable[..., LocationClient], tmp_path: Path
) -> None:
    """A device writes out of the client's own folder only where its administrator allows it."""
    scans = tmp_path / "scans"
    target = f"{scans}/{{title}}.{{ext}}"
    cloud.cli("device", "add", "ACME/Office/D", "--type", "file", "--target", target)
    there = client().start(cloud.url, "--allow-folder", str(tmp_path / "other"))
    job_id = Curl(cloud.url, cloud.key).submit(PDF, targets="Office:D", title="a")
    cloud.wait_for_job(job_id, 1, message=f"--allow-folder {scans}")
    there.stop()
    there.start(cloud.url, "--allow-folder", str(scans))
    cloud.cli("job", "retry", job_id)
    cloud.wait_for_job(job_id, 2)
    assert (scans / "a.pdf").read_bytes() == PDF


def test_a_failed_delivery_is_tried_again(
    cloud: CloudletServer, client: Callable[..., LocationClient], tmp_path: Path
) -> None:
    """A folder that cannot be written delays a job; a command that fails holds it."""
    command = "sh -c 'echo no paper >&2; exit 3'"
    cloud.cli("device", "add", "ACME/Office/D", "--type", "command", "--target", command)
    there = client()
    (there.data / "delivered").mkdir()
    blocked = there.delivered / "Office"
    blocked.touch()
    there.start(cloud.url, "--allow-commands")
    curl = Curl(cloud.url, cloud.key)
    waits, fails = curl.submit(PDF), curl.submit(PDF, targets="Office:D")
    cloud.wait_for_job(fails, 1, message="Error: sh: no paper; the job waits until somebody")
    cloud.wait_for_job(waits, 1, message="Error: ")
    blocked.unlink()
    cloud.wait_for_job(waits, 2)


def test_two_clients_deliver_each_job_once(
    cloud: CloudletServer, client: Callable[..., LocationClient], tmp_path: Path
) -> None:
    """Two clients of one location share its jobs: none is delivered twice, and none is lost."""
    out = tmp_path / "out"
    for number in range(4):
        target = f"sh -c 'echo {{jobid}} $PPID >>{out}'"
        cloud.cli("device", "add", f"ACME/Office/D{number}", "--type", "command",
                  "--target", target)  # fmt: skip
    for name in ("one", "two"):
        client(name).start(cloud.url, "--allow-commands")
    curl = Curl(cloud.url, cloud.key)
    targets = ";".join(f"Office:D{number % 4}" for number in range(40))
    ids = curl.put("/api/putfile", PDF, targets=targets, title="x").lines
    for each in ids:
        cloud.wait_for_job(each, 2)
    lines = [line.split() for line in out.read_text().splitlines()]
    assert sorted(job for job, _ in lines) == sorted(ids)
    assert len({client for _, client in lines}) == 2


def test_a_second_client_needs_a_folder_of_its_own(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """Two clients never use one folder at the same time."""
    there = client().start(cloud.url)
    other = subprocess.run(
        there.command(cloud.url, "--allow-root"), capture_output=True, text=True, timeout=30
    )
    assert (other.returncode, other.stderr) == (
        1,
        f"cirrus-cloudlet: another client already uses {there.data}\n",
    )


def test_a_deleted_job_is_not_delivered(
    cloud: CloudletServer, client: Callable[..., LocationClient], tmp_path: Path
) -> None:
    """A person deletes a job that a client has; the device's next job is delivered."""
    gate = tmp_path / "gate"
    target = f"sh -c 'while [ ! -e {gate} ]; do sleep 0.1; done; echo {{jobid}} >>{tmp_path}/out'"
    cloud.cli("device", "add", "ACME/Office/D", "--type", "command", "--target", target)
    client().start(cloud.url, "--allow-commands")
    curl = Curl(cloud.url, cloud.key)
    first, second, third = (curl.submit(PDF, targets="Office:D") for _ in range(3))
    cloud.wait_for_job(first, 1)
    cloud.cli("job", "delete", second)
    gate.touch()
    cloud.wait_for_job(third, 2)
    cloud.wait_for_job(second, 3)
    assert (tmp_path / "out").read_text().split() == [first, third]


def test_a_lost_document(cloud: CloudletServer, client: Callable[..., LocationClient]) -> None:
    """A job whose document the server has lost is held; the next one is delivered."""
    curl = Curl(cloud.url, cloud.key)
    lost, kept = curl.submit(PDF), curl.submit(PDF)
    document = next(job["document"] for job in cloud.jobs() if job["id"] == lost)
    Path(document).unlink()
    client().start(cloud.url)
    cloud.wait_for_job(kept, 2)
    cloud.wait_for_job(lost, 1, message="Error: the server has lost the document")


def test_a_job_waits_for_its_release(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """A job that is held for its owner is offered to the clients when it is released."""
    cloud.cli("device", "hold", "ACME/Office/Folder")
    client().start(cloud.url)
    curl = Curl(cloud.url, cloud.key)
    job_id = curl.submit(PDF, props="job-originating-user-name=ana")
    cloud.cli("device", "unhold", "ACME/Office/Folder")
    cloud.wait_for_job(curl.submit(PDF), 2)
    assert cloud.wait_for_job(job_id, 0)["message"] == "Waiting for release"
    cloud.cli("job", "release", job_id)
    cloud.wait_for_job(job_id, 2)


def test_the_server_stops_while_a_client_waits(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """A client that waits for a job does not delay the stop of the server, and comes back."""
    there = client().start(cloud.url)
    curl = Curl(cloud.url, cloud.key)
    cloud.wait_for_job(curl.submit(PDF), 2)
    assert cloud.stop() == 0
    assert "Cancel" not in cloud.log_text
    cloud.come_back()
    cloud.wait_for_job(curl.submit(PDF), 2)
    begun = time.monotonic()
    assert there.stop() == 0
    assert time.monotonic() - begun < 20  # less than a poll


def test_texts_come_in_the_charset_of_the_device(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """The client converts texts as the server does."""
    cloud.cli("device", "add", "ACME/Office/D", "--type", "file", "--charset", "cp437")
    client().start(cloud.url)
    job = cloud.wait_for_job(
        Curl(cloud.url, cloud.key).submit("Grüße\n".encode(), targets="Office:D", title="a.txt"), 2
    )
    assert Path(job["target"]).read_bytes() == "Grüße\n".encode("cp437")


@pytest.mark.attacker("client key")
def test_a_clients_key_reaches_its_location_only(
    cloud: CloudletServer, client: Callable[..., LocationClient]
) -> None:
    """The key neither prints nor reads anything, and never sees another location's jobs."""
    cloud.cli("device", "add", "--parents", "ACME/Away/Folder")
    office, away = (Curl(cloud.url, new_key(cloud, f"ACME/{each}")) for each in ("Office", "Away"))
    job_id = Curl(cloud.url, cloud.key).submit(PDF)
    for answer in (
        office.put("/api/putfile", PDF, targets="Office:Folder", title="x"),
        office.get("/api/tempfile"),
        office.get(f"/api/get/job/ACME/Office/Folder/{job_id}"),
        office.get("/api/get/location/ACME/Office"),
        office.get("/api/get/device/ACME/Office/Folder"),
        office.post("/api/put/location/ACME/Office", Name="x"),
    ):
        assert (answer.status, "only fetch and report" in answer.text) == (403, True)
    (job,) = office.post("/api/client/poll", client="client-1", room="5").json["jobs"]
    assert (job["id"], job["sha256"]) == (job_id, hashlib.sha256(PDF).hexdigest())
    assert away.post("/api/client/poll", client="client-2", room="5").json["jobs"] == []
    assert away.post("/api/client/poll", client="client-1", room="5").json["jobs"] == []
    assert away.post("/api/client/poll", client="client-1", location="Office").status == 403
    for place in ("ACME/Office/Folder", "ACME/Away/Folder"):
        path = f"{place}/{job_id}"
        asked = away.get(f"/api/client/document/{path}", token=job["token"])
        assert asked.status == (403 if "Office" in place else 410)
        for event in ("received", "progress", "delivered", "failed"):
            said = away.post(f"/api/client/report/{path}", token=job["token"], event=event)
            assert said.status == (403 if "Office" in place else 410)
    path = f"ACME/Office/Folder/{job_id}"
    for event in ("received", "progress", "delivered", "failed"):
        said = office.post(f"/api/client/report/{path}", token="x" * 43, event=event)
        assert said.status == 410
    assert office.get(f"/api/client/document/{path}", token=job["token"]).body == PDF
    assert cloud.wait_for_job(job_id, 0)["history"][1:] == []
    other = Curl(cloud.url, cloud.new_key("ACME", "admin"))
    assert other.post("/api/client/poll", client="client-1", room="5").status == 403


@pytest.mark.attacker("client key")
def test_a_clients_key_keeps_its_role(cloud: CloudletServer) -> None:
    """No change of roles makes a client's key a key that prints; the list shows its location."""
    cloud.cli("key", "add", "--role", "client", "--location", "Office", "--name", "desk")
    for role in ("print", "admin"):
        with pytest.raises(RuntimeError, match="keeps this role"):
            cloud.cli("key", "role", "desk", role)
    roles = [line.split("\t")[3] for line in cloud.cli("key", "list").splitlines()]
    assert roles == ["print", "client of Office"]
    with pytest.raises(RuntimeError, match="together"):
        cloud.cli("key", "add", "--role", "client", "--company", "ACME")
    assert "location change" in cloud.cli("audit", "list")


def test_ranges_of_a_document(cloud: CloudletServer) -> None:
    """A document is sent from any byte on, so a broken transfer continues where it ended."""
    curl = Curl(cloud.url, new_key(cloud))
    job_id = Curl(cloud.url, cloud.key).submit(PDF)
    (job,) = curl.post("/api/client/poll", client="client-1", room="1").json["jobs"]
    path = f"/api/client/document/ACME/Office/Folder/{job_id}?token={job['token']}"
    answer = curl.run(path, "-H", "Range: bytes=9-")
    assert (answer.status, answer.body) == (206, PDF[9:])
    assert answer.headers["content-range"] == f"bytes 9-{len(PDF) - 1}/{len(PDF)}"


def test_the_check(cloud: CloudletServer, client: Callable[..., LocationClient]) -> None:
    """`client --check` tells what works, and what to do about what does not."""

    def check(*options: str) -> tuple[int, str]:
        command = there.command(cloud.url, "--check", *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    there = client()
    status, said = check()
    assert (status, "accepts the key for Office" in said) == (0, True), said
    there.location = "Away"
    status, said = check()
    assert (status, "key add --role client --location Away" in said) == (1, True), said
    there.key_file.chmod(0o644)
    status, said = check()
    assert (status, "chmod 600" in said) == (1, True), said
    there.key_file.chmod(0o600)
    cloud.stop()
    status, said = check()
    assert (status, "cannot be reached" in said) == (1, True), said


def test_the_key_stays_secret(cloud: CloudletServer, tmp_path: Path) -> None:
    """A client sends its key over the network with TLS only."""
    there = LocationClient(tmp_path / "c", "k")
    command = there.command("http://print.example.com", "--allow-root")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "use https://" in done.stderr) == (1, True)
