"""Attacks by another user of the same machine.

Hostile servers and devices are in `unit/drivers/test_hostile_devices.py` and `fuzz`. Hooks that
another user could have chosen, and metrics without names, are in `e2e/test_statusd_tells.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.queues.apply import LOCK
from cloudlet_server import CloudletServer
from curl import Curl
from print_site import BACKEND, PrintSite, document, eventually
from programs import Program

COMPLETED = 9
SECRET = b"root:secret"


NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def _as_nobody(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user with no rights."""
    return subprocess.run(
        [*NOBODY, *map(str, words)],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.attacker("local account")
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660])
@pytest.mark.parametrize("own_file", [False, True], ids=["servers.d", "api_key_file"])
def test_a_key_that_others_can_read(own_site: PrintSite, mode: int, own_file: bool) -> None:
    """Read a key file that its mode leaves open: the bridge refuses the key, and the log says how
    to make the file private."""
    site = own_site
    path = site.config / "servers.d" / "site.toml"
    if own_file:
        key = site.config / "key"
        key.touch(0o600)
        key.write_text(site.key)
        path.write_text(
            path.read_text().replace(f'api_key = "{site.key}"', f'api_key_file = "{key}"')
        )
        path = key
    path.chmod(mode)
    queue = site.queue(driver=False)
    site.cups.lp(queue, data=b"x")
    eventually(lambda: site.cups.printer(queue)["printer-state"] == 5)
    said = site.cups.printer(queue)["printer-state-message"]
    assert "(CB-203)" in said and str(path) not in said
    assert f"chmod 600 {path}" in site.cups.error_log()
    assert site.key not in site.cups.log_end()
    assert site.cloud.jobs() == []


@pytest.mark.attacker("local account")
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "jobs.lock", "runs"])
def test_links_in_the_state_folder(own_site: PrintSite, tmp_path: Path, name: str) -> None:
    """Put links into the state folder, as lp, the user of CUPS's filters: root follows none of
    them."""
    site = own_site
    target = tmp_path / "of-root"
    if name == "runs":
        target.mkdir(0o700)
    else:
        target.touch(0o600)
        target.write_bytes(SECRET)
    site.state.mkdir(0o700)
    (site.state / name).symlink_to(target)
    lp = pwd.getpwnam("lp")
    for path in (site.state, site.state / name):
        os.chown(path, lp.pw_uid, lp.pw_gid, follow_symlinks=False)
    job = site.cups.wait_job(site.cups.lp(site.queue(driver=False), data=b"x"), "held", "completed")
    if job["job-state"] != COMPLETED:
        assert "(CB-50" in job["job-printer-state-message"]
        assert site.cloud.jobs() == []
    status = target.stat()
    assert (status.st_uid, status.st_mode & 0o077) == (0, 0)
    assert list(target.iterdir()) == [] if name == "runs" else target.read_bytes() == SECRET


@pytest.mark.attacker("local account")
@pytest.mark.parametrize(
    "words",
    [
        ["-t", "x\nERROR: forged\nSTATE: +paused\nATTR: printer-state-reasons=paused"],
        ["-t", "$(touch {0}) `touch {0}`; touch {0} & '\"\\"],
        ["-t", "../../../../etc/passwd\x1b[2J"],
        ["-U", "$(touch {0})"],
        ["-o", "PageSize='; touch {0}'"],
        ["-o", "copies=1 targets=Paris:Laser2 api_key=x apikey=y"],
    ],
)
def test_hostile_words(own_site: PrintSite, tmp_path: Path, words: list[str]) -> None:
    """Put shell commands or CUPS status lines into a title, a user or an option: nothing runs, and
    no message or field is forged.

    Text that the API cannot carry is refused.
    """
    site, trace = own_site, tmp_path / "trace"
    hook = site.root / "hook"
    hook.write_text("#!/bin/sh\nexec env\n")
    hook.chmod(0o755)
    site.configure_statusd(f'hook = ["{hook}"]')
    queue = site.queue(driver=False)
    with site.statusd():
        eventually(lambda: "event=started" in site.statusd_log())
        job_id = site.cups.lp(queue, *(word.format(trace) for word in words), data=b"x")
        job = site.cups.wait_job(job_id, "completed", "aborted", "held")
    assert not trace.exists()
    printer = site.cups.printer(queue)
    assert "paused" not in str(printer["printer-state-reasons"])
    assert "forged" not in str(printer["printer-state-message"])
    for sent in site.cloud.jobs():
        assert sent["title"].isprintable()
        assert (sent["location"], sent["device"]) == ("Paris", "Laser1")
    assert job["job-state"] == COMPLETED or "(CB-3" in job["job-printer-state-message"]


