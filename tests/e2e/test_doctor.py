"""`cirrusctl doctor`: each fault is real, and its advice is compared."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from cirrus_bridge.journal import files as journal_files
from print_site import BACKEND, PrintSite, eventually
from private_cups import DRIVER
from scripted_server import Answer, ScriptedServer, Stall
from small_disk import fill, small_disk

Finding = dict[str, str]
PS_DRIVER = DRIVER.replace("-pdf", "-ps")


def examine(site: PrintSite) -> list[Finding]:
    """The doctor's findings; each time, check its exit status and that the output shows no key."""
    done = site.cirrusctl("doctor", "--json")
    assert site.key not in done.stdout + done.stderr
    said = json.loads(done.stdout)
    findings: list[Finding] = said["findings"]
    has_error = any(each["severity"] == "error" for each in findings)
    assert done.returncode == int(has_error), done.stdout + done.stderr
    assert (said["worst"] == "error") is has_error
    assert all(each["fix"] for each in findings if each["severity"] != "ok")
    return findings


def of(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check."""
    (found,) = (each for each in findings if each["check"] == check)
    return found


def trouble(site: PrintSite, check: str, severity: str = "error") -> Finding:
    """The one finding of a check, which has this severity."""
    found = [each for each in examine(site) if each["check"] == check]
    (bad,) = (each for each in found if each["severity"] == severity)
    return bad


def checks(findings: list[Finding]) -> set[str]:
    """The checks without a finding of trouble."""
    return {each["check"] for each in findings if each["severity"] == "ok"}


def program(site: PrintSite, kind: str) -> Path:
    """The path of one of our programs in CUPS's folders."""
    return site.cups.root / "bin" / kind / "cirrus"


@pytest.fixture
def healthy(own_site: PrintSite) -> Iterator[PrintSite]:
    """A site without faults, with a poller and a queue `laser`."""
    add_queue(own_site, "laser", "Paris:Laser1")
    with own_site.statusd():
        eventually(own_site.poller)
        yield own_site


def add_queue(site: PrintSite, name: str, targets: str, driver: str | None = DRIVER) -> None:
    """Add a queue of this name."""
    site.cups.add_queue(name, f"cirrus://{site.server}/Acme/{targets}", driver=driver)


def deactivate(site: PrintSite, kind: str, name: str) -> None:
    """Make a location or device of the cloud inactive, as its administrator may."""
    path = site.cloud.data / "cloudlet.toml"
    document: Any = tomlkit.parse(path.read_text())
    (found,) = (each for each in document[kind] if each["id"] == name)
    found["inactive"] = True
    path.write_text(tomlkit.dumps(document))


def test_all_is_well(healthy: PrintSite) -> None:
    """Every part is reported as good in a table, and the exit status is 0."""
    findings = examine(healthy)
    assert checks(findings) == {
        *("versions", "cupsd", "backend", "driver program", "preserving jobs", "job limits"),
        "job time",
        *("key files", "TCP", "clock", "key", "location", "queue", "device"),
        *("journal", "poller", "disk"),
    }
    assert not [each for each in findings if each["severity"] in ("warning", "error")]
    assert str(healthy.cups.root / "etc") in of(findings, "cupsd")["text"]
    done = healthy.cirrusctl("doctor")
    assert done.returncode == 0
    assert "0 errors, 0 warnings" in done.stderr
    assert done.stdout.splitlines()[0].split() == [
        "RESULT",
        "CHECK",
        "WHAT",
        "FOUND",
        "WHAT",
        "TO",
        "DO",
    ]
    assert len(done.stdout.splitlines()) == len(findings) + 1
    assert healthy.key not in done.stdout


def test_the_wire(own_site: PrintSite) -> None:
    """`--server` tries one server without queue and CUPS, and prints nothing unasked."""
    server = own_site.server
    own_site.cups.stop()
    done = own_site.cirrusctl("doctor", "--server", server, "--json")
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == 0 and own_site.key not in done.stdout
    assert {"version", "get location", "tempfile", "parallel segments"} <= checks(findings)
    assert "putfile" not in checks(findings) and not own_site.cloud.jobs()
    done = own_site.cirrusctl("doctor", "--server", f"{server}/Acme", "--submit", "Paris:Laser1")
    assert done.returncode == 0 and len(own_site.cloud.jobs()) == 2
    assert "PUT uploads and submits a document" in done.stdout and "0 errors" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--submit", "Paris:Laser1"), 2, "--submit needs --server"),
        (("--server", "h", "--submit", "Paris"), 2, "--submit Paris is not LOCATION:DEVICE"),
        (("--server", "h"), 7, "Add one: cirrusctl setup"),
    ],
)
def test_the_wire_of_nothing(
    site: PrintSite, words: tuple[str, ...], status: int, says: str
) -> None:
    """A typing error is reported, and nothing is tried."""
    done = site.cirrusctl("doctor", *words)
    assert done.returncode == status and says in done.stderr


