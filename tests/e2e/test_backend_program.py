"""The backend as a program: arguments, streams, exit codes, signals, memory (backend(7))."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from print_site import BACKEND, PrintSite, document, eventually
from programs import Program
from scripted_server import Answer, ScriptedServer
from tcp_proxy import TcpProxy


def _run(
    site: PrintSite, *arguments: str | Path, data: bytes = b"", options: str = "", **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [BACKEND, *arguments],
        input=data,
        env=_env(site, options, **env),
        capture_output=True,
        check=False,
        timeout=60,
    )


def _env(site: PrintSite, options: str = "", **env: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "CIRRUS_BRIDGE_CONFIG": str(site.config),
        "CIRRUS_BRIDGE_STATE": str(site.state),
        "CIRRUS_BRIDGE_CACHE": str(site.root / "cache"),
        "DEVICE_URI": f"cirrus://{site.server}/Acme/Paris:Laser1{options}",
        "PRINTER": "q",
        **env,
    }


def _other_server(site: PrintSite, host: str) -> Path:
    entry = site.config / "servers.d" / "other.toml"
    entry.touch(mode=0o600)
    entry.write_text(
        f'[[server]]\nhost = "{host}"\ncompany = "Acme"\napi_key = "k3y"\nlocations = ["Rome"]\n'
    )
    return entry


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_usage(site: PrintSite, count: int) -> None:
    """Any number of arguments but 0, 5 or 6 shows the usage and exits with 1."""
    done = _run(site, *["1"] * count)
    assert done.returncode == 1
    assert b"Usage: cirrus JOB-ID USER TITLE COPIES OPTIONS [FILE]" in done.stderr
    assert b"ERROR: " in done.stderr


def test_no_device_uri(site: PrintSite) -> None:
    """Without a queue, one error names what is missing, and nothing is sent."""
    done = _run(site, "1", "ann", "t", "1", "", data=b"x", DEVICE_URI="")
    assert done.returncode == 1
    assert done.stderr.count(b"ERROR: ") == 1
    assert b"DEVICE_URI is not set" in done.stderr and b"(CB-101)" in done.stderr


def test_cupsd_dies_before_its_backend_has_begun(own_site: PrintSite, tmp_path: Path) -> None:
    """Such a run does nothing: the backend cannot know which files of the job it has."""
    data = tmp_path / "data"
    data.write_bytes(b"x")
    words = f"{BACKEND} 1 ann t 1 'job-uuid=urn:uuid:1 time-at-processing=1' {data}"
    is_child = "[ $(cut -d' ' -f4 /proc/$BASHPID/stat) = $$ ]"
    orphaned = f"(while {is_child}; do :; done; exec {words}) &"
    done = subprocess.run(
        ["bash", "-c", orphaned],
        env=_env(own_site, SOFTWARE="CUPS/2.4.2"),
        capture_output=True,
        check=True,
        timeout=60,
    )  # waits for the programs that share its output
    assert (
        done.stderr.startswith(b"DEBUG: the cupsd that started") and done.stderr.count(b"\n") == 2
    )
    assert own_site.journal("SELECT 1 FROM document") == []
    assert own_site.cloud.jobs() == []


def _discover(site: PrintSite, device: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run discovery until `device` is listed, or until all locations respond in time.

    A busy machine may take longer than discovery waits.
    """
    done = _run(site)

    def is_complete() -> bool:
        nonlocal done
        done = _run(site)
        assert done.returncode == 0
        return device in done.stdout if device else b"no response in time" not in done.stderr

    eventually(is_complete)
    return done


def test_discovery_lines(site: PrintSite) -> None:
    """Without arguments, each device and the scheme have a line in backend(7)'s form."""
    done = _discover(site)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == 'network cirrus "Unknown" "Cirrus Bridge (cloud printing)"'
    (line,) = [line for line in lines if f"cirrus://{site.server}/Acme/Paris:Laser1 " in line]
    assert re.fullmatch(
        r'network \S+ "Cirrus (Laser1 at Paris office) \[([0-9a-f]{8})\]" "Laser1 at Paris office" '
        r'"MFG:Cirrus;MDL:\1 #\2[0-9a-f]{4};CMD:PDF;" "Paris office"',
        line,
    )
    assert site.key not in done.stdout.decode() + done.stderr.decode()


def test_discovery_says_what_is_not_listed(own_site: PrintSite) -> None:
    """A server that cannot be asked is an ERROR line; other servers' devices are listed."""
    _other_server(own_site, "127.0.0.1:9")
    done = _discover(own_site, b"/Acme/Paris:Laser1")
    assert b"ERROR: No response for location Rome of 127.0.0.1:9: " in done.stderr
    assert b"cupsenable" not in done.stderr


def test_discovery_takes_no_key_across_the_network(own_site: PrintSite) -> None:
    """The default encryption=never applies to this machine, or where an entry allows it."""
    with ScriptedServer(lambda _: Answer("{}")) as server:
        address = server.name.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - not loopback by name
        entry = _other_server(own_site, address)
        assert _run(own_site).returncode == 0
        assert server.requests == []
        entry.write_text(entry.read_text() + "allow_plaintext = true\n")
        _discover(own_site)
        assert server.requests


