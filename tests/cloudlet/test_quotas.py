"""Quotas of companies and keys, and the sizes of what a client stores."""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
import zlib
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Answer, Curl

PDF = b"%PDF-1.4 the document\n%%EOF\n"
SUBMIT = {"targets": "Office:Folder", "title": "a.pdf"}
WAIT = {"targets": "Away:Folder", "title": "a.pdf"}
MiB = 1024 * 1024


def _limit(server: CloudletServer, **limits: int) -> None:
    lines = [f"{name} = {value}\n" for name, value in limits.items()]
    with (server.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\n" + "".join(lines))


@pytest.fixture
def away(own: CloudletServer) -> CloudletServer:
    """A server with a location that is offline, and a second company."""
    own.cli("location", "add", "ACME/Away")
    own.cli("location", "offline", "Away")
    own.cli("device", "add", "ACME/Away/Folder", "--type", "file")
    own.cli("device", "add", "--parents", "Rival/Office/Folder", "--type", "file")
    return own


def _is_busy(answer: Answer) -> bool:
    """Whether the answer asks the client to try again later."""
    return answer.status == 429 and int(answer.headers["retry-after"]) > 0


def _stored_bytes(server: CloudletServer) -> int:
    folders = (server.data / name for name in ("uploads", "documents"))
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir())


@pytest.mark.attacker("print key")
def test_segments_at_the_same_place(own: CloudletServer) -> None:
    """Send a segment to the same position repeatedly: the server stores one."""
    _limit(own, document_bytes=MiB)
    curl = Curl(own.url, own.key)
    name = curl.upload(dict.fromkeys((0,), b"a" * 500_000))
    for letter in (b"b", b"c", b"d"):
        assert curl.put("/api/putsegment", letter * 500_000, file=name, index="0").lines
    assert _stored_bytes(own) == 500_000
    (job_id,) = curl.post("/api/submitfile", file=name, **SUBMIT).lines
    assert Path(own.wait_for_job(job_id, 2)["delivered_path"]).read_bytes() == b"d" * 500_000


@pytest.mark.attacker("print key")
def test_segments_that_overlap(own: CloudletServer) -> None:
    """Send segments that overlap: together they have at most the bytes of the largest document."""
    _limit(own, document_bytes=MiB)
    curl = Curl(own.url, own.key)
    name = curl.upload({0: bytes(400_000), 1: bytes(400_000)})
    answer = curl.put("/api/putsegment", bytes(400_000), file=name, index="2")
    assert answer.status == 413
    assert answer.text == (
        f"the limit is {MiB} bytes in all segments (the largest document has document_bytes or a"
        " quarter of company_bytes in cloudlet.toml, whichever is less)\n"
    )
    assert _stored_bytes(own) == 800_000


