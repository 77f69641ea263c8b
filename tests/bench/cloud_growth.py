"""What the embedded cloud does with very many jobs.

Each operation is done in this process, on data folders with few and with many jobs. Time is
processor time. Instructions of SQLite's virtual machine count the rows that were read.
"""

from __future__ import annotations

import time
from pathlib import Path

from cirrus_cloudlet.cloud import Cloud
from frame import Setting, Table
from many_jobs import OPERATIONS, CountedStore, make_folder

COLUMNS = (
    *("what the cloud does", "CPU ms, few jobs", "CPU ms, many jobs"),
    *("instructions of SQLite, few jobs", "instructions of SQLite, many jobs"),
)
_REPEATED = 20


def table(setting: Setting) -> Table:
    """Measure each operation of the database with two numbers of jobs."""
    counts = (setting.size(100_000, 1_000), setting.size(1_000_000, 10_000))
    made = Table("The embedded cloud with {:,} and {:,} jobs".format(*counts), COLUMNS)
    spent_s, steps = [], []
    for count in counts:
        data = setting.folder / f"{count}"
        make_folder(data, count, time.time())
        spent_s.append(_spent_s(Cloud(data)))
        time.sleep(1)  # job ids are for one process; the next one begins in another second
        steps.append(_steps(data))
    for name in OPERATIONS:
        made.row(
            name,
            *(f"{found[name] * 1000:.3f}" for found in spent_s),
            *(f"{found[name]:,}" for found in steps),
        )
    return made


def _steps(folder: Path) -> dict[str, int]:
    """The instructions of SQLite's virtual machine for each operation."""
    stores: list[CountedStore] = []

    def counted(path: Path) -> CountedStore:
        stores.append(CountedStore(path))
        return stores[-1]

    cloud, found = Cloud(folder, counted), {}
    for name, operation in OPERATIONS.items():
        before = stores[0].steps
        operation(cloud)
        found[name] = stores[0].steps - before
    cloud.store.close()
    return found


def _spent_s(cloud: Cloud) -> dict[str, float]:
    """The processor time of each operation, in seconds."""
    found = {}
    for name, operation in OPERATIONS.items():
        operation(cloud)  # the first one reads the pages
        before_s = time.process_time()
        for _ in range(_REPEATED):
            operation(cloud)
        found[name] = (time.process_time() - before_s) / _REPEATED
    cloud.store.close()
    return found