@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o755, "runs it as lp"), (0o777, "does not run it"), (0o600, "not executable")],
)
def test_backend_mode(site: PrintSite, mode: int, says: str) -> None:
    """Only the modes with which CUPS runs the backend as root are good."""
    path = program(site, "backend")
    path.chmod(mode)
    try:
        bad = trouble(site, "backend")
    finally:
        path.chmod(0o700)
    assert says in bad["text"]
    assert bad["fix"] == f"chown root {path} && chmod 0700 {path}"
    assert trouble(site, "backend", "ok")


def test_backend_that_cannot_run(own_site: PrintSite) -> None:
    """A backend of another user, without its interpreter, or missing is reported."""
    path = program(own_site, "backend")
    shutil.chown(path, "lp")
    bad = trouble(own_site, "backend")
    assert "instead of root" in bad["text"] and "chown root" in bad["fix"]
    shutil.chown(path, "root")
    path.write_text(path.read_text().replace("#!/bin/sh", "#!/opt/gone/bin/python3"))
    bad = trouble(own_site, "backend")
    assert "/opt/gone/bin/python3" in bad["text"] and "again" in bad["fix"]
    path.unlink()
    bad = trouble(own_site, "backend")
    assert (
        "Cannot find the backend" in bad["text"]
        and f"install -m 0700 …/bin/cirrus-backend {path}" in bad["fix"]
    )
    program(own_site, "driver").unlink()
    assert "cirrus-driver" in trouble(own_site, "driver program", "warning")["fix"]


def test_cupsd_does_not_run(healthy: PrintSite) -> None:
    """A stopped cupsd is reported, and hides no other finding."""
    healthy.cups.stop()
    findings = examine(healthy)
    bad = of(findings, "cupsd")
    assert bad["code"] == "CB-711" and bad["fix"].startswith("Start CUPS")
    assert {"key", "location", "TCP", "journal", "poller"} <= checks(findings)
    healthy.cups.start()


def test_cupsd_hangs(healthy: PrintSite) -> None:
    """The doctor does not hang."""
    with healthy.cups.hanging():
        findings = examine(healthy)
    assert of(findings, "cupsd")["severity"] == "error"
    assert {"key", "location", "poller"} <= checks(findings)


def test_settings_of_cups() -> None:
    """Jobs that CUPS does not keep, too few held jobs, and canceled held jobs are reported."""
    with PrintSite(directives=["PreserveJobFiles No", "MaxJobs 200"]) as site:
        bad = trouble(site, "preserving jobs", "warning")
        assert "no job's data" in bad["text"] and "PreserveJobFiles 1d" in bad["fix"]
        bad = trouble(site, "job limits")
        assert "250 jobs may be held" in bad["text"] and "MaxJobs 500" in bad["fix"]
        with (site.cups.root / "etc" / "cupsd.conf").open("a") as conf:
            conf.write("MaxJobs 0\nMaxHoldTime 3h\nPreserveJobFiles 10m\nPreserveJobHistory No\n")
        bad = trouble(site, "job limits", "warning")
        assert "10800 s" in bad["text"] and "MaxHoldTime 0" in bad["fix"]
        assert "keeps no jobs" in trouble(site, "preserving jobs", "warning")["text"]


def test_key_that_others_can_read(healthy: PrintSite) -> None:
    """The finding names the file and the commands; servers of other files are still checked."""
    path = healthy.config / "servers.d" / "other.toml"
    path.write_text('[[server]]\nhost = "else.example"\napi_key = "secret-of-another"\n')
    path.chmod(0o644)
    done = healthy.cirrusctl("doctor")
    assert "secret-of-another" not in done.stdout and done.returncode == 1
    findings = examine(healthy)
    bad = of(findings, "key files")
    assert bad["code"] == "CB-203" and f"chmod 600 {path}" in bad["fix"]
    assert {"key", "TCP"} <= checks(findings)


