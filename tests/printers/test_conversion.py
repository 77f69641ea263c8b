"""Documents of clients become what the device gets. Ghostscript draws the results, and the drawings
are compared with the sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest
from PIL import ExifTags, Image, ImageChops, ImageDraw

from cirrus_bridge.base.errors import BadDocument, EmptyDocument
from cirrus_bridge.ipp.values import Range
from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
from cirrus_bridge.ipp_server.documents.postscript import write_postscript
from drawn import difference, drawn_pages
from images import interlaced_png, png
from paths import WELCOME
from raster_documents import Picture, pwg_raster, urf

A5_MM = (148, 210)
DPI = 72
PWG, URF = "image/pwg-raster", "image/urf"
# Ghostscript converts these colors for the drawing; the others arrive exactly.
CLOSE = {"cmyk": 40.0, "adobe-rgb": 40.0}


def _picture(width: int = 144, height: int = 216) -> Image.Image:
    """A picture that differs from itself when it is turned or mirrored."""
    picture = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize((width, height)),
            Image.radial_gradient("L").resize((width, height)),
            Image.linear_gradient("L").rotate(90).resize((width, height)),
        ),
    )
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width // 3, height // 4), fill=(255, 0, 0))
    draw.rectangle((width // 2, height // 2, width // 2 + 9, height // 2 + 9), fill=(0, 0, 0))
    return picture


def _rows(picture: Image.Image) -> list[bytes]:
    data = picture.tobytes()
    size = len(data) // picture.height
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("colors", "mode"),
    [("srgb", "RGB"), ("rgb", "RGB"), ("sgray", "L"), ("cmyk", "CMYK"), ("adobe-rgb", "RGB")],
)
@pytest.mark.parametrize("media_type", [PWG, URF])
def test_raster_pages(colors: str, mode: str, media_type: str, tmp_path: Path) -> None:
    """Each pixel of a raster page is on the page of the PDF, which has the right size."""
    source = _picture().convert(mode)
    pictures = [Picture(source.width, _rows(source), colors, dpi=DPI)] * 2
    document = tmp_path / "document"
    document.write_bytes(pwg_raster(pictures) if media_type == PWG else urf(pictures))
    made = convert(document, tmp_path, media_type, Wanted())
    with pikepdf.open(made) as pdf:
        assert not pdf.check_pdf_syntax()
        for sheet in pdf.pages:
            (image,) = sheet.get_images().values()
            assert image.read_bytes() == source.tobytes()
    pages = drawn_pages(made)
    assert len(pages) == 2
    for page in pages:
        assert difference(page, source) <= CLOSE.get(colors, 0.0)


def test_black_ink(tmp_path: Path) -> None:
    """For black ink, 255 is black, and one bit is enough."""
    source = _picture().convert("L")
    inverted = ImageChops.invert(source)
    bits = inverted.convert("1")
    pictures = [
        Picture(source.width, _rows(inverted), "black", dpi=DPI),
        Picture(source.width, _rows(bits), "black", 1, DPI),
    ]
    document = tmp_path / "document"
    document.write_bytes(pwg_raster(pictures))
    gray, dithered = drawn_pages(convert(document, tmp_path, PWG, Wanted()))
    assert difference(gray, source) == 0
    assert difference(dithered, ImageChops.invert(bits.convert("L"))) == 0


def test_sixteen_bits(tmp_path: Path) -> None:
    """The first byte of a component is its high byte."""
    source = _picture()
    deep = [bytes(byte for value in row for byte in (value, value)) for row in _rows(source)]
    picture = Picture(source.width, deep, "srgb", 16, DPI)
    document = tmp_path / "document"
    document.write_bytes(pwg_raster([picture]))
    (page,) = drawn_pages(convert(document, tmp_path, PWG, Wanted()))
    assert difference(page, source) < 1


@pytest.mark.parametrize(
    ("transforms", "turned"),
    [
        ((-1, -1), Image.Transpose.ROTATE_180),  # rotated, or manual-tumble
        ((1, -1), Image.Transpose.FLIP_TOP_BOTTOM),  # flipped, long edge
        ((-1, 1), Image.Transpose.FLIP_LEFT_RIGHT),  # flipped, short edge
    ],
)
def test_back_sides(transforms: tuple[int, int], turned: Image.Transpose, tmp_path: Path) -> None:
    """A back side that the client has turned (PWG 5102.4, sheet-back) comes upright."""
    source = _picture()
    back = source.transpose(turned)
    pictures = [
        Picture(source.width, _rows(source), dpi=DPI),
        Picture(source.width, _rows(back), dpi=DPI, transforms=transforms),
    ]
    document = tmp_path / "document"
    document.write_bytes(pwg_raster(pictures, "two-sided-long-edge"))
    for page in drawn_pages(convert(document, tmp_path, PWG, Wanted())):
        assert difference(page, source) == 0


def test_page_size(tmp_path: Path) -> None:
    """A page has the size that its resolution gives: A4 at 600 dpi."""
    document = tmp_path / "document"
    document.write_bytes(urf([Picture(4960, [b"\xff" * 4960] * 7016, "sgray", dpi=600)]))
    with pikepdf.open(convert(document, tmp_path, URF, Wanted())) as pdf:
        box = [float(each) for each in pdf.pages[0].MediaBox]
    assert box == pytest.approx([0, 0, 595.2, 841.92])


@pytest.mark.parametrize("media_type", [PWG, URF, "application/pdf"])
def test_page_ranges(media_type: str, tmp_path: Path) -> None:
    """Only the pages of the ranges are printed, in their order."""
    grays = [0, 60, 120, 180, 240]
    pictures = [Picture(8, [bytes([gray]) * 8] * 8, "sgray", dpi=DPI) for gray in grays]
    document = tmp_path / "document"
    document.write_bytes(urf(pictures) if media_type == URF else pwg_raster(pictures))
    if media_type == "application/pdf":
        document = convert(document, tmp_path, PWG, Wanted())
    wanted = Wanted(page_ranges=(Range(2, 3), Range(5, 5)))
    pages = drawn_pages(convert(document, tmp_path, media_type, wanted))
    assert [page.getpixel((4, 4)) for page in pages] == [(each,) * 3 for each in (60, 120, 240)]
    with pytest.raises(EmptyDocument, match="7-9"):
        convert(document, tmp_path, media_type, Wanted(page_ranges=(Range(7, 9),)))


def test_only_the_asked_pages_leave(tmp_path: Path) -> None:
    """A cut PDF has nothing of the other pages, even if an outline and a link lead to them."""
    document = tmp_path / "document"
    with pikepdf.new() as pdf:
        for number in range(3):
            pdf.add_blank_page()
            pdf.pages[-1].Contents = pdf.make_stream(f"% secret of page {number + 1}".encode())
        first, _, last = (page.obj for page in pdf.pages)
        goal = pikepdf.Array([first, pikepdf.Name.Fit])
        link = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], Dest=goal
        )
        pdf.pages[1].Annots = pikepdf.Array([pdf.make_indirect(link), 7])
        with pdf.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("Last", 2))
        pdf.Root.OpenAction = pikepdf.Array([last, pikepdf.Name.Fit])
        pdf.save(document, compress_streams=False)
    wanted = Wanted(page_ranges=(Range(2, 2),))
    data = convert(document, tmp_path, "application/pdf", wanted).read_bytes()
    assert re.findall(rb"secret of page (.)", data) == [b"2"]


def test_a_pdf_stays_as_it_is(tmp_path: Path) -> None:
    """A PDF is not copied, and neither is one of whose pages all are asked for."""
    document = tmp_path / "document"
    document.write_bytes(WELCOME.read_bytes())
    for ranges in ((), (Range(1, 9),)):
        wanted = Wanted(page_ranges=ranges)
        assert convert(document, tmp_path, "application/pdf", wanted) == document
    assert [path.name for path in tmp_path.iterdir()] == ["document"]


@pytest.fixture
def jpeg(tmp_path: Path) -> Iterator[Path]:
    """A photo of a camera that was held upright: its rows are stored from the right to the left."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "photo"
    sideways = _picture().transpose(Image.Transpose.ROTATE_90)
    sideways.save(path, "JPEG", quality=95, exif=exif, dpi=(DPI, DPI))
    yield path


