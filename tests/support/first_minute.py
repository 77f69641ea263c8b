"""Measure the README's table: what the first page costs on a clean system of a Debian release.

    python tests/support/first_minute.py bookworm trixie --packages FOLDER

FOLDER has the packages that `installer/release` made. Each step begins without downloaded packages.
Leave the machine alone meanwhile: other programs also take time, and download.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from clean_system import CleanSystem
from paths import REPO

SOURCES = "/root/cirrus-bridge"
OLDEST = "bookworm"  # which `installer/release` needs


class Cost(NamedTuple):
    """The cost of a step."""

    what: str
    wall_s: float
    downloaded_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--packages", type=Path, help="measure these packages, too")
    given = parser.parse_args()
    print("| | release | time | download |\n| --- | --- | --- | --- |")
    for release in given.releases:
        for cost in (
            *_demo(release),
            *_packages(release, given.packages),
            *_release(release),
        ):
            size = f"{cost.downloaded_bytes / 1e6:.0f} MB"
            print(f"| {cost.what} | {release} | {cost.wall_s:.0f} s | {size} |", flush=True)


@contextlib.contextmanager
def _system(release: str) -> Iterator[CleanSystem]:
    """A clean system without downloaded packages."""
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as archives,
        CleanSystem(release, Path(archives)) as system,
    ):
        system.apt_get("update")
        yield system


def _demo(release: str) -> Iterator[Cost]:
    with _system(release) as system:
        system.copy_sources(SOURCES)
        for what in ("`installer/demo`", "`installer/demo` again"):
            yield _measured(what, lambda: system.run_with_network(f"{SOURCES}/installer/demo"))


def _packages(release: str, folder: Path | None) -> Iterator[Cost]:
    if folder is None:
        return
    with _system(release) as system:
        for deb in folder.glob("*.deb"):
            shutil.copy(deb, system.path("/srv"))
        # with recommended packages, as a person installs them
        install = "DEBIAN_FRONTEND=noninteractive apt-get -qy install /srv/*.deb"
        yield _measured("the packages", lambda: system.run_with_network(install))


def _release(release: str) -> Iterator[Cost]:
    if release != OLDEST:
        return
    with _system(release) as system:
        bundle = system.path("/srv") / "bundle"
        subprocess.run(("git", "-C", REPO, "bundle", "create", "-q", bundle, "HEAD"), check=True)
        system.apt_get("install", "git")
        system.run("git", "clone", "--quiet", "/srv/bundle", SOURCES)
        build = f"{SOURCES}/installer/release"
        yield _measured("`installer/release`", lambda: system.run_with_network(build))


def _measured(what: str, work: Callable[[], object]) -> Cost:
    began_s, before = time.monotonic(), _received_bytes()
    work()
    return Cost(what, time.monotonic() - began_s, _received_bytes() - before)


def _received_bytes() -> int:
    """The bytes that this machine has received from others (proc_net(5), dev)."""
    rows = Path("/proc/net/dev").read_text().splitlines()[2:]
    counts = [row.split(":") for row in rows]
    return sum(int(count.split()[0]) for name, count in counts if name.strip() != "lo")


if __name__ == "__main__":
    main()
