"""A printer's attributes: complete for the suites, and only what the device can do."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.model import DeviceOptions
from cirrus_bridge.drivers.offered_printers import offered_printers
from cirrus_bridge.ipp.message import Attribute, Group, decode, encode
from cirrus_bridge.ipp.values import Collection, Keyword, OutOfBand, Range, Text, Value
from cirrus_bridge.ipp_server.printer_attributes import (
    STATE_ATTRIBUTES,
    ServiceFacts,
    description,
    select,
)
from described_devices import LINUX, MONO, WINDOWS, many_of_everything, texts
from offered_printers import FACTS, PLACE, offered

SUITES = Path("/usr/share/cups/ipptool")
# what the suites of CUPS 2.4 expect without a condition, for systems without them
EXPECTED = [
    "charset-configured", "charset-supported", "color-supported", "compression-supported",
    "copies-default", "copies-supported", "document-format-default", "document-format-supported",
    "finishings-default", "finishings-supported", "generated-natural-language-supported",
    "identify-actions-default", "identify-actions-supported", "ipp-features-supported",
    "ipp-versions-supported", "job-creation-attributes-supported", "job-ids-supported",
    "media-bottom-margin-supported", "media-col-database", "media-col-ready", "media-default",
    "media-left-margin-supported", "media-ready", "media-right-margin-supported",
    "media-size-supported", "media-source-supported", "media-supported",
    "media-top-margin-supported", "media-type-supported", "multiple-document-jobs-supported",
    "multiple-operation-time-out", "multiple-operation-time-out-action",
    "natural-language-configured", "operations-supported", "orientation-requested-default",
    "orientation-requested-supported", "output-bin-default", "output-bin-supported",
    "overrides-supported", "page-ranges-supported", "pages-per-minute", "pdl-override-supported",
    "preferred-attributes-supported", "print-color-mode-default", "print-color-mode-supported",
    "print-content-optimize-default", "print-content-optimize-supported", "print-quality-default",
    "print-quality-supported", "print-rendering-intent-default", "print-rendering-intent-supported",
    "printer-device-id", "printer-geo-location", "printer-get-attributes-supported",
    "printer-icons", "printer-info", "printer-location", "printer-make-and-model",
    "printer-more-info", "printer-name", "printer-organization", "printer-organizational-unit",
    "printer-resolution-default", "printer-resolution-supported", "printer-supply",
    "printer-supply-description", "printer-supply-info-uri", "printer-uri-supported",
    "printer-uuid", "pwg-raster-document-resolution-supported", "pwg-raster-document-sheet-back",
    "pwg-raster-document-type-supported", "sides-default", "sides-supported",
    "uri-authentication-supported", "uri-security-supported", "which-jobs-supported",
]  # fmt: skip
# AirPrint, Mopria and clients' habits
MORE = [
    "document-password-supported", "finishing-template-supported", "finishings-col-database",
    "finishings-col-default", "finishings-col-ready", "finishings-col-supported",
    "urf-supported", "mopria-certified", "printer-dns-sd-name", "media-col-default",
    "media-col-supported", "print-scaling-supported", "job-account-id-supported",
    "document-format-preferred", "printer-kind", "pages-per-minute-color", "finishings-ready",
]  # fmt: skip
MEDIA = re.compile(
    r"(na|asme|roc|oe|custom|iso|jis|jpn|prc|om)_[a-z0-9][-a-z0-9]*_"
    r"([1-9][0-9]*(\.[0-9]*[1-9])?|0\.[0-9]*[1-9])x([1-9][0-9]*(\.[0-9]*[1-9])?|0\.[0-9]*[1-9])"
    r"(in|mm)"
)  # as ipp-2.0.test has it
ALL = select(description(offered(WINDOWS), FACTS), ["all", "media-col-database"])


def _suite_names() -> set[str]:
    """The attributes that the suites expect of a printer in any case."""
    found: set[str] = set()
    for suite in ("ipp-2.0", "ipp-everywhere"):
        file = SUITES / f"{suite}.test"
        text = file.read_text() if file.exists() else ""
        for block in text.split("\nOPERATION ")[:1] + text.split("\n\tOPERATION ")[1:]:
            if block.startswith("Get-Printer-Attributes"):
                lines = re.findall(r"EXPECT ([a-z][-a-z]+)(?=[ \n])(.*)", block)
                found |= {
                    name
                    for name, rest in lines
                    if not re.search("IF-(NOT-)?DEFINED|DEFINE-MATCH", rest)
                }
    return found


def test_what_the_suites_expect() -> None:
    """Everything is there, but for what changes by itself."""
    wanted = {*EXPECTED, *MORE} | _suite_names() - STATE_ATTRIBUTES
    assert wanted - ALL.keys() == set()
    assert not STATE_ATTRIBUTES & ALL.keys()


def test_the_suites_are_read() -> None:
    """The reader of the suites finds what the list has."""
    if SUITES.exists():
        assert len(_suite_names() & {*EXPECTED}) > 60


def test_everything_can_be_encoded() -> None:
    """Each value has a syntax, and the attributes arrive as they were."""
    sent = [Attribute(name, values) for name, values in ALL.items()]
    message = decode(encode(0, [(Group.OPERATION, []), (Group.PRINTER, sent)]))
    (group,) = message.all(Group.PRINTER)
    assert group.keys() == ALL.keys()
    for name, values in ALL.items():
        assert list(group[name]) == [each for each in values if not isinstance(each, OutOfBand)]


def test_values_are_unique() -> None:
    """No set has a value twice (RFC 8011, 5.1.17)."""
    for name, values in ALL.items():
        if name not in ("uri-security-supported", "uri-authentication-supported"):
            assert len({repr(each) for each in values}) == len(values), name


def test_what_a_device_can_not_do_is_not_offered() -> None:
    """A monochrome device without a duplex unit, which does not collate."""
    said = description(offered(MONO), FACTS)
    assert said["sides-supported"] == ["one-sided"]
    assert "color" not in said["print-color-mode-supported"]
    assert said["print-color-mode-default"] == ["monochrome"]
    assert said["color-supported"] == [False]
    assert "pages-per-minute-color" not in said
    # CUPS would lose copies if it could not ask for collated ones
    assert not [name for name in said if name.startswith("multiple-document-handling")]
    assert said["urf-supported"] == ["V1.4", "CP1", "W8", "RS300-600"]
    assert said["pwg-raster-document-type-supported"] == ["sgray_8"]
    assert said["media-ready"] == ["iso_a4_210x297mm"]
    assert said["finishings-supported"] == [3]
    assert said["output-bin-supported"] == ["auto"]
    assert not [name for name in said if name.startswith("job-password")]
    assert said["finishing-template-supported"] == ["none"]


def test_a_device_that_can_do_more() -> None:
    """Color, duplex, and what devices.toml declares."""
    declared = DeviceOptions({"finishings": {"staple": "S=1"}, "output-bin": {"top": "B=1"}}, "PIN")
    said = description(offered(WINDOWS, declared), FACTS)
    assert "two-sided-short-edge" in said["sides-supported"]
    assert said["urf-supported"] == ["V1.4", "CP1", "W8", "SRGB24", "RS300-600", "DM1"]
    assert said["finishings-supported"] == [3, 4]
    assert said["output-bin-supported"] == ["auto", "top"]
    assert said["job-password-supported"] == [8]
    assert said["job-password-encryption-supported"] == ["none"]
    assert "job-password" in said["job-creation-attributes-supported"]


def test_defaults_of_the_device() -> None:
    """The device's default props are the printer's defaults."""
    props = {"duplex": "2", "color": "1", "tray": "Bac manuel (é)", "size": "Legal", "collate": 1}
    said = description(offered(WINDOWS, DefaultProps=props), FACTS)
    assert said["sides-default"] == ["two-sided-long-edge"]
    assert said["print-color-mode-default"] == ["monochrome"]
    assert said["media-default"] == ["na_legal_8.5x14in"]
    assert said["sheet-collate-default"] == ["collated"]
    assert said["multiple-document-handling-default"] == ["separate-documents-collated-copies"]
    (col,) = said["media-col-default"]
    assert isinstance(col, Collection)
    assert col["media-source"] == ["tray-2"]


def test_papers_are_ready() -> None:
    """iOS offers what is ready: also the labels of a label printer (OpenPrinting/cups#1224)."""
    said = description(offered("HP\td\t\t0\t0\t0\t62x29mm,Label 50 x 80 mm,62x100mm"), FACTS)
    assert said["media-ready"] == [
        "custom_62x29mm_62x29mm", "custom_50x80mm_50x80mm", "custom_62x100mm_62x100mm"
    ]  # fmt: skip
    sizes = [each["media-size"] for each in said["media-col-ready"] if isinstance(each, Collection)]
    assert sizes[0] == [{"x-dimension": [6200], "y-dimension": [2900]}]
    assert len(sizes) == 3
    assert said["media-default"] == ["custom_62x29mm_62x29mm"]


def test_trays_have_no_numbers_as_names() -> None:
    """Windows refuses a tray that is called "1" (OpenPrinting/cups#859)."""
    said = description(offered("HP\td\t1;2;3;Large\t0\t0\t0\tA4"), FACTS)
    assert said["media-source-supported"] == ["auto", "tray-1", "tray-2", "tray-3", "tray-4"]


def test_an_unknown_device_has_everything() -> None:
    """A location on Linux reports names alone, so nothing is withheld."""
    said = description(offered(LINUX), FACTS)
    assert "color" in said["print-color-mode-supported"]
    assert said["media-source-supported"] == ["auto"]


def test_a_device_for_texts() -> None:
    """A device that takes texts only prints all pages."""
    said = description(offered(WINDOWS, Formats=["txt"]), FACTS)
    assert said["page-ranges-supported"] == [False]


def test_formats_decide() -> None:
    """Attributes of formats come with the formats."""
    facts = ServiceFacts(FACTS.uris, FACTS.more_info, FACTS.icons, ["text/plain"])
    said = description(offered(WINDOWS), facts)
    assert said["document-format-supported"] == ["text/plain", "application/octet-stream"]
    assert not [name for name in said if re.match("urf|pwg-raster|pdf|jpeg", name)]


def test_a_huge_device_stays_small() -> None:
    """A device with 500 papers and 500 trays: one entry for each paper, not for each pair."""
    (printer,) = offered_printers([(PLACE, many_of_everything())], lambda *_: True)
    said = description(printer, FACTS)
    assert len(said["media-col-database"]) == 500
    usual = [Attribute(name, values) for name, values in select(said, []).items()]
    assert len(encode(0, [(Group.PRINTER, usual)])) < 300_000


def test_many_names_of_the_service_cost_little() -> None:
    """The description differs by the service's name; the papers are in memory once."""
    printer = offered(WINDOWS)
    facts = dataclasses.replace(FACTS, more_info="http://other.example.com/")
    first, second = description(printer, FACTS), description(printer, facts)
    assert first["printer-more-info"] != second["printer-more-info"]
    for name in ("media-col-database", "media-col-ready", "media-size-supported"):
        assert first[name] is second[name]


def test_a_printer_that_has_changed() -> None:
    """Another device, or the same device with other papers, gets its own description."""
    for line, paper in ((WINDOWS, "na_legal_8.5x14in"), (MONO, "iso_a4_210x297mm")):
        assert description(offered(line), FACTS)["media-ready"][-1] == paper


@pytest.mark.parametrize("requested", [[], ["all"], ["printer-description"], ["job-template"]])
def test_the_database_of_media(requested: list[str]) -> None:
    """media-col-database comes only by its name (PWG 5100.11)."""
    said = description(offered(WINDOWS), FACTS)
    assert "media-col-database" not in select(said, requested)
    assert "media-col-database" in select(said, [*requested, "media-col-database"])


def test_groups() -> None:
    """The two groups have no attribute in common, and all attributes between them."""
    said = description(offered(WINDOWS), FACTS)
    state: dict[str, list[Value]] = {name: [Text("")] for name in STATE_ATTRIBUTES}
    everything = {**said, **state}
    template = select(everything, ["job-template"])
    described = select(everything, ["printer-description"])
    assert not template.keys() & described.keys()
    assert template.keys() | described.keys() == everything.keys() - {"media-col-database"}
    assert described.keys() >= STATE_ATTRIBUTES
    for name in ("copies-default", "media-col-ready", "media-size-supported", "sides-supported"):
        assert name in template
    assert {"job-creation-attributes-supported", "color-supported"} <= described.keys()
    assert select(everything, ["none"]) == {}
    assert select(everything, ["sides-default", "odd"]).keys() == {"sides-default"}


@given(st.lists(texts, max_size=5), st.lists(texts, max_size=5))
def test_keywords_are_keywords(papers: list[str], trays: list[str]) -> None:
    """Whatever a location calls its papers and trays, IPP gets its own syntax."""
    fields = (each.replace("\t", " ") for each in (";".join(trays), ",".join(papers)))
    said = description(offered("HP\td\t{}\t1\t1\t1\t{}".format(*fields)), FACTS)
    for name, values in said.items():
        for value in values:
            if isinstance(value, Keyword):
                assert re.fullmatch(r"[a-z0-9][a-zA-Z0-9._-]{0,254}", value) or name in (
                    "document-password-supported",
                    "finishing-template-supported",
                    "finishings-col-database",
                    "finishings-col-default",
                    "finishings-col-ready",
                    "finishings-col-supported",
                    "urf-supported",
                ), name
    for name in ("media-supported", "media-ready", "media-default"):
        assert all(MEDIA.fullmatch(str(each)) for each in said[name])
    assert len({*said["media-supported"]}) == len(said["media-supported"])


def test_custom_sizes() -> None:
    """A range of sizes, by names and by numbers."""
    assert ALL["media-supported"][-2:] == ["custom_min_12.7x12.7mm", "custom_max_1117.6x5080mm"]
    assert ALL["media-size-supported"][-1] == {
        "x-dimension": [Range(1270, 111760)],
        "y-dimension": [Range(1270, 508000)],
    }


def test_entries_of_the_database_have_one_size() -> None:
    """PWG's certification wants no range there (ippeveselfcert, I-10)."""
    for col in ALL["media-col-database"]:
        assert isinstance(col, Collection)
        (size,) = col["media-size"]
        assert isinstance(size, Collection)
        assert all(isinstance(side, int) for sides in size.values() for side in sides)
