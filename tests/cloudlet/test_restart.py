"""Crashes, restarts and expiry."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from cirrus_cloudlet.storage.schema import SCHEMAS
from cloudlet_server import CloudletServer
from curl import Curl

PDF = b"%PDF-1.4 the document\n%%EOF\n"
SUBMIT = {"targets": "Office:Folder", "title": "a.pdf"}


@pytest.mark.parametrize("crash", [False, True])
def test_uploads_and_jobs_outlive_the_server(own: CloudletServer, crash: bool) -> None:
    """Incomplete uploads, files that are not submitted yet and jobs survive."""
    own.cli("location", "offline", "Office")
    curl = Curl(own.url, own.key)
    half = curl.upload({0: PDF[:10]})
    whole = curl.put("/api/putfile", PDF).text
    job_id = curl.submit(PDF, title="waits.pdf", props="copies=2")
    if crash:
        own.kill()
        own.come_back()
    else:
        own.restart()
    assert curl.put("/api/putsegment", PDF[10:], file=half, index="10").status == 200
    ids = [curl.post("/api/submitfile", file=file, **SUBMIT).text for file in (half, whole)]
    own.cli("location", "online", "Office")
    for each in (job_id, *ids):
        assert Path(own.wait_for_job(each, 2)["delivered_path"]).read_bytes() == PDF
    assert own.jobs()[0]["props"] == {"copies": "2"}


@pytest.mark.parametrize("body", [PDF, "Grüße\n".encode()], ids=["unchanged", "converted"])
def test_a_file_is_delivered_once(own: CloudletServer, body: bytes) -> None:
    """A crash between a file's delivery and its record makes no second file."""
    own.cli("device", "add", "ACME/Office/Text", "--formats", "pdf;txt", "--charset", "cp437")
    own.cli("location", "offline", "Office")
    curl = Curl(own.url, own.key)
    job_id = curl.submit(body, targets="Office:Text")
    own.cli("location", "online", "Office")
    job = own.wait_for_job(job_id, 2)
    own.kill()
    with sqlite3.connect(own.data / "cloudlet.db") as db:
        db.execute("UPDATE job SET state = 1, step = 'running', delivered = NULL")
    db.close()
    own.start(own.data)
    assert own.wait_for_job(job_id, 2)["delivered_path"] == job["delivered_path"]
    assert len(list(Path(job["delivered_path"]).parent.iterdir())) == 1


def test_leftovers_of_a_crash_are_removed(own: CloudletServer) -> None:
    """The next run removes files that the database does not name; all others stay."""
    curl = Curl(own.url, own.key)
    name = curl.upload({0: PDF})
    job = own.wait_for_job(curl.submit(PDF), 2)
    own.kill()
    for folder in ("uploads", "documents"):
        (own.data / folder / "leftover").write_bytes(b"x")
    own.start(own.data)
    curl = Curl(own.url, own.key)
    until = time.monotonic() + 20
    while any((own.data / folder / "leftover").exists() for folder in ("uploads", "documents")):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert [path.name for path in (own.data / "documents").iterdir()] == [
        Path(job["document"]).name
    ]
    assert curl.post("/api/submitfile", file=name, **SUBMIT).lines


def test_a_refused_submit_leaves_nothing(own: CloudletServer) -> None:
    """A submit that is refused at its end leaves neither a document nor an upload."""
    own.cli("device", "add", "ACME/Office/T", "--type", "file", "--formats", "txt")
    fields = SUBMIT | {"targets": "Office:Folder;Office:T"}
    Curl(own.url, own.key).put("/api/putfile", PDF, **fields).refused("takes txt")
    assert own.jobs() == []
    for folder in ("uploads", "documents"):
        assert not list((own.data / folder).iterdir())


def test_job_ids_are_never_given_twice(own: CloudletServer) -> None:
    """Parallel submits and restarts within a second do not repeat a job id."""
    curl = Curl(own.url, own.key)
    ids: list[str] = []

    def submit() -> None:
        fields = SUBMIT | {"targets": "Office:Folder;Office:Folder"}
        ids.extend(curl.put("/api/putfile", PDF, **fields).lines)

    for _ in range(2):
        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        own.restart()
    assert len(set(ids)) == len(ids) == 16
    assert sorted(ids) == sorted(job["id"] for job in own.jobs())


