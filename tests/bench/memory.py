"""The peak memory of a job by its size."""

from __future__ import annotations

import sys

import clients
import links
from frame import Setting, Table
from measure import cost
from workloads import MB, make

COLUMNS = ("noise", "MiB, with cirrus-workerd", "MiB, without it", "a bare interpreter")


def table(setting: Setting) -> Table:
    """Measure all processes together, with documents that cannot be compressed."""
    made = Table("Memory, loopback, https", COLUMNS)
    bare = cost([sys.executable, "-c", "import time; time.sleep(0.2)"])
    with clients.site(links.LOOPBACK, setting.folder / "site", tls=True) as site:
        for full_mb in (1, 64, 512, 2048):
            size = setting.size(full_mb, max(1, full_mb // 10)) * MB
            document = make(setting.folder / "large", "noise", size)
            taken = (site.first_job(document), site.backend(document), bare)
            mib = (f"{each.pss_bytes / 2**20:.0f}" for each in taken)
            made.row(f"{size / MB:g} MB", *mib)
            document.unlink()
    return made
