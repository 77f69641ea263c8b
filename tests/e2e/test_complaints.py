"""Complaints about other bridges that have no other test: none may happen here.

Docstrings name the thread; `unit/documents/test_complaints_have_tests.py` has the list of all.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from print_site import BACKEND, PrintSite, eventually
from scripted_server import Answer, Request, ScriptedServer
from tcp_proxy import TcpProxy

COMPLETED = 9


def test_a_field_changes_its_type(own_site: PrintSite) -> None:
    """simoncadman/CUPS-Cloud-Print#96: one clear line without a traceback; jobs stay.

    The queue goes on. When the server is fixed, the jobs end as they should.
    """
    states: list[object] = [{"code": 1}]
    submitted = 0

    def script(request: Request) -> Answer:
        nonlocal submitted
        if request.method == "PUT":
            submitted += 1
            return Answer(f"20261123000000-{submitted}")
        return Answer(json.dumps({"State": states[-1]}), content_type="application/json")

    site = own_site
    with ScriptedServer(script) as server:
        site.configure(server=server.name)
        queue = site.queue(driver=False, server=server.name, options="?waittimeout=1")
        with site.statusd():
            jobs = [site.cups.lp(queue, data=data) for data in (b"a", b"b")]
            for job_id in jobs:
                site.cups.wait_job(job_id, "held")
            eventually(lambda: "event=server-away" in site.statusd_log())
            assert site.cups.printer(queue)["printer-state"] == 3
            states.append(2)
            for job_id in jobs:
                assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert submitted == len(jobs)
    assert site.statusd_log().count("event=server-away") == 1
    assert "(CB-403)" in site.statusd_log()
    assert "Traceback" not in site.statusd_log() + site.cups.error_log()


def test_a_file_that_may_not_be_read(site: PrintSite, tmp_path: Path) -> None:
    """apple/cups#2181, #2935: EACCES is a clear error that names the file, and the job ends."""
    spool_file = tmp_path / "d00001-001"
    spool_file.write_bytes(b"x")
    spool_file.chmod(0)
    done = _run_without_privileges(site, spool_file)
    assert done.returncode == 3
    assert b"ERROR: The print data cannot be read (Permission denied)" in done.stderr
    config = tmp_path / "etc"
    (config / "servers.d").mkdir(parents=True)
    (config / "bridge.toml").touch(mode=0)
    done = _run_without_privileges(site, spool_file, CIRRUS_BRIDGE_CONFIG=str(config))
    assert done.returncode == 4
    assert f"{config}/bridge.toml".encode() in done.stderr
    assert b"Permission denied" in done.stderr


def test_nothing_is_done_twice_and_nothing_piles_up(own_site: PrintSite) -> None:
    """cloud-print-connector#334, #343: a finished job is neither asked for nor submitted again.

    That holds for a later poller, too. The journal forgets the job, and no temporary file stays.
    """
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        with (site.config / "bridge.toml").open("a") as file:
            file.write("[journal]\nkeep_days = 0\n")
        queue = site.queue(driver=False, server=proxy.name, options="?waittimeout=1")
        site.cloud.cli("location", "offline", "Paris")
        small, large = (site.cups.lp(queue, data=b"x" * size) for size in (10, 700_000))
        for job_id in (small, large):
            site.cups.wait_job(job_id, "held")
        site.cloud.cli("location", "online", "Paris")
        with site.statusd():
            for job_id in (small, large):
                assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        asked = len(proxy.heads)
        with site.statusd():  # a starting poller forgets closed jobs
            eventually(lambda: site.journal("SELECT 1 FROM document") == [])
            eventually(site.poller)
        assert len(proxy.heads) == asked
    assert len(site.cloud.jobs()) == 2
    for table in ("document", "delivery", "segment"):
        assert site.journal(f"SELECT * FROM {table}") == []  # noqa: S608
    assert {path.name for path in site.state.rglob("*") if path.is_file()} <= {
        *("journal.db", "journal.db-wal", "journal.db-shm", "jobs.lock"),
    }
    assert list((site.cups.root / "spool" / "tmp").iterdir()) == []


def _run_without_privileges(
    site: PrintSite, spool_file: Path, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """The backend without privileges, so that file modes count for root, too."""
    drop = ("setpriv", "--inh-caps", "-all", "--bounding-set", "-dac_override,-dac_read_search")
    return subprocess.run(
        [*(drop if os.geteuid() == 0 else ()), BACKEND, "1", "ann", "t", "1", "", spool_file],
        env={
            "PATH": os.environ["PATH"],
            **site.environ,
            "DEVICE_URI": f"cirrus://{site.server}/Acme/Paris:Laser1",
            "PRINTER": "q",
            **env,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
