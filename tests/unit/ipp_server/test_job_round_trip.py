"""Every value that a printer offers, sent back, gives the props of the driver's choice.

The driver's choice goes the way of a queue: PPD, option, table. The client's attribute goes through
the codec. Both end in the same table of props.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.device_options import FINISHINGS, ppd_choice
from cirrus_bridge.base.model import DeviceOptions, PrintJob
from cirrus_bridge.config.devices import DeclaredDevices, DeviceEntry
from cirrus_bridge.cups.ppd_file import QueueDriver, queue_driver
from cirrus_bridge.drivers.devices import devices
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers
from cirrus_bridge.ipp.values import Collection, EnumValue, Keyword, Value
from cirrus_bridge.ipp_server.job_options import print_job, read_job
from cirrus_bridge.ipp_server.media import Media
from cirrus_bridge.ipp_server.printer_attributes import description
from cirrus_bridge.sending.job_props import job_props, secret_props
from described_devices import PAPERS, nasty_answer, texts
from offered_printers import FACTS, PLACE, asked, offered

DECLARED = DeviceOptions(
    {
        "finishings": {"staple-top-left": "Staple=1", "punch-dual-left": "Punch=2", "fold": "F=1"},
        "output-bin": {"face-up": "Bin=up", "mailbox-2": "Bin=2"},
        "print-quality": {"draft": "Q=1", "high": "Q=3"},
        "media-type": {"photographic-glossy": "Type=glossy", "labels": "Type=labels"},
    },
    "PIN",
)
TRAYS = (
    "Tray 1;Tray 2;Tray-2;Upper;Upper Tray;Lower;1;2;Auto;Auto Select;Bac manuel (é);手差しトレイ;"
    "Лоток 3;a/b:c;Custom;MP Tray;Multipurpose Tray;Manual Feed;Cassette 1;Cassette;Main;Roll;Top"
)
SIZES = (
    "A4,Letter,Legal,A3,A5,Envelope #10,iso_c5_162x229mm,62x29mm,Label 4 x 6 in,102x152mm,"
    "Label 50 x 80 mm,はがき (100 x 148 mm),16K,8.5x13,Tabloid,B5 (JIS),w288h432,custom_x_89x36mm,"
    "USER (148.5 x 210 mm),PRC Envelope #3,210 x 298 mm,209 x 296 mm,2.25x1.25"
)
LINE = f"HP\td\t{TRAYS}\t1\t1\t1\t{SIZES}"


def _queue(printer: OfferedPrinter, answer: dict[str, Any]) -> QueueDriver:
    declared = DeclaredDevices((DeviceEntry(None, None, ("*:*",), printer.capabilities.options),))
    (driver,) = (
        each for each in devices(PLACE, answer, declared) if each.key == printer.target.device
    )
    return queue_driver(driver.ppd().encode("utf-8", "surrogatepass"))


def _by_driver(queue: QueueDriver, option: str, choice: str) -> dict[str, str]:
    job = PrintJob(
        job_id=1,
        job_uuid="urn:uuid:1",
        user="ann",
        title="t",
        copies=1,
        queue="q",
        options={option: choice},
        has_driver=True,
        layout_done=True,
        papers={**{name: name for name in queue.page_sizes}, **queue.papers},
        trays={**{name: name for name in queue.input_slots}, **queue.trays},
        declared=queue.options,
    )
    return job_props(job)


def _by_client(printer: OfferedPrinter, **attributes: Value | list[Value]) -> dict[str, str]:
    requested = read_job(asked(**attributes), printer)
    assert not requested.unsupported
    return job_props(
        print_job(requested, printer, job_id=1, job_uuid="urn:uuid:1", user="ann", title="t")
    )


def _answer(line: str) -> dict[str, Any]:
    return {"Name": "Paris", "Printers": [line], "Devices": {"laser": {"Target": "HP"}}}


@pytest.fixture(scope="module")
def printer() -> OfferedPrinter:
    """A printer with many trays and papers."""
    return offered(LINE, DECLARED)


@pytest.fixture(scope="module")
def queue(printer: OfferedPrinter) -> QueueDriver:
    """The queue of the same device."""
    return _queue(printer, _answer(LINE))


def _papers(printer: OfferedPrinter) -> Iterator[tuple[Value, Collection, str]]:
    """The name, the size and the name in PPDs of each paper that is offered."""
    said = description(printer, FACTS)
    names = {each.keyword: each.name for each in Media(printer.capabilities).papers}
    for keyword, size in zip(said["media-supported"], said["media-size-supported"], strict=False):
        if keyword in names:
            assert isinstance(size, Collection)
            yield keyword, size, names[str(keyword)]


def test_papers(printer: OfferedPrinter, queue: QueueDriver) -> None:
    """By name, by size, and both in media-col."""
    papers = list(_papers(printer))
    assert len(papers) == len(printer.capabilities.papers) == len(queue.page_sizes)
    for keyword, size, name in papers:
        expected = _by_driver(queue, "pagesize", name)
        assert _by_client(printer, media=keyword) == expected
        assert _by_client(printer, media_col=Collection({"media-size": [size]})) == expected
        named = Collection({"media-size-name": [keyword]})
        assert _by_client(printer, media_col=named) == expected
        assert _by_client(printer, media=Keyword(name)) == expected


def test_trays(printer: OfferedPrinter, queue: QueueDriver) -> None:
    """By the printer's keyword, and by the names that CUPS makes of it."""
    said = description(printer, FACTS)["media-source-supported"]
    assert len(said) == len(queue.input_slots) == 1 + len(printer.capabilities.trays)
    words = set()
    for source, keyword in zip(said, queue.input_slots, strict=True):
        expected = _by_driver(queue, "inputslot", keyword)
        for word in (str(source), _in_cups(str(source))):
            col = Collection({"media-source": [Keyword(word)]})
            assert _by_client(printer, media_col=col) == expected
        words.add(expected.get("tray"))
    assert words == {None, *printer.capabilities.trays}


