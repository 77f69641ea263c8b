"""The containers, built, started and restarted by Podman as install.md says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from container_host import ContainerHost, container
from paths import REPO, WELCOME
from print_site import eventually

CLOUD, SERVER = "cloud", "print-server"
DATA = ("--data", "/var/lib/cirrus-cloudlet")
HOST_QUEUE = "laser"
SERVICES = "/run/services"
WITH_KEYS = ("cirrus-statusd", "cirrus-workerd")


def _commands(heading: str) -> list[str]:
    """The commands below a heading of install.md."""
    text = (REPO / "installer" / "docs" / "install.md").read_text()
    section = text.partition(f"{heading}\n")[2]
    block = str(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0])
    return block.splitlines()


@pytest.mark.complete
@pytest.mark.timeout(1800)
def test_life_of_the_containers(packages: Path) -> None:
    """install.md's commands alone start containers that print, for a CUPS outside of them.

    New containers with the same volumes resume each job. Programs that end come back, and have no
    needless rights.
    """
    enter, build, *start = _commands("## Containers")
    assert enter == "cd installer/containers"
    with ContainerHost(packages / "now") as host:
        host.apt_get("install", "cups", "cups-client", "cups-filters")
        host.build(build)
        host.follow(start)
        shutil.copy(WELCOME, host.path("/srv"))
        host.start("cupsd", "-f", log="/srv/cupsd.log")
        _wait_for_health(host)
        eventually(lambda: "is running" in host.run("lpstat", "-r", may_fail=True))
        host.follow(_commands("### Immutable systems"))
        _containers_are_replaced(host)
        _programs_that_end(host)
        _new_keys(host)
        _no_root_where_none_is_needed(host)


def _containers_are_replaced(host: ContainerHost) -> None:
    """New containers with the same volumes resume each job, and each document comes out once."""
    waits = "s/^#waittimeout = 60/waittimeout = 3/"
    host.inside(SERVER, "sed", "-i", waits, "/etc/cirrus-bridge/bridge.toml")
    _print(host, "printed")
    eventually(lambda: _states(host) == ["delivered"])
    host.inside(CLOUD, "cirrus-cloudlet", "location", "offline", "Paris", *DATA)
    _print(host, "held")
    eventually(lambda: "job-hold-until-specified" in host.inside(SERVER, "lpstat", "-l", "-o"))
    _print(host, "under way")
    eventually(lambda: len(_states(host)) == 3)

    old = [host.state(service, ".Id") for service in (CLOUD, SERVER)]
    host.compose("stop")
    # neither was killed (128 + SIGKILL)
    assert "137" not in [host.state(service, ".State.ExitCode") for service in (CLOUD, SERVER)]
    host.compose("down")
    host.compose("up", "-d")
    _wait_for_health(host)
    assert not set(old) & {host.state(service, ".Id") for service in (CLOUD, SERVER)}
    assert sorted(_states(host)) == ["delivered", "submitted", "submitted"]
    host.inside(CLOUD, "cirrus-cloudlet", "location", "online", "Paris", *DATA)
    eventually(lambda: _completed(host) == 3)

    titles = ["held", "printed", "under way"]
    assert sorted(job["title"] for job in _cloud_jobs(host)) == titles
    assert _states(host) == ["delivered"] * 3
    for job in _cloud_jobs(host):
        host.run("podman", "cp", f"{container(CLOUD)}:{job['document']}", "/srv/document.pdf")
        assert len(PdfReader(host.path("/srv/document.pdf")).pages) == 4
    known = json.loads(_said(host, "cirrusctl jobs --json"))
    assert sorted(job["title"] for job in known) == titles
    assert json.loads(_said(host, "cirrusctl doctor --json"))["worst"] in ("ok", "note")


def _programs_that_end(host: ContainerHost) -> None:
    """A killed program comes back. Without it, the container is not healthy, and the doctor's
    advice fits a container."""
    for program in ("cupsd", "cirrus-statusd", "cirrus-workerd"):
        before = _pid(host, program)
        host.inside(SERVER, "kill", "-KILL", before)
        _wait_for_another(host, program, before)
    _wait_for_health(host)
    host.inside(SERVER, "s6-svc", "-d", "-wd", f"{SERVICES}/cirrus-statusd")
    assert not host.is_healthy(SERVER)
    found = json.loads(_said(host, "cirrusctl doctor --json"))
    (poller,) = [each for each in found["findings"] if each["check"] == "poller"]
    assert "restart the container" in poller["fix"] and "systemctl" not in poller["fix"]
    host.inside(SERVER, "s6-svc", "-u", "-wu", f"{SERVICES}/cirrus-statusd")


def _new_keys(host: ContainerHost) -> None:
    """Programs that have copies of the key files start again when these change."""
    before = [_pid(host, program) for program in WITH_KEYS]
    host.inside(SERVER, "touch", "/etc/cirrus-bridge/servers.d/new.toml")
    for program, pid in zip(WITH_KEYS, before, strict=True):
        _wait_for_another(host, program, pid)
        credentials = host.inside(SERVER, "ls", f"/run/credentials/{program}")
        assert credentials.split() == ["servers.d_cloud.toml", "servers.d_new.toml"]


def _no_root_where_none_is_needed(host: ContainerHost) -> None:
    """The cloud, the poller and the workers have users of their own, and no capability."""
    for service, pid, user in (
        (CLOUD, "1", "770"),
        *((SERVER, _pid(host, program), "771") for program in WITH_KEYS),
    ):
        lines = host.inside(service, "cat", f"/proc/{pid}/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert status["Uid"].split() == [user] * 4
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"


def _wait_for_health(host: ContainerHost) -> None:
    eventually(lambda: all(host.is_healthy(service) for service in (CLOUD, SERVER)))


def _print(host: ContainerHost, title: str) -> None:
    """Print a document of four pages to the machine's own CUPS."""
    host.run("lp", "-d", HOST_QUEUE, "-t", title, "/srv/welcome.pdf")


def _cloud_jobs(host: ContainerHost) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = json.loads(
        host.inside(CLOUD, "cirrus-cloudlet", "job", "list", "--json", *DATA)
    )
    return jobs


def _states(host: ContainerHost) -> list[str]:
    return [job["state_name"] for job in _cloud_jobs(host)]


def _completed(host: ContainerHost) -> int:
    """The number of jobs that the print server has completed."""
    return len(host.inside(SERVER, "lpstat", "-W", "completed", "-o").splitlines())


def _pid(host: ContainerHost, program: str) -> str:
    """The process of a supervised program; 0 while it does not run."""
    pid = host.inside(SERVER, "s6-svstat", "-o", "pid", f"{SERVICES}/{program}").strip()
    return pid.replace("-1", "0")


def _wait_for_another(host: ContainerHost, program: str, before: str) -> None:
    """Wait until a new process runs a program."""
    eventually(lambda: _pid(host, program) not in ("0", before))


def _said(host: ContainerHost, command: str) -> str:
    """The standard output of a command in the print server, which may find faults."""
    return host.inside(SERVER, "sh", "-c", f"{command} 2>/dev/null", may_fail=True)
