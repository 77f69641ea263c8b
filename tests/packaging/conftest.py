"""The packages, built once for a whole run of the tests by the first process that needs them."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest

from clean_system import RELEASES
from paths import REPO
from release_build import EARLIER_VERSION, NEXT_VERSION, build, repack


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `release` on each requested Debian release."""
    if "release" in metafunc.fixturenames:
        every = metafunc.config.getoption("every_release")
        metafunc.parametrize("release", RELEASES if every else (RELEASES[0], RELEASES[-1]))


@pytest.fixture(scope="session")
def packages(testrun_uid: str) -> Path:
    """A folder with now/, the release, and earlier/ and next/, packages of other versions."""
    folder = REPO / "build" / "tested"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "made-by-run"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == testrun_uid):
            build(folder / "now")
            for other in ("earlier", "next"):
                shutil.rmtree(folder / other, ignore_errors=True)
            for deb in (folder / "now").glob("*.deb"):
                repack(deb, folder / "earlier", EARLIER_VERSION, _move_units)
            (bridge,) = (folder / "now").glob("cirrus-bridge_*.deb")
            repack(bridge, folder / "next", NEXT_VERSION, _move_modules)
            stamp.write_text(testrun_uid)
    return folder


def _move_units(folder: Path) -> None:
    """Move the units to where earlier packages had them: another name of the same folder."""
    (folder / "lib").mkdir()
    (folder / "usr" / "lib" / "systemd").rename(folder / "lib" / "systemd")


def _move_modules(folder: Path) -> None:
    """Move each module within the programs, as other sources would do.

    Freezing other sources would take minutes.
    """
    modules = folder / "usr" / "lib" / "cirrus-bridge" / "lib" / "modules"
    # their places are counted from the end
    modules.write_bytes(bytes(4321) + modules.read_bytes())
