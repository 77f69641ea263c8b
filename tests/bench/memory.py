"""The peak memory of a job by its size."""

from __future__ import annotations

import sys

import clients
import links
from frame import Setting, Table
from measure import cost
from workloads import MB, make


def table(setting: Setting) -> Table:
    """Measure the backend's processes together, with documents that cannot be compressed."""
    made = Table("Memory, loopback, https", ("noise", "MiB", "MiB above a bare interpreter"))
    bare = cost([sys.executable, "-c", "import time; time.sleep(0.2)"])
    with clients.site(links.LOOPBACK, setting.folder / "site", tls=True) as site:
        for full_mb in (1, 64, 512, 2048):
            size = setting.size(full_mb, max(1, full_mb // 10)) * MB
            document = make(setting.folder / "large", "noise", size)
            peak = site.backend(document).pss_bytes
            above = (peak - bare.pss_bytes) / 2**20
            made.row(f"{size / MB:g} MB", f"{peak / 2**20:.0f}", f"{above:.0f}")
            document.unlink()
    return made