def test_configuration_that_makes_no_sense(healthy: PrintSite) -> None:
    """Invalid TOML and a configuration without a server are reported."""
    path = healthy.config / "servers.d" / "other.toml"
    path.touch(0o600)
    path.write_text("[[server]\n")
    findings = examine(healthy)
    bad = of(findings, "configuration")
    assert bad["code"] == "CB-202" and bad["about"] == str(path) and "cupsenable" in bad["fix"]
    assert {"key", "TCP"} <= checks(findings)
    path.unlink()
    (healthy.config / "servers.d" / "site.toml").unlink()
    findings = examine(healthy)
    assert of(findings, "configuration")["code"] == "CB-204"
    assert "servers.d/NAME.toml" in of(findings, "configuration")["fix"]


def test_declared_devices(healthy: PrintSite) -> None:
    """Each mistake in devices.toml, a device that does not exist, and an old driver are named."""
    path = healthy.config / "devices.toml"
    path.write_text('[[device]]\ntargets = ["Paris:Laser1"]\nfinishings.stapel = "S=1"\nbin = 1\n')
    one, two = (each for each in examine(healthy) if each["check"] == "device options")
    assert one["severity"] == two["severity"] == "error"
    assert "'stapel'" in one["text"] and "unknown name 'bin'" in two["text"]
    assert one["code"] == "CB-202" and "no device has a driver" in one["fix"]
    path.write_text(
        '[[device]]\ntargets = ["Paris:Laser1", "Paris:Copier*"]\njob-password = "Pin"\n'
    )
    file, driver = (each for each in examine(healthy) if each["check"] == "device options")
    assert file["severity"] == driver["severity"] == "warning"
    assert "'Paris:Copier*'" in file["text"] and "Known devices: Paris:Laser1." in file["fix"]
    assert driver["about"] == "laser → Paris:Laser1"
    path.write_text(
        path.read_text().replace(', "Paris:Copier*"', "") + 'output-bin.a = "duplex=9"\n'
    )
    bad = trouble(healthy, "device options")
    assert "duplex='9', but duplex takes 1" in bad["text"] and bad["fix"] == "Correct the file."
    path.write_text(path.read_text().replace("duplex=9", "Bin=9"))
    healthy.discovered("Laser1")
    healthy.cups.run(*driver["fix"].partition("then: ")[2].split())
    path.chmod(0o600)
    bad = trouble(healthy, "device options")
    assert bad["fix"] == f"Run: chmod a+r {path}"
    path.chmod(0o644)
    assert "device options" in checks(examine(healthy))


def test_removed_setting(own_site: PrintSite) -> None:
    """A line of an earlier version is named, and causes no failure."""
    own_site.configure_statusd("notify = true")
    bad = trouble(own_site, "configuration", "note")
    assert bad["about"] == str(own_site.config / "bridge.toml")
    assert bad["fix"].startswith("Remove the line 'notify")


def test_folder_that_others_can_write(site: PrintSite) -> None:
    """The folder's writers could redirect jobs to themselves."""
    folder = site.config / "servers.d"
    folder.chmod(0o777)
    try:
        bad = trouble(site, "key files", "warning")
    finally:
        folder.chmod(0o755)
    assert bad["fix"] == f"Run: chown root {folder} && chmod go-w {folder}"


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_the_doctor_without_root_rights(site: PrintSite, mode: int) -> None:
    """A user without root's rights learns what is not checked, and gets no false findings."""
    (site.config / "servers.d").chmod(mode)
    try:
        done = subprocess.run(
            [BACKEND.with_name("cirrusctl"), "doctor", "--json"],
            env=site.environ | {"CUPS_SERVER": str(site.cups.socket), "LC_ALL": "C.UTF-8"},
            user="nobody",
            capture_output=True,
            text=True,
        )
    finally:
        (site.config / "servers.d").chmod(0o755)
    findings = json.loads(done.stdout)["findings"]
    assert of(findings, "key files")["fix"] == "Run the doctor as root."
    assert "configuration" not in {each["check"] for each in findings}
    assert "Only root can find" in of(findings, "cupsd")["text"]


