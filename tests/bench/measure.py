"""Run commands and measure them: time, processor time, memory; and take turns.

A warm worker is not below its front in the tree of processes. So a command may have a service,
whose own tree counts as well.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

LOOK_S = 0.05  # reading the memory of a process takes a millisecond
LIMIT_S = 900.0
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        cpu_s: user and system time of the tree, and the service's.
        pss_bytes: the peak of the memory (proportional set size, proc(5)) of the same processes; 0
            if the command ended before the first look.
    """

    wall_s: float
    cpu_s: float
    pss_bytes: int


def cost(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    *,
    service: int | None = None,
) -> Cost:
    """Run a command once; return its cost.

    Args:
        service: the process id of the service that works for the command.

    Raises:
        RuntimeError: the command failed; the text is the end of its output.
    """
    before_s = _service_cpu_s(service)
    with tempfile.TemporaryFile() as said:
        started, peak = time.perf_counter(), 0
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        end = os.pidfd_open(process.pid)
        while not select.select([end], [], [], LOOK_S)[0]:
            peak = max(peak, pss_bytes(process.pid, *([service] if service else [])))
            if time.perf_counter() - started > LIMIT_S:
                process.kill()
        wall_s = time.perf_counter() - started
        os.close(end)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            text = said.read()[-1000:].decode("utf-8", "replace")
            raise RuntimeError(f"{command}: {process.returncode}: {text}")
    cpu_s = usage.ru_utime + usage.ru_stime + _service_cpu_s(service) - before_s
    return Cost(wall_s, cpu_s, peak)


def interleaved(
    ways: Mapping[str, Callable[[], _Result]],
    rounds: int,
    *,
    warm_up: bool = False,
    limit_s: float = math.inf,
) -> dict[str, list[_Result]]:
    """Go through all ways in turn, `rounds` times, so that a busy moment meets all of them.

    Args:
        warm_up: whether a first round does not count.
        limit_s: a way that has taken as many seconds has no further run.
    """
    results: dict[str, list[_Result]] = {name: [] for name in ways}
    taken_s = dict.fromkeys(ways, 0.0)
    for number in range(-warm_up, rounds):
        for name, run in ways.items():
            if number > 0 and taken_s[name] >= limit_s:
                continue
            began_s = time.monotonic()
            result = run()
            if number >= 0:
                taken_s[name] += time.monotonic() - began_s
                results[name].append(result)
    return results


def spread(values: Iterable[float], digits: int = 0) -> str:
    """The median, with the quartiles if there are several values."""
    found = sorted(values)
    if len(found) == 1:
        return f"{found[0]:.{digits}f}"
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def wall_s(costs: Sequence[Cost]) -> float:
    """The median of the wall times."""
    return statistics.median(each.wall_s for each in costs)


def times_ms(costs: Sequence[Cost]) -> tuple[str, str]:
    """Wall time and processor time with their spread, in milliseconds."""
    return (
        spread(each.wall_s * 1000 for each in costs),
        spread(each.cpu_s * 1000 for each in costs),
    )


def cpu_s(pid: int) -> float:
    """The processor time of a process with all its threads, without its children."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


def cpu_with_children_s(pid: int) -> float:
    """The processor time of a process, and of its children that have ended (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def tree(*pids: int) -> list[int]:
    """The processes and their descendants."""
    found = [*dict.fromkeys(pids)]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = map(int, task.read_text().split())
                found += [child for child in children if child not in found]
    return found


def pss_bytes(*pids: int) -> int:
    """The proportional set size (proc(5)) of the processes and their descendants."""
    return sum(map(_pss_bytes, tree(*pids)))


def _service_cpu_s(service: int | None) -> float:
    total_s = 0.0
    for pid in tree(service) if service else ():
        with contextlib.suppress(OSError):
            total_s += cpu_s(pid)
    return total_s


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
