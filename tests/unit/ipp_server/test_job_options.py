"""What clients ask for: options for the table of props, and what is not supported."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.model import DeviceOptions
from cirrus_bridge.ipp.message import Attribute, Group, decode, encode
from cirrus_bridge.ipp.values import (
    Collection,
    EnumValue,
    Keyword,
    Name,
    OutOfBand,
    Range,
    Resolution,
    Text,
    Value,
)
from cirrus_bridge.ipp_server.job_options import RequestedJob, print_job, read_job
from cirrus_bridge.ipp_server.printer_attributes import description
from cirrus_bridge.sending.job_props import job_props, secret_props
from described_devices import MONO, WINDOWS
from offered_printers import FACTS, asked, offered

DECLARED = DeviceOptions(
    {"finishings": {"staple-top-left": "Staple=1", "fold": "Fold=1"}, "output-bin": {"top": "B=1"}},
    "PIN",
)
PRINTER = offered(WINDOWS + ",62x29mm,Envelope #10", DECLARED)
SIMPLE = offered(MONO)
UNSUPPORTED = [OutOfBand.UNSUPPORTED]


def _read(**attributes: Value | list[Value]) -> RequestedJob:
    return read_job(asked(**attributes), PRINTER)


def _props(requested: RequestedJob) -> dict[str, str]:
    job = print_job(requested, PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann")
    return job_props(job) | secret_props(job)


def _size(across: int, along: int) -> Collection:
    return Collection({"x-dimension": [across], "y-dimension": [along]})


def test_a_job_that_asks_for_nothing() -> None:
    """The device's own behavior, one copy, the default paper."""
    requested = _read()
    assert requested.options == {}
    assert not requested.unsupported
    assert not requested.must_refuse
    assert (requested.paper.name, requested.scaling, requested.orientation) == ("A4", "auto", None)
    assert _props(requested) == {"copies": "1"}


def test_a_job_that_asks_for_much() -> None:
    """Each attribute arrives."""
    requested = _read(
        copies=3,
        sides=Keyword("two-sided-short-edge"),
        print_color_mode=Keyword("monochrome"),
        media_col=Collection(
            {"media-size": [_size(21590, 27940)], "media-source": [Keyword("tray-1")]}
        ),
        orientation_requested=EnumValue(4),
        print_scaling=Keyword("fit"),
        sheet_collate=Keyword("collated"),
        finishings=[EnumValue(20), EnumValue(10)],
        output_bin=Keyword("top"),
        page_ranges=[Range(2, 3), Range(5, 5)],
        job_priority=80,
        job_name=Name("Budget"),
        job_hold_until=Keyword("indefinite"),
        job_account_id=Name("4711"),
        job_accounting_user_id=Name("bob"),
        job_password=b"1234",
    )  # fmt: skip
    assert not requested.unsupported
    assert _props(requested) == {
        "copies": "3", "duplex": "3", "color": "1", "size": "Letter", "tray": "Tray 1",
        "orientation": "2", "scale": "0", "collate": "1", "Staple": "1", "Fold": "1", "B": "1",
        "priority": "80", "PIN": "1234",
    }  # fmt: skip
    assert requested.page_ranges == (Range(2, 3), Range(5, 5))
    assert requested.options["page-ranges"] == "2-3,5-5"
    assert requested.hold_until == "indefinite"
    assert (requested.scaling, requested.orientation) == ("fit", 4)
    assert requested.paper.width_mm == 215.9
    job = print_job(requested, PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann")
    assert (job.title, job.account, job.accounting_user) == ("Budget", "4711", "bob")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("copies", 0), ("copies", 100), ("copies", True), ("copies", Keyword("2")),
        ("copies", Range(1, 2)), ("sides", Keyword("three-sided")), ("sides", 2),
        ("print-color-mode", Keyword("highlight")), ("print-quality", EnumValue(5)),
        ("orientation-requested", EnumValue(9)), ("print-scaling", Keyword("odd")),
        ("media", Keyword("iso_nothing")), ("media", Keyword("custom_x_1x1mm")), ("media", 4),
        ("output-bin", Keyword("mailbox-1")), ("number-up", 2), ("job-priority", 0),
        ("job-priority", 101), ("job-hold-until", Keyword("night")),
        ("job-sheets", Keyword("standard")), ("printer-resolution", Resolution(1200, 1200, 3)),
        ("page-ranges", Range(3, 2)), ("page-ranges", Range(0, 2)), ("page-ranges", 2),
        ("finishings", EnumValue(4)), ("finishings", Keyword("fold")),
        ("job-account-id", 7), ("print-content-optimize", Keyword("photo")),
    ],
)  # fmt: skip
def test_values_that_are_not_supported(name: str, value: Value) -> None:
    """The value goes back to the client, and is not in the job."""
    requested = _read(**{name: value})
    assert requested.unsupported == {name: [value]}
    assert _props(requested) == {"copies": "1"}
    assert not requested.must_refuse


