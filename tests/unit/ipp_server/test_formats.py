"""The formats that a printer takes, and what its device gets."""

from __future__ import annotations

import pytest

from cirrus_bridge.drivers.deliverable import delivered_as, why_not
from cirrus_bridge.ipp_server.documents.formats import (
    detect,
    is_laid_out,
    supported,
)
from images import png
from raster_documents import Picture, pwg_raster, urf

LAID_OUT = {"application/pdf", "image/jpeg", "image/png", "image/pwg-raster", "image/urf"}
ANY, TEXT = "application/octet-stream", "text/plain"


def _none() -> None:
    return None


def _pdftops() -> str:
    return "pdftops"


@pytest.mark.parametrize(
    ("device", "delivered", "types"),
    [
        (set(), "pdf", LAID_OUT),  # unknown
        ({"any"}, "pdf", LAID_OUT),
        ({"pdf", "ps"}, "pdf", LAID_OUT),
        ({"pdf", "txt"}, "pdf", LAID_OUT | {TEXT}),
        ({"ps", "pcl"}, "ps", LAID_OUT),
        ({"ps", "txt"}, "ps", LAID_OUT | {TEXT}),
        ({"txt"}, "txt", {TEXT}),
        ({"pcl", "pcl6"}, None, set()),
    ],
)
def test_by_what_the_device_takes(device: set[str], delivered: str | None, types: set[str]) -> None:
    """PDF is preferred, PostScript is made of PDF, and text is for devices that take text."""
    assert delivered_as(frozenset(device), _pdftops) == delivered
    expected = types | {ANY} if types else types
    assert set(supported(frozenset(device), _pdftops)) == expected


def test_postscript_without_a_program() -> None:
    """A device that takes PostScript only is not offered if nothing can make PostScript."""
    assert delivered_as(frozenset({"ps"}), _none) is None
    assert supported(frozenset({"ps"}), _none) == ()
    assert delivered_as(frozenset({"ps", "txt"}), _none) == "txt"


def test_why_a_device_is_not_offered() -> None:
    """The reason says what to install, or what the device takes."""
    assert why_not(frozenset({"ps"}), _none).count("poppler-utils") == 1
    assert "pcl, pcl6" in why_not(frozenset({"pcl6", "pcl"}), _pdftops)
    assert why_not(frozenset({"ps"}), _pdftops) == ""


def test_what_is_laid_out() -> None:
    """Images are placed on their paper here; the device lays out PDF and text."""
    here = {each for each in LAID_OUT | {ANY, TEXT} if is_laid_out(each)}
    assert here == LAID_OUT - {"application/pdf"}


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\xef\xbb\xbf\r\n%PDF-1.4", "application/pdf"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (png(), "image/png"),
        (pwg_raster([Picture(1, [b"\0"], "sgray")]), "image/pwg-raster"),
        (urf([Picture(1, [b"\0"], "sgray")]), "image/urf"),
        ("Grüße\r\n\f".encode(), TEXT),
        ("Grüße".encode()[:-2], TEXT),  # cut in a character
        (b"%!PS-Adobe-3.0\n", None),
        (b"Gr\xfc\xdfe", None),
        (b"RaS3" + bytes(100), None),
        (b"\0\1\2", None),
        (b"", None),
    ],
)
def test_detect(head: bytes, found: str | None) -> None:
    """The first bytes tell the format; PostScript and unknown bytes are no format of ours."""
    assert detect(head) == found
