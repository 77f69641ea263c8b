"""CUPS prints without a driver to printers that the service offers: each option, and how jobs
end."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from cirrus_bridge.drivers.ppd import tray_keywords
from cirrus_bridge.ipp.message import Attribute, Group, Operation
from cirrus_bridge.ipp.values import Keyword
from driverless_client import DriverlessClient
from print_site import BACKEND
from printer_site import PrinterSite, eventually
from private_cups import STATES, PrivateCups, private_cups
from private_cups_layout import SERVER_BIN

_LOCATION = """
[[company]]
id = "Acme"

[[location]]
company = "Acme"
id = "Paris"
"""
_DEVICE = """
[[device]]
company = "Acme"
location = "Paris"
id = "{name}"
type = "file"
printer = {{ driver = "MFP", port = "LPT1:", color = true, duplex = true, trays = [
    "Tray 1", "Tray 2", "Upper Tray", "Roll", "手差し",
], papers = [
    "A4", "Letter", "Label 62 x 29 mm", "Umschlag DL", "はがき",
], collate = {collate} }}
"""
_DECLARED = """
[[device]]
targets = ["Paris:Declared"]
finishings.staple-top-left = "Staple=TL"
finishings.punch-dual-left = "Punch=2"
output-bin.face-up = "Bin=rear"
print-quality.draft = "Quality=1"
print-quality.high = "Quality=3"
media-type.labels = "Media=Labels"
"""
# the client's choices: the prop that has to arrive, and the size of the page in points
_SIZES = {
    "A4": ("A4", (595, 842)),
    "Letter": ("Letter", (612, 792)),
    "62x29mm": ("Label 62 x 29 mm", (82, 176)),
    "EnvDL": ("Umschlag DL", (312, 624)),
    "Postcard": ("はがき", (283, 420)),
    "Custom.100x80mm": ("Custom.100x80mm", (227, 283)),
}
_TRAYS = {
    "Auto": None, "Tray1": "Tray 1", "Tray2": "Tray 2", "Top": "Upper Tray", "MainRoll": "Roll",
    "Tray3": "手差し",
}  # fmt: skip
_PROPS: dict[str, tuple[str, dict[str, str | None]]] = {
    "InputSlot": ("tray", _TRAYS),
    "ColorModel": ("color", {"Gray": "1", "RGB": "2"}),
    "Duplex": ("duplex", {"None": "1", "DuplexNoTumble": "2", "DuplexTumble": "3"}),
    "MediaType": ("Media", {"Auto": None, "Labels": "Labels"}),
    "cupsPrintQuality": ("Quality", {"Draft": "1", "Normal": None, "High": "3"}),
    "OutputBin": ("Bin", {"Auto": None, "FaceUp": "rear"}),
    "StapleLocation": ("Staple", {"None": None, "SinglePortrait": "TL"}),
    "PunchMedia": ("Punch", {"None": None, "DualPortrait": "2"}),
}
# CUPS's second name for finishings, which it offers for one job at a time
_PRESETS: dict[str, dict[str, str]] = {
    "none": {}, "StapleTopLeft": {"Staple": "TL"}, "PunchDualLeft": {"Punch": "2"},
}  # fmt: skip
_UNPRINTED = "The job was canceled. Nothing was printed."
_TWICE = ("-n", "2", "-o", "collate=true")
_OF_DECLARED = {"MediaType", "StapleLocation", "PunchMedia"}  # the others are in each PPD of CUPS


@pytest.fixture(scope="module")
def printers() -> Iterator[PrinterSite]:
    """The service, which offers a device with and without declared options."""
    devices = "".join(
        _DEVICE.format(name=name, collate=collate)
        for name, collate in (("Plain", "false"), ("Declared", "true"), ("Away", "true"))
    )
    shared = PrinterSite(inventory=_LOCATION + devices)
    (shared.config / "devices.toml").write_text(_DECLARED)
    with shared:
        yield shared


@pytest.fixture(scope="module")
def cups(printers: PrinterSite) -> Iterator[PrivateCups]:
    """A cupsd with CUPS's own backend `ipp`, and with ours."""
    driver = [BACKEND.with_name("cirrus-driver")]
    with private_cups([BACKEND], printers.environ, driver=driver) as started:
        (started.root / "bin" / "backend" / "ipp").symlink_to(SERVER_BIN / "backend" / "ipp")
        yield started


