"""Each document comes out once on every Debian release, with every CUPS in use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pypdf import PdfReader

from packaged_site import PackagedSite
from print_site import eventually
from release_build import NEXT_VERSION

CHANGES = {"#waittimeout = 60": "waittimeout = 3"}
PROFILE = "/etc/apparmor.d/usr.sbin.cupsd"
SAMPLE = "/usr/share/doc/cirrus-bridge/examples/apparmor-cupsd"


@pytest.mark.timeout(900)
def test_each_document_comes_out_once(packages: Path, release: str) -> None:
    """The installed packages print, hold and end jobs.

    That holds after a restart of cupsd and after an upgrade, too.
    """
    with PackagedSite(packages, release) as system:
        system.install()
        system.boot()
        system.set_up(CHANGES)
        titles = ["printed"]
        system.print_document("printed")
        eventually(lambda: _ended(system, titles))
        for title, happens in HELD.items():
            system.cloudlet("location", "offline", "Paris")
            job = system.print_document(title)
            system.wait_for_held()
            happens(system, job)
            system.cloudlet("location", "online", "Paris")
            titles.append(title)
            eventually(lambda: _ended(system, titles))
        titles.append("last")
        system.print_document("last")
        eventually(lambda: _ended(system, titles))
        for document in system.cloud_jobs():
            assert len(PdfReader(system.path(document["document"])).pages) == 4
        _nothing_is_wrong(system, titles)
        _the_apparmor_profile_is_sound(system)


def _nothing_happens(system: PackagedSite, job: str) -> None:
    """The poller releases the job."""


def _a_person_resumes(system: PackagedSite, job: str) -> None:
    """Nothing is sent again: the job follows its document for a while, and is held again."""
    system.run("lp", "-i", job, "-H", "resume")
    system.wait_for_held()


def _cupsd_is_restarted(system: PackagedSite, job: str) -> None:
    system.run("systemctl", "restart", "cups")
    eventually(lambda: "scheduler is running" in system.run("lpstat", "-r", may_fail=True))


def _the_package_is_upgraded(system: PackagedSite, job: str) -> None:
    system.apt_get("install", system.deb("next", "bridge"))
    assert NEXT_VERSION in system.run("dpkg-query", "-W", "cirrus-bridge")


HELD = {
    "released by the poller": _nothing_happens,
    "resumed by a person": _a_person_resumes,
    "held over a restart": _cupsd_is_restarted,
    "held over an upgrade": _the_package_is_upgraded,
}


def _ended(system: PackagedSite, titles: list[str]) -> bool:
    """CUPS has completed each job; the cloud has each once, delivered."""
    if system.completed() < len(titles):
        return False
    assert [(job["title"], job["state_name"]) for job in system.cloud_jobs()] == [
        (title, "delivered") for title in titles
    ]
    return True


def _nothing_is_wrong(system: PackagedSite, titles: list[str]) -> None:
    """cirrusctl knows each job once, and the doctor finds no fault."""
    jobs = json.loads(system.run("sh", "-c", "cirrusctl jobs --json 2>/dev/null"))
    assert sorted(job["title"] for job in jobs) == sorted(titles)
    said = system.run("sh", "-c", "cirrusctl doctor --json 2>/dev/null", may_fail=True)
    assert json.loads(said)["worst"] in ("ok", "note"), said


def _the_apparmor_profile_is_sound(system: PackagedSite) -> None:
    """This release's profile of cupsd accepts the package's sample."""
    system.apt_get("install", "apparmor")
    system.write("/etc/apparmor.d/local/usr.sbin.cupsd", system.path(SAMPLE).read_text())
    parser = ("apparmor_parser", "--skip-kernel-load", "--skip-cache")
    system.run(*parser, PROFILE)
    assert "/usr/sbin/cupsd//cirrus\n" in system.run(*parser, "--names", PROFILE)
