"""The bridge's programs as the packages have them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from paths import REPO

_RELEASE = REPO / "installer" / "packages" / "release.py"


@cache
def programs() -> Path:
    """Freeze the programs, unless that is done; return their folder."""
    with tempfile.TemporaryDirectory() as packages:
        subprocess.run(
            [sys.executable, _RELEASE, "--packages-only", "--unchecked", "--out", packages],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return REPO / "build" / "frozen" / "cirrus-bridge"
