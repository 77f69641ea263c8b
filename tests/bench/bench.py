"""The time of a job, its parts, and the time of other programs to the same server.

All comparisons share one run, one machine and one server (lean_server.py). Each document is checked
on arrival.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from isal import isal_zlib

import clients
import dialog
import fairness
import frozen
import growth
import links
import polling
import statusd
from measure import Cost, cost, median
from workloads import MB, make

PARTS = (
    *("start", "frozen", "loopback", "50ms", "loss", "memory", "discovery"),
    *("polling", "statusd", "fairness", "growth"),
)


class Table:
    """Rows of text, printed at once and kept as Markdown."""

    def __init__(self, title: str, *columns: str) -> None:
        self.lines = [f"### {title}", "", "| " + " | ".join(columns) + " |"]
        self.lines.append("|" + " --- |" * len(columns))
        print("\n".join(self.lines[:1] + self.lines[2:]), flush=True)

    def row(self, *cells: str) -> None:
        """Add and print a row."""
        self.lines.append("| " + " | ".join(cells) + " |")
        print(self.lines[-1], flush=True)


def start(folder: Path, runs: int) -> Table:
    """Time a small job, whose time is mostly the start of processes."""
    document = make(folder / "50k.pdf", "pdf", 50_000)
    table = Table(
        f"50 KB PDF on loopback, start of the process included (median of {runs})",
        *("what", "wall ms", "cpu ms", "MiB", "wall, ours / this"),
    )
    for tls in (False, True):
        name = "https" if tls else "http"
        with clients.site(links.LOOPBACK, folder / "start", tls=tls) as site:
            ours = median(lambda: site.backend(document), runs)
            done = median(lambda: site.backend(document, "?wait=delivered"), runs)
            curl = median(lambda: site.curl(document), runs)
        table.row(f"backend, {name}, wait=submitted", *_figures(ours), "")
        table.row(f"backend, {name}, wait=delivered", *_figures(done), "")
        table.row(f"one curl, {name}", *_figures(curl), f"{ours.wall_s / curl.wall_s:.1f}")
    socket = median(lambda: clients.socket_backend(document), runs)
    table.row("CUPS socket backend", *_figures(socket), f"{ours.wall_s / socket.wall_s:.1f}")
    try:
        with clients.ippeveprinter(folder) as port:
            waits = median(lambda: clients.ipp_backend(port, document), min(5, runs))
            ratio = f"{done.wall_s / waits.wall_s:.2f} (wait=delivered)"
            table.row("CUPS ipp backend, as it is", *_figures(waits), ratio)
            quick = median(lambda: clients.ipp_backend(port, document, "?waitjob=false"), runs)
            ratio = f"{ours.wall_s / quick.wall_s:.1f}"
            table.row("CUPS ipp backend, waitjob=false", *_figures(quick), ratio)
    except RuntimeError as error:
        table.row(f"CUPS ipp backend: {error}", "", "", "", "")
    return table


def transfers(folder: Path, link: links.Link, sizes: dict[str, int], runs: int) -> Table:
    """Time jobs of several kinds beside a script, and beside the limits of line and compressor."""
    table = Table(
        f"{link.name}, https (median of {runs})",
        *("document", "way", "wall s", "cpu s", "MiB", "script / backend", "share of the limit"),
    )
    with clients.site(link, folder / "transfers", tls=True) as site:
        for kind, size in sizes.items():
            document = make(folder / f"{size}.{kind}", kind, size)
            name = f"{size / MB:g} MB {kind}"
            sent_bytes, deflate_s = _deflate(document)
            link_s = sent_bytes / link.bytes_per_s if link.bytes_per_s else 0.0
            ours = median(lambda: site.backend(document), runs)  # noqa: B023 - called at once
            share = f"{max(link_s, deflate_s) / ours.wall_s:.0%}"
            table.row(name, "backend", *_seconds(ours), "", share)
            for compressor in ("pigz", "python") if not link.bytes_per_s else ("pigz",):
                script = median(lambda: site.curl_script(document, compressor), 1)  # noqa: B023
                ratio = f"{script.wall_s / ours.wall_s:.1f}"
                table.row(name, f"curl script, {compressor}", *_seconds(script), ratio, "")
    return table


def memory(folder: Path, sizes: list[int]) -> Table:
    """Measure the peak memory of the backend's processes together, by the size of the job."""
    bare = median(lambda: cost([sys.executable, "-c", "import time; time.sleep(0.2)"]), 1)
    table = Table("Memory, loopback, https", "noise", "MiB", "MiB above a bare interpreter")
    with clients.site(links.LOOPBACK, folder / "memory", tls=True) as site:
        for size in sizes:
            document = make(folder / "large", "noise", size)
            peak = site.backend(document).rss_bytes
            above = (peak - bare.rss_bytes) / 2**20
            table.row(f"{size / MB:g} MB", f"{peak / 2**20:.0f}", f"{above:.0f}")
            document.unlink()
    return table


def discovery(folder: Path, runs: int) -> Table:
    """Time the programs behind a dialog that adds a printer, with 1,000 devices."""
    table = Table(
        f"Add a printer, {dialog.DEVICES} devices (median of {runs})",
        *("what", "wall ms", "cpu ms", "MiB", "wall, ours / this"),
    )
    (folder / "dialog").mkdir()
    _compare(table, dialog.comparisons(folder / "dialog"), runs, min(5, runs))
    return table


