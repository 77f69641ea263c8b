"""The release on each Debian, with each CUPS in use, from the README's commands to a purge."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path

import pytest
from pypdf import PdfReader

import images
from packaged_site import QUEUE, PackagedSite
from paths import REPO
from print_site import eventually
from systems_table import record
from terminal import PROMPT, SHELL, Terminal

pytestmark = pytest.mark.complete
HEADING = "## Your first page"
CHANGES = {"#waittimeout = 60": "waittimeout = 3"}
GENERIC = "drv:///cirrus-bridge.drv/cirrus-generic-pdf.ppd"
PAGES = {"welcome.pdf": 4, "picture.png": 1, "notes.txt": 1}
PROFILE = "/etc/apparmor.d/usr.sbin.cupsd"
SAMPLE = "/usr/share/doc/cirrus-bridge/examples/apparmor-cupsd"
# Files of CUPS, apt, dpkg and the test itself
NOT_OURS = (
    *("/srv/", "/proc/", "/sys/", "/run/", "/tmp/", "/var/tmp/", "/var/log/"),
    *("/etc/cups/", "/var/spool/cups/", "/var/cache/", "/var/lib/apt/", "/var/lib/systemd/"),
)


@pytest.mark.timeout(900)
def test_life_on_each_release(packages: Path, release: str, tmp_path: Path) -> None:
    """The README's commands alone print a first page. Then each document comes out once: of each
    type, through each driver, and if its job is held. A purge leaves nothing."""
    with PackagedSite(packages, release) as system:
        _print_the_first_page(system, tmp_path)
        titles = [job["title"] for job in system.cloud_jobs()]
        assert len(titles) == 1
        system.configure(CHANGES)
        (system.path("/srv/picture.png")).write_bytes(images.png())
        system.write("/srv/notes.txt", "Grüße from the print room\n")
        for queue in (*_queues(system), _queue_without_a_driver(system)):
            for file in PAGES:
                titles.append(f"{file} on {queue}")
                system.print_document(titles[-1], queue=queue, file=f"/srv/{file}")
        eventually(lambda: _ended(system, titles))
        for title, happens in HELD.items():
            system.cloudlet("location", "offline", "Paris")
            titles.append(title)
            job = system.print_document(title, queue="Laser1")
            system.wait_for_held()
            happens(system, job)
            system.cloudlet("location", "online", "Paris")
            eventually(lambda: _ended(system, titles))
        for document in system.cloud_jobs()[1:]:
            pages = len(PdfReader(system.path(document["document"])).pages)
            assert pages == PAGES.get(document["title"].partition(" on ")[0], 4)
        _nothing_is_wrong(system, titles)
        _the_apparmor_profile_is_sound(system)
        record(release, system)
        system.apt_get("purge", "cirrus-printers", "cirrus-bridge", "cirrus-cloudlet")
        assert system.files(_is_ours) == set()
        for file in ("passwd", "shadow", "group", "gshadow"):
            assert "cirrus" not in system.path(f"/etc/{file}").read_text()


@pytest.mark.timeout(900)
def test_without_packages(packages: Path, release: str, request: pytest.FixtureRequest) -> None:
    """The commands of install.md alone install the sources, with the Python of the release.

    A document is printed by a process of its own, then another one by a warm worker.
    """
    if not request.config.getoption("every_release"):
        pytest.skip("only in tests/systems, because pip compiles and downloads much")
    with PackagedSite(packages, release) as system:
        system.apt_get("install", system.deb("now", "cloudlet"), "systemd")
        system.copy_sources("/srv/source")
        install, poller, warm = _commands_without_packages()
        _follow(system, install)
        system.trust_the_cloud()
        system.boot()
        system.start_cloud()
        system.add_server()
        system.start("sh", "-c", poller, log="/srv/poller.log")
        system.run("lpadmin", "-p", QUEUE, "-E", "-v", system.discovered(), "-m", GENERIC)
        system.print_document("cold")
        eventually(lambda: _ended(system, ["cold"]))
        _follow(system, warm)
        assert system.run("systemctl", "is-active", "cirrus-workerd") == "active\n"
        system.print_document("warm")
        eventually(lambda: _ended(system, ["cold", "warm"]))


def _commands_without_packages() -> tuple[str, str, str]:
    """Commands of install.md: the installation, the poller, and warm workers."""
    text = (REPO / "installer" / "docs" / "install.md").read_text()
    section = text.partition("\n## Without packages\n")[2].partition("\n## ")[0]
    install, poller, warm, *_ = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return install, poller, warm


def _follow(system: PackagedSite, commands: str) -> None:
    """Run commands in the sources' folder: apt-get and pip with network, the others without."""
    kinds = ("apt-get ", "/opt/cirrus-bridge/bin/pip ")
    for kind, lines in itertools.groupby(
        commands.splitlines(), lambda line: next(filter(line.startswith, kinds), "")
    ):
        script = "\n".join(("cd /srv/source", *lines))
        if kind == "apt-get ":
            system.apt_get(*shlex.split(script)[3:])
        elif kind:
            system.run_with_network(script)
        else:
            system.run("sh", "-ec", script)


