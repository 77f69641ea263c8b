"""Orientation and scaling are done once: by CUPS's filters, or by the device for raw files.

The device's default applies first, then the user's, then the job's option.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from print_site import PrintSite, document

ASKED = ("-o", "landscape", "-o", "print-scaling=fit", "-o", "media=A5")


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One upright page."""
    path = tmp_path_factory.mktemp("letter") / "letter.pdf"
    writer = PdfWriter()
    writer.add_blank_page(612, 792)
    writer.write(path)
    return path


@pytest.mark.sampled
@pytest.mark.parametrize("by_stdin", [False, True], ids=["file", "stdin"])
@pytest.mark.parametrize("raw", [False, True], ids=["filtered", "raw"])
@pytest.mark.parametrize("driver", ["own", "generic", "none"])
def test_done_once(site: PrintSite, letter: Path, driver: str, raw: bool, by_stdin: bool) -> None:
    """Either the filters or the device do the layout; the device always gets the paper."""
    device = site.device()
    queue = (
        site.discovered_queue(device)
        if driver == "own"
        else site.queue(f"Paris:{device}", driver=driver == "generic")
    )
    words = [*ASKED, *(["-o", "raw"] if raw else [])]
    source = {"data": letter.read_bytes()} if by_stdin else {}
    job_id = site.cups.lp(queue, *words, *([] if by_stdin else [letter]), **source)
    site.cups.wait_job(job_id)
    (job,) = site.cloud_jobs(device, 1)
    assert job["props"]["size"] == "A5"
    box = PdfReader(job["document"]).pages[0].mediabox
    if raw or driver == "none":
        assert document(job) == letter.read_bytes()
        assert (job["props"]["orientation"], job["props"]["scale"]) == ("2", "0")
    else:
        assert (round(box.width), round(box.height)) == (595, 420)
        assert not {"orientation", "scale"} & set(job["props"])


def test_whose_default_counts(site: PrintSite, letter: Path) -> None:
    """The device's default applies, unless the user (lpoptions(1)) or the job overrides it."""
    device = site.device("--kind", "color-mfp", "--props", "duplex=2;tray=Tray 3")
    queue = site.discovered_queue(device)

    def printed(*words: str) -> dict[str, str]:
        count = len([job for job in site.cloud.jobs() if job["device"] == device]) + 1
        site.cups.wait_job(site.cups.lp(queue, *words, letter))
        props = site.cloud_jobs(device, count)[-1]["props"]
        return {name: props[name] for name in ("duplex", "tray") if name in props}

    assert printed() == {}
    site.cups.run("lpoptions", "-p", queue, "-o", "sides=one-sided", "-o", "InputSlot=Tray-2")
    assert printed() == {"duplex": "1", "tray": "Tray 2"}
    assert printed("-o", "sides=two-sided-short-edge") == {"duplex": "3", "tray": "Tray 2"}
