"""The programs of an installation that other users cannot read, as in root's home (mode 0700)."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from paths import REPO
from print_site import PrintSite, eventually
from private_installation import install_privately

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def programs(site: PrintSite) -> Path:
    """The folder of the programs, in a private folder that users may otherwise reach."""
    return install_privately(site.root / "home")


def test_the_programs_stay_root(site: PrintSite, programs: Path) -> None:
    """Backend, poller and cirrusctl work, and never become a user who cannot read them. The journal
    still belongs to its owner."""
    run = _runner(site, programs)
    uri = f"cirrus://{site.server}/Acme/Paris:Laser1"
    eventually(lambda: uri in run("cirrus-backend").stdout)
    done = run("cirrus-backend", "901", "ann", "private", "1", "", DEVICE_URI=uri, PRINTER="q")
    assert done.returncode == 0, done.stderr
    home = programs.parents[1]
    assert f"owner of {site.state} cannot read {home}\n" in done.stderr
    assert [job["title"] for job in site.cloud.jobs()].count("private") == 1
    assert {path.owner() for path in site.state.iterdir()} == {site.state.owner()}
    for command in (("cirrusctl", "jobs"), ("cirrusctl", "queues"), ("cirrus-statusd", "--once")):
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert "CB-900" not in done.stderr


def test_the_demo(site: PrintSite, programs: Path) -> None:
    """The demo finds its device, prints and delivers."""
    done = subprocess.run(
        [programs / "python3", REPO / "installer" / "demo.py"],
        env={**os.environ, "TMPDIR": str(site.root)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "==> Delivered: " in done.stdout


def test_the_doctor_names_folder_and_user(site: PrintSite, programs: Path) -> None:
    """The doctor reports which folder is closed to whom, and what that means."""
    said = json.loads(_runner(site, programs)("cirrusctl", "doctor", "--json").stdout)
    home = programs.parents[1]
    found = [each for each in said["findings"] if each["about"] == str(home)]
    assert {each["severity"] for each in found} == {"warning"}
    texts = " ".join(each["text"] for each in found)
    assert f"User {site.state.owner()} cannot read this, so the backend keeps root's" in texts
    assert "User lp cannot read this, so CUPS cannot run the driver program" in texts
    assert all("/opt" in each["fix"] for each in found)


def test_the_cloud_names_folder_and_user(programs: Path) -> None:
    """A command of the embedded cloud refuses a data folder of such a user."""
    data = programs.parents[2] / "data"
    data.mkdir()
    os.chown(data, pwd.getpwnam("lp").pw_uid, -1)
    command = (programs / "cirrus-cloudlet", "company", "add", "Acme", "--data", data)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"user lp, who owns {data}, cannot read {programs.parents[1]}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(data.iterdir())


def _runner(site: PrintSite, programs: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(program: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / program, *arguments],
            env=os.environ | site.environ | {"CUPS_SERVER": str(site.cups.socket)} | environ,
            input="text",
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
