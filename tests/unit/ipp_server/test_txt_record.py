"""Names and TXT records of printers in DNS-SD."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cirrus_bridge.base.media import Paper
from cirrus_bridge.base.model import DeviceOptions, Place
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers
from cirrus_bridge.ipp_server.txt_record import (
    AnnouncedPrinter,
    instance_name,
    other_name,
    txt_record,
)

PLACE = Place("print.example.com", "Acme", "Paris")
SIZES_PT = {
    "A4": (595, 842), "A3": (842, 1191), "A2": (1191, 1684), "A0": (2384, 3370),
    "Letter": (612, 792), "Legal": (612, 1008), "Label": (176, 82), "Env10": (297, 684),
    "5x7": (360, 504), "Postcard": (284, 419),
}  # fmt: skip
ORIGIN = "https://print-3f2a9c.local:8632"


def _printer(**device: Any) -> OfferedPrinter:
    answer = {"Name": "Paris", "Devices": {"laser": {"Name": "Laser", **device}}}
    (printer,) = offered_printers([(PLACE, answer)], lambda *_: True)
    return printer


def _record(announced: AnnouncedPrinter, tls: bool = True) -> dict[str, str]:
    record = txt_record(announced, ORIGIN, tls=tls)
    assert all(value and len(f"{key}={value}".encode()) <= 255 for key, value in record.items())
    return record


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Laser", "Laser"),
        ("Büro – 打印机", "Büro – 打印机"),
        ("Cafe\u0301", "Café"),
        ("Laser 4.5", "Laser 4,5"),
        ("Dr. No, 2. floor", "Dr No, 2 floor"),
        ("  a\tb\u2028c\x7f ", "a b c"),
        ("...", "Printer"),
        ("x" * 63, "x" * 63),
        ("x" * 64, "x" * 60 + "…"),
        ("打" * 22, "打" * 20 + "…"),
    ],
)
def test_names(text: str, name: str) -> None:
    """A name is one label of up to 63 bytes, in any script, without dots."""
    assert instance_name(text) == name
    assert len(name.encode()) <= 63


@pytest.mark.parametrize("name", ["Laser", "x" * 63, "打" * 21])
def test_a_name_that_is_taken(name: str) -> None:
    """The number is always whole."""
    assert other_name("Laser", 2) == "Laser (2)"
    other = other_name(name, 12)
    assert other.endswith(" (12)") and len(other.encode()) <= 63


def test_a_whole_record() -> None:
    """Each key that clients look for has the printer's value."""
    printer = dataclasses.replace(_printer(), make_and_model="Acme Laser 9")
    formats = ("image/jpeg", "image/pwg-raster", "text/plain", "application/pdf", "image/urf")
    record = _record(AnnouncedPrinter(printer, formats, ("V1.5", "W8"), "/printers/x", True))
    assert record == {
        "txtvers": "1",
        "qtotal": "1",
        "rp": printer.path[1:],
        "ty": "Acme Laser 9",
        "note": "Paris",
        "product": "(Acme Laser 9)",
        "usb_MFG": "Acme",
        "usb_MDL": "Laser 9",
        "pdl": "application/pdf,image/urf,image/pwg-raster,image/jpeg,text/plain",
        "adminurl": f"{ORIGIN}/printers/x",
        "UUID": printer.uuid.rpartition(":")[2],
        "priority": "40",
        "TLS": "1.2",
        "air": "username,password",
        "Color": "T",
        "Duplex": "T",
        "Copies": "T",
        "Collate": "T",
        "Staple": "F",
        "Punch": "F",
        "PaperMax": "tabloid-A3",
        "kind": "document,envelope,postcard",
        "URF": "V1.5,W8",
        "mopria-certified": "1.3",
        "Scan": "F",
        "Fax": "F",
    }
    assert next(iter(record)) == "txtvers"  # RFC 6763, 6.7


def test_what_a_printer_cannot_do_is_not_said() -> None:
    """No key is empty, and without TLS and sign-in nothing asks for them."""
    record = _record(AnnouncedPrinter(_printer(), ("application/pdf",)), tls=False)
    assert {"TLS", "URF", "air"}.isdisjoint(record)
    assert record["priority"] == "50"


def test_declared_finishings() -> None:
    """Clients offer stapling and punching where devices.toml declares them."""
    printer = _printer()
    options = DeviceOptions({"finishings": {"staple-top-left": "S=1", "punch-dual-left": "P=1"}})
    able = dataclasses.replace(printer.capabilities, options=options)
    record = _record(AnnouncedPrinter(dataclasses.replace(printer, capabilities=able), ()))
    assert (record["Staple"], record["Punch"]) == ("T", "T")


@pytest.mark.parametrize(
    ("papers", "largest", "kinds"),
    [
        ("A4", "legal-A4", "document"),
        ("Letter Legal", "legal-A4", "document"),
        ("Label", "<legal-A4", "label"),
        ("A4 A3 Env10", "tabloid-A3", "document,envelope"),
        ("A2", "isoC-A2", "document,large-format"),
        ("A0", ">isoC-A2", "document,large-format"),
        ("5x7 Postcard", "<legal-A4", "photo,postcard"),
    ],
)
def test_papers(papers: str, largest: str, kinds: str) -> None:
    """Clients choose by the largest paper and the kinds of media."""
    printer = _printer()
    named = {Paper(name, *SIZES_PT[name]): name for name in papers.split()}
    able = dataclasses.replace(printer.capabilities, papers=named)
    record = _record(AnnouncedPrinter(dataclasses.replace(printer, capabilities=able), ()))
    assert (record["PaperMax"], record["kind"]) == (largest, kinds)


def test_long_texts_are_cut_well() -> None:
    """Texts are cut at a character, lists between words, and a URL is left out."""
    printer = dataclasses.replace(_printer(), location="打" * 200, make_and_model="X " + "y" * 300)
    formats = tuple(f"application/x-{at:03}" for at in range(50))
    record = _record(AnnouncedPrinter(printer, formats, more_info_path="/" + "p" * 250))
    assert record["note"].endswith("打…")
    assert record["pdl"].split(",") == list(formats[: len(record["pdl"].split(","))])
    assert "adminurl" not in record
