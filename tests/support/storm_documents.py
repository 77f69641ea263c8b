"""The documents of a storm: each has a mark, which is found again in the output."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from one_page_pdf import one_page_pdf

LARGEST = 2_000_000
_MARK = re.compile(rb"<[0-9]+-[0-9]+>")


@dataclass(frozen=True, slots=True)
class Output:
    """A device's expected output: its marks, and its digest unless a filter changes it."""

    marks: tuple[str, ...]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A document that came out at a target (LOCATION:DEVICE)."""

    target: str
    output: Output

    def is_all_of(self, wanted: Delivered) -> bool:
        """Whether the document is exactly this output."""
        digests = {self.output.sha256, wanted.output.sha256} - {""}
        is_same = self.output.marks == wanted.output.marks and len(digests) < 2
        return is_same and self.target == wanted.target

    def is_part_of(self, wanted: Delivered) -> bool:
        """Whether the document contains nothing else than parts of this output."""
        return self.target == wanted.target and set(self.output.marks) <= set(wanted.output.marks)


def written(folder: Path, marks: Sequence[str], draw: random.Random, *, pdf: bool) -> list[Path]:
    """Write a file for each mark."""
    files = []
    for mark in marks:
        noise = draw.randbytes(draw.choice((100, 50_000, LARGEST)))
        raw = b"\x1bE" + mark.encode() + noise  # CUPS may join such files
        path = folder / f"document{mark.strip('<>')}"
        path.write_bytes(_pdf(mark) if pdf else raw)
        files.append(path)
    return files


def outputs(files: Sequence[Path], marks: Sequence[str], *, pdf: bool) -> list[Output]:
    """The outputs of the files of one job; without a driver, CUPS joins the files."""
    if pdf:
        return [Output((mark,)) for mark in marks]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return [Output(tuple(marks), digest)]


def delivered(job: Mapping[str, Any]) -> Delivered:
    """The document that a delivered job of the cloud brought to its device."""
    path = Path(str(job["delivered_path"]))
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(b"%PDF"):
        data = "".join(page.extract_text() for page in PdfReader(path).pages).encode()
    marks = tuple(mark.decode() for mark in _MARK.findall(data))
    return Delivered(f"{job['location']}:{job['device']}", Output(marks, digest))


def _pdf(text: str) -> bytes:
    """A PDF page with this text."""
    content = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    return one_page_pdf(content, "Font", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