@pytest.mark.sampled(device=["Declared"])
@pytest.mark.parametrize("device", ["Plain", "Declared"])
def test_each_option(
    printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path], device: str
) -> None:
    """The driver that CUPS makes for itself offers what the device has. Each choice arrives, and
    the queue with our driver sends the same props."""
    is_declared = device == "Declared"
    offered = DriverlessClient(cups).add_queue(device, _uri(printers, device))
    offered["PageSize"].remove("Custom.WIDTHxHEIGHT")
    offered["PageSize"].append("Custom.100x80mm")
    presets = offered.pop("cupsFinishingTemplate")
    assert presets == (list(_PRESETS) if is_declared else ["none"])
    wanted = {"PageSize": set(_SIZES)} | {
        name: set(choices)
        for name, (_, choices) in _PROPS.items()
        if is_declared or name not in _OF_DECLARED
    }
    if not is_declared:
        wanted["OutputBin"] = {"Auto"}  # but CUPS offers three qualities for each printer
    assert {name: set(choices) for name, choices in offered.items()} == wanted

    wishes = list(_wishes(offered))
    before = len(_jobs(printers, device))  # of other tests
    for wish in wishes:
        _lp(cups, device, wish, pdfs[4], *_TWICE)
    jobs = _cloud_jobs(printers, device, before + len(wishes))[before:]
    # the other device does not collate, so nobody can ask for it
    copies = {"copies": "2"} | ({"collate": "1"} if is_declared else {})
    for wish, job in zip(wishes, jobs, strict=True):
        assert job["props"] == _wanted(wish, is_declared) | copies, wish
        page = PdfReader(job["delivered_path"]).pages[0].mediabox
        assert tuple(sorted(map(round, (page.width, page.height)))) == _SIZES[wish["PageSize"]][1]
        assert _sheets(job) == 8

    with_driver = _driver_queue(cups, device)
    words = [word for word in _TRAYS.values() if word]
    keywords = {word: keyword for keyword, word in tray_keywords(words).items()}
    for wish in wishes:
        tray = _TRAYS[wish["InputSlot"]]
        _lp(
            cups,
            with_driver,
            wish | {"InputSlot": keywords[tray] if tray else "Auto"},
            pdfs[4],
            *_TWICE,
        )
    others = _cloud_jobs(printers, device, before + 2 * len(wishes))[before + len(wishes) :]
    if not is_declared:  # CUPS's filters make the copies for the queue with our driver
        copies = {"copies": "1", "collate": "1"}
    assert [job["props"] for job in others] == [job["props"] | copies for job in jobs]
    assert [_sheets(job) for job in others] == [8] * len(others)


def test_presets(printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path]) -> None:
    """CUPS offers finishings a second time, as presets."""
    before = len(_jobs(printers, "Declared"))
    DriverlessClient(cups).add_queue("presets", _uri(printers, "Declared"))
    for preset in _PRESETS:
        _lp(cups, "presets", {"cupsFinishingTemplate": preset}, pdfs[1])
    jobs = _cloud_jobs(printers, "Declared", before + len(_PRESETS))[before:]
    found = [{name: job["props"].get(name) for name in ("Staple", "Punch")} for job in jobs]
    assert found == [{"Staple": None, "Punch": None} | props for props in _PRESETS.values()]


