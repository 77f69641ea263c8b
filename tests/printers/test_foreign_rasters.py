"""Rasters that Ghostscript and CUPS write come out as Ghostscript draws their source."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
from drawn import difference, drawn_pages
from paths import WELCOME

DPI = 100
COLORS = {"sgray": "18", "srgb": "19"}  # cupsColorSpace
DEVICES = {"image/pwg-raster": "pwgraster", "image/urf": "appleraster"}
CLOSE = 4  # a page that is turned or mirrored differs by 11
RASTER_TO_PWG = "/usr/lib/cups/filter/rastertopwg"


def _ghostscript(device: str, colors: str, target: Path) -> None:
    options = ("-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", f"-r{DPI}")
    depth = ("-dcupsBitsPerColor=8", "-dcupsColorOrder=0", f"-dcupsColorSpace={COLORS[colors]}")
    command = ["gs", *options, *depth, f"-sOutputFile={target}", str(WELCOME)]
    subprocess.run(command, check=True, capture_output=True)


def _cups(media_type: str, colors: str, target: Path) -> None:
    """The chain of CUPS for a printer without a driver: CUPS raster, then rastertopwg."""
    raster = target.with_suffix(".cups")
    _ghostscript("cups", colors, raster)
    with target.open("wb") as file:
        command = [RASTER_TO_PWG, "1", "user", "title", "1", "", str(raster)]
        environ = {"FINAL_CONTENT_TYPE": media_type}
        subprocess.run(command, env=environ, stdout=file, stderr=subprocess.PIPE, check=True)


@pytest.mark.sampled
@pytest.mark.parametrize("colors", COLORS)
@pytest.mark.parametrize("media_type", DEVICES)
@pytest.mark.parametrize("writer", ["Ghostscript", "CUPS"])
def test_rasters_of_others(writer: str, media_type: str, colors: str, tmp_path: Path) -> None:
    """All pages arrive upright, in their colors, and with the right size."""
    document = tmp_path / "document"
    if writer == "CUPS":
        _cups(media_type, colors, document)
    else:
        _ghostscript(DEVICES[media_type], colors, document)
    pages = drawn_pages(convert(document, tmp_path, media_type, Wanted()), DPI)
    original = tmp_path / "original"
    original.write_bytes(WELCOME.read_bytes())
    expected = drawn_pages(original, DPI, "pnggray" if colors == "sgray" else "png16m")
    assert len(pages) == len(expected) == 4
    for page, other in zip(pages, expected, strict=True):
        # the size of a page in pixels is rounded up or down, which moves lines by a part of a pixel
        width, height = (min(pair) for pair in zip(page.size, other.size, strict=True))
        assert abs(page.width - other.width) <= 1 >= abs(page.height - other.height)
        box = (0, 0, width, height)
        assert difference(page.crop(box), other.crop(box)) < CLOSE
