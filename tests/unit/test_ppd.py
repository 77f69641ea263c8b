"""Generated PPDs: cupstestppd passes whatever a location says of itself, and names come back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.device_cache import Place
from cirrus_bridge.drivers import Driver, devices
from cirrus_bridge.ppd import choice_keyword

PLACE = Place("h:1", "Acme", "Paris")
WINDOWS = "HP\tdriver on port\tTray 1;Bac manuel (é);a/b:c\t1\t1\t1\tA4,Letter,Legal"
MONO = "HP\tdriver\tTray 1\t0\t0\t0\tA4"
LINUX = "HP\tn/a\tn/a\tn/a\tn/a\tn/a\tLetter,A4"
LINES = {
    "windows": WINDOWS,
    "mono": MONO,
    "linux": LINUX,
    "short": "HP",
    "hostile": 'HP\t"\t<</x:/y;*End\n*OpenUI;"\tx\ty\tz\t"A4",<A4>,Custom.1x1,Custom.100x200',
    "2,000 sizes": "HP\t\t\t\t\t\t" + ",".join(f"om_x{n}_{n + 50}x300mm" for n in range(2000)),
    "none": "",
}


def _driver(line: object, **device: object) -> Driver:
    answer = {"Name": 'Paris "\n', "Printers": [line], "Devices": {"L": {"Target": "HP"} | device}}
    (found,) = devices(PLACE, answer)
    return found


@pytest.mark.parametrize("line", LINES)
def test_cupstestppd(tmp_path: Path, line: str) -> None:
    """No error, whatever the location reports."""
    (tmp_path / "x.ppd").write_text(_driver(LINES[line]).ppd(), "utf-8")
    command = ["cupstestppd", "-q", "-W", "none", str(tmp_path / "x.ppd")]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [None, 5, {}], {"a": []}])
def test_wrong_types_are_unknown(value: object) -> None:
    """Missing or odd fields: all is offered."""
    answer = {"Name": value, "Printers": value, "Devices": {"L": {"Name": value}}}
    answer["Devices"]["L"] |= {"Target": value, "DefaultProps": value}  # type: ignore[index]
    (found,) = devices(PLACE, answer)
    assert "*Duplex DuplexTumble" in found.ppd()
    assert "*ColorModel RGB" in found.ppd()
    assert "\n" not in found.device_line + found.line


def test_what_a_device_can_not_do_is_not_offered() -> None:
    """A monochrome device without duplex unit."""
    text = _driver(MONO).ppd()
    assert "*OpenUI *Duplex" not in text
    assert "*ColorModel RGB" not in text
    assert "*PageSize Letter" not in text


def test_defaults_of_the_device_are_shown() -> None:
    """What the device does unasked is what the dialog shows as chosen."""
    props = {"duplex": "2", "color": "1", "tray": "Bac manuel (é)", "size": "Legal"}
    text = _driver(WINDOWS, DefaultProps=props).ppd()
    assert "*DefaultDuplex: DuplexNoTumble" in text
    assert "*DefaultColorModel: Gray" in text
    assert "*DefaultInputSlot: Bac%20manuel%20(%C3%A9)" in text
    assert "*DefaultPageSize: Legal" in text


def test_device_that_takes_no_pdf_has_the_generic_driver() -> None:
    """Its own driver would produce what it can not read."""
    assert _driver(WINDOWS, Formats=["ps"]).model == "Generic PDF"
    assert _driver(WINDOWS, Formats=["ps", "pdf"]).model != "Generic PDF"


@given(st.text(min_size=1))
def test_tray_names_come_back(text: str) -> None:
    """From any name to a keyword of printable ASCII, and back."""
    text = text.encode("utf-8", "replace").decode()
    keyword = choice_keyword(text)
    assert keyword.isascii()
    assert not set(' /:"<>\n') & set(keyword)
    assert unquote(keyword) == text