def test_usual_options(printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path]) -> None:
    """A temporary queue, which nobody has added, prints with the options of a dialog."""
    _temporary_queue(cups, "usual", _uri(printers, "Away"))
    before = len(_jobs(printers, "Away"))
    options = {
        "collate": "true", "page-ranges": "2-3", "sides": "two-sided-long-edge",
        "ColorModel": "Gray", "media": "Letter", "InputSlot": "Tray2",
    }  # fmt: skip
    job_id = _lp(cups, "usual", options, pdfs[4], "-n", "3")
    (job,) = _cloud_jobs(printers, "Away", before + 1)[before:]
    assert job["props"] == {
        "copies": "3", "collate": "1", "duplex": "2", "color": "1", "size": "Letter",
        "tray": "Tray 2",
    }  # fmt: skip
    pages = [page.extract_text() for page in PdfReader(job["delivered_path"]).pages]
    assert ["Page 2 of 4" in pages[0], "Page 3 of 4" in pages[1], len(pages)] == [True, True, 2]
    assert STATES[cups.wait_job(job_id)["job-state"]] == "completed"
    assert cups.printer("usual")["printer-is-temporary"]


def test_deleted_at_the_cloud(
    printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path]
) -> None:
    """CUPS waits while a location is offline, and ends the job as the cloud does."""
    queue = "deleted"
    _temporary_queue(cups, queue, _uri(printers, "Away"))
    printers.cloud.cli("location", "offline", "Paris")
    try:
        job_id = _print_until_it_waits(printers, cups, queue, pdfs[1])
        job = cups.job(job_id)
        assert STATES[job["job-state"]] == "processing"
        printers.cloud.cli("job", "delete", _jobs(printers, "Away")[-1]["id"])
        job = cups.wait_job(job_id)
        assert STATES[job["job-state"]] == "canceled"
    finally:
        printers.cloud.cli("location", "online", "Paris")


def test_an_offline_location(
    printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path]
) -> None:
    """The queue of `-m everywhere` tells of a location that has been offline for a while, until the
    location has the job."""
    queue = "offline"
    before = len(_jobs(printers, "Away"))
    DriverlessClient(cups).add_queue(queue, _uri(printers, "Away"))
    printers.cloud.cli("location", "offline", "Paris")
    try:
        job_id = _print_until_it_waits(printers, cups, queue, pdfs[1])
        assert "offline-warning" not in _reasons(cups, queue)
        printers.make_older(70)
        eventually(lambda: "offline-warning" in _reasons(cups, queue), "", cups.log_end)
        assert STATES[cups.job(job_id)["job-state"]] == "processing"
    finally:
        printers.cloud.cli("location", "online", "Paris")
    assert STATES[cups.wait_job(job_id)["job-state"]] == "completed"
    assert "offline-warning" not in _reasons(cups, queue)
    assert len(_jobs(printers, "Away")) == before + 1


def _print_until_it_waits(
    printers: PrinterSite, cups: PrivateCups, queue: str, document: Path
) -> int:
    """Print to the device Away, whose location is offline; return the job's id once the cloud has
    the job and CUPS says that it waits."""
    before = len(_jobs(printers, "Away"))
    job_id = cups.lp(queue, document)
    eventually(lambda: len(_jobs(printers, "Away")) > before, "", printers.log)
    eventually(
        lambda: "Waiting" in cups.job(job_id)["job-printer-state-message"],
        "CUPS does not say that the job waits",
        printers.log,
    )
    return job_id


def _reasons(cups: PrivateCups, queue: str) -> Sequence[str]:
    """The printer-state-reasons of a queue."""
    reasons = cups.printer(queue)["printer-state-reasons"]
    return [reasons] if isinstance(reasons, str) else list(reasons)


def test_cancel_before_the_cloud_has_it(
    printers: PrinterSite, cups: PrivateCups, pdfs: dict[int, Path]
) -> None:
    """A job that waits for its server, as the queue says, is canceled in CUPS: nothing is
    printed later."""
    _temporary_queue(cups, "canceled", _uri(printers, "Away"))
    before = len(_jobs(printers, "Away"))
    printers.cloud.stop()
    try:
        job_id = cups.lp("canceled", pdfs[1])
        eventually(
            lambda: "connecting-to-device" in cups.printer("canceled")["printer-state-reasons"]
        )
        cups.run("cancel", str(job_id))
        assert STATES[cups.wait_job(job_id)["job-state"]] == "canceled"
        eventually(lambda: _last_message(printers, "Away") == _UNPRINTED, "", printers.log)
    finally:
        printers.cloud.come_back()
    after = _lp(cups, "canceled", {}, pdfs[1])
    cups.wait_job(after, "completed")
    assert len(_jobs(printers, "Away")) == before + 1


