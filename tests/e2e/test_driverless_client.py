"""Another print server uses shared queues without a driver: each option, and what arrives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from driverless_client import DriverlessClient, driverless_client
from print_site import PrintSite

_PRINTER = """
[[device]]
company = "Acme"
location = "Paris"
id = "Etage"
type = "file"
printer = { driver = "MFP", port = "LPT1:", color = true, duplex = true, trays = [
    "Tray 1", "Tray 2", "Upper Tray", "Lower Tray", "Multipurpose Tray", "Roll", "手差し",
], papers = [
    "A4", "Label 62 x 29 mm", "Label 2.25 x 1.25 in", "Umschlag DL", "はがき",
    "Invitation 220 x 220 mm", "Envelope #10",
] }
"""
# the client's choices: the prop that has to arrive, and the size of the page in points
_SIZES = {
    "A4": ("A4", (595, 842)),
    "62x29mm": ("Label 62 x 29 mm", (176, 82)),
    "2.25x1.25": ("Label 2.25 x 1.25 in", (162, 90)),
    "EnvDL": ("Umschlag DL", (312, 624)),
    "Postcard": ("はがき", (283, 420)),
    "EnvInvite": ("Invitation 220 x 220 mm", (624, 624)),
    "Env10": ("Envelope #10", (297, 684)),
}
_PROPS: dict[str, tuple[str, dict[str, str | None]]] = {
    "InputSlot": (
        "tray",
        {
            "Auto": None, "Tray1": "Tray 1", "Tray2": "Tray 2", "Top": "Upper Tray",
            "Bottom": "Lower Tray", "ByPassTray": "Multipurpose Tray", "MainRoll": "Roll",
            "Tray7": "手差し",
        },
    ),
    "ColorModel": ("color", {"Gray": "1", "RGB": "2"}),
    "Duplex": ("duplex", {"None": "1", "DuplexNoTumble": "2", "DuplexTumble": "3"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[DriverlessClient]:
    """The other print server."""
    with driverless_client() as started:
        yield started


def test_each_option(site: PrintSite, client: DriverlessClient, pdfs: dict[int, Path]) -> None:
    """The driver that CUPS makes for itself offers all papers and trays, and each one arrives."""
    with (site.root / "cloud" / "cloudlet.toml").open("a") as inventory:
        inventory.write(_PRINTER)
    queue = site.discovered_queue("Etage")
    offered = client.add_queue(queue, site.cups.uri(queue))
    assert set(offered["PageSize"]) - {"Custom.WIDTHxHEIGHT"} == set(_SIZES)
    assert {name: set(offered[name]) for name in _PROPS} == {
        name: set(choices) for name, (_, choices) in _PROPS.items()
    }
    wishes = list(_wishes({**offered, "PageSize": list(_SIZES)}))
    for wish in wishes:
        words = itertools.chain.from_iterable(("-o", "=".join(pair)) for pair in wish.items())
        client.cups.lp(queue, *words, pdfs[1])
    jobs = site.cloud_jobs("Etage", len(wishes))
    for wish, job in zip(wishes, jobs, strict=True):
        size, points = _SIZES[wish["PageSize"]]
        wanted = {"size": size}
        for option, (prop, choices) in _PROPS.items():
            wanted |= {prop: value} if (value := choices.get(wish.get(option, ""))) else {}
        arrived = {name: value for name, value in job["props"].items() if name in wanted}
        assert arrived == wanted, wish
        page = PdfReader(job["document"]).pages[0].mediabox
        assert sorted(map(round, (page.width, page.height))) == sorted(points), wish


def test_usual_options(site: PrintSite, client: DriverlessClient, pdfs: dict[int, Path]) -> None:
    """The options of a dialog reach the device by way of both print servers, each once."""
    device = site.device("--kind", "color-mfp")
    queue = site.discovered_queue(device)
    client.add_queue(queue, site.cups.uri(queue))
    asked = (
        "collate=true", "page-ranges=2-3", "sides=two-sided-long-edge", "ColorModel=Gray",
        "media=A5", "InputSlot=Tray2",
    )  # fmt: skip
    words = itertools.chain.from_iterable(("-o", option) for option in asked)
    client.cups.lp(queue, "-n", "3", *words, pdfs[4])
    (job,) = site.cloud_jobs(device, 1)
    assert job["props"] == {
        "copies": "3", "collate": "1", "duplex": "2", "color": "1", "size": "A5", "tray": "Tray 2",
    }  # fmt: skip
    pages = [page.extract_text() for page in PdfReader(job["document"]).pages]
    assert ["Page 2 of 4" in pages[0], "Page 3 of 4" in pages[1], len(pages)] == [True, True, 2]


def _wishes(offered: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Few jobs that have each choice of each option once."""
    longest = max(map(len, offered.values()))
    for number in range(longest):
        yield {name: choices[number % len(choices)] for name, choices in offered.items()}
