"""The driver, judged by CUPS: its compiler, its tester, its attributes, its filters.

Documents pass the real queue and filters to a backend that keeps them.
"""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from cirrus_bridge.cups.ppd_file import read_queue_driver
from cirrus_bridge.drivers.capabilities import LANGUAGES
from cirrus_bridge.drivers.ppd_strings import words_in
from localized import localized_options
from private_cups import PrivateCups, private_cups
from private_cups_layout import DRIVERS

QUEUE = "generic"
# One run of the backend: a folder with its arguments, a line each, and its document.
KEEP_ALL = """\
#!/bin/sh
[ $# -eq 0 ] && exit
run=$(mktemp -d "$KEPT/$1.XXXXXX")
printf '%s\\n' "$FINAL_CONTENT_TYPE" "$@" >"$run/words"
cat "${6:--}" >"$run/document"
"""


@dataclass(frozen=True)
class Run:
    """The arguments and the document of one run of the backend."""

    content_type: str
    copies: int
    options: list[str]
    from_file: bool
    document: bytes

    @property
    def pages(self) -> list[str]:
        """The text of each page."""
        return [page.extract_text() for page in PdfReader(io.BytesIO(self.document)).pages]

    @property
    def size(self) -> tuple[int, int]:
        """The first page's width and height in points, before any rotation."""
        box = PdfReader(io.BytesIO(self.document)).pages[0].mediabox
        return round(box.width), round(box.height)


@dataclass(frozen=True)
class Printing:
    """A queue with the driver, and its output."""

    cups: PrivateCups
    kept: Path

    def print(self, *arguments: str | Path) -> list[Run]:
        """Print with lp(1) and wait; return one run of the backend for each document."""
        job_id = self.cups.lp(QUEUE, *arguments)
        job = self.cups.wait_job(job_id)
        assert job["job-state"] == 9, self.cups.log_end()
        folders = sorted(self.kept.glob(f"{job_id}.*"), key=lambda run: run.stat().st_ctime_ns)
        return [_read(folder) for folder in folders]


def _read(folder: Path) -> Run:
    content_type, *words = (folder / "words").read_text().splitlines()
    return Run(
        content_type=content_type,
        copies=int(words[3]),
        options=words[4].split(),
        from_file=len(words) == 6,
        document=(folder / "document").read_bytes(),
    )


@pytest.fixture(scope="module")
def printing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printing]:
    """One cupsd with one queue for all tests of this file."""
    folder = tmp_path_factory.mktemp("ppd")
    backend, kept = folder / "backend", folder / "kept"
    backend.write_text(KEEP_ALL)
    backend.chmod(0o755)
    kept.mkdir()
    with private_cups([backend], {"KEPT": str(kept)}) as cups:
        cups.add_queue(QUEUE, "cirrus://cloud.test/C/L:D")
        yield Printing(cups, kept)


@pytest.fixture(scope="module")
def document() -> Path:
    """Four pages of A4 with their numbers."""
    return DRIVERS.parent / "installer" / "welcome.pdf"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """One page of another size."""
    path = tmp_path / "letter.pdf"
    writer = PdfWriter()
    writer.add_blank_page(612, 792)
    writer.write(path)
    return path


def attribute(cups: PrivateCups, name: str) -> str:
    """A queue's attribute as ipptool(1) shows it."""
    test = "get-printer-attributes.test"
    lines = cups.run("ipptool", "-tv", cups.uri(QUEUE), test).splitlines()
    found = [line for line in lines if line.strip().startswith(f"{name} (")]
    return found[0].partition(" = ")[2] if found else ""


def test_it_conforms(tmp_path: Path) -> None:
    """The driver compiles, and CUPS's tester accepts each language.

    No default asks the device for anything.
    """
    subprocess.run(
        ["ppdc", "-d", tmp_path, DRIVERS / "cirrus-bridge.drv"], check=True, capture_output=True
    )
    ppds = sorted(tmp_path.iterdir())
    assert [ppd.stem.removeprefix("cirrus-generic-") for ppd in ppds] == sorted(LANGUAGES)
    done = subprocess.run(["cupstestppd", "-W", "none", "-q", *ppds], capture_output=True)
    assert done.returncode == 0, done.stdout
    for ppd in ppds:
        text = ppd.read_text()
        language = LANGUAGES[ppd.stem.removeprefix("cirrus-generic-")]
        assert f"CMD:{language.command};" in text
        assert re.findall(r'^\*cupsFilter2: "(.*)"', text, re.MULTILINE) == list(language.filters)
        assert f"*cupsManualCopies: {language.repeats}" in text
        assert not read_queue_driver(ppd).defaults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("printer-device-id", "MFG:Cirrus;MDL:Generic PDF;CMD:PDF;"),
        ("printer-make-and-model", "Cirrus Generic PDF"),
        ("color-supported", "true"),
        ("print-color-mode-supported", "monochrome,color"),
        ("sides-supported", "one-sided,two-sided-long-edge,two-sided-short-edge"),
        ("sides-default", "one-sided"),
        ("media-source-supported", "auto,tray-1,tray-2,tray-3,manual"),
        ("document-format-preferred", "application/pdf"),
        ("copies-supported", "1-9999"),
    ],
)
def test_capabilities(printing: Printing, name: str, value: str) -> None:
    """Other machines and applications see the driver's options."""
    assert attribute(printing.cups, name) == value


