"""Options of devices.toml, from an option of CUPS or of IPP to the prop at the cloud."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from paths import WELCOME
from print_site import BACKEND, PrintSite, eventually

DECLARED = """
[[device]]
targets = ["Paris:D*"]
finishings.staple-top-left = "Staple=TL"
finishings.punch-dual-left = "Punch=2"
output-bin.face-up = "Bin=rear"
print-quality.draft = "Quality=1"
print-quality.high = "Quality=3"
media-type.labels = "Media=Labels"
job-password = "Pin"
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


PIN = "48151623"


@pytest.fixture(scope="module", autouse=True)
def _declared(site: PrintSite) -> Iterator[None]:
    devices = site.config / "devices.toml"
    devices.write_text(DECLARED)
    yield
    devices.unlink()  # other tests have devices with such names


def test_each_way_to_ask(site: PrintSite) -> None:
    """Each option reaches the device as its prop, and nothing else does."""
    device = site.device()
    queue = site.discovered_queue(device)
    for option in ASKED:
        site.cups.lp(queue, "-t", option, "-o", option, WELCOME)
    assert _props(site, device, len(ASKED)) == ASKED


def test_driverless_client(site: PrintSite) -> None:
    """A machine without our driver offers the options, and its choices reach the device."""
    cups, device = site.cups, site.device()
    uri = cups.uri(site.discovered_queue(device))
    (cups.root / "bin" / "backend" / "ipp").symlink_to("/usr/lib/cups/backend/ipp")
    cups.run("lpadmin", "-p", "client", "-E", "-v", uri, "-m", "everywhere")
    ppd = cups.root / "etc" / "ppd" / "client.ppd"
    eventually(ppd.exists)
    offered = ppd.read_text()
    for option in DRIVERLESS:
        assert "\n*{} {}".format(*option.split("=")) in offered
        cups.lp("client", "-t", option, "-o", option, WELCOME)
    assert _props(site, device, len(DRIVERLESS)) == DRIVERLESS


def test_apply(site: PrintSite) -> None:
    """A declared queue gets the options, also when they are declared later."""
    device = site.device()
    # other tests may have added servers
    entry = (
        f'[[queue]]\nname = "declared"\nserver = "{site.server}"\ntargets = ["Paris:{device}"]\n'
    )
    (site.config / "queues.toml").write_text(entry)
    ppd = site.cups.root / "etc" / "ppd" / "declared.ppd"
    devices = site.config / "devices.toml"
    try:
        devices.unlink()
        assert site.cirrusctl("apply").returncode == 0
        assert "StapleLocation" not in ppd.read_text()
        devices.write_text(DECLARED)
        assert site.cirrusctl("apply").returncode == 0
        assert "StapleLocation" in ppd.read_text()
        devices.write_text("[[device]]\n")
        refused = site.cirrusctl("apply")
        assert refused.returncode and "devices.toml" in refused.stderr
        listed = subprocess.run(
            [BACKEND.with_name("cirrus-driver"), "list"],
            env=os.environ | site.environ,
            capture_output=True,
            text=True,
        )
        assert listed.returncode == 1
        assert "'targets' is missing" in listed.stderr
    finally:
        devices.write_text(DECLARED)


def test_pin(site: PrintSite) -> None:
    """A PIN reaches the device, and nothing of ours shows it. cupsd logs it at LogLevel debug."""
    device = site.device()
    queue = site.discovered_queue(device)
    assert site.cups.printer(queue)["job-password-supported"] == [8]
    job_id = site.cups.lp(queue, "-o", f"job-password={PIN}", WELCOME)
    (job,) = site.cloud_jobs(device, 1)
    assert job["props"]["Pin"] == PIN
    site.cups.wait_job(job_id)
    log = site.cups.error_log().splitlines()
    assert "job-password" in "".join(line for line in log if "argv[5]" in line)
    texts = [
        *(path.read_bytes() for path in site.state.iterdir() if path.is_file()),
        site.cirrusctl("jobs", "--json").stdout.encode(),
        site.cirrusctl("job", str(job_id), "--json").stdout.encode(),
        "".join(line for line in log if "argv[5]" not in line).encode(),
        str(site.cups.job(job_id)).encode(),
    ]
    assert all(texts[-4:])
    assert not [text for text in texts if PIN.encode() in text]


def _props(site: PrintSite, device: str, count: int) -> dict[str, dict[str, str]]:
    """The declared props of the device's last jobs, by title."""
    return {
        job["title"]: {name: value for name, value in job["props"].items() if name in OURS}
        for job in site.cloud_jobs(device, count)
    }
