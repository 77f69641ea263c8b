"""The release program, run for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from paths import REPO

VERSION = "0.1.0"
NEXT_VERSION = "0.2.0"


def build(out: Path, *arguments: str, repo: Path = REPO) -> None:
    """Build a release of the sources in `repo`, which may be a copy without git, into `out`."""
    git = ["git", "log", "-1", "--format=%ct"]
    epoch = subprocess.run(git, cwd=REPO, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(
        [sys.executable, repo / "installer" / "packages" / "release.py", "--out", out, *arguments],
        # its tools are beside its Python
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SOURCE_DATE_EPOCH": epoch,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
