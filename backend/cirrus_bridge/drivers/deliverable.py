"""The devices that can be printers without drivers, and the formats of their documents. Pure, but
for the question whether a program is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from cirrus_bridge.base.translation import tr

CONVERTERS = ("pdftops", "gs")  # make PostScript; the first one that is installed is used


def installed_converter(find: Callable[[str], str | None] = shutil.which) -> str | None:
    """The name of the first of CONVERTERS that is installed; None if there is none."""
    return next((name for name in CONVERTERS if find(name)), None)


def delivered_as(
    device_formats: frozenset[str],
    converter: Callable[[], str | None] = installed_converter,
) -> str | None:
    """The format that the device gets: pdf, ps or txt; None if the device cannot be offered.

    Args:
        device_formats: as the API names them; empty if unknown. Every location prints PDF.
        converter: the program that makes PostScript, if there is one.
    """
    if not device_formats or device_formats & {"any", "pdf"}:
        return "pdf"
    if "ps" in device_formats and converter():
        return "ps"
    return "txt" if "txt" in device_formats else None


def why_not(
    device_formats: frozenset[str],
    converter: Callable[[], str | None] = installed_converter,
) -> str:
    """The reason why a device cannot be offered, for the administrator; empty if it can."""
    if delivered_as(device_formats, converter):
        return ""
    if "ps" in device_formats:
        return tr(
            "The device takes PostScript only. Install poppler-utils (pdftops) or ghostscript."
        )
    return tr(
        "The device takes {formats} only, which cannot be made from PDF.",
        formats=", ".join(sorted(device_formats)),
    )