def test_wrong_key(healthy: PrintSite) -> None:
    """The refusal is reported once, with the next step and without the key."""
    healthy.configure(key="a-key-that-is-none")
    findings = examine(healthy)
    bad = of(findings, "key")
    assert bad["code"] == "CB-402" and "Put a valid key into servers.d" in bad["fix"]
    assert "a-key-that-is-none" not in json.dumps(findings)
    assert "TCP" in checks(findings)


def test_server_does_not_run(healthy: PrintSite) -> None:
    """A closed port is reported, and the checks that depend on it."""
    healthy.cloud.stop()
    findings = examine(healthy)
    bad = of(findings, "TCP")
    assert bad["code"] == "CB-411" and "connection refused" in bad["text"]
    assert "port in servers.d is right" in bad["fix"]
    assert of(findings, "key")["code"] == "CB-411"
    assert {"backend", "journal", "poller"} <= checks(findings)
    healthy.cloud.come_back()


def test_something_else_answers(healthy: PrintSite) -> None:
    """A login page or a silent server is reported in limited time; other checks go on."""
    with ScriptedServer(lambda _: Answer("<html>", content_type="text/html")) as page:
        healthy.configure(server=page.name)
        bad = of(examine(healthy), "key")
        assert bad["code"] == "CB-403" and "web page" in bad["text"]
    with ScriptedServer(lambda _: Stall()) as silent:
        healthy.configure(server=silent.name)
        findings = examine(healthy)
        assert of(findings, "key")["code"] == "CB-411"
        assert {"TCP", "backend", "journal", "poller"} <= checks(findings)


def test_locations(healthy: PrintSite) -> None:
    """Unknown and inactive locations are reported."""
    entry = healthy.config / "servers.d" / "site.toml"
    entry.write_text(entry.read_text().replace('["Paris"]', '["Paris", "Atlantis"]'))
    bad = trouble(healthy, "location")
    assert bad["about"].startswith("Atlantis") and bad["code"] == "CB-401"
    assert "locations in servers.d" in bad["fix"]
    deactivate(healthy, "location", "Paris")
    healthy.configure()
    bad = trouble(healthy, "location")
    assert "inactive" in bad["text"] and "activate the location" in bad["fix"]


def test_devices(healthy: PrintSite) -> None:
    """Unknown or inactive devices are reported, with or without a queue."""
    add_queue(healthy, "nowhere", "Paris:Nowhere")
    bad = trouble(healthy, "device")
    assert bad["about"] == "nowhere → Paris:Nowhere" and "Active devices: Laser1" in bad["text"]
    assert "lpadmin -p nowhere -v" in bad["fix"]
    healthy.cups.run("lpadmin", "-x", "nowhere")
    deactivate(healthy, "device", "Laser1")
    findings = examine(healthy)
    assert of(findings, "device")["text"] == "Laser1 is inactive."
    assert "activate the device" in of(findings, "device")["fix"]
    assert of(findings, "location")["severity"] == "note"
    assert "Laser1" in of(findings, "location")["text"]


def test_what_is_not_there_yet(own_site: PrintSite) -> None:
    """A new site is explained: no print, location, device, queue or driver yet."""
    site = own_site
    assert trouble(site, "queue", "note")["fix"].startswith("Run: cirrusctl setup.")
    assert trouble(site, "journal", "note")["fix"] == "Print something: cirrusctl test QUEUE"
    entry = site.config / "servers.d" / "site.toml"
    entry.write_text(entry.read_text().replace('locations = ["Paris"]\n', ""))
    assert "Add locations" in trouble(site, "key", "note")["fix"]
    site.configure()
    site.cloud.cli("location", "add", "Acme/Empty")
    entry.write_text(entry.read_text().replace('["Paris"]', '["Paris", "Empty"]'))
    bad = trouble(site, "location", "warning")
    assert (
        bad["about"].startswith("Empty")
        and "Start the server's client at the location" in bad["fix"]
    )
    add_queue(site, "plain", "Paris:Laser1", driver=None)
    bad = trouble(site, "driver", "note")
    assert "has no driver" in bad["text"] and "lpadmin -p plain -m cirrus:" in bad["fix"]


