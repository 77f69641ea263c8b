"""A package's life on a fresh system, from apt-get install to purge."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from clean_system import RELEASES
from packaged_site import CONFIGURATION, KEYS, SERVER, SERVICES, PackagedSite
from print_site import eventually
from release_build import NEXT_VERSION

CHANGES = {
    "#waittimeout = 60": "waittimeout = 3",
    "#hook = []": 'hook = ["/srv/told"]\nnotify = true',  # a setting of an earlier version
}
HOOK = '#!/bin/sh\nlogger -t told "$CIRRUS_EVENT, says $(id -un)"\n'
OURS = re.compile("cirrus|/usr/share/fish")  # nothing else here has a folder for fish
# Files of CUPS, apt and the test itself; other backends leave them, too.
NOT_OURS = (
    *("/tmp/", "/srv/", "/proc", "/dev", "/run", "/sys", "/var/log/", "/var/tmp/"),
    *("/var/lib/apt/", "/var/cache/apt/", "/var/lib/systemd/"),
    *("/etc/cups/", "/var/spool/cups/", "/var/cache/cups/"),
)


@pytest.fixture(scope="module")
def system(packages: Path) -> Iterator[PackagedSite]:
    """A fresh system with the packages in /srv."""
    with PackagedSite(packages, RELEASES[0]) as site:
        yield site


@pytest.mark.timeout(900)
def test_life_of_the_packages(system: PackagedSite) -> None:
    """The packages install with their dependencies, print over trusted TLS, upgrade, and purge.

    They have no needless rights. Upgrade and purge during jobs lose nothing and print nothing
    twice. Nothing remains.
    """
    system.install("earlier")
    system.boot()
    before = system.files(lambda path: _matters(path) and not OURS.search(path))
    system.write("/srv/told", HOOK, 0o755)
    system.set_up(CHANGES)
    assert "laser" in system.run("cirrusctl", "queues")
    completion = "/usr/share/bash-completion/completions/cirrusctl"
    asked = (
        "COMP_WORDS=(cirrusctl ex) COMP_CWORD=1; _cirrusctl_completion cirrusctl; echo $COMPREPLY"
    )
    assert system.run("bash", "-c", f". {completion}; {asked}") == "explain\n"
    system.print_document()
    eventually(lambda: system.states() == ["delivered"])
    (job,) = system.cloud_jobs()
    assert len(PdfReader(system.path(job["document"])).pages) == 4

    _no_root_where_none_is_needed(system)
    _keys_that_others_can_read(system)
    _upgrade_of_the_cloud(system)
    _upgrade_with_jobs_under_way(system)
    assert "waittimeout = 3" in system.path(CONFIGURATION).read_text()

    _hold_jobs(system)
    with _cloud_that_hangs(system):
        system.print_document()
        eventually(lambda: len(system.backends()) == 2)
        said = system.apt_get("remove", "cirrus-bridge")
        assert "ended in CUPS, because their server has them: 1\n" in said
        assert re.search(r"stay held, and their messages say why: lost-\d+\. Cancel them", said)
        assert len(system.run("lpstat", "-W", "completed", "rome").splitlines()) == 1
        assert "This job was not sent" in system.run("lpstat", "-l", "-o", "lost")
        assert "these queues lead nowhere now; remove them (lpadmin -x): laser" in said
        assert system.active() == ["active", "inactive", "inactive", "inactive"]
        assert "cirrus" not in system.run("lpinfo", "-v")  # of a cupsd that nobody has restarted
        for kept in (KEYS, "/var/lib/cirrus-bridge/journal.db"):
            assert system.path(kept).exists()
        system.apt_get("purge", "cirrus-bridge")
    system.cloudlet("location", "online", "Rome")
    eventually(lambda: system.completed() == 6)
    eventually(lambda: system.states() == ["delivered"] * 6)
    for queue in ("laser", "rome", "lost"):
        system.run("lpadmin", "-x", queue)
    system.apt_get("purge", "cirrus-cloudlet")
    assert system.files(_matters) == before
    for file in ("passwd", "shadow", "group", "gshadow"):
        assert "cirrus" not in system.path(f"/etc/{file}").read_text()


def _upgrade_of_the_cloud(system: PackagedSite) -> None:
    """The service stays enabled and runs again."""
    service = "cirrus-cloudlet"
    system.run("systemctl", "enable", service)
    earlier = _main_process(system, service)
    system.apt_get("install", system.deb("now", "cloudlet"))
    assert system.run("systemctl", "is-enabled", service) == "enabled\n"
    assert system.run("systemctl", "is-active", service) == "active\n"
    assert _main_process(system, service) != earlier


def _hold_jobs(system: PackagedSite) -> None:
    """Print one job that the cloud has and does not deliver, and one that the cloud refuses."""
    system.cloudlet("device", "add", "--parents", "Acme/Rome/Laser1")
    system.cloudlet("location", "offline", "Rome")
    driver = "drv:///cirrus-bridge.drv/cirrus-generic-pdf.ppd"
    for queue, device in (("rome", "Laser1"), ("lost", "None")):
        uri = f"cirrus://{SERVER}/Acme/Rome:{device}"
        system.run("lpadmin", "-p", queue, "-E", "-v", uri, "-m", driver)
        system.run("lp", "-d", queue, "/srv/welcome.pdf")
        eventually(functools.partial(_is_held, system, queue))


def _is_held(system: PackagedSite, queue: str) -> bool:
    return "job-hold-until-specified" in system.run("lpstat", "-l", "-o", queue)


def _upgrade_with_jobs_under_way(system: PackagedSite) -> None:
    """Upgrade while one job waits at the cloud and is held, and another is being sent.

    Meanwhile CUPS is installed as a snap, too.
    """
    poller = _poller(system)
    system.cloudlet("location", "offline", "Paris")
    system.print_document()
    system.wait_for_held()
    with _cloud_that_hangs(system):
        system.print_document()
        eventually(lambda: len(system.backends()) == 2)
        old = system.backends()
        system.path("/var/snap/cups").mkdir(parents=True)
        said = system.apt_get("install", system.deb("next", "bridge"))
        assert "CUPS is also installed as a snap on this machine." in said
        shutil.rmtree(system.path("/var/snap"))
        assert NEXT_VERSION in system.run("dpkg-query", "-W", "cirrus-bridge")
        assert system.backends() == old
        assert _poller(system) != poller  # of the new version
        eventually(lambda: system.active() == ["active"] * len(SERVICES))
        enabled = system.run("systemctl", "is-enabled", *SERVICES)
        assert enabled.splitlines()[1:3] == ["enabled"] * 2
        # the old version tells CUPS, and CUPS starts the new one
        system.run("kill", "-KILL", *system.workers())
    sent = [*["delivered"] * 2, *["submitted"] * 2]
    eventually(lambda: system.states() == sent)
    eventually(lambda: not system.backends())
    system.cloudlet("location", "online", "Paris")
    eventually(lambda: system.completed() == 4)
    assert system.states() == ["delivered"] * 4


def _no_root_where_none_is_needed(system: PackagedSite) -> None:
    """Backend and poller run as one user during a job, a hold and a late delivery.

    The user has rights to its own files, the keys and CUPS alone; a hook has no more.
    """
    user = system.run("id", "-u", "cirrus-bridge").strip()
    system.cloudlet("location", "offline", "Paris")
    with _cloud_that_hangs(system):
        system.print_document()
        eventually(lambda: [_user(system, each) for each in system.workers()] == [user])
        for process in (*system.workers(), _poller(system)):
            status = _status(system, process)
            assert status["Uid"].split() == [user] * 4
            assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
        assert status["NoNewPrivs"] == "1"
    system.wait_for_held()
    for path in ("/var/lib/cirrus-bridge", "/var/lib/cirrus-bridge/journal.db"):
        assert system.path(path).stat().st_uid == int(user)
        assert system.path(path).stat().st_mode & 0o077 == 0
    system.cloudlet("location", "online", "Paris")
    eventually(lambda: system.completed() == 2)
    said = system.run("journalctl", "--output=cat")
    assert "delivered, says cirrus-bridge" in said
    assert "event=setting-removed" in said


def _keys_that_others_can_read(system: PackagedSite) -> None:
    """The poller uses no such key, and resumes once all are private again."""
    system.path(KEYS).parent.chmod(0o755)
    system.path(KEYS).chmod(0o644)
    eventually(lambda: "(CB-203)" in system.run("journalctl", "-u", "cirrus-statusd"))
    assert system.active()[1] != "active"
    system.path(KEYS).chmod(0o600)
    eventually(lambda: system.active()[1] == "active")
    system.path(KEYS).parent.chmod(0o700)


@contextlib.contextmanager
def _cloud_that_hangs(system: PackagedSite) -> Iterator[None]:
    system.run("sh", "-c", "kill -STOP $(pidof cirrus-cloudlet)")
    yield
    system.run("sh", "-c", "kill -CONT $(pidof cirrus-cloudlet)")


def _poller(system: PackagedSite) -> str:
    return _main_process(system, "cirrus-statusd")


def _main_process(system: PackagedSite, service: str) -> str:
    return system.run("systemctl", "show", "--value", "--property", "MainPID", service).strip()


def _status(system: PackagedSite, process: str) -> dict[str, str]:
    lines = system.run("cat", f"/proc/{process}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def _user(system: PackagedSite, process: str) -> str:
    return _status(system, process)["Uid"].split()[0]


def _matters(path: str) -> bool:
    return not path.startswith(NOT_OURS)
