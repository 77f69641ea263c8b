"""Folders that several processes create at once, and rights that a program gives up."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cirrus_bridge.base.privileges import make_folder


def test_a_new_folder_is_never_replaced(tmp_path: Path) -> None:
    """Another process that creates the same folder at the same time cannot replace it."""
    folder, other = tmp_path / "above" / "state", tmp_path / "state.4711"
    make_folder(folder, 0o700, "runs")
    other.mkdir()
    with pytest.raises(OSError, match="not empty"):
        other.rename(folder)
    assert stat.S_IMODE((folder / "runs").stat().st_mode) == 0o700
    assert [path.name for path in folder.parent.iterdir()] == ["state"]


def test_no_core_dump_under_selinux() -> None:
    """SELinux forbids cupsd's programs to change a hard limit (EACCES), so only the soft one is."""
    code = (
        "import resource; from cirrus_bridge.base.privileges import give_up_new_rights as give_up\n"
        "before = resource.getrlimit(resource.RLIMIT_CORE); give_up()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, before[1]), before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