def test_two_values_where_one_is_possible() -> None:
    """Such an attribute is not supported."""
    both: list[Value] = [Keyword("one-sided"), Keyword("two-sided-long-edge")]
    assert _read(sides=both).unsupported == {"sides": both}


def test_only_the_unsupported_values_go_back() -> None:
    """One of two finishings is possible."""
    requested = _read(finishings=[EnumValue(20), EnumValue(4)])
    assert requested.unsupported == {"finishings": [4]}
    assert _props(requested)["Staple"] == "1"


def test_unknown_attributes() -> None:
    """An unknown attribute goes back without its values. Attributes of the operation do not."""
    requested = read_job(
        asked(
            cover_front=Keyword("x"),
            x_vendor=[1, 2],
            document_format=Keyword("application/pdf"),
            requesting_user_name=Name("ann"),
            job_k_octets=4,
        ),
        PRINTER,
    )
    assert requested.unsupported == {"cover-front": UNSUPPORTED, "x-vendor": UNSUPPORTED}


def test_ranges_must_ascend() -> None:
    """Overlapping and descending ranges are refused (RFC 8011, 5.2.7)."""
    for ranges in ([Range(4, 5), Range(1, 2)], [Range(1, 3), Range(3, 4)]):
        assert _read(page_ranges=list(ranges)).unsupported == {"page-ranges": ranges}


def test_all_pages() -> None:
    """A range of all pages cuts nothing."""
    requested = _read(page_ranges=Range(1, 2**31 - 1))
    assert requested.page_ranges == ()
    assert not requested.unsupported


def test_a_device_for_texts_has_no_ranges() -> None:
    """What is not offered is not supported."""
    texts = offered(MONO, Formats=["txt"])
    assert read_job(asked(page_ranges=Range(1, 2)), texts).unsupported.keys() == {"page-ranges"}


def test_what_the_device_can_not_do() -> None:
    """A monochrome device without a duplex unit takes neither color nor duplex nor a PIN."""
    requested = read_job(
        asked(
            sides=Keyword("two-sided-long-edge"),
            print_color_mode=Keyword("color"),
            sheet_collate=Keyword("collated"),
            finishings_col=Collection({"finishing-template": [Keyword("fold")]}),
        ),
        SIMPLE,
    )
    assert requested.unsupported.keys() == {
        "sides", "print-color-mode", "sheet-collate", "finishings-col"
    }  # fmt: skip
    assert requested.options == {}