def starting(folder: Path, runs: int) -> Table:
    """Time frozen programs beside plain Python."""
    table = Table(
        f"Programs of the packages (median of {runs})",
        *("what", "wall ms", "cpu ms", "MiB", "wall, frozen / this"),
    )
    document = make(folder / "50k.pdf", "pdf", 50_000)
    (folder / "frozen").mkdir()
    with clients.site(links.LOOPBACK, folder / "served", tls=True) as site:
        _compare(table, frozen.comparisons(folder / "frozen", site, document), runs, runs)
    return table


def _compare(
    table: Table, pairs: Iterable[tuple[dialog.Way, list[dialog.Way]]], runs: int, peer_runs: int
) -> None:
    for ours, peers in pairs:
        taken = median(ours.run, runs)
        table.row(ours.name, *_figures(taken), "")
        for peer in peers:
            other = median(peer.run, peer_runs)
            table.row(peer.name, *_figures(other), f"{taken.wall_s / other.wall_s:.2f}")


def following() -> Table:
    """Count requests and delays of following jobs for a simulated day."""
    table = Table("Following jobs for a day (delays: median / 95 % / longest)", *polling.COLUMNS)
    for cells in polling.rows():
        table.row(*cells)
    return table


def idle(folder: Path) -> Table:
    """Measure the poller while very many documents wait."""
    table = Table("The poller while nothing happens", *statusd.COLUMNS)
    for cells in statusd.rows(folder / "statusd"):
        table.row(*cells)
    return table


def growing(sizes: Sequence[int]) -> Table:
    """Measure single steps of the bridge on small and large journals and locations."""
    table = Table("Growth", *growth.COLUMNS)
    for cells in growth.rows(sizes):
        table.row(*cells)
    return table


def shared(folder: Path, count: int) -> Table:
    """Measure how long one company waits for the embedded cloud while another loads it."""
    table = Table(f"Two companies on one embedded cloud ({count} submits)", *fairness.COLUMNS)
    for cells in fairness.rows(folder / "fairness", count):
        table.row(*cells)
    return table


def _deflate(document: Path) -> tuple[int, float]:
    """The compressed size, and the compressor's own time."""
    stream, size = isal_zlib.compressobj(1), 0
    started = time.perf_counter()
    with document.open("rb") as file:
        while chunk := file.read(128 * 1024):
            size += len(stream.compress(chunk))
    size += len(stream.flush())
    return size, time.perf_counter() - started


def _figures(taken: Cost) -> tuple[str, ...]:
    return (
        f"{taken.wall_s * 1000:.0f}",
        f"{taken.cpu_s * 1000:.0f}",
        f"{taken.rss_bytes / 2**20:.0f}",
    )


def _seconds(taken: Cost) -> tuple[str, ...]:
    return f"{taken.wall_s:.2f}", f"{taken.cpu_s:.2f}", f"{taken.rss_bytes / 2**20:.0f}"


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return (
        f"{os.cpu_count()} cores of {cpu}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {' '.join(curl.split()[:2])}, "
        f"TCP {Path('/proc/sys/net/ipv4/tcp_congestion_control').read_text().strip()}"
    )


def main() -> None:
    """Run the requested parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, fewer runs")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file, too")
    asked = parser.parse_args()
    part = 10 if asked.quick else 1
    large = {"pdf": 5 * MB, "ps": 200 * MB // part, "noise": 200 * MB // part}
    lossy = {"pdf": 5 * MB, "noise": 20 * MB // part}
    folder = Path(tempfile.mkdtemp(prefix="cirrus-bench-"))
    folder.chmod(0o755)  # for the backend, which gives up root's rights
    steps: dict[str, Callable[[], Table]] = {
        "start": lambda: start(folder, 5 if asked.quick else 21),
        "frozen": lambda: starting(folder, 5 if asked.quick else 21),
        "loopback": lambda: transfers(folder, links.LOOPBACK, large, 3),
        "50ms": lambda: _with_link(folder, large, "50 ms, 100 Mbit/s", 0.0),
        "loss": lambda: _with_link(folder, lossy, "50 ms, 100 Mbit/s, 1 % loss", 0.01),
        "discovery": lambda: discovery(folder, 5 if asked.quick else 21),
        "memory": lambda: memory(folder, [MB, 64 * MB, 512 * MB // part, 2048 * MB // part]),
        "polling": following,
        "statusd": lambda: idle(folder),
        "fairness": lambda: shared(folder, 50 if asked.quick else 300),
        "growth": lambda: growing((1_000, 100_000 // part, 1_000_000 // part)),
    }
    lines = [_machine()]
    print(*lines)
    try:
        for name in asked.only or PARTS:
            lines += ["", *steps[name]().lines]
    finally:
        shutil.rmtree(folder)
    if asked.markdown:
        asked.markdown.write_text("\n".join(lines) + "\n")


def _with_link(folder: Path, sizes: dict[str, int], name: str, loss: float) -> Table:
    with links.slow_line(name, delay_ms=25, mbit=100, loss=loss) as link:
        return transfers(folder, link, sizes, 1)


if __name__ == "__main__":
    main()
