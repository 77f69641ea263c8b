"""CUPS counts the pages of each document once, so an administrator's job-page-limit holds.

The drivers, the filters and the backend are real. lpadmin(8) describes the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfWriter

from images import png
from print_site import PrintSite, document
from sheets import sheets_in

LIMIT = ("-o", "job-page-limit=2", "-o", "job-quota-period=86400")
COLLATED = ("-o", "collate=true")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page in each format, by its kind."""
    folder = tmp_path_factory.mktemp("pages")
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.write(folder / "pdf")
    postscript = "%!PS-Adobe-3.0\n%%Pages: 1\n%%EndComments\n%%Page: 1 1\nshowpage\n%%EOF\n"
    (folder / "ps").write_text(postscript)
    (folder / "text").write_text("A note.\n")
    (folder / "image").write_bytes(png())
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(params=["pdf", "ps", "pcl6", "pcl", "txt", "generic-pdf", "generic-ps"])
def queue(site: PrintSite, request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """A kind of driver, a device, and its queue without a limit."""
    kind = request.param
    language = kind.removeprefix("generic-")
    device = site.device("--formats", language)
    if kind == language:
        yield language, device, site.discovered_queue(device)
    else:
        name, uri = f"limit-{kind}", f"cirrus://{site.server}/Acme/Paris:{device}"
        driver = f"drv:///cirrus-bridge.drv/cirrus-{kind}.ppd"
        site.cups.add_queue(name, uri, driver=driver)
        yield language, device, name


def test_the_limit_holds(
    site: PrintSite, queue: tuple[str, str, str], files: dict[str, Path]
) -> None:
    """Two copies of one page reach a limit of two pages, whatever the format."""
    language, device, name = queue
    for kind in ["text"] if language == "txt" else files:
        site.cups.run("lpadmin", "-p", name, *LIMIT)
        user = ("-U", f"{kind}-{name}")  # CUPS counts for each user
        job_id = site.cups.lp(name, *user, "-n", "2", *COLLATED, files[kind])
        job = site.cups.wait_job(job_id)
        assert job["job-state"] == 9, job["job-printer-state-message"]
        assert job["job-media-sheets-completed"] == 2, kind
        with pytest.raises(RuntimeError, match="limit"):
            site.cups.lp(name, *user, files[kind])
    for job in site.cloud_jobs(device, 1 if language == "txt" else len(files)):
        sheets = sheets_in(document(job), Path(job["document"]))
        assert sheets * int(job["props"]["copies"]) == 2, job


def test_postscript_without_comments_about_pages(site: PrintSite, tmp_path: Path) -> None:
    """Most EPS files have no %%Page comment. Each counts as one page, also after other files."""
    eps = tmp_path / "eps"
    eps.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    queue = site.discovered_queue(site.device("--formats", "ps"))
    site.cups.run("lpadmin", "-p", queue, *LIMIT)
    job = site.cups.wait_job(site.cups.lp(queue, "-U", "eps", eps, eps))
    assert (job["job-state"], job["job-media-sheets-completed"]) == (9, 2)
    with pytest.raises(RuntimeError, match="limit"):
        site.cups.lp(queue, "-U", "eps", eps)


@pytest.mark.parametrize(
    ("formats", "kinds", "options", "pages"),
    [
        ("pdf", ["image", "image"], (), 4),
        ("pdf", ["pdf", "image"], (), 4),
        ("pdf", ["image", "pdf"], ("-o", "job-sheets=standard,none"), 5),
        ("pdf", ["pdf"], ("-o", "raw"), 2),
        ("txt", ["text", "text"], (), 4),
    ],
)
def test_files_add_up(
    site: PrintSite, files: dict[str, Path], formats: str, kinds: list[str],
    options: tuple[str, ...], pages: int,
) -> None:  # fmt: skip
    """The pages of a job are those of all its files, in two copies, and of its banner."""
    queue = site.discovered_queue(site.device("--formats", formats))
    job_id = site.cups.lp(queue, "-n", "2", *options, *(files[kind] for kind in kinds))
    job = site.cups.wait_job(job_id)
    assert job["job-impressions-completed"] == pages


@pytest.mark.parametrize(
    ("formats", "kinds"),
    [("pdf", ["pdf", "image", "ps"]), ("pcl6", ["text"]), ("txt", ["text"])],
)
def test_a_held_job_counts_once(
    site: PrintSite, files: dict[str, Path], formats: str, kinds: list[str]
) -> None:
    """CUPS filters a held job again, and the pages are counted in one of the runs only.

    A finished job that a person restarts is printed, and counted, again.
    """
    device = site.device("--formats", formats)
    queue, uri = f"held-{formats}", f"cirrus://{site.server}/Acme/Paris:{device}?waittimeout=1"
    site.cups.add_queue(queue, uri, driver=f"drv:///cirrus-bridge.drv/cirrus-generic-{formats}.ppd")
    site.cloud.cli("location", "offline", "Paris")
    try:
        job_id = site.cups.lp(queue, *(files[kind] for kind in kinds))
        site.cups.wait_job(job_id, "held")
    finally:
        site.cloud.cli("location", "online", "Paris")
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    assert site.cups.wait_job(job_id)["job-impressions-completed"] == len(kinds)
    site.cups.run("lp", "-i", str(job_id), "-H", "restart")
    site.cloud_jobs(device, 2 * len(kinds))
    assert site.cups.wait_job(job_id)["job-impressions-completed"] == 2 * len(kinds)


@pytest.mark.parametrize(
    ("formats", "kind"), [("pdf", "image"), ("pcl6", "image"), ("txt", "text")]
)
def test_a_restart_counts_again(
    site: PrintSite, files: dict[str, Path], formats: str, kind: str
) -> None:
    """A finished job that a person restarts is printed, and counted, again."""
    device = site.device("--formats", formats)
    queue = site.discovered_queue(device)
    job_id = site.cups.lp(queue, files[kind])
    assert site.cups.wait_job(job_id)["job-impressions-completed"] == 1
    site.cups.run("lp", "-i", str(job_id), "-H", "restart")
    site.cloud_jobs(device, 2)
    assert site.cups.wait_job(job_id)["job-impressions-completed"] == 2