@pytest.mark.parametrize(
    ("col", "size", "tray"),
    [
        ({"media-size": [_size(21000, 29700)]}, "A4", None),
        ({"media-size": [_size(29700, 21000)]}, "A4", None),
        ({"media-size": [_size(21001, 29699)]}, "A4", None),
        ({"media-size": [_size(6200, 2900)], "media-top-margin": [0]}, "62x29mm", None),
        ({"media-size": [_size(10477, 24130)]}, "Envelope #10", None),
        ({"media-size": [_size(10000, 5000)]}, "Custom.100x50mm", None),
        ({"media-size": [_size(29700, 42000)]}, "A3", None),
        ({"media-size-name": [Keyword("na_legal_8.5x14in")]}, "Legal", None),
        ({"media-source": [Keyword("Tray1")]}, None, "Tray 1"),
        ({"media-source": [Keyword("auto")], "media-type": [Keyword("auto")]}, None, None),
        (
            {
                "media-size": [_size(21590, 27940)],
                "media-bottom-margin": [0],
                "media-left-margin": [0],
                "media-right-margin": [0],
                "media-top-margin": [0],
            },
            "Letter",
            None,
        ),
    ],
)
def test_media_col(col: dict[str, list[Value]], size: str | None, tray: str | None) -> None:
    """Papers by size, also crosswise, without margins, or of no known size."""
    requested = _read(media_col=Collection(col))
    assert not requested.unsupported
    props = _props(requested)
    assert (props.get("size"), props.get("tray")) == (size, tray)


@pytest.mark.parametrize(
    ("member", "value", "left"),
    [
        ("media-size", _size(10, 10), [_size(10, 10)]),
        ("media-size", Collection(), [Collection()]),
        ("media-size", Keyword("A4"), ["A4"]),
        ("media-source", Keyword("tray-17"), ["tray-17"]),
        ("media-type", Keyword("cardstock"), ["cardstock"]),
        ("media-top-margin", -1, [-1]),
        ("media-color", Keyword("blue"), UNSUPPORTED),
    ],
)
def test_unsupported_members_of_media_col(member: str, value: Value, left: list[Value]) -> None:
    """Only these members go back; the other ones count."""
    known = {"media-size-name": [Keyword("na_letter_8.5x11in")]}
    requested = _read(media_col=Collection({**known, member: [value]}))
    assert requested.unsupported == {"media-col": [{member: left}]}
    assert _props(requested)["size"] == "Letter"


def test_margins() -> None:
    """The margins of the job, or else of the paper, where an image is placed."""
    assert _read().margins_mm == (4.23, 4.23, 4.23, 4.23)
    borderless = Collection({f"media-{side}-margin": [0] for side in ("left", "top", "bottom")})
    assert _read(media_col=borderless).margins_mm == (0, 0, 4.23, 0)


def test_media_and_media_col() -> None:
    """media wins where both ask for a paper, as in CUPS's options; the tray comes along."""
    col = Collection({"media-size": [_size(21000, 29700)], "media-source": [Keyword("tray-1")]})
    props = _props(_read(media=Keyword("na_letter_8.5x11in"), media_col=col))
    assert (props["size"], props["tray"]) == ("Letter", "Tray 1")
    props = _props(_read(media=Keyword("tray-1"), media_col=col))
    assert (props["size"], props["tray"]) == ("A4", "Tray 1")


def test_a_finishing_as_cups_names_it() -> None:
    """CUPS 2.4 sends the name that the template has in its PPD."""
    col = Collection({"finishing-template": [Keyword("StapleTopLeft")]})
    requested = _read(finishings_col=col, finishings=EnumValue(3))
    assert not requested.unsupported
    assert _props(requested)["Staple"] == "1"


def test_overrides() -> None:
    """An override that changes nothing is taken; another one goes back."""
    nothing = Collection({"pages": [Range(1, 2)]})
    assert not _read(overrides=nothing).unsupported
    change = Collection({"pages": [Range(1, 2)], "sides": [Keyword("one-sided")]})
    assert _read(overrides=[nothing, change]).unsupported == {"overrides": [change]}