@pytest.mark.parametrize(
    "size",
    [
        *("iso_a3_297x420mm", "iso_a4_210x297mm", "iso_a5_148x210mm"),
        *("na_letter_8.5x11in", "na_legal_8.5x14in", "na_ledger_11x17in"),
        *("na_executive_7.25x10.5in", "jis_b5_182x257mm", "iso_b5_176x250mm"),
        *("custom_min_1.5x1.5in", "custom_max_44x100in"),
    ],
)
def test_sizes(printing: Printing, size: str) -> None:
    """Each paper has its standard name (PWG 5101.1)."""
    assert size in attribute(printing.cups, "media-supported").split(",")


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja"])
def test_words_by_language(printing: Printing, language: str) -> None:
    """Applications show options, papers and trays in their language, as generated drivers do."""
    driver = printing.cups.root / "etc" / "ppd" / f"{QUEUE}.ppd"
    shown = localized_options(driver, language)
    known = words_in(language)
    shown.pop("PageRegion")  # no dialog shows PageRegion, and ppdc leaves it in English
    for option in shown:
        assert shown[option].pop("") == known[option]
        for choice, text in shown[option].items():
            fixed = known.get(f"{option} {choice}")
            assert text == fixed or not fixed
    assert shown["Duplex"]["DuplexTumble"] == known["Duplex DuplexTumble"]
    tray = {"en": "Tray 1", "de": "Fach 1", "fr": "Bac 1", "es": "Bandeja 1", "ja": "トレイ 1"}
    assert shown["InputSlot"]["Tray1"] == tray[language]
    assert shown["PageSize"]["A5"] == "A5"
    assert shown["PageSize"]["Legal"] == "US Legal"


def test_discovery_finds_the_driver(printing: Printing) -> None:
    """A device id proposes the driver before all others, and only real drivers are listed."""
    found = printing.cups.run("lpinfo", "--device-id", "MFG:Cirrus;MDL:Generic PDF;", "-m")
    assert found.split()[0] == "drv:///cirrus-bridge.drv/cirrus-generic-pdf.ppd"
    assert "Bad driver information file" not in printing.cups.error_log()


def test_a_plain_job_is_pdf_with_nothing_asked(printing: Printing, document: Path) -> None:
    """PDF stays PDF, page for page, and a plain job has no option of the driver."""
    (run,) = printing.print(document)
    assert run.content_type == "application/pdf"
    assert not run.from_file
    assert len(run.pages) == 4
    chosen = {option.partition("=")[0].lower() for option in run.options}
    assert not chosen & {"pagesize", "inputslot", "colormodel", "duplex", "sides", "collate"}


def test_copies_are_not_multiplied(printing: Printing, document: Path) -> None:
    """Pages arrive once whatever the copies, even where filters could add blank pages."""
    (run,) = printing.print("-n", "3", "-o", "sides=two-sided-long-edge", "-P", "1-3", document)
    assert (run.copies, len(run.pages)) == (3, 3)
    assert "Duplex=DuplexNoTumble" in run.options


def test_number_up(printing: Printing, document: Path) -> None:
    """Two pages a sheet give half the sheets, in order."""
    (run,) = printing.print("-o", "number-up=2", document)
    assert len(run.pages) == 2
    assert "Page 1 of 4" in run.pages[0]
    assert "Page 2 of 4" in run.pages[0]


def test_page_ranges(printing: Printing, document: Path) -> None:
    """Only the requested pages arrive."""
    (run,) = printing.print("-o", "page-ranges=2-3", document)
    assert ["Page 2 of 4" in run.pages[0], "Page 3 of 4" in run.pages[1]] == [True, True]
    assert len(run.pages) == 2


def test_orientation(printing: Printing, document: Path) -> None:
    """pdftopdf turns the sheet."""
    (run,) = printing.print("-o", "landscape", document)
    assert run.size == (842, 595)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["-o", "media=A5"], (420, 595)),
        (["-o", "media=A3", "-o", "fit-to-page"], (842, 1191)),
        (["-o", "PageSize=Letter"], (612, 792)),
        (["-o", "media=Custom.100x200mm"], (283, 566)),
    ],
)
def test_paper(printing: Printing, letter: Path, options: list[str], size: tuple[int, int]) -> None:
    """The document is put onto the requested paper."""
    (run,) = printing.print(*options, letter)
    assert run.size == size


def test_grayscale_by_either_name(printing: Printing, letter: Path) -> None:
    """IPP's option sets the driver's option as well."""
    (run,) = printing.print("-o", "print-color-mode=monochrome", letter)
    assert "ColorModel=Gray" in run.options
    (run,) = printing.print("-o", "ColorModel=Gray", letter)
    assert "ColorModel=Gray" in run.options


def test_nobody_asks_for_colour_where_the_queue_leaves_it_open(
    printing: Printing, letter: Path
) -> None:
    """The queue's default print-color-mode is the administrator's to set."""
    cups = printing.cups
    cups.run("lpadmin", "-p", QUEUE, "-o", "print-color-mode-default=auto")
    try:
        (run,) = printing.print(letter)
    finally:
        cups.run("lpadmin", "-p", QUEUE, "-R", "print-color-mode-default")
    assert "print-color-mode=auto" in run.options


def test_each_file_of_a_job_is_a_run_of_its_own(
    printing: Printing, document: Path, letter: Path
) -> None:
    """Files of a job are separate runs, in order."""
    runs = printing.print(document, letter)
    assert [len(run.pages) for run in runs] == [4, 1]


def test_text_becomes_pdf(printing: Printing, tmp_path: Path) -> None:
    """Plain text is set on A4."""
    text = tmp_path / "note.txt"
    text.write_text("A note.\n")
    (run,) = printing.print(text)
    assert run.document.startswith(b"%PDF-")
    assert run.size == (595, 842)
