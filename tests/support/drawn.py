"""Pages of documents as pictures."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PIL import Image, ImageChops, ImageStat


def drawn_pages(document: Path, dpi: int = 72, device: str = "png16m") -> list[Image.Image]:
    """The pages of a PDF or PostScript file, as Ghostscript draws them: pixel by pixel."""
    prefix = document.with_name(f"{document.name}.page")
    options = ("-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", f"-r{dpi}")
    subprocess.run(["gs", *options, f"-sOutputFile={prefix}-%03d.png", document], check=True)
    pages = []
    for path in sorted(document.parent.glob(f"{prefix.name}-*.png")):
        with Image.open(path) as page:
            pages.append(page.convert("RGB"))
        path.unlink()
    return pages


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures of the same size, from 0 to 255."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)
