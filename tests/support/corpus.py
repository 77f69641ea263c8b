"""Each file of a folder, printed through each language's driver and through CUPS's own driver.

`tests/corpus FOLDER` prints the files and a table; `tests/corpus --small` prints the documents that
`corpus_files` makes. CUPS's driver for the same language is the yardstick. What comes out of both
must have the same number of pages, the same page sizes and the same picture, and CUPS must count
the same sheets. Debian has no interpreter for PCL, so of PCL only the number of pages is compared.

A file that does not come out must not be lost silently: its job is held or refused, unless CUPS's
own driver also completes it.

The exit code is 1 if any output differs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

import corpus_files
from print_site import PATIENCE_S, PrintSite
from private_cups import FINAL_STATES, STATES
from sheets import sheets_in

# Language → CUPS's own driver (`lpinfo -m`), the yardstick. A text device gets text as it is.
YARDSTICKS: Mapping[str, str] = {
    "pdf": "lsb/usr/cupsfilters/Generic-PDF_Printer-PDF.ppd",
    "ps": "drv:///sample.drv/generic.ppd",
    "pcl6": "lsb/usr/cupsfilters/pxlcolor.ppd",
    "pcl": "drv:///sample.drv/generpcl.ppd",
    "txt": "raw",
}
DPI = 18
SAME_SIZE_PT = 72 / DPI  # one pixel, because both programs round
# drivers with other margins move texts, and scale pictures a little differently
SAME_PLACE_PT = 30.0
SAME_INK = 0.25
_WHITE = 250  # gray values from here on are paper
_PJL = re.compile(rb"\x1b%-12345X(?:@PJL[^\n]*\n)*")  # PJL around another language
_PGM = re.compile(rb"P5\s(?:#.*\s)*(\d+) (\d+)\s255\s")
_ENDED = ("held", "stopped", *FINAL_STATES.values())


class Page(NamedTuple):
    """A page: its pixels, the bytes of a text's page, or neither if there is no interpreter."""

    width_pt: float = 0.0
    height_pt: float = 0.0
    gray: bytes = b""

    def is_like(self, other: Page) -> bool:
        """Whether both pages have the same amount of ink in the same rectangle."""
        if not self.width_pt:
            return self == other
        inks = [sum(255 - value for value in page.gray) for page in (self, other)]
        apart = zip(self._inked_pt(), other._inked_pt(), strict=True)
        is_near = all(abs(one - two) <= SAME_PLACE_PT for one, two in apart)
        return is_near and max(inks) - min(inks) <= SAME_INK * max(inks)

    def _inked_pt(self) -> tuple[float, ...]:
        """The edges of the rectangle that has ink: top, bottom, left, right."""
        width = round(self.width_pt / 72 * DPI)
        rows = [self.gray[start : start + width] for start in range(0, len(self.gray), width)]
        edges = [number for lines in (rows, zip(*rows, strict=True)) for number in _ends(lines)]
        return tuple(edge * 72 / DPI for edge in edges)

    @property
    def size(self) -> str:
        """Width and height in points."""
        return f"{self.width_pt:.0f}×{self.height_pt:.0f}" if self.width_pt else ""


