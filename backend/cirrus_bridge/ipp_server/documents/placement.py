"""The place of an image on a sheet: turned upright, scaled by print-scaling, and centered. Pure.

All sizes are in points. A matrix has the six numbers of PDF (ISO 32000-1, 8.3.3), and an image is
one unit wide and high before it is placed.
"""

from __future__ import annotations

from typing import NamedTuple

_LANDSCAPE, _REVERSE_LANDSCAPE, _REVERSE_PORTRAIT = 4, 5, 6  # RFC 8011, 5.2.10
_UNASKED = (None, 7)  # 7 leaves the orientation to the printer (PWG 5100.13, 6.2.6)


class Matrix(NamedTuple):
    """A change of coordinates."""

    a: float
    b: float
    c: float
    d: float
    e: float = 0
    f: float = 0

    def then(self, other: Matrix) -> Matrix:
        """This change, followed by another one."""
        return Matrix(
            self.a * other.a + self.b * other.c,
            self.a * other.b + self.b * other.d,
            self.c * other.a + self.d * other.c,
            self.c * other.b + self.d * other.d,
            self.e * other.a + self.f * other.c + other.e,
            self.e * other.b + self.f * other.d + other.f,
        )

    @property
    def turns(self) -> bool:
        """Whether width and height change places."""
        return self.a == 0


_UPRIGHT = Matrix(1, 0, 0, 1)
_TO_THE_LEFT = Matrix(0, 1, -1, 0, 1, 0)
_TO_THE_RIGHT = Matrix(0, -1, 1, 0, 0, 1)
_UPSIDE_DOWN = Matrix(-1, 0, 0, -1, 1, 1)
# Orientation of Exif 2.3 (4.6.4): where the first row and the first column are
_EXIF = {
    2: Matrix(-1, 0, 0, 1, 1, 0),
    3: _UPSIDE_DOWN,
    4: Matrix(1, 0, 0, -1, 0, 1),
    5: Matrix(0, -1, -1, 0, 1, 1),
    6: _TO_THE_RIGHT,
    7: Matrix(0, 1, 1, 0),
    8: _TO_THE_LEFT,
}
_REQUESTED = {
    _LANDSCAPE: _TO_THE_LEFT,
    _REVERSE_LANDSCAPE: _TO_THE_RIGHT,
    _REVERSE_PORTRAIT: _UPSIDE_DOWN,
}


class Sheet(NamedTuple):
    """A sheet of paper; `margins` are left, bottom, right and top, or None if they are unknown."""

    width: float
    height: float
    margins: tuple[float, float, float, float] | None = None

    @property
    def printable(self) -> tuple[float, float, float, float]:
        """Left and bottom, width and height of the area inside the margins."""
        left, bottom, right, top = self.margins or (0, 0, 0, 0)
        return left, bottom, self.width - left - right, self.height - bottom - top


def image_matrix(
    size: tuple[float, float], exif: int, sheet: Sheet, scaling: str, orientation: int | None
) -> Matrix:
    """The matrix of an image on a sheet.

    Args:
        size: of the image as it is stored, at its own resolution.
        exif: the image's orientation as Exif numbers it; 1 is upright.
        scaling: the keyword of print-scaling (PWG 5100.16, 5.1.3).
        orientation: the number of orientation-requested. Without it, an image that does not fit is
            turned if it then fits better.
    """
    turned = _EXIF.get(exif, _UPRIGHT)
    left, bottom, *area = sheet.printable
    upright = size[::-1] if turned.turns else size
    fits = upright[0] <= area[0] and upright[1] <= area[1]
    if orientation in _UNASKED:
        lies = (upright[0] > upright[1]) != (area[0] > area[1]) and upright[0] != upright[1]
        requested = _TO_THE_LEFT if lies and not fits else _UPRIGHT
    else:
        requested = _REQUESTED.get(orientation or 0, _UPRIGHT)
    turned = turned.then(requested)
    width, height = size[::-1] if turned.turns else size
    scale = _scale((width, height), (area[0], area[1]), sheet.margins, scaling)
    width, height = width * scale, height * scale
    move = left + (area[0] - width) / 2, bottom + (area[1] - height) / 2
    return turned.then(Matrix(width, 0, 0, height, *move))


def _scale(
    size: tuple[float, float],
    area: tuple[float, float],
    margins: tuple[float, float, float, float] | None,
    scaling: str,
) -> float:
    """By how much an image of a size is enlarged."""
    ratios = area[0] / size[0], area[1] / size[1]
    if scaling == "fit":
        return min(ratios)
    if scaling == "fill":
        return max(ratios)
    if scaling == "none" or min(ratios) >= 1:
        return 1.0
    is_borderless = margins is not None and not any(margins)
    return max(ratios) if scaling != "auto-fit" and is_borderless else min(ratios)
