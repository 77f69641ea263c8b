"""The packages, built once for a whole run of the tests by the first process that needs them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from clean_system import RELEASES
from paths import REPO
from release_build import NEXT_VERSION, VERSION, build


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `release` on each requested Debian release."""
    if "release" in metafunc.fixturenames:
        every = metafunc.config.getoption("every_release")
        metafunc.parametrize("release", RELEASES if every else (RELEASES[0], RELEASES[-1]))


@pytest.fixture(scope="session")
def packages(testrun_uid: str) -> Path:
    """A folder with now/, the release, and next/, packages of a later version."""
    folder = REPO / "build" / "tested"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "made-by-run"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == testrun_uid):
            build(folder / "now", "--version", VERSION)
            build(folder / "next", "--version", NEXT_VERSION, "--packages-only")
            (deb,) = (folder / "next").glob("cirrus-bridge_*.deb")
            _make_other_programs(deb)
            stamp.write_text(testrun_uid)
    return folder


def _make_other_programs(deb: Path) -> None:
    """Move each module within the programs, as other sources would do.

    Freezing other sources would take minutes.
    """
    folder = deb.with_suffix("")
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    modules = folder / "usr" / "lib" / "cirrus-bridge" / "lib" / "modules"
    # their places are counted from the end
    modules.write_bytes(bytes(4321) + modules.read_bytes())
    pack = ["dpkg-deb", "-Znone", "-b", str(folder), str(deb)]  # compression takes long
    subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)