class Outcome(NamedTuple):
    """What became of a file in one queue.

    Attributes:
        end: the job's state, or "refused" by lp(1).
        message: what CUPS says about the job.
        pages: those that came out.
        sheets: `job-media-sheets-completed`.
    """

    end: str
    message: str = ""
    pages: Sequence[Page] = ()
    sheets: int = 0

    @property
    def sizes(self) -> str:
        """The different page sizes, in points."""
        return ", ".join(dict.fromkeys(page.size for page in self.pages if page.size))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A file through both drivers of a language."""

    file: str
    language: str
    ours: Outcome
    yardstick: Outcome

    @property
    def differences(self) -> list[str]:
        """What differs, in words; empty if the output is as that of CUPS's own driver."""
        return list(self._differences())

    def _differences(self) -> Iterator[str]:
        ours, yardstick = self.ours, self.yardstick
        is_lost = ours.end == "completed" and yardstick.end != "completed" and not ours.pages
        if is_lost or (ours.pages and ours.end != "completed"):
            yield "end"
        if ours.end == "held" and not ours.message:
            yield "no message"
        if len(ours.pages) != len(yardstick.pages):
            yield "pages"
            return
        both = list(zip(ours.pages, yardstick.pages, strict=True))
        if not all(_are_near(*each) for each in both):
            yield "page size"
        elif not all(one.is_like(two) for one, two in both):
            yield "picture"
        # CUPS's drivers count neither images nor PostScript that does not mark its pages
        if ours.sheets not in (len(ours.pages) or 1, yardstick.sheets):
            yield "sheets"


class Corpus:
    """Two queues for each language on a site: ours, and the yardstick's."""

    def __init__(self, site: PrintSite) -> None:
        self._site = site
        self._kept = site.cups.root / "spool" / "tmp"  # the yardsticks' backend may write there
        keeper = site.cups.root / "bin" / "backend" / "keep"
        keeper.write_text(f'#!/bin/sh\nexec cat ${{6:+"$6"}} >"{self._kept}/$1.out"\n')
        keeper.chmod(0o755)
        self._devices: dict[str, str] = {}

    def _add_queues(self, language: str) -> None:
        cups, device = self._site.cups, self._site.device("--formats", language)
        self._devices[language] = device
        uri = f"cirrus://{self._site.server}/Acme/Paris:{device}"
        driver = f"drv:///cirrus-bridge.drv/cirrus-generic-{language}.ppd"
        paper = {"PageSize": "A4"}
        cups.add_queue(f"ours-{language}", uri, driver=driver, options=paper)
        yardstick = YARDSTICKS[language]
        cups.add_queue(f"cups-{language}", "keep:/", driver=yardstick, options=paper)

    def compare(
        self, file: Path, languages: Sequence[str], options: Sequence[str] = ()
    ) -> list[Comparison]:
        """Print a file through both drivers of the languages.

        Args:
            options: of lp(1), such as `number-up=2`.
        """
        words = [word for option in options for word in ("-o", option)]
        for name in languages:
            if name not in self._devices:
                self._add_queues(name)
        printed = {name: len(self._delivered(name)) for name in languages}
        jobs = {
            (whose, name): self._print(f"{whose}-{name}", *words, file)
            for name in languages
            for whose in ("ours", "cups")
        }
        outcomes = {}
        for (whose, name), job_id in jobs.items():
            if job_id is None:
                outcomes[whose, name] = Outcome("refused")
                continue
            job = self._site.cups.wait_job(job_id, *_ENDED, timeout_s=PATIENCE_S)
            if whose == "ours":
                new = self._delivered(name)[printed[name] :]
            else:
                new = [self._kept / f"{job_id}.out"]
            pages = [page for path in new if path.exists() for page in pages_of(path)]
            outcomes[whose, name] = Outcome(
                STATES[job["job-state"]],
                str(job.get("job-printer-state-message", "")),
                pages,
                int(job["job-media-sheets-completed"]),
            )
            if job["job-state"] not in FINAL_STATES:
                self._site.cups.run("cancel", str(job_id))
        return [
            Comparison(file.name, name, outcomes["ours", name], outcomes["cups", name])
            for name in languages
            if outcomes["ours", name].end != "refused" or YARDSTICKS[name] != "raw"
        ]

    def _print(self, queue: str, *words: str | Path) -> int | None:
        try:
            return self._site.cups.lp(queue, *words)
        except RuntimeError:  # no filter of the queue takes the format
            return None

    def _delivered(self, language: str) -> list[Path]:
        device = self._devices[language]
        return [Path(job["document"]) for job in self._site.cloud.jobs() if job["device"] == device]


