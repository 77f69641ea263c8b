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
from typing import Any, NamedTuple

import cups

import clients
import links
from clients import AWAY, Site
from frame import Setting, Table
from measure import cpu_with_children_s, interleaved, pss_bytes, spread, tree
from workloads import make

COLUMNS = ("load", "what", "jobs/s", "cpu ms a job (cupsd and backends)")
QUEUES = (1, 10, 50)
SENDERS = 4  # lp(1) at the same time
LIMIT_S = 40.0
PATIENCE_S = 300.0
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
        clients.socket_printer() as socket_printer,
        clients.ipp_printers(setting.folder, max(QUEUES)) as ipp_printers,
    ):
        uris = {
            "backend": [site.uri()],
            "CUPS socket backend": [socket_printer],
            "CUPS ipp backend, waitjob=false": [f"{each}?waitjob=false" for each in ipp_printers],
        }
        queues = {what: _queues(site, each, max(QUEUES)) for what, each in uris.items()}
        for count in QUEUES:
            ways: dict[str, Callable[[], Load]] = {
                what: partial(_load, site, names[:count], max(jobs, count), document)
                for what, names in queues.items()
            }
            taken = interleaved(ways, rounds, limit_s=LIMIT_S)
            load = f"{count} queue{'s'[: count - 1]}"
            _rows(made, load, taken)
            if goal := {1: 20, 10: 25}.get(count):
                _goal(made, f"{load}, real cupsd", goal, taken["backend"])
        (away,) = _queues(site, [site.uri(AWAY)], 1)
        run = partial(_load, site, [away], jobs, document, is_fetched=False)
        taken = interleaved({"backend": run}, rounds, limit_s=LIMIT_S)
        what = "1 queue whose location does not fetch at once"
        _rows(made, what, taken)
        _goal(made, what, 20, taken["backend"])
        mib = _all_at_once(site, _queues(site, [site.uri(AWAY)], max(QUEUES)), document) / 2**20
        what = f"{max(QUEUES)} queues at once"
        made.row(f"{what}, no job is fetched", "backend", f"{mib:.0f} MiB (PSS)", "")
        made.goal(what, "≤ 250 MiB (PSS)", f"{mib:.0f} MiB", is_met=mib <= 250)
    return made


def _queues(site: Site, uris: Sequence[str], count: int) -> list[str]:
    """Add raw queues; lpadmin(8) would take a while for so many."""
    connection, names = _connection(site), [f"q{time.monotonic_ns()}" for _ in range(count)]
    for number, name in enumerate(names):
        connection.addPrinter(name, device=uris[number % len(uris)])
        connection.enablePrinter(name)
        connection.acceptJobs(name)
    return names


def _load(
    site: Site, queues: Sequence[str], jobs: int, document: Path, *, is_fetched: bool = True
) -> Load:
    """Print jobs on all queues in turn, and wait until cupsd has completed them all.

    Jobs that are not fetched stay in CUPS, so these count when the server has them.
    """
    before_s, began_s = _cpu_s(site), time.monotonic()
    _print(site, queues, jobs, document)
    while _waiting(site) if is_fetched else site.arrived() < jobs:
        _check_patience(site, began_s)
        time.sleep(0.05)
    wall_s, cpu_s = time.monotonic() - began_s, _cpu_s(site) - before_s
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
    jobs = _connection(site).getJobs(which_jobs="not-completed", requested_attributes=wanted)
    return [number for number, job in jobs.items() if job["job-state"] in _WAITING]


def _connection(site: Site) -> Any:
    return cups.Connection(host=str(site.cups.socket))


def _cpu_s(site: Site) -> float:
    return cpu_with_children_s(site.cups.pid)


def _all_at_once(site: Site, queues: Sequence[str], document: Path) -> int:
    """Print a job on each queue; return the peak of the memory of all processes of backends."""
    _print(site, queues, len(queues), document)
    peak, is_complete, began_s = 0, False, time.monotonic()
    while not is_complete:  # one more look when the server has all
        _check_patience(site, began_s)
        is_complete = site.arrived() >= len(queues)
        peak = max(peak, pss_bytes(*tree(site.cups.pid)[1:]))
        time.sleep(0.2)
    _clean(site)
    return peak


def _rows(made: Table, load: str, taken: dict[str, list[Load]]) -> None:
    for what, loads in taken.items():
        rates = spread((each.jobs_per_s for each in loads), 1)
        made.row(load, what, rates, spread(each.cpu_ms for each in loads))


def _goal(made: Table, what: str, goal: float, loads: list[Load]) -> None:
    rate = sorted(each.jobs_per_s for each in loads)[len(loads) // 2]
    made.goal(what, f"≥ {goal} jobs/s", f"{rate:.1f} jobs/s", is_met=rate >= goal)
