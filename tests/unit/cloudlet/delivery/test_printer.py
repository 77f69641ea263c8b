"""Job properties as CUPS options, each value of the table."""

from __future__ import annotations

import pytest

from cirrus_cloudlet.delivery.printer import cups_options


@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("copies", "3", ("copies", "3")),
        ("duplex", "1", ("sides", "one-sided")),
        ("duplex", "2", ("sides", "two-sided-long-edge")),
        ("duplex", "3", ("sides", "two-sided-short-edge")),
        ("color", "1", ("print-color-mode", "monochrome")),
        ("color", "2", ("print-color-mode", "color")),
        ("collate", "1", ("Collate", "True")),
        ("orientation", "1", ("orientation-requested", "3")),
        ("orientation", "2", ("orientation-requested", "4")),
        ("priority", "70", ("job-priority", "70")),
        ("scale", "0", ("print-scaling", "fit")),
        ("scale", "1", ("print-scaling", "auto-fit")),
        ("scale", "2", ("print-scaling", "none")),
        ("tray", "Lower", ("InputSlot", "Lower")),
        ("size", "A4", ("media", "A4")),
        ("custsize", "Custom.10x10cm", ("media", "Custom.10x10cm")),
    ],
)
def test_table(name: str, value: str, option: tuple[str, str]) -> None:
    """Each property has one option."""
    assert cups_options({name: value}, "pdf") == dict([option])


def test_properties_unknown_to_cups() -> None:
    """Properties unknown to CUPS are left out; custsize overrides size."""
    props = {"bmp": "300", "mine": "x", "custsize": "A5", "size": "A4"}
    assert cups_options(props, "pdf") == {"media": "A5"}


@pytest.mark.parametrize(("document_format", "raw"), [("pcl", True), ("pcl6", True), ("ps", False)])
def test_raw(document_format: str, raw: bool) -> None:
    """PCL is sent raw, because CUPS has no filter for PCL; CUPS can print PostScript itself."""
    assert ("raw" in cups_options({}, document_format)) is raw
