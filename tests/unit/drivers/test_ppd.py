"""Generated PPDs: options of a device, and names that come back."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.model import Place
from cirrus_bridge.drivers.devices import devices, drivers
from cirrus_bridge.drivers.ppd import quoted
from described_devices import LINUX, MONO, WINDOWS, driver_of

PLACE = Place("h:1", "Acme", "Paris")


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [None, 5, {}], {"a": []}])
def test_wrong_types_are_unknown(value: object) -> None:
    """With missing or odd fields, everything is offered."""
    answer = {"Name": value, "Printers": value, "Devices": {"L": {"Name": value}}}
    answer["Devices"]["L"] |= {"Target": value, "DefaultProps": value}  # type: ignore[index]
    (found,) = devices(PLACE, answer)
    assert "*Duplex DuplexTumble" in found.ppd()
    assert "*ColorModel RGB" in found.ppd()
    assert "\n" not in found.device_line + found.line


def test_what_a_device_can_not_do_is_not_offered() -> None:
    """A monochrome device without a duplex unit offers neither color nor duplex."""
    text = driver_of(MONO).ppd()
    assert "*OpenUI *Duplex" not in text
    assert "*ColorModel RGB" not in text
    assert "*PageSize Letter" not in text


def test_any_device_has_a_source_and_a_type_of_media() -> None:
    """IPP Everywhere requires both attributes (PWG 5100.14), which CUPS makes of these options."""
    text = driver_of(LINUX).ppd()
    for keyword in ("InputSlot", "MediaType"):
        assert f"*OpenUI *{keyword}/" in text and f'*cirrusDefault {keyword}: "Auto"' in text
        assert f'*{keyword} Auto/Automatic: ""' in text


def test_backs_of_sheets_are_not_turned() -> None:
    """CUPS's filters leave the second side as it is, and only where there is one."""
    assert "*cupsBackSide: Normal\n" in driver_of(WINDOWS).ppd()
    assert "*cupsBackSide" not in driver_of(MONO).ppd()


def test_defaults_of_the_device_are_shown() -> None:
    """The device's defaults are the choices that a dialog shows."""
    props = {"duplex": "2", "color": "1", "tray": "Bac manuel (é)", "size": "Legal"}
    text = driver_of(WINDOWS, DefaultProps=props).ppd()
    assert "*DefaultDuplex: DuplexNoTumble" in text
    assert "*DefaultColorModel: Gray" in text
    assert "*DefaultInputSlot: Bac-manuel-e" in text
    assert "*DefaultPageSize: Legal" in text


@pytest.mark.parametrize(
    ("formats", "command"),
    [
        ([], "PDF"), (["any"], "PDF"), (["ps", "pdf"], "PDF"), (["PS"], "POSTSCRIPT"),
        (["pcl", "ps"], "POSTSCRIPT"),
        (["pcl6", "pcl"], "PCLXL"), (["pcl"], "PCL"), (["txt"], "TXT"),
    ],
)  # fmt: skip
def test_language(formats: list[str], command: str) -> None:
    """A driver uses the best language that the device accepts."""
    driver = driver_of(WINDOWS + ",Envelope #10", Formats=formats)
    assert f"CMD:{command};" in driver.device_line
    assert f"CMD:{command};" in driver.line


def test_device_that_takes_what_no_filter_makes() -> None:
    """A device that accepts no format of CUPS's filters is listed without a driver."""
    place = Place("h:1", "Acme", "Paris")
    answer = {"Devices": {"L": {"Formats": ["zpl"]}}}
    (found,) = devices(place, answer)
    assert '"Unknown" "L at Paris" ""' in found.device_line
    assert not list(drivers(place, answer))


def test_envelopes_are_not_turned_over() -> None:
    """Envelopes and duplex exclude each other."""
    text = driver_of(WINDOWS + ",Envelope #10").ppd()
    assert "*UIConstraints: *PageSize Env10 *Duplex DuplexTumble" in text
    assert "*PageSize A4 *Duplex" not in text


@pytest.mark.parametrize(
    ("papers", "default"), [("A3,A4,Letter", "A4"), ("Legal,Letter", "Letter"), ("A6,A5", "A6")]
)
def test_default_paper(papers: str, default: str) -> None:
    """Without a default of the device, the default is A4 or Letter."""
    assert f"*DefaultPageSize: {default}\n" in driver_of(f"HP\td\t\t1\t1\t1\t{papers}").ppd()


def test_papers_keep_the_name_that_the_location_has_for_them() -> None:
    """The dialog shows the standard name, and the device gets its own."""
    text = driver_of("HP\td\t\t1\t1\t1\tA4,Envelope #10,Label 50 x 80 mm").ppd()
    assert '*cirrusPaper Env10: "Envelope #10"' in text
    assert '*cirrusPaper 50x80mm: "Label 50 x 80 mm"' in text
    assert "*cirrusPaper A4" not in text


