"""A generated driver, as other machines and applications see it through CUPS's own mapping."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from cirrus_bridge.drivers.ppd_strings import LANGUAGES, words_in
from localized import localized_options
from print_site import PrintSite

_rooms = itertools.count(1)
LINE = {
    "media-source-supported": "auto,tray-1,tray-2,tray-3,tray-4,bypass-tray",
    "media-default": "iso_a4_210x297mm",
    "sides-supported": "one-sided,two-sided-long-edge,two-sided-short-edge",
    "sides-default": "one-sided",
    "print-color-mode-supported": "monochrome,color",
    "color-supported": "true",
    "print-scaling-supported": "auto,auto-fit,fill,fit,none",
    "multiple-document-handling-supported": (
        "separate-documents-uncollated-copies,separate-documents-collated-copies"
    ),
}
PRINT_JOB = """{
    OPERATION Print-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name ann
    ATTR mimeMediaType document-format application/pdf
    GROUP job-attributes-tag
    ATTR collection media-col {
        MEMBER collection media-size {
            MEMBER integer x-dimension 14800
            MEMBER integer y-dimension 21000
        }
        MEMBER keyword media-source bypass-tray
    }
    ATTR keyword sides two-sided-short-edge
    ATTR keyword print-color-mode monochrome
    ATTR integer copies 3
    ATTR keyword multiple-document-handling separate-documents-collated-copies
    ATTR enum orientation-requested 4
    ATTR rangeOfInteger page-ranges 2-3
    ATTR integer number-up 2
    ATTR keyword print-scaling fit
    FILE $filename
    STATUS successful-ok
}
"""


@pytest.fixture(scope="module")
def queue(site: PrintSite) -> str:
    """A queue as a dialog adds it."""
    # another device of the same name would add the id to this one's name
    name = f"Drucker im Flur {next(_rooms)}"
    return site.discovered_queue(site.device("--kind", "color-mfp", "--name", name))


@pytest.fixture(scope="module")
def attributes(site: PrintSite, queue: str) -> dict[str, str]:
    """The queue's attributes as ipptool(1) shows them."""
    said = site.cups.run("ipptool", "-tv", site.cups.uri(queue), "get-printer-attributes.test")
    return dict(re.findall(r"^ *([a-z-]+) \([^)]*\) = (.*)$", said, re.MULTILINE))


@pytest.mark.parametrize("name", LINE)
def test_attributes(attributes: dict[str, str], name: str) -> None:
    """The driver's options have IPP's words."""
    assert attributes[name] == LINE[name]


def test_sizes(attributes: dict[str, str]) -> None:
    """Papers have standard names, and custom papers a range."""
    offered = attributes["media-supported"].split(",")
    assert {"iso_a4_210x297mm", "na_letter_8.5x11in", "iso_dl_110x220mm"} <= set(offered)
    assert {"custom_min_0.5x0.5in", "custom_max_44x200in"} <= set(offered)


def test_names(attributes: dict[str, str]) -> None:
    """The model is readable, and both model and id belong to this device alone."""
    model = attributes["printer-make-and-model"].replace("\\[", "[")  # as ipptool writes it
    found = re.fullmatch(r"Cirrus (Drucker im Flur \d+ at Paris office) \[([0-9a-f]{8})\]", model)
    assert found, model
    identity = rf"MFG:Cirrus;MDL:{found[1]} #{found[2]}[0-9a-f]{{4}};CMD:PDF;"
    assert re.fullmatch(identity, attributes["printer-device-id"])


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_words_by_language(site: PrintSite, queue: str, language: str) -> None:
    """Applications of a desktop show the queue's options in their language."""
    shown = localized_options(site.cups.root / "etc" / "ppd" / f"{queue}.ppd", language)
    shown.pop("PageRegion")
    known = words_in(language)
    for option in shown:
        assert shown[option].pop("") == known[option]
        for choice, text in shown[option].items():
            assert text == known.get(f"{option} {choice}", text)
    assert shown["Duplex"]["DuplexTumble"] == known["Duplex DuplexTumble"]


def test_job_in_ipps_own_words(site: PrintSite, pdfs: dict[int, Path], tmp_path: Path) -> None:
    """A machine without a driver asks in IPP's words, and the location gets its own names."""
    device = site.device("--kind", "color-mfp")
    test = tmp_path / "print.test"
    test.write_text(PRINT_JOB)
    uri = site.cups.uri(site.discovered_queue(device))
    site.cups.run("ipptool", "-t", "-f", pdfs[4], uri, test)
    (job,) = site.cloud_jobs(device, 1)
    assert job["props"] == {
        "copies": "3", "collate": "1", "duplex": "3", "color": "1", "tray": "Bypass Tray",
        "size": "A5",
    }  # fmt: skip
    # two on one sheet; CUPS counts the sheets: there is a second and no third
    (page,) = PdfReader(job["document"]).pages
    assert "Page 3 of 4" in page.extract_text()
    assert "Page 4 of 4" in page.extract_text()


def test_options(site: PrintSite, queue: str) -> None:
    """lpoptions(1) reads the driver over the network, with the defaults marked."""
    host = f"127.0.0.1:{site.cups.port}"
    options = site.cups.run("lpoptions", "-h", host, "-p", queue, "-l")
    assert "Duplex/2-Sided Printing: *None DuplexNoTumble DuplexTumble" in options
    assert "CirrusScale/Scaling at the Device: *Default Fit Shrink Actual" in options
    assert re.search(r"^PageSize/Media Size: .*\*A4 ", options, re.MULTILINE)