def test_a_photo_comes_upright(jpeg: Path, tmp_path: Path) -> None:
    """Without a paper, the page is as large as the photo. The data of the JPEG are unchanged."""
    made = convert(jpeg, tmp_path, "image/jpeg", Wanted())
    (page,) = drawn_pages(made)
    assert difference(page, _picture()) < 4
    with pikepdf.open(made) as pdf:
        (image,) = pdf.pages[0].get_images().values()
        assert image.read_raw_bytes() == jpeg.read_bytes()


@pytest.mark.parametrize("mode", ["L", "CMYK", "progressive"])
def test_kinds_of_jpeg(mode: str, tmp_path: Path) -> None:
    """Gray, CMYK (which Adobe stores inverted) and progressive JPEG have their colors."""
    document, source = tmp_path / "photo", _picture()
    saved = source if mode == "progressive" else source.convert(mode)
    options = {"quality": 95, "dpi": (DPI, DPI), "progressive": mode == "progressive"}
    saved.save(document, "JPEG", **options)
    (page,) = drawn_pages(convert(document, tmp_path, "image/jpeg", Wanted()))
    assert difference(page, saved) < (CLOSE["cmyk"] if mode == "CMYK" else 4)
    assert difference(page, ImageChops.invert(saved.convert("RGB"))) > 60


