"""The contents of a queue's PPD that the backend uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.base.model import Place
from cirrus_bridge.cups.ppd_file import NO_DRIVER, read_queue_driver
from cirrus_bridge.drivers.devices import devices


@pytest.fixture
def made() -> str:
    """A driver in its original state."""
    line = "HP\td\tTray 1;Tray 2\t1\t1\t1\tA4,Envelope #10"
    device = {"Target": "HP", "DefaultProps": {"duplex": "2", "size": "Envelope #10"}}
    (found,) = devices(Place("h", "A", "P"), {"Printers": [line], "Devices": {"L": device}})
    return found.ppd()


def test_nothing_was_chosen(tmp_path: Path, made: str) -> None:
    """The driver's own defaults set no props. The location's names are read."""
    (tmp_path / "q.ppd").write_text(made)
    driver = read_queue_driver(tmp_path / "q.ppd")
    assert not driver.defaults
    assert not driver.manual_copies
    assert driver.papers == {"Env10": "Envelope #10"}
    assert "*DefaultPageSize: Env10" in made


def test_an_administrators_choice(tmp_path: Path, made: str) -> None:
    """Only changed defaults set props."""
    made = made.replace("DefaultDuplex: DuplexNoTumble", "DefaultDuplex: None")
    made = made.replace("DefaultInputSlot: Auto", "DefaultInputSlot: Tray-2")
    (tmp_path / "q.ppd").write_text(
        made.replace("cupsManualCopies: False", "cupsManualCopies: True")
    )
    driver = read_queue_driver(tmp_path / "q.ppd")
    assert driver.defaults == {"duplex": "None", "inputslot": "Tray-2"}
    assert driver.manual_copies


def test_all_choices(tmp_path: Path, made: str) -> None:
    """Papers and trays are known also where the driver has no other names for them."""
    (tmp_path / "q.ppd").write_text(made)
    driver = read_queue_driver(tmp_path / "q.ppd")
    assert driver.page_sizes == ("A4", "Env10")
    assert driver.input_slots == ("Auto", "Tray-1", "Tray-2")


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\n*Default\n*cirrusDefault X:", b"*DefaultX: 1\n"]
)
def test_another_file(tmp_path: Path, content: bytes) -> None:
    """Other drivers set no props, and no content does harm."""
    (tmp_path / "q.ppd").write_bytes(content)
    assert read_queue_driver(tmp_path / "q.ppd") == NO_DRIVER


def test_no_file(tmp_path: Path) -> None:
    """A missing PPD counts as no driver."""
    assert read_queue_driver(tmp_path / "q.ppd") == NO_DRIVER
