"""Packaged programs beside the same programs in a Python environment, and a bare Python.

A small job and an empty list of drivers: both mostly measure the start.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from clients import BACKEND, Site
from dialog import Way
from measure import cost

REPO = Path(__file__).parents[2]
RELEASE = REPO / "installer" / "packages" / "release.py"


def comparisons(folder: Path, site: Site, document: Path) -> Iterator[tuple[Way, list[Way]]]:
    """Freeze the programs; return them with their comparisons."""
    release: list[str | Path] = [sys.executable, RELEASE, "--packages-only", "--out"]
    release.append(folder / "packages")
    subprocess.run(release, check=True, stdout=subprocess.DEVNULL)
    programs = REPO / "build" / "frozen" / "cirrus-bridge"
    # as the package has it in CUPS's folder, except for the path
    starter = folder / "cirrus"
    starter.write_text(f'#!/bin/sh\nexec {programs}/cirrus-backend "$@"\n')
    starter.chmod(0o700)
    # no configuration, no cache: only the start remains
    empty = dict(os.environ) | {"CIRRUS_BRIDGE_CONFIG": "/", "CIRRUS_BRIDGE_CACHE": "/"}
    bare = Way("bare Python", lambda: cost([sys.executable, "-Ic", "pass"]))
    yield (
        Way(
            "cirrus-backend, a job of 50 KB, frozen",
            lambda: site.backend(document, program=starter),
        ),
        [
            Way("the same in a Python environment", lambda: site.backend(document)),
            bare,
        ],
    )
    driver: list[str | Path] = [programs / "cirrus-driver", "list"]
    yield (
        Way("cirrus-driver list, frozen", lambda: cost(driver, empty)),
        [
            Way(
                "the same in a Python environment",
                lambda: cost([BACKEND.with_name("cirrus-driver"), "list"], empty),
            ),
            bare,
        ],
    )
