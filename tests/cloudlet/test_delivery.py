"""Devices deliver for real: into folders, to commands, to CUPS queues."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

PDF = b"%PDF-1.4 the document\n%%EOF\n"


def device(own: CloudletServer, kind: str, target: str, *options: str) -> None:
    """Add a device D to the office."""
    own.cli("device", "add", "ACME/Office/D", "--type", kind, "--target", target, *options)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("Report.PDF", "Report.pdf"),
        ("report", "report.pdf"),
        ("../../etc/passwd", "_._.._etc_passwd.pdf"),
        ("/etc/passwd", "_etc_passwd.pdf"),
        (".hidden", "_hidden.pdf"),
        ("-rf", "_rf.pdf"),
        ("", "untitled.pdf"),
        (" \t ", "_.pdf"),
        ("a\nb\x01c", "a_b_c.pdf"),
        ("日本語" * 100, "日本語" * 11 + ".pdf"),
        ("{jobid}", "{jobid}.pdf"),
    ],
)  # fmt: skip
def test_titles_make_safe_names(shared: CloudletServer, curl: Curl, title: str, name: str) -> None:
    """A title cannot leave the folder, hide the file or make its name too long."""
    job_id = curl.submit(PDF, title=title)
    path = Path(shared.wait_for_job(job_id, 2)["delivered_path"])
    assert path.parent == shared.data / "delivered" / "Office" / "Folder"
    assert path.name == f"{job_id}-{name}"
    assert path.read_bytes() == PDF


def test_existing_files_stay(own: CloudletServer, tmp_path: Path) -> None:
    """A delivery never overwrites a file; an absolute target is taken as it is."""
    device(own, "file", f"{tmp_path}/out/{{title}}.{{ext}}")
    curl = Curl(own.url, own.key)
    bodies = [PDF + bytes([number]) for number in range(3)]
    ids = [curl.submit(body, targets="Office:D", title="same") for body in bodies]
    paths = [own.wait_for_job(each, 2)["delivered_path"] for each in ids]
    names = ["same.pdf", "same-2.pdf", "same-3.pdf"]
    assert paths == [str(tmp_path / "out" / name) for name in names]
    assert [Path(path).read_bytes() for path in paths] == bodies
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)


def test_a_link_does_not_lead_out_of_the_folder(own: CloudletServer, tmp_path: Path) -> None:
    """A delivery does not follow a symbolic link out of its folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (own.data / "delivered" / "Office").symlink_to(outside)
    job_id = Curl(own.url, own.key).submit(PDF)
    own.wait_for_job(job_id, 1, message="outside")
    assert not list(outside.iterdir())


@pytest.mark.attacker("local account")
def test_a_link_within_the_folder(own: CloudletServer) -> None:
    """Put a link to another device's folder into a delivery folder: the document is not delivered
    there, and the job says so."""
    office = own.data / "delivered" / "Office"
    (office / "Private").mkdir(parents=True)
    (office / "Folder").symlink_to("Private")
    curl = Curl(own.url, own.key)
    job_id = curl.submit(PDF)
    job = own.wait_for_job(job_id, 1, message=f"{office / 'Folder'} is a symbolic link")
    assert "somebody delivers it again" in job["message"]
    assert not list((office / "Private").iterdir())
    (office / "Folder").unlink()
    own.cli("job", "retry", job_id)
    own.wait_for_job(job_id, 2)


def test_links_of_the_administrator(own: CloudletServer, tmp_path: Path) -> None:
    """Links above the first tag of a target are the administrator's, and are followed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "scans").symlink_to(disk)
    device(own, "file", f"{tmp_path}/scans/in/{{location}}/{{title}}.{{ext}}")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D", title="x")
    path = own.wait_for_job(job_id, 2)["delivered_path"]
    assert path == str(disk / "in" / "Office" / "x.pdf")
    assert Path(path).read_bytes() == PDF


@pytest.fixture
def open_folder(own: CloudletServer, tmp_path: Path) -> Path:
    """A folder that everybody may write to, with a device D that delivers into it."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    device(own, "file", f"{folder}/{{title}}.{{ext}}")
    return folder


