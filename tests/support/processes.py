"""Processes that a program has started."""

from __future__ import annotations

import subprocess


def children(process: int) -> list[int]:
    """The processes that a process has started, apart from its threads."""
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True)
    return [int(each) for each in found.stdout.split()]