def _uri(printers: PrinterSite, device: str) -> str:
    """The URI of a device's printer."""
    uris = [each.text("printer-uri-supported") for each in printers.printers()]
    (name,) = [uri.rpartition("/")[2] for uri in uris if f"-{device.lower()}-" in uri]
    return printers.uri_of(name)


def _temporary_queue(cups: PrivateCups, name: str, uri: str) -> None:
    """Make a queue as libcups does for a printer that it has found."""
    done = subprocess.run(
        (
            *("ipptool", "-tv", "-d", f"name={name}", "-d", f"device={uri}"),
            *(f"ipp://127.0.0.1:{cups.port}/", "cups-create-local-printer.test"),
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stdout
    eventually(lambda: (cups.root / "etc" / "ppd" / f"{name}.ppd").exists(), "", cups.log_end)


def _driver_queue(cups: PrivateCups, device: str) -> str:
    """Add a queue for the device with the driver that discovery makes for it."""
    found: list[str] = []

    def is_found() -> bool:
        found[:] = re.findall(rf"uri = (cirrus:\S+:{device})\n", cups.run("lpinfo", "-l", "-v"))
        return bool(found)

    eventually(is_found, "", cups.log_end)
    models = re.findall(
        rf"^(cirrus:\S+) Cirrus {device} at", cups.run("lpinfo", "-m"), re.MULTILINE
    )
    cups.add_queue(f"driver-{device}", found[0], driver=models[0])
    return f"driver-{device}"


def _lp(
    cups: PrivateCups, queue: str, options: Mapping[str, str], document: Path, *words: str
) -> int:
    pairs = (("-o", f"{name}={choice}") for name, choice in options.items())
    return cups.lp(queue, *words, *itertools.chain.from_iterable(pairs), document)


def _last_message(printers: PrinterSite, device: str) -> str:
    """What the last job of a printer says that has ended."""
    asked = [
        Attribute("which-jobs", [Keyword("completed")]),
        Attribute("requested-attributes", [Keyword("job-state-message")]),
    ]
    name = _uri(printers, device).rpartition("/")[2]
    jobs = printers.ask(Operation.GET_JOBS, asked, name=name, user="root").all(Group.JOB)
    return jobs[0].text("job-state-message") if jobs else ""


def _jobs(printers: PrinterSite, device: str) -> list[dict[str, Any]]:
    return [job for job in printers.cloud.jobs() if job["device"] == device]


def _cloud_jobs(printers: PrinterSite, device: str, count: int) -> list[dict[str, Any]]:
    """The jobs of a device, oldest first, once all have been delivered."""

    def are_delivered() -> bool:
        jobs = _jobs(printers, device)
        return len(jobs) == count and all(job["state"] > 1 for job in jobs)

    eventually(are_delivered, f"{count} jobs of {device}", printers.log)
    return _jobs(printers, device)


def _sheets(job: Mapping[str, Any]) -> int:
    """The number of pages that come out of the device."""
    return len(PdfReader(job["delivered_path"]).pages) * int(job["props"]["copies"])


def _wanted(wish: Mapping[str, str], is_declared: bool) -> dict[str, str]:
    """The props for the choices of a job."""
    found = {"size": _SIZES[wish["PageSize"]][0]}
    for name, (prop, choices) in _PROPS.items():
        value = choices.get(wish.get(name, ""))
        if value and (is_declared or name != "cupsPrintQuality"):
            found[prop] = value
    return found


def _wishes(offered: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """Few jobs that have each choice of each option once."""
    for number in range(max(map(len, offered.values()))):
        yield {name: choices[number % len(choices)] for name, choices in offered.items()}
