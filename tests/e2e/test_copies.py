"""The paper count: each copy of each page is printed once, in every page language.

Filters and data are real: pages in the data × copies in the data × the copies prop must be right.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter

from print_site import PrintSite, document
from sheets import sheets_in


@pytest.fixture(scope="module")
def three_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of three small pages."""
    path = tmp_path_factory.mktemp("three") / "three.pdf"
    writer = PdfWriter()
    for _ in range(3):
        writer.add_blank_page(595, 842)
    writer.write(path)
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text, for which a text printer needs three sheets."""
    path = tmp_path_factory.mktemp("text") / "three.txt"
    path.write_text("one\n\ftwo\n\fthree\n")
    return path


@pytest.fixture(scope="module")
def queues(site: PrintSite) -> dict[str, tuple[str, str]]:
    """A device and its queue for each kind of driver: of a format, generic, none."""
    found = {}
    for name in ("pdf", "ps", "pcl6", "pcl", "txt", "any"):
        device = site.device("--formats", name)
        found[name] = (device, site.discovered_queue(device))
    device = site.device()
    found["generic"] = (device, site.queue(f"Paris:{device}"))
    for name in ("ps", "pcl6", "pcl"):
        device = site.device("--formats", name)
        queue, uri = f"generic-{name}", f"cirrus://{site.server}/Acme/Paris:{device}"
        driver = f"drv:///cirrus-bridge.drv/cirrus-generic-{name}.ppd"
        site.cups.add_queue(queue, uri, driver=driver)
        found[queue] = (device, queue)
    device = site.device()
    found["raw"] = (device, site.queue(f"Paris:{device}", driver=False))
    return found


def printed(site: PrintSite, device: str, queue: str, *words: str | Path) -> dict[str, Any]:
    """The cloud job of one lp(1) command."""
    before = len([job for job in site.cloud.jobs() if job["device"] == device])
    job = site.cups.wait_job(site.cups.lp(queue, *words), timeout_s=120)
    assert job["job-state"] == 9, job["job-printer-state-message"]
    return site.cloud_jobs(device, before + 1)[-1]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("copies", "options"),
    [
        (1, ()),
        (2, ("-o", "collate=false")),
        (2, ("-o", "multiple-document-handling=separate-documents-uncollated-copies")),
        (3, ("-o", "collate=true")),
        (99, ()),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["pdf", "ps", "pcl6", "pcl", "txt", "any", "generic", "raw"])
def test_paper_count(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path, text: Path,
    kind: str, copies: int, options: tuple[str, ...],
) -> None:  # fmt: skip
    """apple/cups#5541, OpenPrinting/cups#149, #499: the paper count is pages × copies."""
    device, queue = queues[kind]
    source = text if kind == "txt" else three_pages
    job = printed(site, device, queue, "-n", str(copies), *options, source)
    sheets = sheets_in(document(job), Path(job["document"]))
    assert sheets * int(job["props"]["copies"]) == 3 * copies


@pytest.mark.parametrize("kind", ["pdf", "any", "generic", "raw"])
def test_unfiltered(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path, kind: str
) -> None:
    """`-o raw` passes the file unchanged through any queue, and the device makes the copies."""
    device, queue = queues[kind]
    job = printed(site, device, queue, "-n", "3", "-o", "raw", three_pages)
    assert document(job) == three_pages.read_bytes()
    assert job["props"]["copies"] == "3"


@pytest.mark.parametrize("kind", ["pdf", "generic"])
def test_several_unfiltered_files(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path, kind: str
) -> None:
    """CUPS passes the files by standard input, and has made no copies."""
    device, queue = queues[kind]
    before = len([job for job in site.cloud.jobs() if job["device"] == device])
    site.cups.wait_job(site.cups.lp(queue, "-n", "3", "-o", "raw", three_pages, three_pages))
    for job in site.cloud_jobs(device, before + 2)[-2:]:
        assert document(job) == three_pages.read_bytes()
        assert job["props"]["copies"] == "3"


PACKED = """{
    OPERATION Print-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name ann
    ATTR mimeMediaType document-format FORMAT
    ATTR keyword compression gzip
    GROUP job-attributes-tag
    ATTR integer copies 3
    FILE $filename
    STATUS successful-ok
}
"""


