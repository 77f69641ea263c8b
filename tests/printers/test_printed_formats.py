"""Documents of each format, printed through the running service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cirrus_bridge.ipp.message import Attribute, JobState
from cirrus_bridge.ipp.values import EnumValue, Keyword, Range
from drawn import difference, drawn_pages
from paths import WELCOME
from printer_site import PrinterSite
from raster_documents import Picture, pwg_raster, urf

DPI = 72
SIZE = (144, 216)


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite() as shared:
        yield shared


def _pages() -> list[Image.Image]:
    """Pages that differ, in gray."""
    slope = Image.linear_gradient("L").resize(SIZE)
    return [slope, slope.transpose(Image.Transpose.ROTATE_180), Image.new("L", SIZE, 77)]


def _pictures() -> list[Picture]:
    width, height = SIZE
    return [
        Picture(
            width, [page.tobytes()[at * width :][:width] for at in range(height)], "sgray", 8, DPI
        )
        for page in _pages()
    ]


def _printed(
    site: PrinterSite, data: bytes, media_type: str, folder: Path, asked: list[Attribute]
) -> list[Image.Image]:
    """The pages of the document that a client's document has become at the device."""
    site.wait_job(site.print(data, asked, media_type=media_type), JobState.COMPLETED)
    document = folder / "delivered"
    document.write_bytes(site.document(site.cloud.jobs()[-1]))
    assert document.read_bytes().startswith(b"%PDF-")
    return drawn_pages(document, DPI)


@pytest.mark.parametrize(
    "media_type", ["image/pwg-raster", "image/urf", "application/octet-stream"]
)
def test_raster_pages(media_type: str, site: PrinterSite, tmp_path: Path) -> None:
    """All pages arrive, and with page-ranges those that the job asks for."""
    data = pwg_raster(_pictures()) if "pwg" in media_type else urf(_pictures())
    pages = _printed(site, data, media_type, tmp_path, [])
    assert [difference(*pair) for pair in zip(pages, _pages(), strict=True)] == [0, 0, 0]
    asked = [Attribute("page-ranges", [Range(2, 3)])]
    pages = _printed(site, data, media_type, tmp_path, asked)
    assert [difference(*pair) for pair in zip(pages, _pages()[1:], strict=True)] == [0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photos(kind: str, site: PrinterSite, tmp_path: Path) -> None:
    """A photo is on a page of the default paper."""
    made = io.BytesIO()
    Image.linear_gradient("L").resize((3000, 2000)).save(made, kind)
    (page,) = _printed(site, made.getvalue(), f"image/{kind.lower()}", tmp_path, [])
    assert page.size in ((595, 842), (612, 792))
    shades = page.convert("L").resize((1, 1)).getpixel((0, 0))
    assert isinstance(shades, int) and 100 < shades < 160


def test_an_image_is_laid_out_once(site: PrinterSite, tmp_path: Path) -> None:
    """The photo is turned and scaled on its page, so the device is not asked to do so again. A PDF
    is laid out by the device."""
    asked = [
        Attribute("orientation-requested", [EnumValue(4)]),
        Attribute("print-scaling", [Keyword("fit")]),
    ]
    made = io.BytesIO()
    picture = Image.new("L", (300, 400), 255)
    picture.paste(0, (0, 0, 300, 100))  # its top is black
    picture.save(made, "PNG")
    (page,) = _printed(site, made.getvalue(), "image/png", tmp_path, asked)
    props = site.cloud.jobs()[-1]["props"]
    assert not {"orientation", "scale"} & props.keys()
    shades = [page.convert("L").getpixel((x, page.height // 2)) for x in (60, page.width - 60)]
    assert shades == [0, 255]  # turned to the left
    _printed(site, WELCOME.read_bytes(), "application/pdf", tmp_path, asked)
    props = site.cloud.jobs()[-1]["props"]
    assert (props["orientation"], props["scale"]) == ("2", "0")
