"""More jobs at once than the machine can handle: no false alarms, and one delivery each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from print_site import PrintSite, eventually

QUEUES, JOBS_EACH = 12, 4
PATIENCE_S = 600.0


def test_no_backend_is_taken_for_killed(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A run that begins slowly, or whose end CUPS notices late, is not an orphan.

    Half of the jobs have two files: one queue joins them, the next one runs the backend for each.
    """
    site = own_site
    site.configure_statusd("orphan_after_s = 1")
    queues = [site.queue(driver=bool(number % 2)) for number in range(QUEUES)]

    def print_all(number: int) -> list[int]:
        is_raw = number % 2 == 0
        one = [site.config / "bridge.toml"] if is_raw else [pdfs[1]]
        options = ("-o", "raw") if is_raw else ()
        return [
            site.cups.lp(queues[number], *options, *one * (1 + count % 2))
            for count in range(JOBS_EACH)
        ]

    with site.statusd(), ThreadPoolExecutor(4) as pool:
        jobs = [job for each in pool.map(print_all, range(QUEUES)) for job in each]
        eventually(lambda: not site.cups.run("lpstat", "-W", "not-completed", "-o"), PATIENCE_S)
        assert {site.cups.job(job)["job-state"] for job in jobs} == {9}
    documents = QUEUES // 2 * JOBS_EACH + QUEUES // 2 * JOBS_EACH * 3 // 2
    assert len(site.cloud.jobs()) == documents
    log = site.statusd_log()
    assert "was killed" not in log and "event=restarted" not in log, log