@pytest.mark.attacker("local account")
@pytest.mark.parametrize(
    "option",
    [
        "job-uuid={uuid}",
        "time-at-completed=1",
        "time-at-processing=1",
        "document-name-supplied=a document-name-supplied=b",
        "job-id={job}",
        "device-uri=cirrus://elsewhere/Acme/Paris:Laser1",
    ],
)
def test_forged_options_of_cups(own_site: PrintSite, option: str) -> None:
    """Forge CUPS's own options in lpoptions: nobody's job is taken over, and everyone can print."""
    site = own_site
    queue = site.queue(driver=False)
    victim = site.cups.lp(queue, data=b"of the victim")
    uuid = site.cups.wait_job(victim)["job-uuid"]
    before = site.journal("SELECT * FROM document")
    home = site.root / "home"
    (home / ".cups").mkdir(parents=True)
    claimed = option.format(uuid=uuid, job=victim)
    (home / ".cups" / "lpoptions").write_text(f"Dest {queue} {claimed}\n")
    (home / "own").write_bytes(b"of the attacker")
    lp = shlex.split(f"lp -h {site.cups.socket} -d {queue}")
    done = _as_nobody(*lp, home / "own", HOME=str(home))
    assert done.returncode == 0, done.stderr
    job = site.cups.wait_job(int(done.stdout.split()[3].rpartition("-")[2]), "completed", "held")
    again = site.cups.wait_job(site.cups.lp(queue, data=b"of a third"))
    assert again["job-state"] == job["job-state"] == COMPLETED
    printed = sorted(document(each) for each in site.cloud.jobs())
    assert printed == [b"of a third", b"of the attacker", b"of the victim"]
    after = site.journal("SELECT * FROM document")
    assert after[: len(before)] == before


@pytest.mark.attacker("local account")
def test_another_user_looks_around(own_site: PrintSite) -> None:
    """Read keys or the journal, or run the programs that read them: access is denied."""
    site = own_site
    site.cups.wait_job(site.cups.lp(site.queue(driver=False), "-t", "private", data=b"x"))
    for path in (
        *(site.config / "servers.d" / "site.toml", site.state / "journal.db"),
        *(site.state, *site.state.iterdir()),
    ):
        assert _as_nobody("cat" if path.is_file() else "ls", path).returncode != 0
    for program in (BACKEND, BACKEND.with_name("cirrus-statusd")):
        ran = _as_nobody(program, "--once" if "statusd" in program.name else "", **site.environ)
        assert ran.returncode != 0
        assert site.key not in ran.stdout + ran.stderr
        assert "private" not in ran.stdout + ran.stderr
        assert "(CB-" in ran.stderr


@pytest.mark.attacker("local account")
def test_the_memory_of_a_job(own_site: PrintSite) -> None:
    """Take over a process that prints: it has no key of another server, gains no rights, and leaves
    no core dump."""
    site = own_site
    queue = site.queue_to_nobody()
    entry = site.config / "servers.d" / "nobody.toml"
    entry.write_text(entry.read_text().replace('"k"', '"own-k3y"'))
    site.cups.lp(queue, data=b"x")
    eventually(lambda: "refused" in site.cups.log_end())
    worker = site.worker()
    memory = _memory(worker)
    assert b"own-k3y" in memory
    assert site.key.encode() not in memory
    for process in (worker, site.supervisor()):
        status = Path(f"/proc/{process}/status").read_text()
        assert "NoNewPrivs:\t1\n" in status and "CapBnd:\t0000000000000000\n" in status
        limits = Path(f"/proc/{process}/limits").read_text().split("\n")
        assert [each.split()[4] for each in limits if "core file" in each] == ["0"]  # the soft one
    owners = Path(f"/proc/{worker}/status").read_text().partition("Uid:")[2].split()[:4]
    assert owners == [str(site.state.stat().st_uid)] * 4
    assert Path(f"/proc/{worker}/environ").stat().st_uid == 0  # not dumpable: proc(5)


