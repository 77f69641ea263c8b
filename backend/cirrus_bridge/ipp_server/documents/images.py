"""JPEG and PNG → a PDF of one page. img2pdf copies the image's data; only its place is ours."""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from pathlib import Path

import img2pdf
import pikepdf
from PIL import ExifTags, Image

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.ipp_server.documents.placement import Matrix, Sheet, image_matrix
from cirrus_bridge.ipp_server.documents.png import check_png
from cirrus_bridge.ipp_server.documents.raster import damaged, too_large

_MOST_PIXELS = 250_000_000
_MOST_DECODED_PIXELS = 64_000_000  # 4 bytes each, and a few copies
Image.MAX_IMAGE_PIXELS = _MOST_PIXELS  # Pillow warns above this number, and fails above its double
_CHECK_SCALE = 8  # JPEG is decoded at an eighth of its size, to see whether it is complete
_DPI = 200  # of an image that names no resolution, as in CUPS's filters
_LEAST_DPI, _MOST_DPI = 10, 9600
_POINTS_PER_INCH = 72
_DEEP = 16  # bits; img2pdf refuses such images if they are transparent
_ANY_SHEET = (100, 100, 100, 100)
_BOXES = ("/CropBox", "/TrimBox", "/ArtBox", "/BleedBox", "/Rotate", "/UserUnit")
logging.getLogger(img2pdf.__name__).setLevel(logging.ERROR)  # it warns of images that it handles


def write_image_pdf(
    source: Path, target: Path, sheet: Sheet | None, scaling: str, orientation: int | None
) -> None:
    """Write the PDF of an image. Without a sheet, the page is as large as the image.

    Raises:
        BadDocument: the image is damaged or too large.
        OSError: a file cannot be read or written.
    """
    data = source.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of metadata that it does not understand
            exif, dpi = _checked(data)
            converted = img2pdf.convert(
                _convertible(data),
                first_frame_only=True,
                layout_fun=lambda *_: _ANY_SHEET,
                rotation=img2pdf.Rotation.none,
            )
    except BadDocument:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(str(error)) from error
    except Exception as error:  # both libraries raise many kinds; img2pdf raises Exception itself
        raise damaged(f"{type(error).__name__}: {error}") from error
    with pikepdf.open(BytesIO(converted)) as pdf:
        page = pdf.pages[0]
        (name, image), *_ = page.get_images().items()
        width, height = int(image.Width), int(image.Height)
        size = width * _POINTS_PER_INCH / dpi[0], height * _POINTS_PER_INCH / dpi[1]
        sheet = sheet or _own_sheet(size, exif)
        matrix = image_matrix(size, exif, sheet, scaling, orientation)
        _place(pdf, page, name, sheet, matrix)
        pdf.save(target)


def _own_sheet(size: tuple[float, float], exif: int) -> Sheet:
    """A sheet that is as large as the image."""
    turned = image_matrix(size, exif, Sheet(*size), "none", 3).turns
    return Sheet(*(size[::-1] if turned else size))


def _place(pdf: pikepdf.Pdf, page: pikepdf.Page, name: str, sheet: Sheet, matrix: Matrix) -> None:
    numbers = " ".join(f"{number:.4f}" for number in matrix)
    page.Contents = pdf.make_stream(f"q {numbers} cm {name} Do Q".encode())
    for box in _BOXES:
        if box in page.obj:
            del page.obj[box]
    page.MediaBox = pikepdf.Array([0, 0, round(sheet.width, 4), round(sheet.height, 4)])


def _checked(data: bytes) -> tuple[int, tuple[float, float]]:
    """The orientation (Exif) and the resolution of an image that can be read to its end.

    Raises:
        BadDocument: the image is damaged, or too large.
        Exception: the image is damaged.
    """
    image = _opened(data)
    pixels = image.width * image.height
    if pixels > _MOST_PIXELS:
        raise too_large(f"an image of {image.width} x {image.height} pixels")
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    dpi = image.info.get("dpi", (_DPI, _DPI))
    if image.format == "PNG":
        check_png(data)
        image.verify()  # the check sums
    # libjpeg keeps a whole progressive image in memory, whatever its scale
    elif pixels <= _MOST_DECODED_PIXELS or "progressive" not in image.info:
        small = max(1, image.width // _CHECK_SCALE), max(1, image.height // _CHECK_SCALE)
        image.draft(None, small)
        image.load()
    across, along = (each if _LEAST_DPI <= each <= _MOST_DPI else _DPI for each in map(float, dpi))
    return orientation if isinstance(orientation, int) else 1, (across, along)


def _convertible(data: bytes) -> bytes:
    """An image that img2pdf takes: PNG with 16 bits and transparency gets 8 bits."""
    image = _opened(data)
    is_transparent = "A" in image.mode or "transparency" in image.info
    if image.format != "PNG" or not (is_transparent or image.info.get("interlace")):
        return data  # is copied without decoding
    if image.width * image.height > _MOST_DECODED_PIXELS:
        raise too_large(f"an image of {image.width} x {image.height} pixels to decode")
    if is_transparent and data[24] == _DEEP:
        made = BytesIO()
        image.convert("RGBA").save(made, "PNG", compress_level=1)
        return made.getvalue()
    return data


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=("JPEG", "PNG"))
