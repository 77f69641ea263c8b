"""Raster pages of clients without drivers → PDF: our conversion beside CUPS's filters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from frame import Setting, Table
from measure import cost, interleaved, spread, wall_s
from paths import WELCOME
from raster_documents import Picture, urf

COLUMNS = ("pages", "by", "pages/s", "× rastertopdf", "CPU s", "MiB", "KiB of PDF a page")
RASTER_TO_PDF = "/usr/lib/cups/filter/rastertopdf"
HEADER_BYTES = 12  # of URF, before the first page
TEXT_PAGES = 4
FEWER_PHOTOS = 20
DPI = 300
_CONVERT = """
import pathlib, sys
from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
convert(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "image/urf", Wanted())
"""


def table(setting: Setting) -> Table:
    """Convert pages of text, in gray and color, and pages with photos."""
    made = Table("URF → PDF, A4 at 300 dpi", COLUMNS)
    many = setting.size(200, 8)
    for kind, pages, page_count in _documents(setting.folder):
        count = many if page_count > 1 else max(1, many // FEWER_PHOTOS)
        document = setting.folder / kind
        document.write_bytes(pages[:HEADER_BYTES])
        with document.open("ab") as file:
            for _ in range(count // page_count):
                file.write(pages[HEADER_BYTES:])
        _compare(made, setting, document, count)
        document.unlink()
    return made


def _documents(folder: Path) -> Iterator[tuple[str, bytes, int]]:
    """What is on the pages of each document, some of its pages, and their number."""
    for kind, space in (("text in gray", 18), ("text in color", 19)):
        target = folder / "drawn"
        options = ("-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=appleraster", f"-r{DPI}")
        depth = ("-dcupsBitsPerColor=8", "-dcupsColorOrder=0", f"-dcupsColorSpace={space}")
        command = ["gs", *options, *depth, f"-sOutputFile={target}", str(WELCOME)]
        subprocess.run(command, check=True, capture_output=True)
        yield kind, target.read_bytes(), TEXT_PAGES
    width, height = 2480, 3508
    noise = Image.effect_noise((width, height), 40)
    slope = Image.linear_gradient("L").resize((width, height))
    photo = Image.merge("RGB", (Image.blend(noise, slope, 0.5), slope, noise))
    row_bytes = width * 3
    data = photo.tobytes()
    rows = [data[at : at + row_bytes] for at in range(0, len(data), row_bytes)]
    yield "photos", urf([Picture(width, rows, dpi=DPI)]), 1


def _compare(made: Table, setting: Setting, document: Path, count: int) -> None:
    """Add a row for each way to convert a document of `count` pages."""
    results = {
        "cirrus-printers": document.with_name(f"{document.name}.pdf"),
        "rastertopdf": document.with_name("rastertopdf.pdf"),
    }
    ours = [sys.executable, "-c", _CONVERT, str(document), str(setting.folder)]
    script = f'exec {RASTER_TO_PDF} 1 user title 1 "" "$1" >"$2"'
    theirs = ["sh", "-c", script, "sh", str(document), str(results["rastertopdf"])]
    costs = interleaved(
        {"cirrus-printers": lambda: cost(ours), "rastertopdf": lambda: cost(theirs)},
        setting.size(3, 1),
    )
    for way, found in costs.items():
        made.row(
            f"{count} with {document.name}",
            way,
            spread((count / each.wall_s for each in found), 1),
            f"{wall_s(costs['rastertopdf']) / wall_s(found):.1f}",
            spread((each.cpu_s for each in found), 1),
            spread(each.pss_bytes / 2**20 for each in found),
            f"{results[way].stat().st_size / count / 1024:.0f}",
        )
        results[way].unlink()