def pages_of(path: Path) -> list[Page]:
    """The pages of print data, rendered if there is a program for its language."""
    data = path.read_bytes()
    page_description = _PJL.sub(b"", data)
    if page_description.startswith((b"%PDF", b"%!PS", b"\x04%!PS")):
        return _rendered(page_description)
    if data.startswith(b"\x1b"):  # PCL
        return [Page()] * sheets_in(data, path)
    return [Page(gray=page) for page in data.split(b"\f")] if data else []


def _rendered(page_description: bytes) -> list[Page]:
    render = ("gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pgmraw", f"-r{DPI}")
    with tempfile.TemporaryDirectory() as folder:
        data, pages = Path(folder, "data"), Path(folder, "pages")
        data.write_bytes(page_description)
        pages.mkdir()
        command = [*render, f"-o{pages}/%05d.pgm", str(data)]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
        made = sorted(pages.iterdir()) if done.returncode == 0 else []
        return [_page(each.read_bytes()) for each in made]


def _page(pgm: bytes) -> Page:
    head = _PGM.match(pgm)
    if head is None:
        raise ValueError(f"not a picture: {pgm[:30]!r}")
    width, height = map(int, head.groups())
    return Page(width * 72 / DPI, height * 72 / DPI, pgm[head.end() :])


def _ends(lines: Iterable[Sequence[int]]) -> tuple[int, int]:
    """The numbers of the first and last lines that have ink; 0 if none has."""
    inked = [number for number, line in enumerate(lines) if min(line) < _WHITE]
    return (inked[0], inked[-1]) if inked else (0, 0)


def _are_near(one: Page, two: Page) -> bool:
    apart = max(abs(one.width_pt - two.width_pt), abs(one.height_pt - two.height_pt))
    return apart <= SAME_SIZE_PT


def table(comparisons: Sequence[Comparison]) -> Table:
    """A row for each comparison."""
    columns = ("file", "driver", "end", "pages", "sheets", "page size (pt)", "as CUPS's driver")
    made = Table(*columns)
    for each in comparisons:
        one, two = each.ours, each.yardstick
        made.add_row(
            each.file,
            each.language,
            _pair(one.end, two.end),
            _pair(len(one.pages), len(two.pages)),
            _pair(one.sheets, two.sheets),
            _pair(one.sizes, two.sizes),
            f"no: {', '.join(each.differences)}" if each.differences else "yes",
        )
    return made


def _pair(ours: object, yardstick: object) -> str:
    return str(ours) if ours == yardstick else f"{ours} | {yardstick}"


def main() -> int:
    """Print a folder's files, or the small corpus; return 1 if any output differs."""
    parser = argparse.ArgumentParser(description="Compare the drivers with CUPS's own.")
    parser.add_argument("folder", type=Path, nargs="?", help="the files to print")
    parser.add_argument("--small", action="store_true", help="print the project's own documents")
    parser.add_argument("-o", dest="options", action="append", default=[], help="as of lp")
    parser.add_argument("--only", choices=YARDSTICKS, nargs="+", default=list(YARDSTICKS))
    asked = parser.parse_args()
    if asked.small is (asked.folder is not None):
        parser.error("give either a folder or --small")
    if asked.folder and not asked.folder.is_dir():
        parser.error(f"{asked.folder} is not a folder")
    with tempfile.TemporaryDirectory() as made, PrintSite() as site:
        files = corpus_files.make(Path(made)) if asked.small else asked.folder.iterdir()
        corpus, comparisons = Corpus(site), list[Comparison]()
        for file in sorted(path for path in files if path.is_file()):
            comparisons += corpus.compare(file, asked.only, asked.options)
    Console(width=None if sys.stdout.isatty() else 160).print(table(comparisons))
    return int(any(each.differences for each in comparisons))


if __name__ == "__main__":
    sys.exit(main())
