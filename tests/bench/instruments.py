"""Counts that other programs on the machine do not change: instructions, and writes to the disk.

valgrind's cachegrind counts the instructions of a command with all processes that it starts, and
strace the calls of fsync and fdatasync. Many virtual machines hide the processor's own counters
from perf(1).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

Tool = Sequence[str | Path]


def instructions(run: Callable[[Tool], object]) -> int:
    """The instructions of all programs that `run` starts with the tool in front of them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # a backend gives up root's rights
        tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes"]
        run([*tool, "--log-file=/dev/null", f"--cachegrind-out-file={folder}/%p"])
        texts = [path.read_text() for path in Path(folder).iterdir()]
    return sum(int(re.findall(r"(?m)^summary: *(\d+)", text)[0]) for text in texts)


def syncs(run: Callable[[Tool], object]) -> int:
    """The calls of fsync(2) and fdatasync(2) of all programs that `run` starts with the tool."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        # -D: the program stays a child of this process; -ff: a file for each process
        tool = ["strace", "-D", "-ff", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync"]
        run([*tool, "-o", Path(folder, "calls")])
        texts = [path.read_text() for path in Path(folder).iterdir()]
    return sum(len(re.findall(r"\bf(?:data)?sync\(", text)) for text in texts)
