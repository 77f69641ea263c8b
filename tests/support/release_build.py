"""The release program, run for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cirrus_bridge.version import __version__
from paths import REPO

RELEASE = Path("installer", "packages", "release.py")
# dpkg sorts these before and after the version
EARLIER_VERSION = f"{__version__}~earlier"
NEXT_VERSION = f"{__version__}+next"


def repack(deb: Path, out: Path, version: str, change: Callable[[Path], None]) -> None:
    """Write a package of another version into `out`, with what `change` does to its folder."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
        control = folder / "DEBIAN" / "control"
        control.write_text(
            control.read_text().replace(f"\nVersion: {__version__}-", f"\nVersion: {version}-")
        )
        change(folder)
        pack = ["dpkg-deb", "-Znone", "-b", name, str(out)]  # compression takes long
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)


def build(
    out: Path,
    *arguments: str,
    repo: Path = REPO,
    inside: Sequence[str | Path] = (),
    **environ: str,
) -> None:
    """Build a release of the sources in `repo`, which may be a copy without git, into `out`.

    Args:
        arguments: of the release program.
        inside: a command that runs the one that follows it.
        environ: changes of the environment.
    """
    git = ["git", "log", "-1", "--format=%ct"]
    epoch = subprocess.run(git, cwd=REPO, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(
        [*inside, sys.executable, repo / RELEASE, "--unchecked", "--out", out, *arguments],
        # its tools are beside its Python
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SOURCE_DATE_EPOCH": epoch,
            **environ,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