@pytest.mark.attacker("local account")
def test_links_in_place_of_the_document(own: CloudletServer, open_folder: Path) -> None:
    """Put links into a delivery folder, under the names of the next documents: the server writes
    through none of them."""
    victim = own.data / "victim"
    victim.write_bytes(b"of the server")
    own.cli("location", "offline", "Office")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D", title="x")
    for name in (f".{job_id}.part", "x.pdf", "x-2.pdf"):
        (open_folder / name).symlink_to(victim)
    (open_folder / "x-3.pdf").symlink_to(own.data / "nowhere")
    own.cli("location", "online", "Office")
    path = Path(own.wait_for_job(job_id, 2)["delivered_path"])
    assert (path.name, path.is_symlink(), path.read_bytes()) == ("x-4.pdf", False, PDF)
    assert victim.read_bytes() == b"of the server"
    assert not (own.data / "nowhere").exists()


@pytest.mark.attacker("local account")
@pytest.mark.parametrize("kind", ["link", "fifo", "file"])
def test_a_copy_of_another_user(own: CloudletServer, open_folder: Path, kind: str) -> None:
    """Put a copy in the place of a document whose delivery a crash interrupted: the delivery is
    repeated."""
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D", title="x")
    path = Path(own.wait_for_job(job_id, 2)["delivered_path"])
    _interrupt(own)
    path.unlink()
    copy = open_folder / "copy"
    copy.write_bytes(PDF)
    if kind == "link":
        path.symlink_to(copy)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        copy.rename(path)
        os.chown(path, 65534, 65534)
    own.start(own.data)
    path = Path(own.wait_for_job(job_id, 2)["delivered_path"])
    assert (path.name, path.stat().st_uid, path.read_bytes()) == ("x-2.pdf", os.geteuid(), PDF)


def test_a_temporary_file_that_a_crash_leaves(own: CloudletServer, open_folder: Path) -> None:
    """The next start removes the temporary file of a killed server, even of a deleted job."""
    other = open_folder / ".of another program.part"
    other.touch()
    own.cli("location", "offline", "Office")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D", title="x")
    document = Path(own.jobs()[0]["document"])
    document.unlink()
    os.mkfifo(document)  # the delivery stops in the middle, until there is more to read
    own.cli("location", "online", "Office")
    until = time.monotonic() + 20
    with document.open("wb"):
        while len(list(open_folder.iterdir())) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        own.kill()
    (leftover,) = set(open_folder.iterdir()) - {other}
    assert job_id not in leftover.name
    own.cli("job", "delete", job_id)
    own.start(own.data)
    while leftover.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert list(open_folder.iterdir()) == [other]


def _interrupt(own: CloudletServer) -> None:
    """Kill the server as if it had not recorded yet that its deliveries were complete."""
    own.kill()
    with closing(sqlite3.connect(own.data / "cloudlet.db")) as db, db:
        db.execute("UPDATE job SET state = 1, step = 'running', delivered = NULL")


def test_a_folder_that_cannot_be_written(own: CloudletServer, tmp_path: Path) -> None:
    """The job stays received with the cause, and is delivered once the folder is fixed."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    device(own, "file", f"{blocked}/{{title}}.{{ext}}")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D")
    job = own.wait_for_job(job_id, 1, message="cannot write")
    assert job["delivered"] is None
    blocked.unlink()
    job = own.wait_for_job(job_id, 2)
    assert job["message"] == ""
    assert [step["state"] for step in job["history"]] == [0, 1, 1, 2]
    assert "cannot write" in job["history"][2]["message"]


def test_command(own: CloudletServer, tmp_path: Path) -> None:
    """A command gets the document, as file and as standard input, and the job properties."""
    script = (
        "import os, sys; sys.stdout = open(sys.argv[1], 'w');"
        "print(sys.argv[2:-1], sys.stdin.buffer.read() == open(sys.argv[-1], 'rb').read(),"
        "sorted(i for i in os.environ.items() if i[0].startswith('CIRRUS')))"
    )
    out = tmp_path / "out"
    words = [sys.executable, "-c", script, str(out), "{title}", "{location}:{device}", "{file}"]
    device(own, "command", shlex.join(words), "--props", "copies=2;x y=1")
    curl = Curl(own.url, own.key)
    job_id = curl.submit(PDF, targets="Office:D", title="a b; $(touch x)", props="copies=3")
    job = own.wait_for_job(job_id, 2)
    assert out.read_text().strip() == (
        "['a b; $(touch x)', 'Office:D'] True"
        " [('CIRRUS_PROP_COPIES', '3'), ('CIRRUS_PROP_X_Y', '1')]"
    )
    assert "'a b; $(touch x)'" in job["target"]
    assert job["delivered_path"] is None


def test_command_that_fails(own: CloudletServer, tmp_path: Path) -> None:
    """A command's last error line is the job's message; only `job retry` repeats the command."""
    flag = tmp_path / "flag"
    device(own, "command", f"sh -c 'echo >> {flag}.runs; echo first >&2; echo Paper jam >&2;"
                           f" echo >&2; test -e {flag}'")  # fmt: skip
    curl = Curl(own.url, own.key)
    failing = curl.submit(PDF, targets="Office:D")
    job = own.wait_for_job(failing, 1, message="Paper jam")
    assert "somebody delivers it again" in job["message"]
    assert "first" not in job["message"]
    flag.touch()
    later = curl.submit(PDF, targets="Office:D")
    own.wait_for_job(later, 2)
    assert own.wait_for_job(failing, 1)["message"] == job["message"]
    own.cli("job", "retry", failing)
    own.wait_for_job(failing, 2)
    assert Path(f"{flag}.runs").read_text() == "\n" * 3
    assert own.cli_result("job", "retry", failing).returncode == 1


def test_command_that_is_not_there(own: CloudletServer) -> None:
    """The job's message names a command that cannot be started."""
    device(own, "command", "/no/such/program {file}")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D")
    own.wait_for_job(job_id, 1, message="/no/such/program")