def test_driver_that_makes_something_else(healthy: PrintSite) -> None:
    """The finding proposes the device's own driver by name, and that driver is right."""
    healthy.cloud.cli("device", "add", "Acme/Paris/Pdf", "--type", "file", "--formats", "pdf")
    add_queue(healthy, "wrong", "Paris:Pdf", PS_DRIVER)
    bad = trouble(healthy, "driver")
    assert "The driver produces ps, but the device accepts only pdf" in bad["text"]
    command = bad["fix"].partition("then: ")[2]
    assert "lpinfo -v" in bad["fix"] and command.startswith("lpadmin -p wrong -m cirrus:")
    healthy.discovered("Pdf")
    healthy.cups.run(*command.split())
    assert "The driver produces pdf" in trouble(healthy, "driver", "ok")["text"]
    healthy.cups.run("lpadmin", "-x", "wrong")
    add_queue(healthy, "raw", "Paris:Pdf", None)
    assert "lpadmin -p raw -m cirrus:" in trouble(healthy, "driver", "note")["fix"]


def test_queues(healthy: PrintSite) -> None:
    """Stopped and rejecting queues, invalid URIs and unknown servers are reported."""
    healthy.cups.run("cupsdisable", "-r", "The key is refused. (CB-402)", "laser")
    bad = trouble(healthy, "queue")
    assert bad["code"] == "CB-402" and "cupsenable laser" in bad["fix"]
    healthy.cups.run("cupsenable", "laser")
    healthy.cups.run("cupsdisable", "laser")
    paused = trouble(healthy, "queue", "warning")
    assert paused["text"] == "The queue is paused: Paused"
    healthy.cups.run("cupsenable", "laser")
    healthy.cups.run("cupsreject", "laser")
    assert trouble(healthy, "queue")["fix"] == "Run: cupsaccept laser"
    healthy.cups.run("cupsaccept", "laser")
    healthy.cups.add_queue("bad", "cirrus://nothing", driver=None)
    assert trouble(healthy, "queue")["code"] == "CB-201"
    healthy.cups.run("lpadmin", "-p", "bad", "-v", "cirrus://else.example/Acme/Paris:Laser1")
    assert trouble(healthy, "queue")["code"] == "CB-204"


def test_poller_does_not_run(own_site: PrintSite) -> None:
    """A poller that never started or was killed is reported at once."""
    assert trouble(own_site, "poller")["fix"].startswith("Start the poller")
    with own_site.start_statusd() as poller:
        eventually(own_site.poller)
        assert trouble(own_site, "poller", "ok")
        poller.kill()
    assert "last sign of life" in trouble(own_site, "poller")["text"]


def test_poller_hangs(own_site: PrintSite) -> None:
    """A poller that runs without a sign of life is reported."""
    with own_site.statusd() as poller:
        eventually(own_site.poller)
        poller.send_signal(signal.SIGSTOP)
        try:
            with (own_site.state / "jobs.lock").open("r+b") as locks:
                sign = journal_files.read_sign(locks.fileno())
                assert sign
                earlier = dataclasses.replace(sign, at_s=sign.at_s - 40)  # instead of waiting
                journal_files.give_sign(locks.fileno(), earlier)
            bad = trouble(own_site, "poller")
        finally:
            poller.send_signal(signal.SIGCONT)
    assert "has done nothing since" in bad["text"] and "restart" in bad["fix"]


def test_jobs_that_nobody_fetches(healthy: PrintSite, pdfs: dict[int, Path]) -> None:
    """The finding names the location and the next step there."""
    healthy.cloud.cli("location", "offline", "Paris")
    add_queue(healthy, "quick", "Paris:Laser1?wait=submitted")
    healthy.cups.wait_job(healthy.cups.lp("quick", pdfs[1]))
    assert "waiting" not in {each["check"] for each in examine(healthy)}
    with contextlib.closing(sqlite3.connect(healthy.state / "journal.db")) as db, db:
        db.execute("UPDATE document SET accepted_at = accepted_at - 120")  # time passes
    trouble(healthy, "waiting", "note")
    with contextlib.closing(sqlite3.connect(healthy.state / "journal.db")) as db, db:
        db.execute("UPDATE document SET accepted_at = accepted_at - 7200")
    bad = trouble(healthy, "waiting", "warning")
    assert bad["about"] == f"Paris ({healthy.server})" and "1 document not fetched" in bad["text"]
    assert "client runs at the location and is online" in bad["fix"]