def test_an_internal_error(own_site: PrintSite) -> None:
    """The job is held with a message, and the log has the traceback."""
    job = ("7", "ann", "t", "1", "job-uuid=urn:uuid:77")
    assert _run(own_site, *job, data=b"x").returncode == 0
    with contextlib.closing(sqlite3.connect(own_site.state / "journal.db")) as db, db:
        db.execute("UPDATE document SET state = 'odd'")
    done = _run(own_site, *job, data=b"x")
    assert done.returncode == 3
    assert b"ERROR: Printing failed because of an internal error. Tell your" in done.stderr
    assert b"WARNING: Internal error in Cirrus Bridge. The job is held" in done.stderr
    assert b"DEBUG: ValueError: 'odd' is not a valid State" in done.stderr


def test_inactive_devices_are_not_discovered(own_site: PrintSite) -> None:
    """Devices that are inactive at the cloud are not offered, because they cannot print."""
    toml = own_site.cloud.data / "cloudlet.toml"
    toml.write_text(toml.read_text().replace('type = "file"', 'type = "file"\ninactive = true'))
    assert b"Laser1" not in _run(own_site).stdout


def test_discovery_without_a_server(site: PrintSite, tmp_path: Path) -> None:
    """With a dead server or no configuration, the scheme's own line remains."""
    done = _run(site, CIRRUS_BRIDGE_CONFIG=str(tmp_path))
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert f"entry in {tmp_path}/servers.d".encode() in done.stderr


def test_empty_standard_input(site: PrintSite) -> None:
    """If filters produced nothing, the job is held with that reason."""
    done = _run(site, "1", "ann", "t", "1", "")
    assert done.returncode == 3
    assert b"ERROR: There is nothing to print" in done.stderr


def test_from_standard_input(site: PrintSite) -> None:
    """With five arguments, the document comes from standard input."""
    title = f"by hand {os.getpid()}"
    done = _run(site, "1", "ann", title, "2", "sides=one-sided", data=b"hello\n")
    assert done.returncode == 0, done.stderr
    (job,) = [job for job in site.cloud.jobs() if job["title"] == title]
    assert document(job) == b"hello\n"
    assert job["props"] == {"copies": "2", "duplex": "1"}
    assert b"INFO: Delivered at Paris:Laser1" in done.stderr
    assert done.stdout == b""


def test_files_of_a_job_within_one_second(site: PrintSite) -> None:
    """The first file is not printed again, and the second is not taken for a third.

    CUPS starts a job's files again after the second one failed, all within one second.
    """
    options = (
        f"job-uuid=urn:uuid:{os.getpid()}-{time.monotonic_ns()} time-at-processing=100"
        " document-name-supplied=a document-name-supplied=b"
    )
    title = f"within one second {time.monotonic_ns()}"
    driver = {"FINAL_CONTENT_TYPE": "application/vnd.cups-pdf"}
    runs = [(b"first", 0), (b"", 3), (b"first", 0), (b"second", 0)]
    for data, exit_code in runs:
        done = _run(site, "1", "ann", title, "1", options, data=data, **driver)
        assert done.returncode == exit_code, done.stderr
    jobs = [job for job in site.cloud.jobs() if job["title"] == title]
    assert [document(job) for job in jobs] == [b"first", b"second"]


def test_unreadable_file(site: PrintSite, tmp_path: Path) -> None:
    """A missing spool file holds the job, with one error."""
    done = _run(site, "1", "ann", "t", "1", "", tmp_path / "d00001-001")
    assert done.returncode == 3
    assert done.stderr.count(b"ERROR: ") == 1


def test_journal_that_cannot_be_written(site: PrintSite, tmp_path: Path) -> None:
    """Without a journal nothing is sent, because nothing could prevent a second print."""
    (tmp_path / "file").touch()
    title = f"no journal {os.getpid()}"
    state = str(tmp_path / "file")
    done = _run(site, "1", "ann", title, "1", "", data=b"x", CIRRUS_BRIDGE_STATE=state)
    assert done.returncode == 3
    assert b"(CB-501)" in done.stderr
    assert [job for job in site.cloud.jobs() if job["title"] == title] == []


def test_user_in_the_uri(site: PrintSite) -> None:
    """apple/cups#5372, #3174, #1259: a password in a URI is refused and not repeated.

    CUPS shows URIs to everybody. The queue stops (exit status 4).
    """
    done = _run(site, "1", "a", "t", "1", "", DEVICE_URI="cirrus://u:pa55@h/Acme/Paris:L")
    assert done.returncode == 4
    assert b"user or password" in done.stderr
    assert b"pa55" not in done.stderr