def test_printer_without_cups(own: CloudletServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a CUPS server the job stays received, with a message."""
    own.stop()
    monkeypatch.setenv("CUPS_SERVER", str(own.data / "no.sock"))
    own.start(own.data)
    device(own, "printer", "Queue")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D")
    job = own.wait_for_job(job_id, 1, message="CUPS queue Queue")
    assert job["target"] == "Queue"


def test_order_is_kept(own: CloudletServer, tmp_path: Path) -> None:
    """The jobs of one device are delivered in their order, one at a time."""
    script = f"echo $0 >>{tmp_path}/order; sleep 0.3; echo end >>{tmp_path}/order"
    device(own, "command", shlex.join(["sh", "-c", script, "{title}"]))
    own.cli("location", "offline", "Office")
    curl = Curl(own.url, own.key)
    titles = [f"job{number}" for number in range(6)]
    ids = [curl.submit(PDF, targets="Office:D", title=title) for title in titles]
    own.cli("location", "online", "Office")
    own.wait_for_job(ids[-1], 2)
    order = (tmp_path / "order").read_text().split()
    assert order == [word for title in titles for word in (title, "end")]


def test_offline_and_online(own: CloudletServer) -> None:
    """Jobs of an offline location wait in state 0, and are delivered in order once it is online."""
    curl = Curl(own.url, own.key)
    own.cli("location", "offline", "Office")
    waiting = [curl.submit(PDF) for _ in range(3)]
    assert all(job["state"] == 0 for job in own.jobs())
    own.restart()
    assert all(job["state"] == 0 for job in own.jobs())
    own.cli("location", "online", "Office")
    received = [own.wait_for_job(each, 2)["received"] for each in waiting]
    assert received == sorted(received)


def test_a_slow_device_does_not_delay_others(own: CloudletServer) -> None:
    """Several devices deliver at the same time."""
    device(own, "command", "sleep 60")
    curl = Curl(own.url, own.key)
    slow = curl.submit(PDF, targets="Office:D")
    own.wait_for_job(slow, 1)
    own.wait_for_job(curl.submit(PDF), 2)


def test_deleted_while_it_is_delivered(own: CloudletServer, tmp_path: Path) -> None:
    """A job that was deleted during its delivery stays deleted."""
    device(own, "command", f"sh -c 'while test ! -e {tmp_path}/go; do sleep 0.05; done'")
    curl = Curl(own.url, own.key)
    first = curl.submit(PDF, targets="Office:D")
    own.wait_for_job(first, 1)
    own.cli("job", "delete", first)
    second = curl.submit(PDF, targets="Office:D")
    (tmp_path / "go").touch()
    own.wait_for_job(second, 2)
    assert next(job for job in own.jobs() if job["id"] == first)["state"] == 3


def test_an_interrupted_command_is_not_repeated(own: CloudletServer, tmp_path: Path) -> None:
    """An interrupted command may have had its effect, so only `job retry` repeats it."""
    device(own, "command", f"sh -c 'echo $$ >> {tmp_path}/runs; test -e {tmp_path}/go || sleep 60'")
    curl = Curl(own.url, own.key)
    stopped = curl.submit(PDF, targets="Office:D")
    own.wait_for_job(stopped, 1)
    _until_run(tmp_path / "runs", 1)
    own.restart()
    own.wait_for_job(stopped, 1, message="interrupted")
    killed = curl.submit(PDF, targets="Office:D")
    own.wait_for_job(killed, 1)
    pid = _until_run(tmp_path / "runs", 2)
    own.kill()
    os.killpg(pid, signal.SIGKILL)
    own.start(own.data)
    for each in (stopped, killed):
        assert "somebody delivers it" in own.wait_for_job(each, 1, message="interrupted")["message"]
    (tmp_path / "go").touch()
    own.cli("job", "retry", killed)
    own.wait_for_job(killed, 2)
    assert len((tmp_path / "runs").read_text().split()) == 3


def _until_run(runs: Path, count: int) -> int:
    """Wait for the command's run of this number; return its process id."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        lines = runs.read_text().split() if runs.exists() else []
        if len(lines) == count:
            return int(lines[-1])
        time.sleep(0.02)
    raise AssertionError("the command was not run")


def test_digest_of_a_large_document(own: CloudletServer) -> None:
    """A large document arrives unchanged, and leaves no temporary file."""
    body = b"%PDF" + hashlib.shake_128(b"large").digest(30_000_000)
    curl = Curl(own.url, own.key)
    job = own.wait_for_job(curl.submit(body), 2)
    assert Path(job["delivered_path"]).read_bytes() == body
    assert Path(job["document"]).read_bytes() == body
    assert not list((own.data / "uploads").iterdir())
    assert len(list(Path(job["delivered_path"]).parent.iterdir())) == 1


@pytest.mark.attacker("print key")
def test_slow_commands_of_another_company(own: CloudletServer, tmp_path: Path) -> None:
    """Keep a company's deliveries busy with slow commands: another company's documents are
    delivered at once."""
    until = tmp_path / "until"
    _add_slow_devices(own, 17, f"until [ -e {until} ]; do sleep 0.1; done")
    own.cli("device", "add", "--parents", "Rival/Office/Folder", "--type", "file")
    slow = _submit_to(own, range(17))
    own.wait_for_job(slow[15], 1)
    own.wait_for_job(Curl(own.url, own.new_key("Rival")).submit(PDF), 2)
    assert {job["state"] for job in own.jobs() if job["id"] in slow} <= {0, 1}
    until.touch()
    for job_id in slow:
        own.wait_for_job(job_id, 2)


def test_order_of_the_devices_of_a_company(own: CloudletServer, tmp_path: Path) -> None:
    """A company's deliveries are all busy: the device that waits longest is the next one, before
    a second job for a device that was just served."""
    _add_slow_devices(own, 17, f"until [ -e {tmp_path}/{{device}} ]; do sleep 0.1; done")
    jobs = _submit_to(own, [*range(17), *range(16)])
    own.wait_for_job(jobs[15], 1)
    (tmp_path / "D3").touch()
    own.wait_for_job(jobs[3], 2)
    own.wait_for_job(jobs[16], 1)
    assert own.wait_for_job(jobs[17 + 3], 0)["received"] is None
    for number in range(17):
        (tmp_path / f"D{number}").touch()
    for job_id in jobs:
        own.wait_for_job(job_id, 2)


def _add_slow_devices(own: CloudletServer, count: int, script: str) -> None:
    with (own.data / "cloudlet.toml").open("a") as toml:
        for number in range(count):
            fields = {"company": "ACME", "location": "Office", "id": f"D{number}"}
            fields |= {"type": "command", "target": shlex.join(["sh", "-c", script])}
            lines = [f"{name} = {json.dumps(value)}\n" for name, value in fields.items()]
            toml.write("[[device]]\n" + "".join(lines))


def _submit_to(own: CloudletServer, numbers: Iterable[int]) -> Sequence[str]:
    """Submit a document to these devices; return the ids of the jobs."""
    targets = ";".join(f"Office:D{number}" for number in numbers)
    return Curl(own.url, own.key).put("/api/putfile", PDF, targets=targets, title="a").lines