def _print_the_first_page(system: PackagedSite, folder: Path) -> None:
    """Do what the README says, and answer what `cirrusctl setup` asks."""
    section = (REPO / "README.md").read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    block = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[-1]
    commands = [line.partition("  #")[0].rstrip() for line in block.splitlines()]
    install, serve, add_device, add_key, setup = commands
    assert install == "apt-get install ./dist/cirrus-bridge_*.deb ./dist/cirrus-cloudlet_*.deb"
    system.apt_get("install", system.deb("now", "bridge"), system.deb("now", "cloudlet"))
    system.boot()
    with Terminal(folder, {}, 100, 40, shell=system.entering(*SHELL)) as terminal:
        terminal.sees(PROMPT)
        for command in ("cd", serve, add_device, add_key):
            terminal.type(command)
        shown = re.compile(rf"^([\w-]{{43}})\n{re.escape(PROMPT.strip())}$", re.MULTILINE)
        eventually(lambda: shown.search(terminal.screen()))
        key = shown.findall(terminal.screen())[-1]
        terminal.type(setup)
        eventually(lambda: re.search(r"\nPrint server \(.*\):$", terminal.screen()))
        terminal.type("127.0.0.1:27082")
        for question, answer in (
            ("Continue without TLS? [Y/n]:", ""),
            ("\nCompany (its id):", "Demo"),
            ("\nAPI key (not shown):", key),
            ("\nLocation (its id; several with commas):", "Paris"),
            ("or none) [1]:", ""),
            ("[Laser1]:", ""),
            ("\nPrint a test page on Laser1? [Y/n]:", ""),
        ):
            terminal.sees(question)
            terminal.type(answer)
        done = "The doctor finds nothing wrong.\nDone. Try: lp -d Laser1 file.pdf"
        terminal.sees(f"\n{done}\n{PROMPT}")
    # the poller may be restarting, because it got a key
    eventually(lambda: _worst(system) in ("ok", "note"))
    assert system.states() == ["delivered"]


def _queues(system: PackagedSite) -> tuple[str, str]:
    """The setup's queue, with the device's own driver, and another one with a generic driver."""
    uri = system.discovered()
    drivers = re.findall(r"(?m)^(\S+) ", system.run("lpinfo", "-m"))
    assert GENERIC in drivers
    assert [each for each in drivers if each.startswith("cirrus:")]
    system.run("lpadmin", "-p", "generic", "-E", "-v", uri, "-m", GENERIC)
    assert _driver(system, "Laser1") != _driver(system, "generic") == "Cirrus Generic PDF"
    return "Laser1", "generic"


def _queue_without_a_driver(system: PackagedSite) -> str:
    """A queue of this CUPS to the device as a printer without a driver (IPP Everywhere)."""
    system.apt_get("install", system.deb("now", "printers"))
    system.run("cirrusctl", "printers", "enable", "Paris:Laser1")
    system.run("systemctl", "enable", "--now", "cirrus-printers")

    def printers() -> list[dict[str, str]]:
        said = system.run("sh", "-c", "cirrusctl printers --json 2>/dev/null || true")
        return [each for each in json.loads(said or "[]") if each["state"] == "idle"]

    eventually(printers)
    uri = f"ipp://localhost:8631/ipp/print/{printers()[0]['name']}"
    system.run("lpadmin", "-p", "everywhere", "-E", "-v", uri, "-m", "everywhere")
    return "everywhere"


def _driver(system: PackagedSite, queue: str) -> str:
    """The name of a queue's driver."""
    ppd = system.path(f"/etc/cups/ppd/{queue}.ppd").read_text()
    (name,) = re.findall(r'(?m)^\*NickName: *"(.*)"', ppd)
    return str(name)


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
    _install(system, "next")


def _the_package_is_downgraded(system: PackagedSite, job: str) -> None:
    """Both versions write the same journal."""
    _install(system, "now")


def _install(system: PackagedSite, folder: str) -> None:
    deb = system.deb(folder, "bridge")
    system.apt_get("install", "--allow-downgrades", deb)
    version = system.run("dpkg-deb", "--field", deb, "Version")
    assert system.run("dpkg-query", "-W", "cirrus-bridge") == f"cirrus-bridge\t{version}"


HELD = {
    "released by the poller": _nothing_happens,
    "resumed by a person": _a_person_resumes,
    "held over a restart": _cupsd_is_restarted,
    "held over an upgrade": _the_package_is_upgraded,
    "held over a downgrade": _the_package_is_downgraded,
}


def _ended(system: PackagedSite, titles: list[str]) -> bool:
    """CUPS has completed each job; the cloud has each once, delivered."""
    if system.completed() < len(titles):
        return False
    jobs = system.cloud_jobs()
    assert sorted(job["title"] for job in jobs) == sorted(titles)
    assert {job["state_name"] for job in jobs} == {"delivered"}
    return True


def _nothing_is_wrong(system: PackagedSite, titles: list[str]) -> None:
    """cirrusctl knows each job once, and the doctor finds no fault."""
    jobs = json.loads(system.run("sh", "-c", "cirrusctl jobs --json 2>/dev/null"))
    assert sorted(job["title"] for job in jobs) == sorted(titles)
    assert _worst(system) in ("ok", "note")


def _worst(system: PackagedSite) -> str:
    """The worst severity that the doctor finds."""
    doctor = ("sh", "-c", "cirrusctl doctor --json 2>/dev/null")
    return str(json.loads(system.run(*doctor, may_fail=True))["worst"])


def _the_apparmor_profile_is_sound(system: PackagedSite) -> None:
    """This release's profile of cupsd accepts the package's sample."""
    system.apt_get("install", "apparmor")
    system.write("/etc/apparmor.d/local/usr.sbin.cupsd", system.path(SAMPLE).read_text())
    parser = ("apparmor_parser", "--skip-kernel-load", "--skip-cache")
    system.run(*parser, PROFILE)
    assert "/usr/sbin/cupsd//cirrus\n" in system.run(*parser, "--names", PROFILE)


def _is_ours(path: str) -> bool:
    return "cirrus" in path and not path.startswith(NOT_OURS)