def _in_cups(source: str) -> str:
    """The keyword that CUPS makes of a media-source for its PPD (cups/ppd-cache.c,
    pwg_ppdize_name)."""
    return "".join(word[:1].upper() + word[1:] for word in source.split("-"))


@pytest.mark.parametrize(
    ("attribute", "option", "choices"),
    [
        (
            "sides",
            "duplex",
            {
                "one-sided": "None",
                "two-sided-long-edge": "DuplexNoTumble",
                "two-sided-short-edge": "DuplexTumble",
            },
        ),
        ("print-color-mode", "colormodel", {"auto": "", "color": "RGB", "monochrome": "Gray"}),
        ("sheet-collate", "collate", {"uncollated": "False", "collated": "True"}),
        (
            "multiple-document-handling",
            "collate",
            {
                "separate-documents-uncollated-copies": "False",
                "separate-documents-collated-copies": "True",
            },
        ),
    ],
)
def test_choices(
    printer: OfferedPrinter,
    queue: QueueDriver,
    attribute: str,
    option: str,
    choices: dict[str, str],
) -> None:
    """Options with known values."""
    assert set(description(printer, FACTS)[f"{attribute}-supported"]) == choices.keys()
    for word, choice in choices.items():
        found = _by_client(printer, **{attribute: Keyword(word)})
        assert found == _by_driver(queue, option, choice)


def test_declared_options(printer: OfferedPrinter, queue: QueueDriver) -> None:
    """The options of devices.toml; the neutral value asks nothing of the device."""
    said = description(printer, FACTS)
    numbers = {each.number: word for word, each in FINISHINGS.items()}
    qualities = {3: "draft", 4: "normal", 5: "high"}
    for attribute in DECLARED.props:
        props = []
        for value in said[f"{attribute}-supported"]:
            word = str(value)
            if isinstance(value, EnumValue):
                word = {**numbers, 3: "none"}[value] if "fin" in attribute else qualities[value]
            if attribute == "media-type":
                col = Collection({attribute: [value]})
                found = _by_client(printer, media_col=col)
            else:
                found = _by_client(printer, **{attribute: value})
            if word in DECLARED.props[attribute]:
                option, choice = ppd_choice(attribute, word)
                assert found == _by_driver(queue, option.lower(), choice)
                props.append(found)
            else:
                assert found == {"copies": "1"}
        assert len(props) == len(DECLARED.props[attribute])


def test_finishings_by_template(printer: OfferedPrinter, queue: QueueDriver) -> None:
    """Each template of finishings-col asks for what its finishing asks for."""
    for col in description(printer, FACTS)["finishings-col-database"]:
        assert isinstance(col, Collection)
        (word,) = col["finishing-template"]
        choice = ppd_choice("finishings", str(word)) if word != "none" else ("OutputBin", "Auto")
        expected = _by_driver(queue, choice[0].lower(), choice[1])
        assert _by_client(printer, finishings_col=col) == expected


def test_the_pin(printer: OfferedPrinter) -> None:
    """The PIN becomes the declared prop, and is in no text."""
    requested = read_job(asked(job_password=b"4711"), printer)
    job = print_job(requested, printer, job_id=1, job_uuid="urn:uuid:1", user="ann")
    assert secret_props(job) == {"PIN": "4711"}
    assert "4711" not in repr(requested) + repr(job)


@given(words=st.lists(texts | st.sampled_from(PAPERS), max_size=6), trays=st.lists(texts))
def test_any_papers_and_trays(words: list[str], trays: list[str]) -> None:
    """Whatever a location calls its papers and trays, all come back."""
    fields = (each.replace("\t", " ") for each in (";".join(trays), ",".join(words)))
    line = "HP\td\t{}\t1\t1\t1\t{}".format(*fields)
    _check_media(offered(line), _answer(line))


@given(
    st.lists(
        st.tuples(st.integers(200, 50000), st.integers(200, 50000)).map(
            lambda size: f"{size[0] / 100:g} x {size[1] / 100:g} mm"
        ),
        max_size=6,
    )
)
def test_any_sizes(words: list[str]) -> None:
    """Papers of any size, near to standard papers and to each other, come back."""
    line = f"HP\td\tTray 1\t1\t1\t1\t{','.join(words)}"
    _check_media(offered(line), _answer(line))


@given(texts)
def test_hostile_words(text: str) -> None:
    """Words that would break a PPD or a keyword."""
    answer = nasty_answer(text)
    for each in offered_printers([(PLACE, answer)], lambda *_: True):
        _check_media(each, answer)


def _check_media(printer: OfferedPrinter, answer: dict[str, Any]) -> None:
    queue = _queue(printer, answer)
    for keyword, size, name in _papers(printer):
        expected = _by_driver(queue, "pagesize", name)
        assert _by_client(printer, media=keyword) == expected
        assert _by_client(printer, media_col=Collection({"media-size": [size]})) == expected
    sources = description(printer, FACTS)["media-source-supported"]
    for source, slot in zip(sources, queue.input_slots, strict=True):
        found = _by_client(printer, media_col=Collection({"media-source": [source]}))
        assert found == _by_driver(queue, "inputslot", slot)
