"""A small job, whose time is mostly the start of processes, and round trips on a slow line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import clients
import instruments
import links
from clients import PYTHON_BACKEND, Site
from frame import Setting, Table
from instruments import Tool
from measure import Cost, interleaved, times_ms, wall_s
from workloads import make

COLUMNS = (
    *("link", "what", "wall ms", "cpu ms", "million instructions", "syncs", "wall, this / curl"),
)
RTT_MS = 50
OURS, CURL, NEW = "backend", "one curl", "backend, a new worker's first job"
COUNTED = 5  # jobs, after the first one
Way = Callable[[], Cost]


def table(setting: Setting) -> Table:
    """Time a job of 50 KB on loopback and on a line with 50 ms, with the default wait."""
    document = make(setting.folder / "50k.pdf", "pdf", 50_000)
    rounds = setting.size(21, 3)
    made = Table(f"A 50 KB PDF (median and quartiles of {rounds})", COLUMNS)
    for tls in (True, False):
        folder = setting.folder / f"loopback-{tls}"
        with clients.site(links.LOOPBACK, folder, tls=tls) as site, contextlib.ExitStack() as peers:
            others, counts = {}, {}
            if tls:
                others = _cups_backends(peers, folder, document)
                counts = {
                    OURS: ("", _warm_syncs(site, document)),
                    **{
                        name: _counts(way)
                        for name, way in (_alone(site, document) | others).items()
                    },
                }
            _compare(made, site, document, rounds, others, counts)
    for tls in (True, False):
        with (
            links.slow(links.Line(RTT_MS, mbit=100), setting.folder) as link,
            clients.site(link, setting.folder / f"line-{tls}", tls=tls) as site,
        ):
            _compare(made, site, document, rounds, {}, {})
    return made


def _alone(site: Site, document: Path) -> dict[str, Callable[..., Cost]]:
    """What needs no cirrus-workerd."""
    return {
        "backend without cirrus-workerd": partial(site.backend, document),
        "the same, installed with pip": partial(site.backend, document, program=PYTHON_BACKEND),
        CURL: partial(site.curl, document),
    }


def _cups_backends(
    peers: contextlib.ExitStack, folder: Path, document: Path
) -> dict[str, Callable[..., Cost]]:
    uris = {"CUPS socket backend": peers.enter_context(clients.socket_printer())}
    (printer,) = peers.enter_context(clients.ipp_printers(folder))
    uris["CUPS ipp backend, waitjob=false"] = f"{printer}?waitjob=false"
    return {name: partial(clients.cups_backend, uri, document) for name, uri in uris.items()}


def _compare(
    made: Table,
    site: Site,
    document: Path,
    rounds: int,
    others: dict[str, Callable[..., Cost]],
    counts: dict[str, tuple[str, str]],
) -> None:
    with site.workers() as workers:
        ways: dict[str, Way] = {
            OURS: partial(site.backend, document, workers),
            NEW: partial(site.first_job, document),
            **_alone(site, document),
            **others,
        }
        taken = interleaved(ways, rounds, warm_up=True)
    curl_s = wall_s(taken[CURL])
    kind = "https" if site.tls else "http"
    for name, costs in taken.items():
        ratio = f"{wall_s(costs) / curl_s:.2f}"
        cells = (*times_ms(costs), *counts.get(name, ("", "")), ratio)
        made.row(f"{site.link.name}, {kind}", name, *cells)
    if site.tls:
        most = 1.5 if site.link.bytes_per_s is None else 1.0
        for name, detail in {OURS: "", NEW: ", no connection open"}.items():
            ours_s = wall_s(taken[name])
            made.goal(
                f"50 KB, https, default wait, {site.link.name}{detail}",
                f"≤ {most} × curl",
                f"{ours_s / curl_s:.2f} × curl ({ours_s * 1000:.0f} ms)",
                is_met=ours_s <= most * curl_s,
            )


def _counts(way: Callable[..., Cost]) -> tuple[str, str]:
    """Instructions and syncs of a way that needs no service."""

    def run(tool: Tool) -> None:
        way(tool=tool)

    million = instruments.instructions(run) / 1e6
    return f"{million:,.{0 if million >= 10 else 1}f}", str(instruments.syncs(run))


def _warm_syncs(site: Site, document: Path) -> str:
    """Syncs of a job with a worker that has done one before: the difference of two counts.

    valgrind cannot run cirrus-workerd: 3.19 does not know pidfd_open(2), so the front works alone.
    """

    def run(jobs: int, tool: Tool) -> None:
        with site.workers("counted", tool=tool) as workers:
            for _ in range(jobs):
                site.backend(document, workers, tool=tool)

    first, all_jobs = (instruments.syncs(partial(run, jobs)) for jobs in (1, 1 + COUNTED))
    return f"{(all_jobs - first) / COUNTED:g}"
