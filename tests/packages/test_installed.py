"""A package's life on a system that has never heard of it: from apt-get install to purge."""

from __future__ import annotations

import json
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
CLOUD = ("--data", "/tmp/cloud")
# what CUPS, apt and the test itself write, whoever prints
NOT_OURS = (
    *("/tmp/", "/proc", "/dev", "/run", "/var/log/", "/var/lib/apt/", "/var/cache/apt/"),
    *("/etc/cups/", "/var/spool/cups/", "/var/cache/cups/"),
)


@pytest.fixture(scope="module")
def system(packages: Path) -> Iterator[CleanSystem]:
    """A system where only apt-get has been, and the packages in /tmp."""
    with CleanSystem() as clean:
        for name in ("now", "next"):
            shutil.copytree(packages / name, clean.path(f"/tmp/{name}"))
        shutil.copy(REPO / "installer" / "welcome.pdf", clean.path("/tmp"))
        clean.apt_get("update")
        yield clean


@pytest.mark.timeout(900)
def test_life_of_the_packages(system: CleanSystem) -> None:
    """Installed with what it depends on, it prints over TLS that the system trusts; it is upgraded
    while jobs are under way, and none is lost or printed twice; then nothing is left of it."""
    system.apt_get("install", _deb(system, "now", "bridge"), _deb(system, "now", "cloudlet"))
    _trust_a_cloud(system)
    before = system.files(lambda path: _matters(path) and "cirrus" not in path)
    _start_cloud(system)
    _configure(system)
    system.start("cupsd", "-f", log="/tmp/cupsd.log")
    eventually(lambda: "is running" in system.run("lpstat", "-r", may_fail=True))

    _add_queue(system)
    _print(system)
    eventually(lambda: _states(system) == ["delivered"], 60)
    (job,) = _cloud_jobs(system)
    assert len(PdfReader(system.path(job["document"])).pages) == 4

    _upgrade_with_jobs_under_way(system)
    assert "waittimeout = 3" in system.path("/etc/cirrus-bridge/bridge.toml").read_text()

    system.run("lpadmin", "-x", "laser")
    system.apt_get("remove", "cirrus-bridge")
    assert "cirrus" not in system.run("lpinfo", "-v")  # of a cupsd that nobody has restarted
    for kept in ("/etc/cirrus-bridge/servers.d/site.toml", "/var/lib/cirrus-bridge/journal.db"):
        assert system.path(kept).exists()
    system.apt_get("purge", "cirrus-bridge", "cirrus-cloudlet")
    assert system.files(_matters) == before
    for file in ("passwd", "shadow", "group", "gshadow"):
        assert "cirrus" not in system.path(f"/etc/{file}").read_text()


def _upgrade_with_jobs_under_way(system: CleanSystem) -> None:
    """One waits at the cloud and is held here, one is just being sent."""
    system.run("cirrus-cloudlet", "location", "offline", "Paris", *CLOUD)
    _print(system)
    eventually(lambda: "job-hold-until-specified" in _waiting(system), 60)
    system.run("sh", "-c", "kill -STOP $(pidof cirrus-cloudlet)")
    _print(system)
    eventually(lambda: len(_backends(system)) == 2)
    old = _backends(system)
    system.apt_get("install", _deb(system, "next", "bridge"))
    assert NEXT_VERSION in system.run("dpkg-query", "-W", "cirrus-bridge")
    assert _backends(system) == old
    system.run("sh", "-c", "kill -CONT $(pidof cirrus-cloudlet)")
    eventually(lambda: _states(system) == ["delivered", "submitted", "submitted"], 60)
    eventually(lambda: not _backends(system), 60)
    system.run("cirrus-cloudlet", "location", "online", "Paris", *CLOUD)
    eventually(lambda: _states(system) == ["delivered"] * 3, 60)

    def all_completed() -> bool:
        system.run("cirrus-statusd", "--once")
        return len(system.run("lpstat", "-W", "completed", "laser").splitlines()) == 3

    eventually(all_completed, 60)
    assert _states(system) == ["delivered"] * 3


def _deb(system: CleanSystem, folder: str, package: str) -> str:
    (deb,) = system.path(f"/tmp/{folder}").glob(f"cirrus-{package}_*.deb")
    return f"/tmp/{folder}/{deb.name}"


def _matters(path: str) -> bool:
    return not path.startswith(NOT_OURS)


def _trust_a_cloud(system: CleanSystem) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(system.path("/usr/local/share/ca-certificates/own.crt")))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(system.path("/tmp/tls.pem")))
    system.run("update-ca-certificates")


def _start_cloud(system: CleanSystem) -> None:
    def cloudlet(*words: str) -> None:
        system.run("cirrus-cloudlet", *words, *CLOUD)

    cloudlet("company", "add", "Acme")
    cloudlet("location", "add", "Acme/Paris")
    cloudlet("device", "add", "Acme/Paris/Laser1", "--type", "file")
    tls = ("--tls-cert", "/tmp/tls.pem", "--tls-key", "/tmp/tls.pem")
    system.start(
        *("cirrus-cloudlet", "serve", "--listen", SERVER, "--no-announce", *tls, *CLOUD),
        log="/tmp/cloud.log",
    )
    eventually(lambda: "Listening on" in system.path("/tmp/cloud.log").read_text())


def _configure(system: CleanSystem) -> None:
    key = system.run("cirrus-cloudlet", "key", "add", "--company", "Acme", *CLOUD).strip()
    system.write(
        "/etc/cirrus-bridge/servers.d/site.toml",
        f'[[server]]\nhost = "{SERVER}"\ncompany = "Acme"\napi_key = "{key}"\n'
        'locations = ["Paris"]\n',
        0o600,
    )
    sample = "/etc/cirrus-bridge/bridge.toml"
    text = system.path(sample).read_text()
    system.write(sample, text.replace("#waittimeout = 60", "waittimeout = 3"))


def _add_queue(system: CleanSystem) -> None:
    uri = f"cirrus://{SERVER}/Acme/Paris:Laser1"
    assert f"network {uri}\n" in system.run("lpinfo", "--include-schemes", "cirrus", "-v")
    (driver,) = [
        line.split()[0]
        for line in system.run("lpinfo", "-m").splitlines()
        if line.startswith("cirrus:")
    ]
    system.run("lpadmin", "-p", "laser", "-E", "-v", uri, "-m", driver)


def _print(system: CleanSystem) -> None:
    system.run("lp", "-d", "laser", "/tmp/welcome.pdf")


def _waiting(system: CleanSystem) -> str:
    return system.run("lpstat", "-l", "-o", "laser")


def _backends(system: CleanSystem) -> set[str]:
    return set(system.run("pidof", "cirrus-backend", may_fail=True).split())


def _cloud_jobs(system: CleanSystem) -> list[dict[str, Any]]:
    """Oldest first."""
    jobs: list[dict[str, Any]] = json.loads(
        system.run("cirrus-cloudlet", "job", "list", "--json", *CLOUD)
    )
    return jobs[::-1]


def _states(system: CleanSystem) -> list[str]:
    return [job["state_name"] for job in _cloud_jobs(system)]
