"""IPP clients that send JPEG or PWG raster to a shared queue, as phones do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from print_site import PrintSite

_OPERATION = """
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name ann
"""
_PRINT_JOB = f"""{{
    OPERATION Print-Job
    {_OPERATION}
    ATTR mimeMediaType document-format FORMAT
    GROUP job-attributes-tag
    WISHES
    FILE $filename
    STATUS successful-ok
    DISPLAY job-id
}}
"""
_CREATE_JOB = f"""{{
    OPERATION Create-Job
    {_OPERATION}
    GROUP job-attributes-tag
    WISHES
    STATUS successful-ok
    EXPECT job-id
    DISPLAY job-id
}}
{{
    OPERATION Send-Document
    {_OPERATION}
    ATTR integer job-id $job-id
    ATTR mimeMediaType document-format FORMAT
    ATTR boolean last-document true
    FILE $filename
    STATUS successful-ok
}}
"""
_PHOTO = """
    ATTR collection media-col {
        MEMBER collection media-size {
            MEMBER integer x-dimension 14800
            MEMBER integer y-dimension 21000
        }
        MEMBER keyword media-source tray-2
        MEMBER keyword media-type photographic
        MEMBER integer media-top-margin 0
        MEMBER integer media-bottom-margin 0
        MEMBER integer media-left-margin 0
        MEMBER integer media-right-margin 0
    }
    ATTR integer copies 2
    ATTR keyword sides one-sided
    ATTR keyword print-color-mode color
    ATTR enum orientation-requested 3
    ATTR keyword print-scaling fill
    ATTR enum print-quality 5
"""
_PAGES = """
    ATTR keyword media iso_a5_148x210mm
    ATTR integer copies 2
    ATTR keyword multiple-document-handling separate-documents-collated-copies
    ATTR rangeOfInteger page-ranges 2-3
    ATTR keyword sides two-sided-short-edge
    ATTR keyword print-color-mode monochrome
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three pages of A5 in each format (JPEG: one), by the format."""
    folder = tmp_path_factory.mktemp("phone")
    found = {}
    for device, name in (("jpeg", "image/jpeg"), ("pwgraster", "image/pwg-raster")):
        found[name] = folder / device
        pages = "showpage" if device == "jpeg" else "showpage " * 3
        subprocess.run(
            [
                "gs", "-q", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", f"-o{found[name]}",
                "-r50", "-sPAPERSIZE=a5", "-c", f"50 50 100 100 rectfill {pages}",
            ],
            check=True,
        )  # fmt: skip
    return found


@pytest.mark.sampled
@pytest.mark.parametrize("steps", [_PRINT_JOB, _CREATE_JOB], ids=["print", "create-and-send"])
@pytest.mark.parametrize(
    ("kind", "wishes", "props", "pages"),
    [
        (
            "image/jpeg", _PHOTO,
            {"copies": "2", "duplex": "1", "color": "2", "size": "A5", "tray": "Tray 2"}, 1,
        ),
        (
            "image/pwg-raster", _PAGES,
            {"copies": "2", "collate": "1", "duplex": "3", "color": "1", "size": "A5"}, 2,
        ),
    ],
    ids=["jpeg", "pwg-raster"],
)  # fmt: skip
def test_what_phones_send(
    site: PrintSite, tmp_path: Path, files: dict[str, Path],
    kind: str, wishes: str, props: dict[str, str], pages: int, steps: str,
) -> None:  # fmt: skip
    """The wishes are props, each page arrives once on its paper, and CUPS counts the sheets."""
    device = site.device("--kind", "color-mfp")
    uri = site.cups.uri(site.discovered_queue(device))
    test = tmp_path / "print.test"
    test.write_text(steps.replace("FORMAT", kind).replace("WISHES", wishes))
    said = site.cups.run("ipptool", "-tv", "-f", files[kind], uri, test)
    found = re.search(r"job-id \(integer\) = (\d+)", said)
    assert found, said
    (job,) = site.cloud_jobs(device, 1)
    assert job["props"] == props
    boxes = [page.mediabox for page in PdfReader(job["document"]).pages]
    assert [(round(box.width), round(box.height)) for box in boxes] == [(420, 595)] * pages
    # one page on one side, or two pages on both sides: a sheet for each copy
    assert site.cups.wait_job(int(found[1]))["job-media-sheets-completed"] == 2
