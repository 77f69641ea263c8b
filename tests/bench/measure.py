"""Run a command and measure its whole process tree: time, processor time, memory."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.02
LIMIT_S = 900.0


@dataclass(frozen=True)
class Cost:
    """Seconds, processor seconds (user and system), peak of the resident bytes of the tree."""

    wall_s: float
    cpu_s: float
    rss_bytes: int


def cost(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command once; return its cost.

    Raises:
        RuntimeError: the command failed; the text is the end of its output.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    said, peak = b"", 0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        if time.perf_counter() - started > LIMIT_S:
            process.kill()
        peak = max(peak, sum(map(_resident, _tree(process.pid))))
        said = (said + (process.stderr.read() or b""))[-1000:]
        # measuring takes time, so a long command is measured less often
        time.sleep(min(LOOK_S, (time.perf_counter() - started) / 50))
    wall_s = time.perf_counter() - started
    said += process.stderr.read() or b""
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {process.returncode}: {said.decode('utf-8', 'replace')}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, peak)


def median(run: Callable[[], Cost], count: int) -> Cost:
    """The median costs of `count` runs (of the memory, the highest)."""
    costs = [run() for _ in range(count)]
    return Cost(
        statistics.median(c.wall_s for c in costs),
        statistics.median(c.cpu_s for c in costs),
        max(c.rss_bytes for c in costs),
    )


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
            found += map(int, text.split())
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