def test_a_photo_on_its_paper(jpeg: Path, tmp_path: Path) -> None:
    """`fit` shows the whole photo in the middle of the paper, and `fill` leaves no white."""
    wanted = Wanted(page_size_mm=A5_MM, scaling="fit", orientation=3)
    (page,) = drawn_pages(convert(jpeg, tmp_path, "image/jpeg", wanted))
    assert page.size == (420, 595)
    height = round(595.28 * 420 / 420)
    shown = _picture().resize((round(height * 144 / 216), height))
    left = (420 - shown.width) // 2
    assert difference(page.crop((left + 2, 2, left + 393, 590)), shown.crop((2, 2, 393, 590))) < 8
    assert page.getpixel((5, 300)) == (255, 255, 255)
    wanted = Wanted(page_size_mm=A5_MM, scaling="fill", orientation=3)
    (page,) = drawn_pages(convert(jpeg, tmp_path, "image/jpeg", wanted))
    assert all(page.getpixel((x, 300)) != (255, 255, 255) for x in range(1, 419))


@pytest.mark.parametrize("kind", ["RGB", "L", "1", "P", "RGBA", "LA", "I;16", "deep", "interlaced"])
def test_png(kind: str, tmp_path: Path) -> None:
    """Each kind of PNG prints; what is transparent is white."""
    expected = _picture()
    document = tmp_path / "image"
    if kind == "interlaced":
        expected = expected.convert("L")
        document.write_bytes(interlaced_png(_rows(expected)))
    elif kind == "deep":
        expected = Image.new("L", (8, 8), 0x80)
        document.write_bytes(png(depth=16, transparent=True))
    elif kind in ("RGBA", "LA"):
        saved = expected.convert(kind)
        saved.putalpha(Image.linear_gradient("L").resize(saved.size))
        saved.save(document, "PNG", dpi=(DPI, DPI))
        on_white = Image.new("RGBA", saved.size, "white")
        expected = Image.alpha_composite(on_white, saved.convert("RGBA"))
    else:
        saved = expected = expected.convert("L" if kind == "I;16" else kind)
        if kind == "I;16":
            saved = expected.convert("I").point(lambda value: value * 257).convert(kind)
        saved.save(document, "PNG", dpi=(DPI, DPI))
    wanted = Wanted(page_size_mm=_mm(expected), scaling="fit")
    (page,) = drawn_pages(convert(document, tmp_path, "image/png", wanted))
    assert difference(page, expected) < 2


def _mm(picture: Image.Image) -> tuple[float, float]:
    """The size of a paper on which a picture fits exactly."""
    return picture.width / DPI * 25.4, picture.height / DPI * 25.4


