"""Jobs as usual clients send them: nothing is refused, and the device gets what was asked."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.model import DeviceOptions
from cirrus_bridge.ipp.values import Collection, EnumValue, Keyword, Name, Resolution, Value
from cirrus_bridge.ipp_server.job_options import print_job, read_job
from cirrus_bridge.sending.job_props import job_props
from offered_printers import asked, offered

PRINTER = offered(
    "HP\td\tTray 1;Tray 2\t1\t1\t1\tA4,Letter,A6,62x29mm",
    DeviceOptions({"finishings": {"staple": "Staple=1"}}),
)


def _col(across: int, along: int, margin: int = 423, **more: str) -> Collection:
    margins = {f"media-{side}-margin": [margin] for side in ("bottom", "left", "right", "top")}
    size = Collection({"x-dimension": [across], "y-dimension": [along]})
    other = {name.replace("_", "-"): [Keyword(word)] for name, word in more.items()}
    return Collection({"media-size": [size], **margins, **other})


CUPS = {
    "job-accounting-user-id": Name("ann"),
    "media-col": _col(21000, 29700, media_source="tray-2"),
    "output-bin": Keyword("auto"),
    "print-color-mode": Keyword("color"),
    "print-quality": EnumValue(4),
    "sides": Keyword("two-sided-long-edge"),
    "multiple-document-handling": Keyword("separate-documents-collated-copies"),
    "finishings": EnumValue(3),
    "copies": 2,
}
IOS = {
    "copies": 1,
    "finishings": EnumValue(4),
    "media-col": _col(6200, 2900, media_source="auto", media_type="auto"),
    "orientation-requested": EnumValue(3),
    "print-color-mode": Keyword("monochrome"),
    "print-quality": EnumValue(4),
    "sides": Keyword("one-sided"),
}
ANDROID = {
    "copies": 1,
    "media-col": _col(21590, 27940, 0, media_source="auto", media_type="stationery"),
    "orientation-requested": EnumValue(4),
    "output-bin": Keyword("auto"),
    "print-color-mode": Keyword("color"),
    "printer-resolution": Resolution(300, 300, 3),
    "sides": Keyword("two-sided-short-edge"),
}
WINDOWS = {
    "copies": 3,
    "sheet-collate": Keyword("collated"),
    "media": Keyword("iso_a6_105x148mm"),
    "multiple-document-handling": Keyword("separate-documents-collated-copies"),
    "orientation-requested": EnumValue(3),
    "print-color-mode": Keyword("monochrome"),
    "print-content-optimize": Keyword("auto"),
    "print-quality": EnumValue(4),
    "print-rendering-intent": Keyword("auto"),
    "print-scaling": Keyword("none"),
    "printer-resolution": Resolution(600, 600, 3),
    "sides": Keyword("one-sided"),
}


@pytest.mark.parametrize(
    ("attributes", "props"),
    [
        (
            CUPS,
            {
                "copies": "2",
                "size": "A4",
                "tray": "Tray 2",
                "color": "2",
                "duplex": "2",
                "collate": "1",
            },
        ),
        (
            IOS,
            {
                "copies": "1",
                "size": "62x29mm",
                "color": "1",
                "duplex": "1",
                "orientation": "1",
                "Staple": "1",
            },
        ),
        (
            ANDROID,
            {"copies": "1", "size": "Letter", "color": "2", "duplex": "3", "orientation": "2"},
        ),
        (
            WINDOWS,
            {
                "copies": "3",
                "size": "A6",
                "color": "1",
                "duplex": "1",
                "collate": "1",
                "orientation": "1",
                "scale": "2",
            },
        ),
    ],
    ids=["CUPS 2.4", "iOS", "Android", "Windows"],
)
def test_jobs(attributes: dict[str, Value], props: dict[str, str]) -> None:
    """All of the job's attributes count."""
    requested = read_job(asked(**attributes), PRINTER)
    assert not requested.unsupported
    assert job_props(print_job(requested, PRINTER, job_id=1, job_uuid="u", user="ann")) == props
