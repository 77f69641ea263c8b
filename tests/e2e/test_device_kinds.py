"""Each kind of device of the embedded cloud: its driver's options, and a printed page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from print_site import PrintSite, document


@pytest.fixture(scope="module")
def kinds(site: PrintSite) -> dict[str, tuple[str, str]]:
    """A device and its queue for each kind, as a dialog adds it."""
    found = {}
    for kind in (
        "mono-laser", "color-mfp", "label-printer", "ps-printer", "pcl6-printer", "line-printer"
    ):  # fmt: skip
        device = site.device("--kind", kind, "--name", f"The {kind}")
        found[kind] = (device, site.discovered_queue(device))
    return found


def options(site: PrintSite, queue: str) -> dict[str, list[str]]:
    """lpoptions -l: the choices of each option."""
    said = site.cups.run("lpoptions", "-h", f"127.0.0.1:{site.cups.port}", "-p", queue, "-l")
    return {
        line.partition("/")[0]: [word.lstrip("*") for word in line.partition(": ")[2].split()]
        for line in said.splitlines()
    }


@pytest.mark.parametrize(
    ("kind", "option", "choices"),
    [
        ("mono-laser", "InputSlot", ["Auto", "Tray-1", "Tray-2", "Manual-Feed"]),
        ("mono-laser", "ColorModel", ["Gray"]),
        ("mono-laser", "Duplex", ["None", "DuplexNoTumble", "DuplexTumble"]),
        ("mono-laser", "Collate", []),
        ("color-mfp", "ColorModel", ["RGB", "Gray"]),
        ("color-mfp", "Collate", ["False", "True"]),
        ("label-printer", "PageSize", ["4x6", "2.25x1.25", "62x29mm", "Custom.WIDTHxHEIGHT"]),
        ("label-printer", "Duplex", []),
        ("ps-printer", "InputSlot", ["Auto", "Upper-Tray", "Lower-Tray"]),
        ("pcl6-printer", "Resolution", ["300dpi", "600dpi"]),
        ("line-printer", "Duplex", []),
    ],
)
def test_options(
    site: PrintSite, kinds: dict[str, tuple[str, str]], kind: str, option: str, choices: list[str]
) -> None:
    """A driver offers the device's own options, and nothing else."""
    assert options(site, kinds[kind][1]).get(option, []) == choices


def test_valid_in_ipp(site: PrintSite, kinds: dict[str, tuple[str, str]]) -> None:
    """Each driver gives valid IPP in CUPS; otherwise other machines reject the queue."""
    for _, queue in kinds.values():
        site.cups.run("ipptool", "-t", site.cups.uri(queue), "get-printer-attributes.test")


@pytest.mark.parametrize(
    ("kind", "head", "words", "props"),
    [
        (
            "mono-laser", b"%PDF", ["-o", "InputSlot=Tray-2", "-o", "media=Env10"],
            {"tray": "Tray 2", "size": "Envelope #10", "color": "1"},
        ),
        (
            "color-mfp", b"%PDF", ["-o", "media=B5", "-o", "sides=two-sided-long-edge"],
            {"size": "B5 (JIS)", "duplex": "2", "color": "2"},
        ),
        ("label-printer", b"%PDF", ["-o", "PageSize=2.25x1.25"], {"size": "Label 2.25 x 1.25 in"}),
        ("ps-printer", b"%!PS", ["-o", "InputSlot=Upper-Tray"], {"tray": "Upper Tray"}),
        ("pcl6-printer", b"\x1b%-12345X", [], {"copies": "1"}),
        ("line-printer", b"A note.", ["-n", "2"], {"copies": "2"}),
    ],
)  # fmt: skip
def test_print(
    site: PrintSite, kinds: dict[str, tuple[str, str]], tmp_path: Path,
    kind: str, head: bytes, words: list[str], props: dict[str, str],
) -> None:  # fmt: skip
    """A page arrives in the device's language, with its names of papers and trays."""
    (tmp_path / "note").write_text("A note.\n")
    device, queue = kinds[kind]
    job = site.cups.wait_job(site.cups.lp(queue, *words, tmp_path / "note"))
    assert job["job-state"] == 9
    delivered = site.cloud_jobs(device, 1)[-1]
    assert document(delivered).startswith(head)
    assert props.items() <= delivered["props"].items()


def test_what_is_given_goes_before_the_kind(site: PrintSite) -> None:
    """A kind gives defaults only."""
    device = site.device("--kind", "color-mfp", "--formats", "pcl6")
    (line,) = [line for line in site.cloud.cli("device", "list").splitlines() if device in line]
    assert re.search(r"\tpcl6\t", line)
