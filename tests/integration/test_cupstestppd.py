"""cupstestppd finds no error in generated PPDs, for any description of a location."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirrus_bridge.base.device_options import FINISHINGS
from cirrus_bridge.base.model import DeviceOptions
from cirrus_bridge.drivers.devices import Driver
from described_devices import (
    LINUX,
    MONO,
    NASTY,
    PAPERS,
    WINDOWS,
    driver_of,
    kept,
    long_paper_answer,
    many_of_everything,
    nasty_answer,
    printers,
    props,
    texts,
)

LINES = {
    "windows": WINDOWS,
    "mono": MONO,
    "linux": LINUX,
    "short": "HP",
    "hostile": 'HP\t"\t<</x:/y;*End\n*OpenUI;"\tx\ty\tz\t"A4",<A4>,Custom.1x1,Custom.100x200',
    "2,000 sizes": "HP\t\t\t\t\t\t" + ",".join(f"om_x{n}_{n + 50}x300mm" for n in range(2000)),
    "none": "",
}


def _check(driver: Driver) -> None:
    command = ["cupstestppd", "-q", "-W", "none", "-"]
    done = subprocess.run(command, input=driver.ppd().encode(), capture_output=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("line", LINES)
def test_any_printer_line(line: str) -> None:
    """No error for any text in the printer's line."""
    _check(driver_of(LINES[line]))


@pytest.mark.parametrize(
    "formats",
    [[], ["any"], ["ps", "pdf"], ["PS"], ["pcl", "ps"], ["pcl6", "pcl"], ["pcl"], ["txt"]],
    ids="-".join,
)
def test_each_page_language(formats: list[str]) -> None:
    """No error for any formats that a device takes."""
    _check(driver_of(WINDOWS + ",Envelope #10", Formats=formats))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(printers, min_size=1, max_size=1), props, texts)
def test_made_up_devices(lines: list[str], defaults: object, name: str) -> None:
    """No error for any text in any field."""
    one = {"Name": name, "Target": "P", "DefaultProps": defaults}
    answer = {"Name": name, "IsWindows": True, "Printers": lines, "Devices": {"D": one}}
    _, (found,) = kept(answer)
    _check(found)


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_each_nasty_text_everywhere(text: str) -> None:
    """No error for texts with a special meaning in PPDs or other formats."""
    _, found = kept(nasty_answer(text))
    _check(found[0])


def test_many_of_everything() -> None:
    """No error for as many papers and trays as a dialog can show."""
    _, (found,) = kept(many_of_everything())
    _check(found)


@pytest.mark.parametrize("start", PAPERS)
def test_papers_with_long_names(start: str) -> None:
    """No error for long names of papers."""
    _, (found,) = kept(long_paper_answer(f"{start} 50 x 80 mm".strip()))
    _check(found)


def test_declared_options() -> None:
    """No error with every finishing, and with long keywords and props."""
    props = {"finishings": dict.fromkeys(FINISHINGS, "x=1")}
    props |= {name: {"a" * 40: "é" * 50} for name in ("output-bin", "media-type")}
    props["print-quality"] = {"draft": "x=1"}
    _check(dataclasses.replace(driver_of(WINDOWS), options=DeviceOptions(props)))