@pytest.mark.attacker("print key")
def test_bytes_of_a_company(away: CloudletServer) -> None:
    """Fill the quota with documents that wait: a key fills at most half, and other keys and
    companies print as before."""
    _limit(away, company_bytes=8 * MiB)
    curl = Curl(away.url, away.key)
    bomb = zlib.compress(bytes(MiB + 700_000))
    answers = [curl.put("/api/putfile", bomb, cmp="1", **WAIT) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert _is_busy(answers[3])
    assert "the quota of key 'key-1' has no room for more bytes" in answers[3].text
    assert _is_busy(curl.put("/api/putfile", bytes(MiB), **WAIT))
    assert Curl(away.url, away.new_key("ACME")).submit(PDF)
    assert Curl(away.url, away.new_key("Rival")).submit(PDF)
    assert _stored_bytes(away) < 4 * MiB
    away.cli("location", "online", "Away")
    for job in away.jobs():
        away.wait_for_job(job["id"], 2)
    assert curl.put("/api/putfile", bomb, cmp="1", **SUBMIT).lines


def test_a_full_quota_survives_a_restart(away: CloudletServer) -> None:
    """After a restart, what is stored counts again."""
    _limit(away, company_bytes=8 * MiB)
    curl = Curl(away.url, away.key)
    name = curl.upload({0: bytes(MiB), MiB: bytes(MiB)})
    curl.submit(bytes(900_000), **WAIT)
    assert _is_busy(curl.put("/api/putsegment", bytes(1_500_000), file=name, index="0"))
    away.restart()
    assert _is_busy(curl.put("/api/putsegment", bytes(1_500_000), file=name, index="0"))


def test_a_document_larger_than_the_quota(own: CloudletServer) -> None:
    """A document that can never fit is refused for good."""
    _limit(own, company_bytes=4 * MiB)
    curl = Curl(own.url, own.key)
    assert curl.put("/api/putfile", bytes(MiB + 1)).status == 413
    curl.put("/api/putfile", zlib.compress(bytes(MiB + 1)), cmp="1", **SUBMIT).refused("larger")


def test_what_is_done_makes_room(own: CloudletServer) -> None:
    """Submitted uploads and delivered documents are removed, oldest first, when room is needed."""
    _limit(own, company_bytes=8 * MiB, company_jobs=4)
    curl = Curl(own.url, own.key)
    for number in range(6):
        (name,) = curl.put("/api/putfile", bytes([number]) * MiB).lines
        (job_id,) = curl.post("/api/submitfile", file=name, **SUBMIT).lines
        Path(own.wait_for_job(job_id, 2)["delivered_path"]).unlink()
    assert _stored_bytes(own) <= 4 * MiB
    assert [job["id"] for job in own.jobs()][-1] == job_id
    assert len(own.jobs()) <= 2
    with sqlite3.connect(own.data / "cloudlet.db") as db:
        for table in ("document", "transition", "job"):
            (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert rows <= 6


@pytest.mark.attacker("print key")
def test_open_uploads(away: CloudletServer) -> None:
    """Fill the quota with uploads that are never submitted: a key fills at most half, and submitted
    uploads make room."""
    _limit(away, company_uploads=6)
    curl = Curl(away.url, away.key)
    names = [curl.upload({0: PDF}) for _ in range(3)]
    assert _is_busy(curl.get("/api/tempfile"))
    assert _is_busy(curl.put("/api/putfile", PDF))
    assert curl.submit(PDF)  # needs no temporary file
    assert Curl(away.url, away.new_key("Rival")).get("/api/tempfile").lines
    curl.post("/api/submitfile", file=names[0], **SUBMIT)
    assert curl.get("/api/tempfile").lines
    curl.post("/api/submitfile", file=names[0], **SUBMIT).refused("expired")


@pytest.mark.attacker("print key")
def test_jobs_that_wait(away: CloudletServer) -> None:
    """Fill the quota with jobs that wait: a key fills at most half."""
    _limit(away, company_jobs=4)
    curl = Curl(away.url, away.key)
    twice = {"targets": "Away:Folder;Away:Folder", "title": "a.pdf"}
    assert len(curl.put("/api/putfile", PDF, **twice).lines) == 2
    assert _is_busy(curl.put("/api/putfile", PDF, **WAIT))
    assert Curl(away.url, away.new_key("ACME")).submit(PDF)


@pytest.mark.attacker("print key")
def test_copies_of_a_document(away: CloudletServer) -> None:
    """Print one document to the same folder repeatedly: a key fills half of its company's quota.
    Its further jobs wait until somebody takes documents out of the folder. Other keys, devices and
    companies print as before."""
    _limit(away, company_bytes=8 * MiB)
    away.cli("device", "add", "ACME/Office/C", "--type", "command", "--target", "true")
    curl = Curl(away.url, away.key)
    bomb = zlib.compress(bytes(MiB))
    fields = {"targets": ";".join(["Office:Folder"] * 7), "title": "a", "cmp": "1"}
    ids = curl.put("/api/putfile", bomb, **fields).lines
    job = away.wait_for_job(ids[3], 1, message="is full")
    assert f"waiting until documents are moved out of {away.data / 'delivered'}" in job["message"]
    folder = away.data / "delivered" / "Office" / "Folder"
    assert sum(path.stat().st_size for path in folder.iterdir()) == 3 * MiB
    away.wait_for_job(curl.submit(PDF, targets="Office:C"), 2)
    away.wait_for_job(Curl(away.url, away.new_key("ACME")).submit(PDF), 2)
    away.wait_for_job(Curl(away.url, away.new_key("Rival")).submit(PDF), 2)
    away.restart()
    _deliver_now(away)
    states = {job["id"]: job["state"] for job in away.jobs()}
    assert [states[each] for each in ids] == [2, 2, 2, 1, 0, 0, 0]
    for each in ids[:3]:
        next(folder.glob(f"{each}-*")).unlink()
    _deliver_now(away)
    away.wait_for_job(ids[5], 2)
    away.wait_for_job(ids[6], 1, message="is full")


def _deliver_now(server: CloudletServer) -> None:
    """Let jobs that wait for their next attempt be due; return after that attempt."""
    with contextlib.closing(sqlite3.connect(server.data / "cloudlet.db")) as db, db:
        (before,) = db.execute("SELECT max(due) FROM job").fetchone()
        db.execute("UPDATE job SET due = 0 WHERE step = 'ready'")
    for _ in server.changing_jobs(20):
        with contextlib.closing(sqlite3.connect(server.data / "cloudlet.db")) as db:
            if db.execute("SELECT max(due) FROM job").fetchone()[0] > before:
                return
    raise AssertionError("there was no other attempt")


def test_absolute_targets_are_not_counted(own: CloudletServer, tmp_path: Path) -> None:
    """An absolute target is the administrator's, and has no quota."""
    _limit(own, company_bytes=4 * MiB)
    target = f"{tmp_path}/out/{{title}}.{{ext}}"
    own.cli("device", "add", "ACME/Office/D", "--type", "file", "--target", target)
    bomb = zlib.compress(bytes(MiB // 2))
    fields = {"targets": ";".join(["Office:D"] * 9), "title": "a", "cmp": "1"}
    for each in Curl(own.url, own.key).put("/api/putfile", bomb, **fields).lines:
        own.wait_for_job(each, 2)


@pytest.mark.attacker("print key")
def test_texts_of_jobs(away: CloudletServer) -> None:
    """Fill the quota with jobs that have long properties: they count as bytes, also after a
    restart, and other keys print as before."""
    _limit(away, company_bytes=8 * MiB)
    curl = Curl(away.url, away.key)
    fields = {"targets": ";".join(["Away:Folder"] * 100), "title": "a", "props": "n=" + "x" * 8000}
    answers = [curl.put("/api/putfile", PDF, **fields) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
    assert "no room for more bytes" in answers[4].text
    away.restart()
    assert _is_busy(curl.put("/api/putfile", PDF, **fields))
    assert Curl(away.url, away.new_key("ACME")).submit(PDF)


@pytest.fixture(scope="module")
def admin(shared: CloudletServer) -> Curl:
    """A client whose key may also change devices and locations."""
    return Curl(shared.url, shared.new_key("ACME", "admin"))


@pytest.mark.attacker("print key")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("submitfile", {"title": "x" * 1025}),
        ("submitfile", {"title": "a", "props": "n=" + "é" * 4096}),
        ("submitfile", {"title": "a", "targets": "Office:Folder;" * 5000}),
        ("put/device/ACME/Office/Folder", {"Notes": "x" * 8193}),
        ("put/device/ACME/Office/Folder", {"Name": "x" * 1025}),
        ("put/device/ACME/Office/Folder", {"DefaultProps": "n=" + "x" * 8192}),
        ("put/location/ACME/Office", {"Phone": "1" * 1025}),
    ],
)
def test_size_of_notes(admin: Curl, path: str, fields: dict[str, str]) -> None:
    """Send a title, a list or a note that is longer than any real one: refused, and not stored."""
    answer = admin.post(f"/api/{path}", **fields)
    assert answer.status == 400
    assert "bytes; the limit is" in answer.text


def test_sizes_of_honest_notes(curl: Curl) -> None:
    """The longest title of the bridge, long props and a thousand targets are accepted."""
    (name,) = curl.put("/api/putfile", PDF).lines
    fields = {"file": name, "title": "😀" * 255, "props": "note=" + "ä" * 4000}
    targets = ["Away:Folder"] * 1000
    assert len(curl.post("/api/submitfile", targets=";".join(targets), **fields).lines) == 1000
    targets.append("Away:Folder")
    curl.post("/api/submitfile", targets=";".join(targets), **fields).refused("at most 1000")


def test_ids_and_devices_without_end(own: CloudletServer) -> None:
    """An id has at most 255 bytes, and cloudlet.toml at most 4 MiB."""
    curl = Curl(own.url, own.new_key("ACME", "admin"))
    curl.post(f"/api/put/location/ACME/{'x' * 256}").refused("longer than 255 bytes")
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("#" * 4 * MiB + "\n")
    curl.post("/api/put/location/ACME/more").refused("more than 4194304 bytes")


@pytest.mark.attacker("print key")
def test_members_of_gzip(curl: Curl) -> None:
    """Submit 4 MB of empty gzip members: refused at once."""
    (name,) = curl.put("/api/putfile", gzip.compress(b"") * 200_000).lines
    curl.post("/api/submitfile", file=name, cmp="2", **SUBMIT).refused("members")