def _memory(process: int) -> bytes:
    """The writable memory of a process."""
    found = []
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            begin, end = (int(each, 16) for each in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                with contextlib.suppress(OSError):
                    found.append(memory.read(end - begin))
    return b"".join(found)


@pytest.mark.attacker("local account")
@pytest.mark.parametrize("is_private", [True, False], ids=["private values", "open values"])
def test_jobs_of_others(own_site: PrintSite, pdfs: dict[int, Path], is_private: bool) -> None:
    """Look for other people's jobs with `cirrusctl jobs` and `job`: only the account's own jobs
    are shown, even if CUPS's policy shows all, and the journal stays closed."""
    site = own_site
    conf = site.cups.root / "etc" / "cupsd.conf"
    if is_private:  # as CUPS does unless cupsd.conf says otherwise
        ours = ("JobPrivate", "DefaultAuthType")
        lines = conf.read_text().splitlines(keepends=True)
        conf.write_text("".join(line for line in lines if not line.strip().startswith(ours)))
        site.cups.stop()
        site.cups.start()
    queue, refused = site.queue(), site.queue("Paris:None")
    environ = site.environ | {"CUPS_SERVER": str(site.cups.socket)}
    theirs = [site.cups.lp(each, "-U", "ann", "-t", "Redundancies", pdfs[1]) for each in
              (queue, refused)]  # fmt: skip
    letter = site.root / "letter.pdf"
    letter.write_bytes(pdfs[1].read_bytes())
    said = _as_nobody("lp", "-d", queue, "-t", "My letter", letter, **environ)
    assert said.returncode == 0, said.stderr
    own = int(said.stdout.partition(f"{queue}-")[2].split()[0])
    for job_id, state in ((theirs[0], "completed"), (theirs[1], "held"), (own, "completed")):
        site.cups.wait_job(job_id, state)
    cirrusctl = BACKEND.with_name("cirrusctl")
    done = _as_nobody(cirrusctl, "jobs", "--json", **environ)
    (job,) = json.loads(done.stdout)
    assert (job["job"], job["user"], job["title"]) == (own, "nobody", "My letter")
    assert job["state"] == "completed" and job["pages"] is None
    told = _as_nobody(cirrusctl, "job", str(own), **environ)
    assert "My letter" in told.stdout and "ended in CUPS: completed" in told.stdout
    outputs = [done, told, _as_nobody(cirrusctl, "jobs", **environ)]
    for other in theirs:
        outputs.append(_as_nobody(cirrusctl, "job", str(other), **environ))
        assert outputs[-1].returncode == 7 and f"You have no job {other}" in outputs[-1].stderr
    outputs.append(_as_nobody(cirrusctl, "jobs", "--before", str(own), **environ))
    assert outputs[-1].returncode == 6
    outputs.append(_as_nobody(cirrusctl, "jobs", "--user", "ann", **environ))
    outputs.append(_as_nobody("cat", site.state / "journal.db"))
    assert outputs[-1].returncode == 1
    for each in outputs:
        shown = each.stdout + each.stderr
        assert not [word for word in ("Redundancies", "'ann'", " ann", site.key) if word in shown]
    assert {job["job"] for job in json.loads(site.cirrusctl("jobs", "--json").stdout)} == {
        *(own, *theirs)
    }


@pytest.mark.attacker("local account")
def test_locks_of_another_user(own_site: PrintSite) -> None:
    """Lock files in the configuration folder, even if servers.d is open to all: `cirrusctl apply`
    does not wait."""
    site = own_site
    queues = site.config / "queues.toml"
    queues.write_text('[[queue]]\nname = "laser"\ntargets = ["Paris:Laser1"]\n')
    assert site.cirrusctl("apply", "--dry-run").returncode == 0
    (site.config / "servers.d").chmod(0o755)
    assert "Permission denied" in _as_nobody("flock", site.config / LOCK, "true").stderr
    opened = [site.config, *(path for path in site.config.iterdir() if path.name != LOCK)]
    locks = [word for path in opened for word in ("flock", str(path))]
    holder = Program[bytes](
        [*NOBODY, *locks, "sh", "-c", "echo held; exec sleep 300"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        done = site.cirrusctl("apply")
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.end()


@pytest.fixture
def cloud_of_nobody() -> Iterator[CloudletServer]:
    """An empty data folder of another user, where that user can reach it."""
    nobody = pwd.getpwnam("nobody")
    server = CloudletServer()
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        server.data = Path(above, "data")
        server.data.mkdir(0o700)
        os.chown(server.data, nobody.pw_uid, nobody.pw_gid)
        yield server
        server.close()


@pytest.mark.attacker("local account")
def test_commands_of_root_act_as_the_owner_of_the_cloud(cloud_of_nobody: CloudletServer) -> None:
    """Own a cloud on which root runs commands: the commands have only the owner's rights, and leave
    no file of root."""
    cloud, nobody = cloud_of_nobody, pwd.getpwnam("nobody").pw_uid
    for words in (
        ["device", "add", "--parents", "ACME/Office/Folder"],
        ["account", "add", "anna", "--company", "ACME"],
        ["location", "offline", "Office"],
        ["location", "online", "Office"],
    ):
        done = cloud.cli_result(*words)
        assert done.returncode == 0, done.stderr
    key = cloud.cli_result("key", "add", "--company", "ACME").stdout.strip()
    cloud.start(cloud.data)  # by root, too
    job = Curl(cloud.url, key).submit()
    jobs = ("job", "list", "--json")
    eventually(lambda: json.loads(cloud.cli_result(*jobs).stdout)[0]["state_name"] == "delivered")
    assert job in cloud.cli_result("job", "list").stdout
    assert {path.stat().st_uid for path in cloud.data.rglob("*")} == {nobody}


@pytest.mark.attacker("local account")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("cloudlet.toml", "device list"),
        ("cloudlet.toml", "company add ACME"),
        ("cloudlet.db", "key add"),
        ("cloudlet.lock", "key add"),
        ("cloudlet.lock", "company add ACME"),
    ],
)
def test_links_in_the_folder_of_a_cloud(
    cloud_of_nobody: CloudletServer, tmp_path: Path, name: str, command: str
) -> None:
    """Put links into the data folder of an own cloud: root's commands read and write nothing
    through them."""
    target = tmp_path / "of-root"
    target.write_bytes(SECRET)
    (cloud_of_nobody.data / name).symlink_to(target)
    done = cloud_of_nobody.cli_result(*command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr
    assert target.read_bytes() == SECRET
