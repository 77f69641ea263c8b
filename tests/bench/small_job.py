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
from measure import Cost, interleaved, times_ms, wall_s
from workloads import make

COLUMNS = (
    *("link", "what", "wall ms", "cpu ms", "million instructions", "syncs", "wall, this / curl"),
)
RTT_MS = 50
# a way's name → its function, which takes the command of an instrument
Ways = dict[str, Callable[..., Cost]]


def table(setting: Setting) -> Table:
    """Time a job of 50 KB on loopback and on a line with 50 ms, with the default wait."""
    document = make(setting.folder / "50k.pdf", "pdf", 50_000)
    rounds = setting.size(21, 3)
    made = Table(f"A 50 KB PDF (median and quartiles of {rounds})", COLUMNS)
    for tls in (True, False):
        folder = setting.folder / f"loopback-{tls}"
        with clients.site(links.LOOPBACK, folder, tls=tls) as site, contextlib.ExitStack() as peers:
            ways = _ways(site, document)
            if tls:
                ways |= _cups_ways(peers, folder, document)
            _compare(made, site, ways, rounds, has_counts=True)
    line = links.Line(RTT_MS, mbit=100)
    for tls in (True, False):
        with links.slow(line, setting.folder) as link:
            folder = setting.folder / f"line-{tls}"
            with clients.site(link, folder, tls=tls) as site:
                _compare(made, site, _ways(site, document), rounds, has_counts=False)
    return made


def _ways(site: Site, document: Path) -> Ways:
    return {
        "backend": partial(site.backend, document),
        "backend, installed with pip": partial(site.backend, document, program=PYTHON_BACKEND),
        "one curl": partial(site.curl, document),
    }


def _cups_ways(peers: contextlib.ExitStack, folder: Path, document: Path) -> Ways:
    uris = {"CUPS socket backend": peers.enter_context(clients.socket_printer())}
    (printer,) = peers.enter_context(clients.ipp_printers(folder))
    uris["CUPS ipp backend, waitjob=false"] = f"{printer}?waitjob=false"
    return {name: partial(clients.cups_backend, uri, document) for name, uri in uris.items()}


def _compare(made: Table, site: Site, ways: Ways, rounds: int, *, has_counts: bool) -> None:
    taken = interleaved(ways, rounds, warm_up=True)
    curl_s = wall_s(taken["one curl"])
    kind = "https" if site.tls else "http"
    for name, costs in taken.items():
        counts = _counts(ways[name]) if has_counts else ("", "")
        ratio = f"{wall_s(costs) / curl_s:.2f}"
        made.row(f"{site.link.name}, {kind}", name, *times_ms(costs), *counts, ratio)
    if site.tls:
        most = 1.5 if site.link.bytes_per_s is None else 1.0
        ours_s = wall_s(taken["backend"])
        made.goal(
            f"50 KB, https, default wait, {site.link.name}",
            f"≤ {most} × curl",
            f"{ours_s / curl_s:.2f} × curl ({ours_s * 1000:.0f} ms)",
            is_met=ours_s <= most * curl_s,
        )


def _counts(way: Callable[..., Cost]) -> tuple[str, str]:
    million = instruments.instructions(lambda tool: way(tool=tool)) / 1e6
    syncs = instruments.syncs(lambda tool: way(tool=tool))
    return f"{million:,.{0 if million >= 10 else 1}f}", str(syncs)
