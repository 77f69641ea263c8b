"""The place of an image on a sheet."""

from __future__ import annotations

import pytest

from cirrus_bridge.ipp_server.documents.placement import Matrix, Sheet, image_matrix

A4 = Sheet(595, 842)
WITH_MARGINS = Sheet(600, 800, (10, 20, 30, 40))
BORDERLESS = Sheet(600, 800, (0, 0, 0, 0))


def _box(matrix: Matrix) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the placed image."""
    corners = [
        (matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f)
        for x in (0, 1)
        for y in (0, 1)
    ]
    left, bottom = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, top = (max(corner[axis] for corner in corners) for axis in (0, 1))
    return left, bottom, right - left, top - bottom


@pytest.mark.parametrize(
    ("size", "sheet", "scaling", "expected"),
    [
        ((100, 200), BORDERLESS, "none", (250, 300, 100, 200)),
        ((100, 200), BORDERLESS, "auto", (250, 300, 100, 200)),  # it fits as it is
        ((100, 200), BORDERLESS, "fit", (100, 0, 400, 800)),
        ((100, 200), BORDERLESS, "fill", (0, -200, 600, 1200)),
        ((1200, 2400), BORDERLESS, "auto", (0, -200, 600, 1200)),  # too large without margins: fill
        ((1200, 2400), BORDERLESS, "auto-fit", (100, 0, 400, 800)),
        ((1200, 2400), BORDERLESS, "none", (-300, -800, 1200, 2400)),
        ((1200, 2400), Sheet(600, 800), "auto", (100, 0, 400, 800)),  # unknown margins: fit
        ((1200, 2400), WITH_MARGINS, "auto", (105, 20, 370, 740)),  # inside of the margins
        ((560, 740), WITH_MARGINS, "auto", (10, 20, 560, 740)),
    ],
)
def test_scaling(
    size: tuple[float, float], sheet: Sheet, scaling: str, expected: tuple[float, ...]
) -> None:
    """print-scaling (PWG 5100.16, 5.1.3): only fit and fill enlarge; auto heeds margins."""
    assert _box(image_matrix(size, 1, sheet, scaling, 3)) == pytest.approx(expected)


def _at(matrix: Matrix, corner: tuple[int, int]) -> tuple[bool, bool]:
    """Whether a corner of the stored image is at the right, and at the top, of the sheet."""
    x = matrix.a * corner[0] + matrix.c * corner[1] + matrix.e
    y = matrix.b * corner[0] + matrix.d * corner[1] + matrix.f
    left, bottom, width, height = _box(matrix)
    return x > left + width / 2, y > bottom + height / 2


TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = (0, 1), (1, 1), (0, 0), (1, 0)


@pytest.mark.parametrize(
    ("exif", "first_pixel", "end_of_first_row"),
    [
        (1, TOP_LEFT, TOP_RIGHT),
        (2, TOP_RIGHT, TOP_LEFT),
        (3, BOTTOM_RIGHT, BOTTOM_LEFT),
        (4, BOTTOM_LEFT, BOTTOM_RIGHT),
        (5, TOP_LEFT, BOTTOM_LEFT),
        (6, TOP_RIGHT, BOTTOM_RIGHT),
        (7, BOTTOM_RIGHT, TOP_RIGHT),
        (8, BOTTOM_LEFT, TOP_LEFT),
        (99, TOP_LEFT, TOP_RIGHT),
    ],
)
def test_cameras(
    exif: int, first_pixel: tuple[int, int], end_of_first_row: tuple[int, int]
) -> None:
    """Each orientation of Exif 2.3, 4.6.4, comes upright: where the first row begins and ends."""
    matrix = image_matrix((30, 20), exif, A4, "fit", 3)
    assert _at(matrix, TOP_LEFT) == tuple(map(bool, first_pixel))
    assert _at(matrix, TOP_RIGHT) == tuple(map(bool, end_of_first_row))
    _, _, width, height = _box(matrix)
    assert width / height == pytest.approx(1.5 if exif in (1, 2, 3, 4, 99) else 1 / 1.5)


@pytest.mark.parametrize(
    ("orientation", "first_pixel"),
    [(3, TOP_LEFT), (4, BOTTOM_LEFT), (5, TOP_RIGHT), (6, BOTTOM_RIGHT)],
)
def test_requested_orientation(orientation: int, first_pixel: tuple[int, int]) -> None:
    """Landscape turns to the left (RFC 8011, 5.2.10)."""
    matrix = image_matrix((30, 20), 1, A4, "fit", orientation)
    assert _at(matrix, TOP_LEFT) == tuple(map(bool, first_pixel))


@pytest.mark.parametrize("orientation", [None, 7])
def test_an_image_that_lies(orientation: int | None) -> None:
    """Without a request, a wide image is turned if it is too large for upright paper."""
    turned = image_matrix((3000, 2000), 1, A4, "auto", orientation)
    assert _box(turned)[2:] == pytest.approx((842 * 2 / 3, 842))
    small = image_matrix((30, 20), 1, A4, "auto", orientation)
    assert _box(small)[2:] == pytest.approx((30, 20))