@pytest.mark.parametrize(
    ("kind", "document_format"),
    [
        ("pdf", "application/pdf"),
        ("generic", "application/vnd.cups-raw"),
        ("txt", "text/plain"),
        ("ps", "application/pdf"),
        ("pcl6", "application/pdf"),
    ],
)
def test_packed(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path, text: Path,
    tmp_path: Path, kind: str, document_format: str,
) -> None:  # fmt: skip
    """A filter that makes no copies unpacks data that a client has compressed."""
    source = text if kind == "txt" else three_pages
    (tmp_path / "packed.gz").write_bytes(gzip.compress(source.read_bytes()))
    (tmp_path / "print.test").write_text(PACKED.replace("FORMAT", document_format))
    device, queue = queues[kind]
    before = len([job for job in site.cloud.jobs() if job["device"] == device])
    packed, test = tmp_path / "packed.gz", tmp_path / "print.test"
    site.cups.run("ipptool", "-t", "-f", packed, site.cups.uri(queue), test)
    job = site.cloud_jobs(device, before + 1)[-1]
    assert sheets_in(document(job), Path(job["document"])) * int(job["props"]["copies"]) == 9


def test_valid_in_ipp(site: PrintSite, queues: dict[str, tuple[str, str]]) -> None:
    """Drivers of all formats are valid, including generic ones."""
    for queue in (queue for kind, (_, queue) in queues.items() if kind != "raw"):
        site.cups.run("ipptool", "-t", site.cups.uri(queue), "get-printer-attributes.test")


@pytest.mark.parametrize("kind", ["generic-ps", "generic-pcl6", "generic-pcl"])
def test_generic_drivers(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path, kind: str
) -> None:
    """Generic drivers, which need no server, are valid, too."""
    device, queue = queues[kind]
    job = printed(site, device, queue, "-n", "4", three_pages)
    assert sheets_in(document(job), Path(job["document"])) == 12
    assert job["props"] == {"copies": "1", "color": "2"}


@pytest.mark.parametrize("kind", ["pdf", "ps", "pcl6", "pcl"])
def test_text_file(
    site: PrintSite, queues: dict[str, tuple[str, str]], tmp_path: Path, kind: str
) -> None:
    """A text file passes the whole chain of filters."""
    device, queue = queues[kind]
    (tmp_path / "note").write_text("A note.\n")
    job = printed(site, device, queue, "-n", "5", tmp_path / "note")
    assert sheets_in(document(job), Path(job["document"])) * int(job["props"]["copies"]) == 5


def test_postscript_file(
    site: PrintSite, queues: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    """A PostScript printer gets the application's PostScript with the copies."""
    (tmp_path / "x.ps").write_bytes(
        b"%!PS-Adobe-3.0\n%%Pages: 1\n%%EndComments\n%%Page: 1 1\nshowpage\n%%EOF\n"
    )
    device, queue = queues["ps"]
    job = printed(site, device, queue, "-n", "4", tmp_path / "x.ps")
    assert sheets_in(document(job), Path(job["document"])) * int(job["props"]["copies"]) == 4


def test_a_text_printer_takes_no_pdf(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path
) -> None:
    """lp fails at once, so no job can print control characters."""
    with pytest.raises(RuntimeError, match="nsupported document-format"):
        site.cups.lp(queues["txt"][1], three_pages)


def test_both_sides_and_copies(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path
) -> None:
    """Copies that the filters make begin on a new sheet; data and props ask for both sides."""
    for kind, pages in (("pdf", 3), ("pcl6", 12), ("ps", 9), ("pcl", 9)):
        device, queue = queues[kind]
        job = printed(
            site, device, queue, "-n", "3", "-o", "sides=two-sided-long-edge", three_pages
        )
        assert sheets_in(document(job), Path(job["document"])) == pages, kind
        assert job["props"]["duplex"] == "2"


def test_defaults_of_the_queue(
    site: PrintSite, queues: dict[str, tuple[str, str]], three_pages: Path
) -> None:
    """lpadmin's defaults reach the device; a job's option takes precedence."""
    device = site.device("--props", "duplex=2")
    queue = site.discovered_queue(device)
    assert "duplex" not in printed(site, device, queue, three_pages)["props"]
    site.cups.run("lpadmin", "-p", queue, "-o", "Duplex=DuplexTumble", "-o", "CirrusPriority=75")
    props = printed(site, device, queue, three_pages)["props"]
    assert (props["duplex"], props["priority"]) == ("3", "75")
    props = printed(site, device, queue, "-o", "sides=one-sided", three_pages)["props"]
    assert (props["duplex"], props["priority"]) == ("1", "75")