def test_temporary_files_expire(own: CloudletServer) -> None:
    """An expired upload is refused, and the next sweep removes it."""
    curl = Curl(own.url, own.key)
    name = curl.upload({0: PDF})
    job_id = curl.submit(PDF)
    own.wait_for_job(job_id, 2)
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\nupload_hours = 0.00001\n")
    time.sleep(0.05)  # only time has to pass: there is nothing to poll for
    curl.post("/api/submitfile", file=name, **SUBMIT).refused("expired")
    curl.put("/api/putsegment", PDF, file=name, index="0").refused("expired")
    own.restart()
    until = time.monotonic() + 20
    while list((own.data / "uploads").iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert own.jobs()[0]["document"] is not None


def test_old_documents_are_pruned(own: CloudletServer) -> None:
    """A document is removed long after all its jobs ended; a waiting job keeps its document."""
    own.cli("location", "add", "ACME/Away")
    own.cli("location", "offline", "Away")
    own.cli("device", "add", "ACME/Away/Folder", "--type", "file")
    curl = Curl(own.url, own.key)
    done = curl.submit(PDF)
    waits = curl.submit(PDF, targets="Away:Folder")
    own.wait_for_job(done, 2)
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\ndocument_days = 0.0000001\n")
    own.restart()
    until = time.monotonic() + 20
    while own.wait_for_job(done, 2)["document"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    own.cli("location", "online", "Away")
    assert Path(own.wait_for_job(waits, 2)["delivered_path"]).read_bytes() == PDF


def test_old_jobs_are_forgotten(own: CloudletServer) -> None:
    """A job is removed long after its end, together with its Idempotency-Key."""
    own.cli("location", "add", "ACME/Away")
    own.cli("location", "offline", "Away")
    own.cli("device", "add", "ACME/Away/Folder", "--type", "file")
    curl = Curl(own.url, own.key)
    key = ("-H", "Idempotency-Key: k")
    (done,) = curl.run(f"/api/putfile?{urlencode(SUBMIT)}", *key, "-T", "-", body=PDF).lines
    waits = curl.submit(PDF, targets="Away:Folder")
    own.wait_for_job(done, 2)
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\ndocument_days = 0.0000001\njob_days = 0.0000001\n")
    own.restart()
    for jobs in own.changing_jobs(20):
        if [job["id"] for job in jobs] == [waits]:
            break
    else:
        raise AssertionError(own.jobs())
    curl.get(f"/api/get/job/ACME/Office/Folder/{done}").refused("unknown job")
    (again,) = curl.run(f"/api/putfile?{urlencode(SUBMIT)}", *key, "-T", "-", body=PDF).lines
    assert again != done


def test_a_stop_is_quick_and_clean(own: CloudletServer) -> None:
    """SIGTERM stops the server within seconds with status 0, even during a request."""
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        head = f"PUT /api/putfile HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.key}\r\n"
        connection.sendall(f"{head}Content-Length: 10\r\n\r\nhalf".encode())
        started = time.monotonic()
        assert own.stop() == 0
        assert time.monotonic() - started < 4
    own.start(own.data)
    assert not list((own.data / "uploads").iterdir())
    assert "Traceback" not in own.log_text


def test_one_server_for_a_folder(own: CloudletServer) -> None:
    """A second server on the same folder is refused."""
    done = own.cli_result("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "already" in done.stderr


# what undoes each version of the schema, from version 2 on
_UNDO = (
    "DROP TABLE session; DROP TABLE account;",
    "ALTER TABLE api_key DROP COLUMN role;",
    """
    DROP INDEX upload_submitted; DROP INDEX document_kept; DROP INDEX job_company;
    DROP INDEX segment_upload; CREATE INDEX segment_upload ON segment (upload);
    ALTER TABLE upload DROP COLUMN key; ALTER TABLE upload DROP COLUMN bytes;
    ALTER TABLE upload DROP COLUMN segments; ALTER TABLE upload DROP COLUMN submitted;
    ALTER TABLE document DROP COLUMN company; ALTER TABLE document DROP COLUMN key;
    DROP INDEX idempotency_document; ALTER TABLE idempotency DROP COLUMN document;
    """,
    "ALTER TABLE document DROP COLUMN charset;",
    """
    DROP TABLE copy; DROP INDEX job_ready;
    CREATE INDEX job_step ON job (step, company, location, device, sequence);
    ALTER TABLE job DROP COLUMN queue; ALTER TABLE job DROP COLUMN key;
    ALTER TABLE job DROP COLUMN bytes;
    """,
    """
    DROP TRIGGER job_ended; DROP TRIGGER document_stored; DROP TRIGGER document_pruned;
    DROP TRIGGER document_deleted; DROP TRIGGER job_stored; DROP TRIGGER job_deleted;
    DROP TRIGGER upload_stored; DROP TRIGGER upload_changed; DROP TRIGGER upload_deleted;
    DROP TRIGGER copy_stored; DROP TRIGGER copy_deleted; DROP TABLE stored;
    DROP INDEX job_document; CREATE INDEX job_document ON job (document);
    DROP INDEX job_location; DROP INDEX job_running; DROP INDEX job_aimed;
    DROP INDEX document_ended; DROP INDEX document_company; DROP INDEX document_key;
    ALTER TABLE document DROP COLUMN ended;
    CREATE INDEX document_kept ON document (company, created) WHERE NOT pruned;
    DROP INDEX upload_created; DROP INDEX upload_key; DROP INDEX copy_key;
    DROP INDEX session_created; DROP INDEX session_account;
    """,
    """
    DROP INDEX job_unreleased; DROP INDEX job_held_for; DROP INDEX job_held_at;
    ALTER TABLE job DROP COLUMN held_for;
    """,
    "DROP TABLE sign_in_link;",
    """
    DROP TABLE audit; DROP INDEX account_subject; DROP INDEX account_company;
    ALTER TABLE account DROP COLUMN role; ALTER TABLE account DROP COLUMN disabled;
    ALTER TABLE account DROP COLUMN provider; ALTER TABLE account DROP COLUMN subject;
    ALTER TABLE account DROP COLUMN person;
    """,
    """
    DROP INDEX job_waiting; DROP INDEX job_failed;
    DROP INDEX job_waiting_at; DROP INDEX job_failed_at;
    ALTER TABLE transition DROP COLUMN step;
    """,
    "DROP TABLE claim; DROP TABLE client; ALTER TABLE api_key DROP COLUMN location;",
)


def _go_back(own: CloudletServer, version: int) -> None:
    script = "".join(reversed(_UNDO[version - 1 :]))
    with sqlite3.connect(own.data / "cloudlet.db") as db:
        db.executescript(f"{script} PRAGMA user_version = {version}")


def test_a_folder_of_an_earlier_version(own: CloudletServer) -> None:
    """A database of an earlier version is upgraded, and keeps its jobs."""
    job_id = Curl(own.url, own.key).submit(PDF)
    own.wait_for_job(job_id, 2)
    own.stop()
    _go_back(own, 1)
    own.come_back()
    own.cli("account", "add", "anna", "--company", "ACME")
    assert own.wait_for_job(job_id, 2)


@pytest.mark.parametrize("first", ["a command", "the server"])
def test_keys_of_an_earlier_version(own: CloudletServer, first: str) -> None:
    """Keys from versions without roles may only print; the first start says so once."""
    own.stop()
    for path in own.data.glob("cloudlet.db*"):
        path.unlink()
    with sqlite3.connect(own.data / "cloudlet.db") as db:
        db.executescript("".join(SCHEMAS[:2]))  # of the last version without roles
        db.executescript("INSERT INTO api_key VALUES ('old', 'x', 'ACME', 0)")
        db.execute("PRAGMA user_version = 2")
    db.close()
    said = "existing API keys (1) may now only print; to let one change devices and locations"
    advice = f"{said}, run: cirrus-cloudlet key role NAME admin --data {own.data}\n"
    if first == "a command":
        assert own.cli_result("key", "list").stderr == advice
    else:
        own.come_back()
        assert advice in own.log_text
    again = own.cli_result("key", "list")
    assert (again.stdout.split("\t")[::3], again.stderr) == (["old", "print\n"], "")


def test_each_start_is_another_instance(own: CloudletServer) -> None:
    """Server-Instance changes at each start.

    The backend then no longer trusts its uploads: the server may be restored from a backup.
    """
    curl = Curl(own.url, own.key)

    def instance() -> str:
        version, temp = curl.get("/api/version"), curl.post("/api/tempfile")
        (said,) = {answer.headers["server-instance"] for answer in (version, temp)}
        return said

    before = instance()
    assert instance() == before
    own.restart()
    assert instance() != before
