"""Options of devices.toml, from an option of CUPS or of IPP to the prop at the cloud."""

from __future__ import annotations

import pytest

from paths import WELCOME
from print_site import PrintSite, eventually

DECLARED = """
[[device]]
targets = ["Paris:D*"]
finishings.staple-top-left = "Staple=TL"
finishings.punch-dual-left = "Punch=2"
output-bin.face-up = "Bin=rear"
print-quality.draft = "Quality=1"
print-quality.high = "Quality=3"
media-type.labels = "Media=Labels"
"""
OURS = ("Staple", "Punch", "Bin", "Quality", "Media")
ASKED = {
    "StapleLocation=SinglePortrait": {"Staple": "TL"},
    "finishings=20": {"Staple": "TL"},
    "finishings=20,74": {"Staple": "TL", "Punch": "2"},
    "finishings=3": {},
    "OutputBin=FaceUp": {"Bin": "rear"},
    "output-bin=face-up": {"Bin": "rear"},
    "print-quality=5": {"Quality": "3"},
    "print-quality=4": {},
    "cupsPrintQuality=Draft": {"Quality": "1"},
    "MediaType=Labels": {"Media": "Labels"},
    "media=A4,labels": {"Media": "Labels"},
    "media-type=labels": {"Media": "Labels"},
}
# the options of the PPD that CUPS makes of the queue's attributes
DRIVERLESS = {
    "StapleLocation=SinglePortrait": {"Staple": "TL"},
    "PunchMedia=DualPortrait": {"Punch": "2"},
    "OutputBin=FaceUp": {"Bin": "rear"},
    "cupsPrintQuality=High": {"Quality": "3"},
    "MediaType=Labels": {"Media": "Labels"},
}


@pytest.fixture(scope="module")
def device(site: PrintSite) -> str:
    """A device with declared options."""
    (site.config / "devices.toml").write_text(DECLARED)
    return site.device()


@pytest.fixture(scope="module")
def queue(site: PrintSite, device: str) -> str:
    """A queue as a dialog adds it."""
    return site.discovered_queue(device)


def test_each_way_to_ask(site: PrintSite, device: str, queue: str) -> None:
    """Each option reaches the device as its prop, and nothing else does."""
    for option in ASKED:
        site.cups.lp(queue, "-t", option, "-o", option, WELCOME)
    assert _props(site, device, len(ASKED)) == ASKED


def test_driverless_client(site: PrintSite, device: str, queue: str) -> None:
    """A machine without our driver offers the options, and its choices reach the device."""
    cups = site.cups
    (cups.root / "bin" / "backend" / "ipp").symlink_to("/usr/lib/cups/backend/ipp")
    cups.run("lpadmin", "-p", "client", "-E", "-v", cups.uri(queue), "-m", "everywhere")
    ppd = cups.root / "etc" / "ppd" / "client.ppd"
    eventually(ppd.exists)
    offered = ppd.read_text()
    for option in DRIVERLESS:
        assert "\n*{} {}".format(*option.split("=")) in offered
        cups.lp("client", "-t", option, "-o", option, WELCOME)
    got = _props(site, device, len(ASKED) + len(DRIVERLESS))
    assert {title: got[title] for title in DRIVERLESS} == DRIVERLESS


def _props(site: PrintSite, device: str, count: int) -> dict[str, dict[str, str]]:
    """The declared props of the device's last jobs, by title."""
    return {
        job["title"]: {name: value for name, value in job["props"].items() if name in OURS}
        for job in site.cloud_jobs(device, count)
    }
