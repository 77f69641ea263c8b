"""The time of a job, its parts, and the time of other programs, in one run on one machine."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import cloud_growth
import cloud_load
import cloud_page
import dialog
import fairness
import growth
import large_jobs
import memory
import polling
import print_server
import printers
import raster_pages
import small_job
import statusd
from frame import Setting, Table

# a part's name → its function; a table comes from one function in a module of its own
PARTS: dict[str, Callable[[Setting], Table]] = {
    "small-job": small_job.table,
    "print-server": print_server.table,
    "printers": printers.table,
    "lines": large_jobs.table,
    "memory": memory.table,
    "discovery": dialog.table,
    "polling": polling.table,
    "statusd": statusd.table,
    "fairness": fairness.table,
    "growth": growth.table,
    "cloud": cloud_load.table,
    "cloud-growth": cloud_growth.table,
    "cloud-page": cloud_page.table,
    "raster-pages": raster_pages.table,
}


def main() -> None:
    """Run the requested parts."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--all", action="store_true", help="all lines and sizes; takes hours")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file, too")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # programs end with the run
    # a backend looks at the name of the program that has started it
    Path("/proc/self/comm").write_text("cupsd-bench")
    print(_machine(), flush=True)
    tables = []
    for name in asked.only or PARTS:
        # short, for the names of sockets
        folder = Path(tempfile.mkdtemp(prefix="cb-", dir="/tmp"))
        folder.chmod(0o755)
        try:
            tables.append(PARTS[name](Setting(folder, asked.quick, asked.all)))
        finally:
            shutil.rmtree(folder)
    goals = Table("Goals", ("what", "goal", "measured", "met"))
    for table in tables:
        for cells in table.goals:
            goals.row(*cells)
    if asked.markdown:
        texts = (each.markdown for each in (goals, *tables))
        asked.markdown.write_text("\n\n".join([_machine(), *texts]) + "\n")


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


if __name__ == "__main__":
    main()
