"""Job options → props: every row of the table, and values that would smuggle in a prop."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.errors import BadOption
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.sending.job_props import job_props


def _job(options: dict[str, str], *, copies: int = 1, layout_done: bool = False) -> PrintJob:
    return PrintJob(
        job_id=1,
        job_uuid="urn:uuid:1",
        user="ann",
        title="t",
        copies=copies,
        queue="q",
        options=options,
        spool_path=None if layout_done else Path("d00001-001"),
        layout_done=layout_done,
    )


@pytest.mark.parametrize(
    ("option", "value", "prop", "expected"),
    [
        ("sides", "one-sided", "duplex", "1"),
        ("sides", "two-sided-long-edge", "duplex", "2"),
        ("sides", "two-sided-short-edge", "duplex", "3"),
        ("duplex", "None", "duplex", "1"),
        ("duplex", "DuplexNoTumble", "duplex", "2"),
        ("duplex", "DuplexTumble", "duplex", "3"),
        ("print-color-mode", "monochrome", "color", "1"),
        ("print-color-mode", "color", "color", "2"),
        ("print-color-mode", "auto", "color", None),
        ("colormodel", "Gray", "color", "1"),
        ("colormodel", "RGB", "color", "2"),
        ("collate", "true", "collate", "1"),
        ("collate", "false", "collate", None),
        ("multiple-document-handling", "separate-documents-collated-copies", "collate", "1"),
        ("multiple-document-handling", "separate-documents-uncollated-copies", "collate", None),
        ("orientation-requested", "3", "orientation", "1"),
        ("orientation-requested", "4", "orientation", "2"),
        ("orientation-requested", "5", "orientation", "2"),
        ("orientation-requested", "6", "orientation", "1"),
        ("landscape", "true", "orientation", "2"),
        ("landscape", "false", "orientation", None),
        ("print-scaling", "fit", "scale", "0"),
        ("print-scaling", "auto", "scale", "1"),
        ("print-scaling", "none", "scale", "2"),
        ("fit-to-page", "true", "scale", "0"),
        ("fitplot", "true", "scale", "0"),
        ("fill", "true", "scale", "0"),
        ("crop-to-fit", "true", "scale", "2"),
        ("crop-to-fit", "false", "scale", None),
        ("inputslot", "Tray 2", "tray", "Tray 2"),
        ("inputslot", "Auto", "tray", None),
        ("pagesize", "A4", "size", "A4"),
        ("media", "A4", "size", "A4"),
        ("media", "iso_a4_210x297mm", "size", "A4"),
        ("media", "na_letter_8.5x11in", "size", "Letter"),
        ("media", "Tray2,Legal", "size", "Legal"),
        ("media", "Tray2,Legal", "tray", "Tray2"),
        ("media", "auto", "size", None),
        ("media", "iso_a7_74x105mm,Tray2", "size", "A7"),
        ("media", "om_small-photo_100x150mm", "size", "100x150mm"),
        ("media", "na_5x7_5x7in", "size", "5x7"),
        ("media", "a7", "size", "A7"),
        ("media", "glossy,B10", "size", "B10"),
        ("media", "A7weird", "size", None),
        ("media", "A4.Borderless", "size", "A4"),
        ("media", "A4Rotated", "size", "A4"),
        ("media", "Env10Rotated", "size", "Env10"),
        ("pagesize", "LetterSmall.FB", "size", "Letter"),
        ("media", "iso-a4-white", "size", "A4"),
        ("media", "na-number-10-envelope", "size", "Env10"),
        ("media", "na-number-10-envelope", "tray", None),
        ("media", "iso-designated-long-envelope", "size", "EnvDL"),
        ("media", "om_invite_220x220mm", "size", "EnvInvite"),
        ("media", "62x29mm", "size", "62x29mm"),
        ("media", "Letter,Envelope", "size", "Letter"),
        ("media", "Letter,Envelope", "tray", None),
        ("media", "A4,stationery-envelope", "tray", None),
        ("media", "A4,MultiPurpose", "tray", "MultiPurpose"),
        ("media", "LargeCapacity,A4", "tray", "LargeCapacity"),
        ("media", "stationery", "size", None),
        ("media", "Custom.595x842", "size", "A4"),
        ("pagesize", "Custom.8.5x11in", "size", "Letter"),
        ("pagesize", "Custom.210x297mm", "size", "A4"),
        ("pagesize", "Custom.100x200", "size", "Custom.100x200"),
        ("media", "custom_min_100x200mm", "size", "custom_min_100x200mm"),
        ("media-col", "{media-size={x-dimension=21000 y-dimension=29700}}", "size", "A4"),
        (
            "media-col",
            "{media-size={x-dimension=10000 y-dimension=5000}}",
            "size",
            "Custom.100x50mm",
        ),
        ("media-col", "{media-size-name=na_legal_8.5x14in media-source=tray-2}", "size", "Legal"),
        ("media-col", "{media-size-name=iso_a4_210x297mm media-source=tray-2}", "tray", "tray-2"),
        ("media-col", "{media-size={x-dimension=one y-dimension=29700}}", "size", None),
        ("pagesize", "A7weird", "size", "A7weird"),
        ("sides", "weird", "duplex", None),
        ("colormodel", "Purple", "color", None),
        ("print-scaling", "odd", "scale", None),
        ("cirrus-priority", "70", "priority", "70"),
        ("cirrus-prop-custsize", "1", "custsize", "1"),
        ("cirrus-prop-CostCenter", "7", "CostCenter", "7"),
        ("cirrus-prop-Tray", "Bin", "tray", "Bin"),
    ],
)
def test_table(option: str, value: str, prop: str, expected: str | None) -> None:
    """Each option sets one prop or none.

    A custom size of a known paper becomes that paper (cloud-print-connector#279).
    """
    assert job_props(_job({option: value})).get(prop) == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("page-ranges", "2-3"), ("number-up", "2"), ("number-up-layout", "btlr"),
        ("page-set", "odd"), ("outputorder", "reverse"), ("page-delivery", "reverse-order"),
        ("mirror", "true"), ("page-border", "single"), ("job-priority", "80"),
        ("job-sheets", "standard,none"), ("finishings", "4"), ("print-quality", "5"),
    ],
)  # fmt: skip
def test_what_the_api_has_no_prop_for(option: str, value: str) -> None:
    """Options without a prop are left to CUPS's filters.

    An unfiltered file is printed with all pages.
    """
    for layout_done in (True, False):
        assert job_props(_job({option: value}, layout_done=layout_done)) == {"copies": "1"}


def test_copies_are_always_there() -> None:
    """The count of argv[4] becomes the prop, with and without filters."""
    for layout_done in (True, False):
        assert job_props(_job({}, copies=3, layout_done=layout_done)) == {"copies": "3"}


def test_queue_defaults() -> None:
    """An administrator's default becomes a prop, unless the job overrides it, even with no
    value."""
    defaults = {"duplex": "DuplexTumble", "inputslot": "Tray 2", "collate": "True"}
    queue = dataclasses.replace(_job({}), queue_defaults=defaults)
    asked = {"copies": "1", "duplex": "3", "tray": "Tray 2", "collate": "1"}
    assert job_props(queue) == asked
    options = {"sides": "one-sided", "inputslot": "Auto", "collate": "false"}
    assert job_props(dataclasses.replace(queue, options=options)) == {"copies": "1", "duplex": "1"}


def test_papers_by_the_locations_word() -> None:
    """The prop has the location's name of a paper, whatever name the application used."""
    for option in ({"pagesize": "Env10"}, {"media": "na_number-10_4.125x9.5in"}):
        job = dataclasses.replace(_job(option), papers={"Env10": "Envelope #10"})
        assert job_props(job)["size"] == "Envelope #10"


@pytest.mark.parametrize(
    "asked", ["62x29mm", "w176h82", "W176H82", "om_x_62x29mm", "Custom.176x82", "label 62 X 29 mm"]
)
@pytest.mark.parametrize("name", ["62x29mm", "w176h82"])
def test_label_sizes_by_any_name(asked: str, name: str) -> None:
    """A label is found in drivers that name its size in millimeters, and in older ones."""
    for option in ({"pagesize": asked}, {"media": asked}):
        job = dataclasses.replace(_job(option), papers={"A4": "A4", name: "Label 62 x 29 mm"})
        assert job_props(job) == {"copies": "1", "size": "Label 62 x 29 mm"}


@pytest.mark.parametrize("asked", ["tray1", "Tray1", "tray-1", "TRAY-1"])
def test_trays_of_a_driver_without_the_locations_words(asked: str) -> None:
    """The generic drivers' own spelling is sent, however the tray was asked for."""
    for option in ({"inputslot": asked}, {"media": f"A4,{asked}"}):
        job = dataclasses.replace(_job(option), trays={"Auto": "Auto", "Tray1": "Tray1"})
        assert job_props(job)["tray"] == "Tray1"


@pytest.mark.parametrize("name", ["2.25x1.25", "w162h90"])
def test_label_sizes_in_inches(name: str) -> None:
    """CUPS names sizes in quarters of an inch without a unit."""
    job = dataclasses.replace(_job({"media": "2.25x1.25"}), papers={name: "Label 2.25 x 1.25 in"})
    assert job_props(job)["size"] == "Label 2.25 x 1.25 in"


@pytest.mark.parametrize(
    ("media", "props"),
    [
        ("A4,Fach-2", {"size": "A4", "tray": "Fach 2"}),
        ("Fach 2,A4", {"size": "A4", "tray": "Fach 2"}),
        ("A4,MultiPurpose", {"size": "A4", "tray": "MP-Schacht"}),
        ("A4,Umschlag DL", {"size": "A4"}),
        ("umschlag dl", {"size": "Umschlag DL"}),
        ("Envelope,Letter", {"size": "Letter", "tray": "Envelope"}),
        ("na-number-10-envelope,envelope", {"size": "Env10", "tray": "Envelope"}),
        ("A5,stationery-envelope", {"size": "A5"}),
        ("Sonderformat,Fach-2", {"size": "Sonderformat", "tray": "Fach 2"}),
        ("auto,A4", {"size": "A4"}),
        ("a5.fb,auto", {"size": "A5"}),
    ],
)
def test_media_is_looked_up_in_the_queue_first(media: str, props: dict[str, str]) -> None:
    """The queue's own papers and trays are recognized in any language."""
    papers = {"A4": "A4", "EnvDL": "Umschlag DL", "Sonderformat": "Sonderformat", "A5.FB": "A5.FB"}
    trays = {
        "Auto": "Auto",
        "Fach-2": "Fach 2",
        "Multipurpose": "MP-Schacht",
        "Envelope": "Envelope",
    }
    job = dataclasses.replace(_job({"media": media}), papers=papers, trays=trays)
    assert job_props(job) == {"copies": "1", **props}


@pytest.mark.parametrize(
    ("asked", "tray"),
    [
        ("Tray-2", "Tray 2"), ("tray-2", "Tray 2"), ("Tray2", "Tray 2"), ("tray 2", "Tray 2"),
        ("Top", "Upper Tray"), ("top", "Upper Tray"), ("Upper", "Upper Tray"),
        ("Bottom", "Lower Tray"), ("ByPassTray", "MP Tray"), ("by-pass-tray", "MP Tray"),
        ("MainRoll", "Roll"), ("Tray3", "Tray3"), ("", ""),
    ],
)  # fmt: skip
def test_trays_by_the_keywords_of_driverless_clients(asked: str, tray: str) -> None:
    """CUPS makes IPP's keyword of a driver's keyword, and its client makes another one of that."""
    trays = {
        "Tray-2": "Tray 2", "Upper-Tray": "Upper Tray", "Lower-Tray": "Lower Tray",
        "Multipurpose": "MP Tray", "Roll": "Roll",
    }  # fmt: skip
    for option in ({"inputslot": asked}, {"media-source": asked}):
        job = dataclasses.replace(_job(option), trays=trays)
        assert job_props(job).get("tray", "") == tray


@pytest.mark.parametrize("asked", ["Bypass-Tray", "bypass-tray"])
def test_trays_by_the_locations_word(asked: str) -> None:
    """CUPS accepts a driver's choice and IPP's keyword in upper or lower case."""
    for option in ({"inputslot": asked}, {"media": asked}, {"media-source": asked}):
        job = dataclasses.replace(_job(option), trays={"Bypass-Tray": "Bypass Tray"})
        assert job_props(job)["tray"] == "Bypass Tray"


@pytest.mark.parametrize(
    ("choice", "expected"), [("Fit", "0"), ("Shrink", "1"), ("Actual", "2"), ("Default", None)]
)
def test_scaling_at_the_device(choice: str, expected: str | None) -> None:
    """The driver's own option applies with and without CUPS's filters."""
    for layout_done in (True, False):
        job = _job({"cirrusscale": choice}, layout_done=layout_done)
        assert job_props(job).get("scale") == expected


def test_layout_is_done_once() -> None:
    """The device does not turn or scale pages again that pdftopdf has turned or scaled."""
    options = {"landscape": "true", "fit-to-page": "true", "sides": "two-sided-long-edge"}
    assert job_props(_job(options, layout_done=True)) == {"copies": "1", "duplex": "2"}


def test_monochrome_of_a_queue_without_driver_is_no_wish() -> None:
    """lp adds print-color-mode=monochrome to every job of a raw queue, so only color or a PPD
    option counts."""
    added_by_lp = {"number-up": "1", "finishings": "3", "print-color-mode": "monochrome"}
    assert job_props(_job(added_by_lp)) == {"copies": "1"}
    assert job_props(_job({**added_by_lp, "colormodel": "Gray"}))["color"] == "1"
    assert job_props(_job({**added_by_lp, "print-color-mode": "color"}))["color"] == "2"
    assert job_props(_job({"print-color-mode": "monochrome"}))["color"] == "1"


def test_ipp_name_goes_before_ppd_name() -> None:
    """If an application sends both names, the IPP option wins."""
    props = job_props(_job({"sides": "one-sided", "duplex": "DuplexTumble"}))
    assert props["duplex"] == "1"


@pytest.mark.parametrize("copies", [0, 100, 12345])
def test_copies_out_of_range(copies: int) -> None:
    """Copies outside of the API's 1 to 99 are an error, not another number."""
    with pytest.raises(BadOption, match="1 to 99"):
        job_props(_job({}, copies=copies))


@pytest.mark.parametrize(
    "options",
    [
        {"inputslot": "Tray1\ncopies=99"},
        {"inputslot": "Tray1\rcopies=99"},
        {"inputslot": "Tray1;copies=99"},
        {"inputslot": "Tray1\u2028copies=99"},
        {"cirrus-prop-note": "x;copies=99"},
        {"cirrus-prop-note\ncopies": "99"},
        {"cirrus-prop-a=b": "99"},
        {"cirrus-prop-": "99"},
        {"cirrus-prop-copies": "100"},
        {"cirrus-prop-Copies": "100"},
        {"cirrus-prop-duplex": "long"},
    ],
)
def test_nothing_is_smuggled_in(options: dict[str, str]) -> None:
    """A name or value that could be read as another prop is refused with a clear message."""
    with pytest.raises(BadOption) as caught:
        job_props(_job(options))
    assert str(caught.value).isprintable()


@given(st.dictionaries(st.sampled_from(["inputslot", "media", "cirrus-prop-x"]), st.text()))
def test_list_form_reads_back(options: dict[str, str]) -> None:
    """Accepted props survive both list forms of the API, with line feeds and with semicolons."""
    try:
        props = job_props(_job(options))
    except BadOption:
        return
    for separator in ("\n", ";"):
        text = separator.join(f"{name}={value}" for name, value in props.items())
        lines = [line for part in text.splitlines() for line in part.split(";")]
        assert dict(line.split("=", 1) for line in lines) == props


def test_identity_only_where_it_is_asked_for() -> None:
    """Identity props are off by default, use IPP's names, and no user name can do harm."""
    job = dataclasses.replace(_job({}), host="pc7")
    assert not {"job-originating-user-name", "printer-name"} & set(job_props(job))
    odd = dataclasses.replace(job, user="a;b\nduplex=2", queue="q")
    props = job_props(odd, ("user", "host", "queue"))
    assert props["job-originating-user-name"] == "a?b?duplex=2"
    assert props["job-originating-host-name"] == "pc7"
    assert props["printer-name"] == "q"
    assert "job-originating-host-name" not in job_props(_job({}), ("host",))
