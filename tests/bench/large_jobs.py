"""Large jobs on several lines: how much of the line they use, beside curl and rclone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

import clients
import links
from clients import Site
from frame import Setting, Table
from links import Line
from measure import Cost, interleaved, spread, wall_s
from workloads import MB, make

OURS, NEXT = "backend, no connection open", "backend, right after another job"
COLUMNS = ("line", "document", "way", "wall s", "cpu s", "MiB", "share of the limit")
RTTS_MS, MBITS, LOSSES, SIZES_MB = (5, 50, 200), (10, 100, 1000), (0, 0.01, 0.03), (1, 5, 20, 200)
ROUNDS, LIMIT_S = 5, 20.0
RCLONE_MB = 20  # the smallest document that is worth more than one part


class Job(NamedTuple):
    """A document on a line, and the goal for the share of the limit."""

    size_mb: float
    kind: str
    line: Line | None = None
    goal: float | None = None


# the default: the goals, and what shows compression and the processor's limits
JOBS = (
    Job(5, "pdf"),
    Job(200, "ps"),
    Job(200, "noise"),
    Job(1, "pdf", Line()),
    Job(5, "pdf", Line(), 0.55),
    Job(20, "noise", Line(), 0.85),
    Job(200, "ps", Line()),
    Job(200, "noise", Line(mbit=1000), 0.60),
    Job(20, "noise", Line(loss=0.01, congestion="cubic"), 0.40),
    Job(20, "noise", Line(loss=0.01), 0.60),
)


def table(setting: Setting) -> Table:
    """Time jobs beside one curl, and beside the limits of line and compressor."""
    made = Table(f"Large jobs, https (median and quartiles of up to {ROUNDS})", COLUMNS)
    jobs = [*_product()] if setting.has_all else JOBS
    for number, (line, on_line) in enumerate(itertools.groupby(jobs, lambda job: job.line)):
        folder = setting.folder / f"site{number}"
        if line is None:
            _measure(made, setting, links.LOOPBACK, folder, on_line)
            continue
        with links.slow(line, setting.folder) as link:
            _measure(made, setting, link, folder, on_line)
    return made


def _product() -> Iterator[Job]:
    for rtt_ms, mbit, loss, congestion in itertools.product(
        RTTS_MS, MBITS, LOSSES, links.CONGESTION_CONTROLS
    ):
        for size_mb in SIZES_MB:
            yield Job(size_mb, "noise", Line(rtt_ms, mbit, loss, congestion))


def _measure(
    made: Table, setting: Setting, link: links.Link, folder: Path, jobs: Iterator[Job]
) -> None:
    with clients.site(link, folder, tls=True) as site:
        for job in jobs:
            quick_mb = min(job.size_mb, 2 if job.line and job.line.loss else 20)
            size_mb = quick_mb if setting.is_quick else job.size_mb
            name = f"{size_mb:g}.{job.kind}"
            document = make(setting.folder / name, job.kind, int(size_mb * MB))
            rounds = 1 if setting.is_quick else ROUNDS
            ways = _ways(site, document, size_mb)
            if job.goal is not None:
                ways[NEXT] = partial(site.next_job, document)
            taken = interleaved(ways, rounds, limit_s=LIMIT_S)
            limit_s = _limit_s(link, document)
            plain_s = document.stat().st_size / link.bytes_per_s if link.bytes_per_s else None
            for way, costs in taken.items():
                least_s = limit_s if way in (OURS, NEXT) else plain_s
                share = f"{least_s / wall_s(costs):.0%}" if least_s else ""
                made.row(link.name, f"{size_mb:g} MB {job.kind}", way, *_figures(costs), share)
            if job.goal is None:
                continue
            for way in (OURS, NEXT):
                reached = limit_s / wall_s(taken[way])
                what = f"{size_mb:g} MB {job.kind}, {link.name}: {way}"
                goal, figure = f"≥ {job.goal:.0%} of the limit", f"{reached:.0%}"
                made.goal(what, goal, figure, is_met=reached >= job.goal)


def _ways(site: Site, document: Path, size_mb: float) -> dict[str, Callable[[], Cost]]:
    ways: dict[str, Callable[[], Cost]] = {
        OURS: partial(site.first_job, document),
        "one curl": partial(site.curl, document),
    }
    if size_mb >= RCLONE_MB:
        ways["rclone, 10 parts of 8 MiB at once"] = partial(site.rclone, document)
    return ways


def _limit_s(link: links.Link, document: Path) -> float:
    """The time of the line for the compressed bytes, or of the compressor alone, if longer."""
    stream, size = isal_zlib.compressobj(1), 0
    started = time.perf_counter()
    with document.open("rb") as file:
        while chunk := file.read(128 * 1024):
            size += len(stream.compress(chunk))
    size += len(stream.flush())
    deflate_s = time.perf_counter() - started
    return max(deflate_s, size / link.bytes_per_s if link.bytes_per_s else 0.0)


def _figures(costs: list[Cost]) -> tuple[str, str, str]:
    return (
        spread((each.wall_s for each in costs), 2),
        spread((each.cpu_s for each in costs), 2),
        f"{max(each.pss_bytes for each in costs) / 2**20:.0f}",
    )