@pytest.mark.parametrize(
    "password",
    [
        {"job_password": b"x" * 33},
        {"job_password": b"12;4"},
        {"job_password": [b"1", b"2"]},
        {"job_password": Text("1234")},
        {"job_password": b"1234", "job_password_encryption": Keyword("md5")},
    ],
)
def test_a_pin_that_cannot_be_used(password: dict[str, Value | list[Value]]) -> None:
    """A job with such a PIN is refused in any case, and the PIN does not go back."""
    requested = _read(**password)
    assert requested.must_refuse
    assert requested.unsupported["job-password"] == UNSUPPORTED
    assert not requested.pin


def test_a_pin_for_a_device_that_takes_none() -> None:
    """The job is not printed unprotected."""
    requested = read_job(asked(job_password=b"1234"), SIMPLE)
    assert requested.must_refuse
    assert requested.unsupported == {"job-password": UNSUPPORTED}


def test_mandatory_attributes() -> None:
    """A job says which attributes it must not be printed without (PWG 5100.11)."""
    mandatory: list[Value] = [Keyword("sides"), Keyword("media")]
    refused = _read(job_mandatory_attributes=mandatory, media=Keyword("odd"))
    assert refused.must_refuse
    fine = _read(job_mandatory_attributes=mandatory, number_up=2)
    assert fine.unsupported and not fine.must_refuse


def test_titles() -> None:
    """The job's name, or else the document's, or else the printer's and the job's number."""
    named = _read(job_name=Name("a\nb" + "é" * 200))
    job = print_job(named, PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann", title="d.pdf")
    assert job.title.startswith("a b") and len(job.title.encode()) <= 255
    job = print_job(_read(), PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann", title="d.pdf")
    assert job.title == "d.pdf"
    job = print_job(_read(), PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann")
    assert job.title == f"{PRINTER.name}-7"


def test_pages_that_are_laid_out() -> None:
    """The device is not asked to scale or turn pages that have their final form."""
    requested = _read(print_scaling=Keyword("fit"), orientation_requested=EnumValue(4))
    job = print_job(
        requested, PRINTER, job_id=7, job_uuid="urn:uuid:1", user="ann", layout_done=True
    )
    assert job_props(job) == {"copies": "1"}


values = st.recursive(
    st.one_of(
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 30).map(EnumValue),
        st.booleans(),
        st.text(max_size=20).map(Keyword),
        st.text(max_size=20).map(Name),
        st.sampled_from(["A4", "auto", "tray-1", "iso_a4_210x297mm", "fold", "none"]).map(Keyword),
        st.binary(max_size=40),
        st.builds(Range, *[st.integers(-5, 2**31 - 1)] * 2),
        st.builds(Resolution, *[st.integers(0, 1200)] * 2, st.just(3)),
        st.just(OutOfBand.NO_VALUE),
        st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                "media-size",
                "media-size-name",
                "media-source",
                "media-top-margin",
                "media-type",
                "finishing-template",
                "pages",
                "x-dimension",
                "y-dimension",
                "odd",
            ]
        ),
        st.lists(inner, min_size=1, max_size=2),
    ).map(Collection),
    max_leaves=6,
)
OFFERED = sorted(
    {
        name.removesuffix("-supported")
        for name in description(PRINTER, FACTS)
        if name.endswith("-supported")
    }
    | {"job-name", "job-mandatory-attributes", "job-password", "job-password-encryption", "odd"}
)


@given(
    st.dictionaries(st.sampled_from(OFFERED), st.lists(values, min_size=1, max_size=3), max_size=6)
)
def test_any_values(attributes: dict[str, list[Value]]) -> None:
    """Whatever a client sends, the job has props that the API takes, and the rest goes back."""
    requested = _read(**attributes)
    _props(requested)
    left = [Attribute(name, each) for name, each in requested.unsupported.items()]
    message = decode(encode(0, [(Group.OPERATION, []), (Group.UNSUPPORTED, left)]))
    assert message.all(Group.UNSUPPORTED)[0].keys() == requested.unsupported.keys()
    # what is left after a second reading is what was left after the first
    left_out = requested.unsupported.keys()
    kept = {name: found for name, found in attributes.items() if name not in left_out}
    assert not _read(**kept).unsupported
