"""Documents that leave nothing to print, or that do not fit: the job's message has the advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from images import png, tiff
from paths import WELCOME
from print_site import PrintSite


@pytest.mark.parametrize(
    ("formats", "options"),
    [("pdf", ("-P", "9")), ("pcl6", ("-P", "9")), ("pdf", ("-P", "3", "-o", "page-set=even"))],
)
def test_pages_that_the_document_does_not_have(
    site: PrintSite, formats: str, options: tuple[str, ...]
) -> None:
    """The message names the option, because the same job would print nothing again."""
    queue = site.discovered_queue(site.device("--formats", formats))
    job = site.cups.wait_job(site.cups.lp(queue, *options, WELCOME), "held")
    said = job["job-printer-state-message"]
    assert f"the job asks for page-ranges='{options[1]}'" in said
    assert "Cancel this job, and print again with other pages. (CB-302)" in said


@pytest.mark.parametrize("formats", ["pcl", "ps"])
def test_a_filter_that_fails_for_want_of_pages(site: PrintSite, formats: str) -> None:
    """The job is held. CUPS keeps the filter's words on the job; ours are in the log."""
    device = site.device("--formats", formats)
    job_id = site.cups.lp(site.discovered_queue(device), "-P", "9", WELCOME)
    job = site.cups.wait_job(job_id, "held", "stopped", "completed")
    assert job["job-state"] == 4
    assert "the job asks for page-ranges=" in site.cups.error_log()
    assert device not in [each["device"] for each in site.cloud.jobs()]


def test_a_format_that_the_device_does_not_take(site: PrintSite, tmp_path: Path) -> None:
    """Another driver is the advice only if the driver has made the format."""
    (tmp_path / "x.png").write_bytes(png())
    device = site.device("--formats", "txt")
    own, other = site.discovered_queue(device), site.queue(f"Paris:{device}")
    raw = site.cups.lp(own, "-o", "raw", tmp_path / "x.png")
    said = site.cups.wait_job(raw, "held")["job-printer-state-message"]
    assert "takes txt, and this document is bin. CUPS sent the file unchanged" in said
    assert "driver" not in said
    said = site.cups.wait_job(site.cups.lp(other, WELCOME), "held")["job-printer-state-message"]
    assert "takes txt, and this document is pdf. Tell your administrator. (CB-401)" in said
    assert "Give the queue the device" in site.cups.error_log()


@pytest.mark.parametrize("pages", [1, 3])
def test_pages_of_a_fax(site: PrintSite, tmp_path: Path, pages: int) -> None:
    """CUPS's filters print the first page only, so the job says that pages are missing."""
    (tmp_path / "fax.tif").write_bytes(tiff(pages))
    queue = site.discovered_queue(site.device("--formats", "pdf"))
    job = site.cups.wait_job(site.cups.lp(queue, tmp_path / "fax.tif"))
    assert job["job-state"] == 9
    said = job["job-printer-state-message"]
    assert ("only the first of the 3 pages of a TIFF file" in said) is (pages == 3)
    assert job["job-impressions-completed"] == 1