def test_journal_is_damaged(own_site: PrintSite) -> None:
    """A damaged file and a file of another kind are reported."""
    with own_site.statusd():
        eventually(own_site.poller)
    journal = own_site.state / "journal.db"
    data = journal.read_bytes()
    journal.write_bytes(data[:8192] + os.urandom(len(data) - 8192))
    bad = trouble(own_site, "journal")
    assert bad["code"] == "CB-504" and "move the journal aside" in bad["fix"]
    journal.write_bytes(b"no database " * 1000)
    assert trouble(own_site, "journal")["code"] == "CB-504"


def test_journal_that_was_restored(own_site: PrintSite) -> None:
    """The finding warns that older jobs may have been printed."""
    with own_site.statusd():
        eventually(own_site.poller)
    copy = (own_site.state / "journal.db").read_bytes()
    own_site.cups.wait_job(own_site.cups.lp(own_site.queue(driver=False), data=b"x"))
    (own_site.state / "journal.db").write_bytes(copy)
    with own_site.statusd():
        eventually(own_site.poller)
        bad = trouble(own_site, "journal", "note")
    assert "restored from a backup" in bad["text"] and "Look at the printer" in bad["fix"]


def test_journal_of_another_version(own_site: PrintSite) -> None:
    """A journal of a newer program is reported."""
    with own_site.statusd():
        eventually(own_site.poller)
    with contextlib.closing(sqlite3.connect(own_site.state / "journal.db")) as db, db:
        db.execute("PRAGMA user_version = 999")
    bad = trouble(own_site, "journal")
    assert "newer version" in bad["text"] and "or a newer one" in bad["fix"]


def test_journal_that_grew(own_site: PrintSite) -> None:
    """A journal of more than a gigabyte is reported."""
    with own_site.statusd():
        eventually(own_site.poller)
    os.truncate(own_site.state / "journal.db", 1100 << 20)
    bad = trouble(own_site, "journal", "warning")
    assert "The journal has 1100 MiB" in bad["text"] and "smaller keep_days" in bad["fix"]


def test_journal_of_another_user(own_site: PrintSite) -> None:
    """The backend works as lp and cannot write a file of root."""
    with own_site.statusd():
        eventually(own_site.poller)
    shutil.chown(own_site.state / "journal.db", "root")
    bad = trouble(own_site, "journal")
    assert "journal.db" in bad["text"] and bad["code"] == "CB-501"
    subprocess.run(bad["fix"].removeprefix("Run: ").split(), check=True)
    assert trouble(own_site, "journal", "ok")
    own_site.state.chmod(0o777)
    bad = trouble(own_site, "journal", "warning")
    assert "may write into this folder" in bad["text"]
    subprocess.run(bad["fix"].removeprefix("Run: ").split(), check=True)
    assert of(examine(own_site), "journal")["severity"] == "ok"


def test_the_spools_disk(own_site: PrintSite) -> None:
    """The spool's disk is reported as nearly full, full, or out of files."""
    with small_disk(own_site.cups.root / "spool", 100 << 10) as spool:
        bad = trouble(own_site, "disk", "warning")
        assert bad["about"] == f"{spool} (CUPS's spool)" and "a large job may fail" in bad["text"]
        fill(spool)
        assert "0 MiB are free" in trouble(own_site, "disk")["text"]
    with small_disk(own_site.cups.root / "spool", 300 << 10, files=20) as spool:
        bad = trouble(own_site, "disk")
        assert "more files fit" in bad["text"] and f"du -xh {spool}" in bad["fix"]


def test_disks(own_site: PrintSite) -> None:
    """A full disk and a read-only disk are reported."""
    with small_disk(own_site.state, 512) as state:
        fill(state)
        bad = trouble(own_site, "disk")
        assert bad["about"] == f"{state} (journal)" and "0 MiB are free" in bad["text"]
        assert f"du -xh {state}" in bad["fix"] and bad["code"] == "CB-501"
        (state / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        bad = next(
            each
            for each in examine(own_site)
            if each["check"] == "journal" and each["severity"] == "error"
        )
        assert "read-only" in bad["text"] and "remount,rw" in bad["fix"]
