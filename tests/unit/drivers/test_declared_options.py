"""Drivers of devices with declared options, and jobs that ask for these options."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cirrus_bridge.base.device_options import FINISHINGS
from cirrus_bridge.base.errors import BadOption
from cirrus_bridge.base.model import DeviceOptions, PrintJob
from cirrus_bridge.cups.ppd_file import read_queue_driver
from cirrus_bridge.drivers.ppd_strings import LANGUAGES
from cirrus_bridge.sending.job_props import job_props, secret_props
from described_devices import WINDOWS, driver_of

PROPS = {
    "finishings": {"staple-top-left": "Staple=TL", "punch-dual-left": "Punch=2", "fold-z": "F=z"},
    "output-bin": {"face-up": "Bin=rear", "stacker-1": "Bin=st"},
    "print-quality": {"high": "Quality=3"},
    "media-type": {"labels": "custsize=Labels", "stationery-heavyweight": "custsize=Heavy"},
}


def _ppd(props: dict[str, dict[str, str]] = PROPS, *, pin_prop: str = "", **device: object) -> str:
    driver = driver_of(WINDOWS, **device)
    return dataclasses.replace(driver, options=DeviceOptions(props, pin_prop)).ppd()


def _job(folder: Path, ppd: str, options: dict[str, str]) -> PrintJob:
    (folder / "q.ppd").write_text(ppd)
    driver = read_queue_driver(folder / "q.ppd")
    return PrintJob(
        *(1, "urn:uuid:1", "ann", "t", 1, "q", options),
        queue_defaults=driver.defaults,
        declared=driver.options,
    )


def _asked(folder: Path, ppd: str, options: dict[str, str]) -> dict[str, str]:
    """The props of a job with these options, without `copies`."""
    props = job_props(_job(folder, ppd, options))
    return {name: value for name, value in props.items() if name != "copies"}


def test_nothing_is_declared() -> None:
    """Without a declaration, the driver has none of the options."""
    text = _ppd({})
    for option in ("StapleLocation", "PunchMedia", "FoldType", "OutputBin", "cupsPrintQuality"):
        assert option not in text


def test_options_of_dialogs() -> None:
    """The driver offers the declared choices in the user's language, and one that asks nothing."""
    text = _ppd()
    for line in (
        "*OpenUI *StapleLocation/Staple: PickOne",
        "*DefaultStapleLocation: None",
        '*StapleLocation SinglePortrait/Top Left: ""',
        '*de.PunchMedia DualPortrait/2 links: ""',
        '*cupsIPPFinishings 20/staple-top-left: "*StapleLocation SinglePortrait"',
        '*FoldType ZFold/Z Fold: ""',
        '*OutputBin Stacker1/Stacker 1: ""',
        "*DefaultOutputBin: Auto",
        '*cupsPrintQuality Normal/Normal: ""',
        '*fr.MediaType Labels/Étiquettes: ""',
    ):
        assert f"\n{line}\n" in text
    assert all(f"\n*{language}.Translation OutputBin/" in text for language in LANGUAGES)
    assert "cupsPrintQuality Draft" not in text


def test_default_of_the_device() -> None:
    """The choice that the device makes by itself is the driver's default."""
    text = _ppd(DefaultProps={"bin": "rear", "Staple": "other"})
    assert "\n*DefaultOutputBin: FaceUp\n" in text
    assert "\n*DefaultStapleLocation: None\n" in text


@pytest.mark.parametrize(
    ("options", "props"),
    [
        ({}, {}),
        ({"staplelocation": "SinglePortrait"}, {"Staple": "TL"}),
        ({"staplelocation": "singleportrait", "finishings": "3"}, {"Staple": "TL"}),
        ({"staplelocation": "DualPortrait"}, {}),
        ({"finishings": "20,74"}, {"Staple": "TL", "Punch": "2"}),
        ({"finishings": "fold-z"}, {"F": "z"}),
        ({"finishings": "3"}, {}),
        ({"finishings": "21"}, {}),
        ({"output-bin": "face-up"}, {"Bin": "rear"}),
        ({"outputbin": "Stacker1"}, {"Bin": "st"}),
        ({"print-quality": "5"}, {"Quality": "3"}),
        ({"print-quality": "4", "cupsprintquality": "High"}, {"Quality": "3"}),
        ({"mediatype": "StationeryHeavyweight"}, {"custsize": "Heavy"}),
        ({"media": "labels"}, {"custsize": "Labels"}),
        ({"media-type": "labels"}, {"custsize": "Labels"}),
        ({"media-col": "{media-type=labels media-source=auto}"}, {"custsize": "Labels"}),
        ({"cirrus-prop-Bin": "own", "output-bin": "face-up"}, {"Bin": "own"}),
    ],
)
def test_jobs(tmp_path: Path, options: dict[str, str], props: dict[str, str]) -> None:
    """IPP's attributes and the driver's options ask for the declared props."""
    assert _asked(tmp_path, _ppd(), options) == props


@pytest.mark.parametrize(
    ("options", "props"),
    [
        ({"finishings": "3"}, {"Punch": "2"}),  # lp adds this to each job
        ({"punchmedia": "None"}, {}),
        ({"staplelocation": "SinglePortrait"}, {"Staple": "TL", "Punch": "2"}),
        ({"finishings": "20"}, {"Staple": "TL"}),
    ],
)
def test_default_of_an_administrator(
    tmp_path: Path, options: dict[str, str], props: dict[str, str]
) -> None:
    """An administrator's default holds for jobs that say nothing else."""
    ppd = _ppd().replace("*DefaultPunchMedia: None", "*DefaultPunchMedia: DualPortrait")
    assert _asked(tmp_path, ppd, options) == props


@pytest.mark.parametrize("keyword", FINISHINGS)
def test_every_finishing(tmp_path: Path, keyword: str) -> None:
    """Each finishing has a choice of its own in its option."""
    ppd = _ppd({"finishings": dict.fromkeys(FINISHINGS, "x=other") | {keyword: "x=1"}})
    option, choice = FINISHINGS[keyword].ppd
    assert _asked(tmp_path, ppd, {option.lower(): choice}) == {"x": "1"}
    assert _asked(tmp_path, ppd, {"finishings": str(FINISHINGS[keyword].number)}) == {"x": "1"}


def test_pin(tmp_path: Path) -> None:
    """CUPS announces that the device takes a PIN, which is a secret prop."""
    ppd = _ppd({}, pin_prop="Pin")
    assert '*cupsJobPassword: "11111111"' in ppd
    job = dataclasses.replace(_job(tmp_path, ppd, {}), pin="4711")
    assert secret_props(job) == {"Pin": "4711"}
    assert "4711" not in f"{job} {job_props(job)}"
    assert secret_props(dataclasses.replace(job, pin="")) == {}


@pytest.mark.parametrize(
    ("pin_prop", "pin"), [("", "47110815"), ("Pin", "4711;08"), ("Pin", "äöü")]
)
def test_pin_that_the_device_does_not_take(tmp_path: Path, pin_prop: str, pin: str) -> None:
    """Nothing is printed without the PIN, and no message has the PIN."""
    job = dataclasses.replace(_job(tmp_path, _ppd({}, pin_prop=pin_prop), {}), pin=pin)
    with pytest.raises(BadOption) as caught:
        secret_props(job)
    assert pin not in caught.value.text
