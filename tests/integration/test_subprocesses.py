"""The environment and open files of programs that we run."""

from __future__ import annotations

import os
from pathlib import Path

from cirrus_bridge.base.subprocesses import run_program


def test_only_what_is_given(tmp_path: Path) -> None:
    """A program gets only the given environment, and none of our open files."""
    record = tmp_path / "record"
    with (tmp_path / "journal").open("w") as journal:
        os.set_inheritable(journal.fileno(), True)
        script = (
            f"exec >{record}; tr '\\0' '\\n' </proc/$$/environ; "
            "readlink /proc/$$/fd/* | grep -c journal; true"
        )
        run_program(["/bin/sh", "-c", script], {"PATH": b"/usr/bin:/bin"}, limit_s=30)
    assert record.read_text().split() == ["PATH=/usr/bin:/bin", "0"]