@pytest.mark.parametrize("size", [(1, 1), (2, 6000), (30_000, 2)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_odd_sizes(size: tuple[int, int], kind: str, tmp_path: Path) -> None:
    """A point and a line print as other images do."""
    document = tmp_path / "image"
    Image.new("RGB", size).save(document, kind)
    for page_size_mm in (A5_MM, None):
        wanted = Wanted(page_size_mm=page_size_mm)
        made = convert(document, tmp_path, f"image/{kind.lower()}", wanted)
        with pikepdf.open(made) as pdf:
            assert len(pdf.pages) == 1
            if page_size_mm:
                expected = [0, 0, *(each * 72 / 25.4 for each in A5_MM)]
                assert [float(each) for each in pdf.pages[0].MediaBox] == pytest.approx(expected)


@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg", "image/png", PWG, URF])
def test_documents_that_are_not_what_they_say(media_type: str, tmp_path: Path) -> None:
    """Other bytes, and the beginnings of good documents, are refused, and leave nothing behind."""
    picture = _picture()
    document = tmp_path / "document"
    if media_type == "application/pdf":
        document.write_bytes(WELCOME.read_bytes()[:300])
    elif media_type in (PWG, URF):
        made = [Picture(picture.width, _rows(picture))] * 2
        data = urf(made) if media_type == URF else pwg_raster(made)
        document.write_bytes(data[:-5])
    else:
        picture.save(document, "JPEG" if media_type == "image/jpeg" else "PNG")
        document.write_bytes(document.read_bytes()[:-200])
    with pytest.raises(BadDocument, match="damaged"):
        convert(document, tmp_path, media_type, Wanted())
    for data in (b"", b"GIF89a\0", b"\0" * 5000):
        document.write_bytes(data)
        with pytest.raises(BadDocument, match="but the document has another format"):
            convert(document, tmp_path, media_type, Wanted())
        with pytest.raises(BadDocument, match="unknown"):
            convert(document, tmp_path, "application/octet-stream", Wanted())
    assert [path.name for path in tmp_path.iterdir()] == ["document"]


def test_documents_without_pages(tmp_path: Path) -> None:
    """A document that ends before its first page is refused."""
    document = tmp_path / "document"
    for media_type, data in ((PWG, pwg_raster([])), (URF, urf([], 3))):
        document.write_bytes(data)
        with pytest.raises(BadDocument, match="incomplete"):
            convert(document, tmp_path, media_type, Wanted())


def test_a_protected_pdf(tmp_path: Path) -> None:
    """A PDF that needs a password is refused. One that everybody may open is printed."""
    document = tmp_path / "document"
    for user, is_open in (("secret", False), ("", True)):
        with pikepdf.open(WELCOME) as pdf:
            pdf.save(document, encryption=pikepdf.Encryption(owner="owner", user=user))
        if is_open:
            assert convert(document, tmp_path, "application/pdf", Wanted()) == document
        else:
            with pytest.raises(BadDocument, match="password"):
                convert(document, tmp_path, "application/pdf", Wanted())


def test_the_client_does_not_know_the_format(tmp_path: Path) -> None:
    """application/octet-stream is what its first bytes say. Parameters of a type are ignored."""
    document = tmp_path / "document"
    document.write_bytes(WELCOME.read_bytes())
    for media_type in ("application/octet-stream", "Application/PDF; version=1.7"):
        assert convert(document, tmp_path, media_type, Wanted()) == document


def test_text_stays_as_it_is(tmp_path: Path) -> None:
    """Text in any charset goes to a device that takes text."""
    document = tmp_path / "document"
    document.write_bytes("Grüße".encode("latin-1"))
    assert convert(document, tmp_path, "text/plain", Wanted("txt")) == document


@pytest.mark.parametrize("program", ["pdftops", "gs"])
def test_programs_for_postscript(program: str, tmp_path: Path) -> None:
    """Each program writes all pages in their size."""
    document, made = tmp_path / "document", tmp_path / "made.ps"
    document.write_bytes(WELCOME.read_bytes())
    write_postscript(document, made, program)
    pages, expected = drawn_pages(made), drawn_pages(document)
    assert len(pages) == len(expected)
    for page, other in zip(pages, expected, strict=True):
        assert difference(page, other.resize(page.size)) < 6


def test_a_program_that_fails(tmp_path: Path) -> None:
    """A PDF that the program cannot read is a bad document. The detail has the program's words."""
    document = tmp_path / "document"
    document.write_bytes(b"%PDF-1.7\nnothing")
    with pytest.raises(BadDocument) as caught:
        write_postscript(document, tmp_path / "made.ps", "pdftops")
    assert "pdftops failed with exit status" in caught.value.detail


@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg", PWG])
def test_postscript(media_type: str, jpeg: Path, tmp_path: Path) -> None:
    """For a device that takes PostScript only, the pages look the same."""
    document = jpeg
    if media_type == PWG:
        source = _picture()
        document.write_bytes(pwg_raster([Picture(source.width, _rows(source), dpi=DPI)] * 2))
    elif media_type == "application/pdf":
        document.write_bytes(WELCOME.read_bytes())
    made = convert(document, tmp_path, media_type, Wanted("ps"))
    assert made.read_bytes().startswith(b"%!PS")
    assert not document.with_suffix(".pdf").exists()
    pdf = convert(document, tmp_path, media_type, Wanted())
    pages, expected = drawn_pages(made), drawn_pages(pdf)
    assert len(pages) == len(expected)
    for page, other in zip(pages, expected, strict=True):
        assert difference(page, other.resize(page.size)) < 6
