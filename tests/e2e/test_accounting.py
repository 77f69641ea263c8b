"""What a site needs to charge for: accounts as props, and the pages of delivered documents."""

from __future__ import annotations

import json
from pathlib import Path

from print_site import PrintSite


def test_account_and_pages(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A job's account reaches the cloud on request. Pages count as CUPS counts them, once each."""
    bridge = own_site.config / "bridge.toml"
    wanted = '[defaults]\nidentify = ["account", "accounting-user"]\n'
    bridge.write_text(bridge.read_text().replace("[defaults]\n", wanted))
    device = own_site.device()
    queue = own_site.discovered_queue(device)
    account = ("-o", "job-account-id='Chair 7'", "-o", "job-accounting-user-id=ann")
    job_id = own_site.cups.lp(queue, "-n", "2", *account, pdfs[4], pdfs[4])
    counted = own_site.cups.wait_job(job_id)["job-impressions-completed"]
    for job in own_site.cloud_jobs(device, 2):
        assert job["props"]["job-account-id"] == "Chair 7"
        assert job["props"]["job-accounting-user-id"] == "ann"
    (shown,) = json.loads(own_site.cirrusctl("jobs", "--json", "--ended", "1").stdout)
    assert (shown["account"], shown["accounting_user"]) == ("Chair 7", "ann")
    assert shown["pages"] == shown["delivered_pages"] == counted == 16
    assert [document["pages"] for document in shown["documents"]] == [8, 8]
