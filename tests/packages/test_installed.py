"""A package's life on a system that has never heard of it: from apt-get install to purge."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pypdf import PdfReader

from clean_system import CleanSystem
from print_site import eventually
from release_build import NEXT_VERSION, REPO

SERVER = "127.0.0.1:27083"
SERVICES = ("cups", "cirrus-statusd", "cirrus-statusd-keys.path")
KEYS = "/etc/cirrus-bridge/servers.d/site.toml"
KEYS_COPY = "servers.d_site.toml"
CREDENTIALS = "/run/credentials/cirrus-statusd.service"
CHANGES = {
    "#waittimeout = 60": "waittimeout = 3",
    "#hook = []": 'hook = ["/srv/told"]',
    "#notify = false": "notify = true",
}
HOOK = '#!/bin/sh\nlogger -t told "$CIRRUS_EVENT, says $(id -un)"\n'
CLOUD = ("--data", "/srv/cloud")
OURS = re.compile("cirrus|/usr/share/fish")  # nothing else here has a folder for fish
# what CUPS, apt and the test itself write, whoever prints
NOT_OURS = (
    *("/tmp/", "/srv/", "/proc", "/dev", "/run", "/sys", "/var/log/", "/var/tmp/"),
    *("/var/lib/apt/", "/var/cache/apt/", "/var/lib/systemd/"),
    *("/etc/cups/", "/var/spool/cups/", "/var/cache/cups/"),
)


@pytest.fixture(scope="module")
def system(packages: Path) -> Iterator[CleanSystem]:
    """A system where only apt-get has been, and the packages in /srv."""
    with CleanSystem() as clean:
        for name in ("now", "next"):
            shutil.copytree(packages / name, clean.path(f"/srv/{name}"))
        shutil.copy(REPO / "installer" / "welcome.pdf", clean.path("/srv"))
        clean.apt_get("update")
        yield clean


@pytest.mark.timeout(900)
def test_life_of_the_packages(system: CleanSystem) -> None:
    """Installed with what it depends on, it prints over TLS that the system trusts, with no more
    rights than it needs; it is upgraded and purged while jobs are under way, and none is lost or
    printed twice; then nothing is left of it."""
    system.apt_get("install", _deb(system, "now", "bridge"), _deb(system, "now", "cloudlet"))
    _trust_a_cloud(system)
    system.boot()
    before = system.files(lambda path: _matters(path) and not OURS.search(path))
    eventually(lambda: _active(system) == ["active"] * len(SERVICES))
    _start_cloud(system)
    _configure(system)
    _add_queue(system)
    assert "laser" in system.run("cirrusctl", "queues")
    completion = "/usr/share/bash-completion/completions/cirrusctl"
    asked = (
        "COMP_WORDS=(cirrusctl ex) COMP_CWORD=1; _cirrusctl_completion cirrusctl; echo $COMPREPLY"
    )
    assert system.run("bash", "-c", f". {completion}; {asked}") == "explain\n"
    _print(system)
    eventually(lambda: _states(system) == ["delivered"])
    (job,) = _cloud_jobs(system)
    assert len(PdfReader(system.path(job["document"])).pages) == 4

    _no_root_where_none_is_needed(system)
    _keys_that_others_can_read(system)
    _upgrade_with_jobs_under_way(system)
    assert "waittimeout = 3" in system.path("/etc/cirrus-bridge/bridge.toml").read_text()

    with _cloud_that_hangs(system):
        _print(system)
        eventually(lambda: len(_backends(system)) == 2)
        said = system.apt_get("remove", "cirrus-bridge")
        assert "these queues lead nowhere now; remove them (lpadmin -x): laser" in said
        assert _active(system) == ["active", "inactive", "inactive"]
        assert "cirrus" not in system.run("lpinfo", "-v")  # of a cupsd that nobody has restarted
        for kept in (KEYS, "/var/lib/cirrus-bridge/journal.db"):
            assert system.path(kept).exists()
        system.apt_get("purge", "cirrus-bridge")
    eventually(lambda: _completed(system) == 5)
    assert _states(system) == ["delivered"] * 5
    system.run("lpadmin", "-x", "laser")
    system.apt_get("purge", "cirrus-cloudlet")
    assert system.files(_matters) == before
    for file in ("passwd", "shadow", "group", "gshadow"):
        assert "cirrus" not in system.path(f"/etc/{file}").read_text()


def _upgrade_with_jobs_under_way(system: CleanSystem) -> None:
    """One waits at the cloud and is held here, one is just being sent. Meanwhile somebody has
    installed CUPS as a snap, too."""
    poller = _poller(system)
    system.run("cirrus-cloudlet", "location", "offline", "Paris", *CLOUD)
    _print(system)
    eventually(lambda: "job-hold-until-specified" in _waiting(system))
    with _cloud_that_hangs(system):
        _print(system)
        eventually(lambda: len(_backends(system)) == 2)
        old = _backends(system)
        system.path("/var/snap/cups").mkdir(parents=True)
        said = system.apt_get("install", _deb(system, "next", "bridge"))
        assert "CUPS is on this machine as a snap, too." in said
        shutil.rmtree(system.path("/var/snap"))
        assert NEXT_VERSION in system.run("dpkg-query", "-W", "cirrus-bridge")
        assert _backends(system) == old
        assert _poller(system) != poller  # the new version's
        # CUPS is told by the old version, and starts the new one
        system.run("kill", "-KILL", *_workers(system))
    sent = [*["delivered"] * 2, *["submitted"] * 2]
    eventually(lambda: _states(system) == sent)
    eventually(lambda: not _backends(system))
    system.run("cirrus-cloudlet", "location", "online", "Paris", *CLOUD)
    eventually(lambda: _completed(system) == 4)
    assert _states(system) == ["delivered"] * 4


def _no_root_where_none_is_needed(system: CleanSystem) -> None:
    """While a job is under way, held, and delivered late: the backend at work and the poller are
    one user, with no right but to what is theirs, the keys, and CUPS; a hook has no other."""
    user = system.run("id", "-u", "cirrus-bridge").strip()
    system.run("cirrus-cloudlet", "location", "offline", "Paris", *CLOUD)
    with _cloud_that_hangs(system):
        _print(system)
        eventually(lambda: [_user(system, each) for each in _workers(system)] == [user])
        for process in (*_workers(system), _poller(system)):
            status = _status(system, process)
            assert status["Uid"].split() == [user] * 4
            assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
        assert status["NoNewPrivs"] == "1"
    eventually(lambda: "job-hold-until-specified" in _waiting(system))
    for path in ("/var/lib/cirrus-bridge", "/var/lib/cirrus-bridge/journal.db"):
        assert system.path(path).stat().st_uid == int(user)
        assert system.path(path).stat().st_mode & 0o077 == 0
    system.run("cirrus-cloudlet", "location", "online", "Paris", *CLOUD)
    eventually(lambda: _completed(system) == 2)
    said = system.run("journalctl", "--output=cat")
    assert "delivered, says cirrus-bridge" in said
    assert "event=notify-off" in said


def _keys_that_others_can_read(system: CleanSystem) -> None:
    """The poller uses none, and goes on as soon as they are private again."""
    system.path(KEYS).parent.chmod(0o755)
    system.path(KEYS).chmod(0o644)
    eventually(lambda: "(CB-203)" in system.run("journalctl", "-u", "cirrus-statusd"))
    assert _active(system)[1] != "active"
    system.path(KEYS).chmod(0o600)
    eventually(lambda: _active(system)[1] == "active")
    system.path(KEYS).parent.chmod(0o700)


@contextlib.contextmanager
def _cloud_that_hangs(system: CleanSystem) -> Iterator[None]:
    system.run("sh", "-c", "kill -STOP $(pidof cirrus-cloudlet)")
    yield
    system.run("sh", "-c", "kill -CONT $(pidof cirrus-cloudlet)")


def _active(system: CleanSystem) -> list[str]:
    return system.run("systemctl", "is-active", *SERVICES, may_fail=True).splitlines()


def _poller(system: CleanSystem) -> str:
    show = ("systemctl", "show", "--value", "--property", "MainPID", "cirrus-statusd")
    return system.run(*show).strip()


def _status(system: CleanSystem, process: str) -> dict[str, str]:
    lines = system.run("cat", f"/proc/{process}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def _user(system: CleanSystem, process: str) -> str:
    return _status(system, process)["Uid"].split()[0]


def _completed(system: CleanSystem) -> int:
    return len(system.run("lpstat", "-W", "completed", "laser").splitlines())


def _deb(system: CleanSystem, folder: str, package: str) -> str:
    (deb,) = system.path(f"/srv/{folder}").glob(f"cirrus-{package}_*.deb")
    return f"/srv/{folder}/{deb.name}"


def _matters(path: str) -> bool:
    return not path.startswith(NOT_OURS)


def _trust_a_cloud(system: CleanSystem) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(system.path("/usr/local/share/ca-certificates/own.crt")))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(system.path("/srv/tls.pem")))
    system.run("update-ca-certificates")


def _start_cloud(system: CleanSystem) -> None:
    def cloudlet(*words: str) -> None:
        system.run("cirrus-cloudlet", *words, *CLOUD)

    cloudlet("company", "add", "Acme")
    cloudlet("location", "add", "Acme/Paris")
    cloudlet("device", "add", "Acme/Paris/Laser1", "--type", "file")
    tls = ("--tls-cert", "/srv/tls.pem", "--tls-key", "/srv/tls.pem")
    system.start(
        *("cirrus-cloudlet", "serve", "--listen", SERVER, "--no-announce", *tls, *CLOUD),
        log="/srv/cloud.log",
    )
    eventually(lambda: "Listening on" in system.path("/srv/cloud.log").read_text())


def _configure(system: CleanSystem) -> None:
    key = system.run("cirrus-cloudlet", "key", "add", "--company", "Acme", *CLOUD).strip()
    system.write(
        KEYS,
        f'[[server]]\nhost = "{SERVER}"\ncompany = "Acme"\napi_key = "{key}"\n'
        'locations = ["Paris"]\n',
        0o600,
    )
    eventually(lambda: KEYS_COPY in system.run("ls", CREDENTIALS, may_fail=True))
    sample = "/etc/cirrus-bridge/bridge.toml"
    text = system.path(sample).read_text()
    for before, after in CHANGES.items():
        assert before in text
        text = text.replace(before, after)
    system.write(sample, text)
    system.write("/srv/told", HOOK, 0o755)
    system.run("systemctl", "restart", "cirrus-statusd")


def _add_queue(system: CleanSystem) -> None:
    uri = f"cirrus://{SERVER}/Acme/Paris:Laser1"
    devices = ("lpinfo", "--include-schemes", "cirrus", "-v")
    eventually(lambda: f"network {uri}\n" in system.run(*devices))
    (driver,) = [
        line.split()[0]
        for line in system.run("lpinfo", "-m").splitlines()
        if line.startswith("cirrus:")
    ]
    system.run("lpadmin", "-p", "laser", "-E", "-v", uri, "-m", driver)


def _print(system: CleanSystem) -> None:
    system.run("lp", "-d", "laser", "/srv/welcome.pdf")


def _waiting(system: CleanSystem) -> str:
    return system.run("lpstat", "-l", "-o", "laser")


def _backends(system: CleanSystem) -> set[str]:
    return set(system.run("pidof", "cirrus-backend", may_fail=True).split())


def _workers(system: CleanSystem) -> list[str]:
    """The backends at work; in front of each is another, which is its parent."""
    backends = _backends(system)
    return [each for each in backends if _status(system, each)["PPid"] in backends]


def _cloud_jobs(system: CleanSystem) -> list[dict[str, Any]]:
    """Oldest first."""
    jobs: list[dict[str, Any]] = json.loads(
        system.run("cirrus-cloudlet", "job", "list", "--json", *CLOUD)
    )
    return jobs[::-1]


def _states(system: CleanSystem) -> list[str]:
    return [job["state_name"] for job in _cloud_jobs(system)]
