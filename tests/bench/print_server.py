"""Small jobs through a real cupsd: jobs a second, processor time, and memory of many at once.

Every job comes from lp(1), and goes to a raw queue. CUPS's own backends take the same load in the
same cupsd.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cups

import clients
import links
from clients import AWAY, Site, Workers
from frame import Setting, Table
from measure import cpu_with_children_s, interleaved, pss_bytes, spread, tree
from raw_queues import add_raw_queues
from workloads import make

WARM, COLD = "backend", "backend without cirrus-workerd"
COLUMNS = ("load", "what", "jobs/s", "cpu ms a job (cupsd, backends, workers)")
QUEUES = (1, 10, 50)
SENDERS = 4  # lp(1) at the same time
LIMIT_S = 40.0
PATIENCE_S = 300.0
_Result = TypeVar("_Result")
_WAITING = (cups.IPP_JOB_PENDING, cups.IPP_JOB_PROCESSING)


class Load(NamedTuple):
    """What a load of jobs took."""

    jobs_per_s: float
    cpu_ms: float


def table(setting: Setting) -> Table:
    """Print by 1, 10 and 50 queues, and by one whose location does not fetch its jobs."""
    rounds, jobs = setting.size(3, 1), setting.size(40, 5)
    made = Table(f"A real cupsd, 50 KB PDF, https (median and quartiles of {rounds})", COLUMNS)
    document = make(setting.folder / "50k.pdf", "pdf", 50_000)
    with (
        clients.site(links.LOOPBACK, setting.folder / "site", tls=True) as site,
        site.poller(),
        clients.socket_printer() as socket_printer,
        clients.ipp_printers(setting.folder, max(QUEUES)) as ipp_printers,
    ):
        ours = _queues(site, [site.uri()], max(QUEUES))
        uris = {
            "CUPS socket backend": [socket_printer],
            "CUPS ipp backend, waitjob=false": [f"{each}?waitjob=false" for each in ipp_printers],
        }
        others = {what: _queues(site, each, max(QUEUES)) for what, each in uris.items()}
        for count in QUEUES:
            measure = partial(_load, site, jobs=max(jobs, count), document=document)
            ways = _ours(site, partial(measure, ours[:count]))
            ways |= {what: partial(measure, names[:count]) for what, names in others.items()}
            taken = interleaved(ways, rounds, limit_s=LIMIT_S)
            load = f"{count} queue{'s'[: count - 1]}"
            _rows(made, load, taken)
            if goal := {1: 20, 10: 25}.get(count):
                _goal(made, f"{load}, real cupsd", goal, taken[WARM])
        away = _queues(site, [site.uri(AWAY)], max(QUEUES))
        measure = partial(_load, site, away[:1], jobs, document, is_fetched=False)
        taken = interleaved(_ours(site, measure), rounds, limit_s=LIMIT_S)
        what = "1 queue whose location does not fetch at once"
        _rows(made, what, taken)
        _goal(made, what, 20, taken[WARM])
        what = f"{max(QUEUES)} queues at once"
        for suffix, names in {"": ours, ", no job is fetched": away}.items():
            for way, run in _ours(site, partial(_all_at_once, site, names, document)).items():
                mib = run() / 2**20
                made.row(f"{what}{suffix}", way, f"{mib:.0f} MiB (PSS)", "")
                if way == WARM:
                    figure = f"{mib:.0f} MiB"
                    made.goal(f"{what}{suffix}", "≤ 250 MiB (PSS)", figure, is_met=mib <= 250)
    return made


def _ours(site: Site, measure: Callable[..., _Result]) -> dict[str, Callable[[], _Result]]:
    """Measure with cirrus-workerd, and without it."""

    def warm() -> _Result:
        with site.workers() as workers:
            return measure(workers=workers)

    return {WARM: warm, COLD: measure}


def _queues(site: Site, uris: Sequence[str], count: int) -> list[str]:
    made = {f"q{time.monotonic_ns()}": uris[number % len(uris)] for number in range(count)}
    add_raw_queues(site.cups, made)
    return [*made]


def _load(
    site: Site,
    queues: Sequence[str],
    jobs: int,
    document: Path,
    *,
    is_fetched: bool = True,
    workers: Workers | None = None,
) -> Load:
    """Print jobs on all queues in turn, and wait until cupsd has completed them all.

    Jobs that are not fetched stay in CUPS, so these count when the server has them.
    """
    before_s, began_s = _cpu_s(site, workers), time.monotonic()
    _print(site, queues, jobs, document)
    while _waiting(site) if is_fetched else site.arrived() < jobs:
        _check_patience(site, began_s)
        time.sleep(0.05)
    wall_s, cpu_s = time.monotonic() - began_s, _cpu_s(site, workers) - before_s
    if site.arrived() not in (0, jobs):  # peers send to printers
        raise RuntimeError(f"{site.arrived()} of {jobs} jobs have arrived")
    _clean(site)
    return Load(jobs / wall_s, cpu_s / jobs * 1000)


def _clean(site: Site) -> None:
    """Cancel what is left, and forget what has arrived."""
    site.cups.run("cancel", "-a")
    while len(tree(site.cups.pid)) > 1:
        time.sleep(0.05)
    site.forget()


def _check_patience(site: Site, began_s: float) -> None:
    if time.monotonic() - began_s > PATIENCE_S:
        raise RuntimeError(f"jobs do not end:\n{site.cups.log_end()}")


def _print(site: Site, queues: Sequence[str], jobs: int, document: Path) -> None:
    with ThreadPoolExecutor(SENDERS) as pool:
        names = (queues[number % len(queues)] for number in range(jobs))
        list(pool.map(lambda name: site.cups.lp(name, "-o", "raw", document), names))


def _waiting(site: Site) -> list[int]:
    """The jobs that cupsd has not completed, held or stopped."""
    wanted = ["job-id", "job-state"]
    connection = cups.Connection(host=str(site.cups.socket))
    jobs = connection.getJobs(which_jobs="not-completed", requested_attributes=wanted)
    return [number for number, job in jobs.items() if job["job-state"] in _WAITING]


def _cpu_s(site: Site, workers: Workers | None) -> float:
    services = [site.cups.pid, *([workers.pid] if workers else [])]
    running = tree(workers.pid)[1:] if workers else []
    return sum(map(cpu_with_children_s, services + running))


def _all_at_once(
    site: Site, queues: Sequence[str], document: Path, workers: Workers | None = None
) -> int:
    """Start a job on each queue; return the peak of the memory of all processes of backends."""
    connection = cups.Connection(host=str(site.cups.socket))
    for name in queues:
        connection.disablePrinter(name)
    _print(site, queues, len(queues), document)
    for name in queues:
        connection.enablePrinter(name)
    peak, is_complete, began_s = 0, False, time.monotonic()
    while not is_complete:  # one more look when the server has all
        _check_patience(site, began_s)
        is_complete = site.arrived() >= len(queues)
        service = [workers.pid] if workers else []
        peak = max(peak, pss_bytes(*tree(site.cups.pid)[1:], *service))
        time.sleep(0.05)
    _clean(site)
    return peak


def _rows(made: Table, load: str, taken: dict[str, list[Load]]) -> None:
    for what, loads in taken.items():
        rates = spread((each.jobs_per_s for each in loads), 1)
        made.row(load, what, rates, spread(each.cpu_ms for each in loads))


def _goal(made: Table, what: str, goal: float, loads: list[Load]) -> None:
    rate = sorted(each.jobs_per_s for each in loads)[len(loads) // 2]
    made.goal(what, f"≥ {goal} jobs/s", f"{rate:.1f} jobs/s", is_met=rate >= goal)