def test_plain_text_to_another_machine(site: PrintSite) -> None:
    """encryption=never is for loopback hosts, or for hosts that an administrator allows."""
    (site.config / "servers.d/far.toml").touch(mode=0o600)
    (site.config / "servers.d/far.toml").write_text('[[server]]\nhost = "far.invalid"\napi_key="k"')
    uri = "cirrus://far.invalid/Acme/Paris:Laser1?encryption=never"
    done = _run(site, "1", "a", "t", "1", "", DEVICE_URI=uri)
    assert done.returncode == 4
    assert b"allow_plaintext" in done.stderr


@pytest.mark.parametrize("size", [1000, 5_000_000], ids=["putfile", "segments"])
def test_sigterm_while_reading(own_site: PrintSite, size: int) -> None:
    """SIGTERM while filters work ends the backend quickly, and nothing is submitted."""
    with Program[bytes](
        [BACKEND, "1", "ann", "t", "1", ""],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_env(own_site),
    ) as backend:
        assert backend.stdin is not None
        assert backend.stderr is not None
        backend.stdin.write(random.Random(1).randbytes(size))
        backend.stdin.flush()
        deadline = time.monotonic() + 20
        while not own_site.journal("SELECT 1 FROM document"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        backend.send_signal(signal.SIGTERM)
        messages = backend.stderr.read()
        assert backend.wait(60) == 7
    assert b"nothing was printed" in messages
    assert own_site.cloud.jobs() == []


def test_the_first_segment_leaves_before_all_is_read(own_site: PrintSite) -> None:
    """Reading, compressing and sending overlap: a segment is sent while data is still missing."""
    with TcpProxy(own_site.server) as proxy:
        own_site.configure(server=proxy.name)
        data = random.Random(3).randbytes(3_000_000)
        with Program[bytes](
            [BACKEND, "1", "ann", "t", "1", ""],
            env=_env(own_site, DEVICE_URI=f"cirrus://{proxy.name}/Acme/Paris:Laser1"),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as backend:
            assert backend.stdin is not None
            backend.stdin.write(data[:2_000_000])
            backend.stdin.flush()
            eventually(lambda: any(b"putsegment" in head for head in proxy.heads))
            backend.stdin.write(data[2_000_000:])
            backend.stdin.close()
            assert backend.wait(60) == 0
    assert [document(job) for job in own_site.cloud.jobs()] == [data]


def test_memory_does_not_grow_with_the_job(site: PrintSite, tmp_path: Path) -> None:
    """A job of 240 MB takes no more memory than one of 60 MB.

    The peak is at most 64 MiB above that of the interpreter alone.
    """
    peaks_kb = []
    for size in (60_000_000, 240_000_000):
        path = tmp_path / "d00001-001"
        path.write_bytes(random.Random(1).randbytes(1_000_000) * (size // 1_000_000))
        with Program[bytes](
            [BACKEND, "1", "ann", "t", "1", "", path],
            env=_env(site, "?wait=submitted&compression=none"),
            stderr=subprocess.DEVNULL,
        ) as backend:
            peaks_kb.append(_watch_peak_kb(backend))
            assert backend.returncode == 0
    assert 10_000 < peaks_kb[1] < peaks_kb[0] + 16_000
    assert peaks_kb[1] < _INTERPRETER_KB + 64 * 1024


def _watch_peak_kb(process: Program[bytes]) -> int:
    """The peak memory (VmHWM, proc(5)) of a process and its children together, at their end.

    ru_maxrss would count the memory of pytest.
    """
    peaks_kb: dict[str, int] = {}
    while process.poll() is None:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            for number in (str(process.pid), *children.split()):
                status = Path(f"/proc/{number}/status").read_text()
                found = re.search(r"VmHWM:\s*(\d+)", status)
                peaks_kb[number] = int(found[1]) if found else peaks_kb.get(number, 0)
        time.sleep(0.01)
    return sum(peaks_kb.values())


_INTERPRETER_KB = 10_000  # of `python3 -c 0`


@pytest.mark.parametrize("is_warm", [False, True])
def test_no_root_where_none_is_needed(is_warm: bool) -> None:
    """The process that uses network and journal is not root, and cannot become root again.

    CUPS's filters run as the same user and cannot look into that process.
    """
    with PrintSite(is_warm=is_warm) as site:
        _look_at_a_worker(site)


def _look_at_a_worker(site: PrintSite) -> None:
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False, options="?waittimeout=1"), data=b"x")
    eventually(lambda: site.journal("SELECT accepted_at > 0 FROM document") == [(1,)])
    worker = Path(f"/proc/{site.worker()}")
    status = dict(
        line.split(":\t", 1)
        for line in (worker / "status").read_text().splitlines()
        if ":\t" in line
    )
    user = site.state.stat().st_uid  # lp, unless a package has made a user
    assert user != 0
    assert status["Uid"].split() == [str(user)] * 4
    assert status["Groups"].split() == [str(pwd.getpwnam("lp").pw_gid)]
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
    spy = ["setpriv", f"--reuid={user}", "--clear-groups", "cat", str(worker / "environ")]
    assert subprocess.run(spy, capture_output=True, check=False).returncode != 0
    site.cups.wait_job(job_id, "held")
    assert {path.stat().st_uid for path in (site.state, *site.state.iterdir())} == {user}
