"""The packages, built once for a whole run of the tests, whichever of its processes needs them."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from release_build import NEXT_VERSION, REPO, VERSION, build


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
            stamp.write_text(testrun_uid)
    return folder