@pytest.mark.parametrize(
    ("papers", "language", "shown"),
    [
        ("Label 50 x 80 mm", "", "PageSize 50x80mm/Label 50 x 80 mm"),
        ("Envelope #10", "", "PageSize Env10/Envelope #10"),
        ("Envelope #10", "de.", "de.PageSize Env10/Umschlag Nr. 10"),
        ("Enveloppe n° 10 (105 x 241 mm)", "fr.", "fr.PageSize Env10/Enveloppe n° 10"),
        ("Letter", "ja.", "ja.PageSize Letter/US Letter"),
        ("16K", "ja.", "ja.PageSize roc16k/16K"),
        ("はがき (100 x 148 mm)", "", "PageSize Postcard/Postcard"),
        ("はがき (100 x 148 mm)", "ja.", "ja.PageSize Postcard/はがき (100 x 148 mm)"),
        ("om_label_62x29mm", "", "PageSize 62x29mm/62x29mm"),
        ("iso_a3_297x420mm", "", "PageSize A3/A3"),
    ],
)
def test_papers_are_shown_by_names_for_people(papers: str, language: str, shown: str) -> None:
    """Papers have names in the user's language or the location's words, never sizes in points."""
    assert f"\n*{shown}: " in driver_of(f"HP\td\t\t1\t1\t1\t{papers}").ppd()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Label 62 x 29 mm", "62x29mm"), ("Label 2.25 x 1.25 in", "2.25x1.25"),
        ("Label 2.125 x 1.1 in", "53.98x27.94mm"), ("Label 57 x 80 mm", "57x80mm"),
        ("Label 57 x 81 mm", "EnvC8"), ("Label 9 x 13", None), ("9x13", None),
        ("8 x 10 in", "8x10"), ("220 x 220 mm", "EnvInvite"), ("w176h82", "62.09x28.93mm"),
    ],
)  # fmt: skip
def test_papers_have_the_names_that_cups_gives_them(word: str, name: str | None) -> None:
    """A driverless client of a shared queue asks for papers by CUPS's names for their sizes."""
    text = driver_of(f"HP\td\t\t1\t1\t1\tA4,{word}").ppd()
    names = re.findall(r"(?m)^\*PageSize ([^/]*)/", text)
    assert names == (["A4", name] if name else ["A4"])


def test_tray_whose_text_cups_takes_for_automatic() -> None:
    """CUPS 2.4.20 reads texts, too: no tray has a text that begins with Auto."""
    text = driver_of("HP\td\tAuto select;Default\t1\t1\t1\tA4").ppd()
    assert "*InputSlot Tray-1/Tray-1 (Auto select): " in text
    assert "*InputSlot Tray-2/Tray-2 (Default): " in text


def test_trays_that_ascii_has_no_letters_for_are_shown_by_their_keyword() -> None:
    """A tray without ASCII letters is shown by its keyword in English."""
    text = driver_of("HP\td\t手差し;給紙 1;Upper\t1\t1\t1\tA4").ppd()
    assert '*InputSlot Tray-1/Tray-1: ""' in text
    assert '*InputSlot Tray-2/Tray-2: ""' in text
    assert '*ja.InputSlot Tray-1/手差し: ""' in text
    assert '*cirrusTray Upper: "Upper"' in text  # whatever case it is asked for in


@pytest.mark.parametrize(
    ("line", "formats", "manual"),
    [
        (WINDOWS, ["pdf"], False), (MONO, ["pdf"], True), (LINUX, ["pdf"], False),
        (WINDOWS, ["ps"], False), (MONO, ["ps"], False),
        (WINDOWS, ["pcl6"], True), (MONO, ["txt"], True),
    ],
)  # fmt: skip
def test_who_makes_the_copies(line: str, formats: list[str], manual: bool) -> None:
    """The device makes the copies, unless it cannot collate or a filter loses their number."""
    assert f"*cupsManualCopies: {manual}\n" in driver_of(line, Formats=formats).ppd()


@pytest.mark.parametrize(("line", "collates"), [(WINDOWS, True), (MONO, False)])
def test_postscript_is_left_to_pstops(line: str, collates: bool) -> None:
    """pstops counts pages only for a driver without filters. A device that collates is asked to,
    because imagetopdf and pstops would both make the copies of an image."""
    text = driver_of(line, Formats=["ps"]).ppd()
    assert "*cupsFilter" not in text
    assert ('*Collate True/Yes: "<</Collate true>>setpagedevice"\n' in text) is collates


@given(st.text(min_size=1))
def test_names_of_papers_come_back(text: str) -> None:
    """Any name survives quoting and unquoting."""
    text = text.encode("utf-8", "replace").decode()
    assert '"' not in quoted(text)
    assert unquote(quoted(text)) == text


@pytest.mark.parametrize("size", ["US Letter", "letter", "na_letter_8.5x11in", "Letter"])
def test_default_paper_of_the_device_by_any_name(size: str) -> None:
    """The device's default paper may have any of its names."""
    text = driver_of(WINDOWS, DefaultProps={"size": size}).ppd()
    assert "*DefaultPageSize: Letter\n" in text


@pytest.mark.parametrize(
    ("trays", "keywords"),
    [
        ("Tray 1;Bypass Tray", ["Tray-1", "Bypass-Tray"]),
        ("Tray 2;tray-2;TRAY2", ["Tray-2", "Tray-2x", "Tray-3"]),
        ("Upper Tray;Upper 2;Auto select", ["Upper-Tray", "Tray-2", "Tray-3"]),
        (
            "Multipurpose Tray;MP Tray;Roll;Main Roll",
            ["Multipurpose-Tray", "Tray-2", "Roll", "Tray-4"],
        ),
        ("手差し;2;Custom.1x1;" + "T" * 41, ["Tray-1", "Tray-2", "Tray-3", "Tray-4"]),
    ],
)
def test_trays_have_keywords_that_ipp_can_have(trays: str, keywords: list[str]) -> None:
    """Keywords have only letters, digits and hyphens, and no two give the same media-source."""
    text = driver_of(f"HP\td\t{trays}\t1\t1\t1\tA4").ppd()
    assert re.findall(r"(?m)^\*InputSlot ([^/]*)/", text) == ["Auto", *keywords]
