"""Queues that cupsd shares: the papers that phones see, and what IPP Everywhere expects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paths import REPO
from print_site import PrintSite

EVERYWHERE = Path("/usr/share/cups/ipptool/ipp-everywhere.test")
DOCUMENTED = REPO / "installer" / "docs" / "sharing.md"
# cupsd announces queues only if it also listens elsewhere. It cannot bind this address (RFC 5737)
# and goes on without it. Which papers are usual, it does not learn from the machine.
DIRECTIVES = ("Browsing On", "Listen 192.0.2.1:631", "DefaultPaperSize A4")
QUEUES = """
[[queue]]
name = "labels"
targets = ["Paris:Labels"]
shared = true

[[queue]]
name = "own"
targets = ["Paris:Labels"]
"""


@pytest.fixture
def sharing() -> Iterator[PrintSite]:
    """A site whose cupsd announces its shared queues, with a printer of labels in the cloud."""
    with PrintSite(directives=DIRECTIVES) as site:
        site.cloud.cli("device", "add", "Acme/Paris/Labels", "--kind", "label-printer")
        (site.config / "queues.toml").write_text(QUEUES)
        yield site


def apply(site: PrintSite, *options: str) -> dict[str, Any]:
    """Apply queues.toml; return the output as JSON."""
    done = site.cirrusctl("apply", "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def about_papers(site: PrintSite) -> list[dict[str, str]]:
    """The doctor's findings about papers for phones."""
    findings = json.loads(site.cirrusctl("doctor", "--json").stdout)["findings"]
    return [each for each in findings if each["check"] == "papers for phones"]


def add_line(site: PrintSite, line: str) -> None:
    """Add a line to cupsd.conf, and restart cupsd.

    cupsd keeps a driver's attributes in a cache, and compares its time to that of cupsd.conf in
    whole seconds.
    """
    path = site.cups.root / "etc" / "cupsd.conf"
    path.write_text(f"{path.read_text()}{line}\n")
    os.utime(path, (time.time() + 60,) * 2)
    site.cups.restart()


def unmet(site: PrintSite, queue: str) -> set[str]:
    """The expectations of ipp-everywhere.test's first block that a queue does not meet."""
    text = EVERYWHERE.read_text()
    block = text[text.index('{\n\tNAME "PWG 5100.14 section 5.1/5.2') :]
    path = site.root / "attributes.test"
    path.write_text(block[: block.index("\n}\n") + 3])
    done = subprocess.run(
        ["ipptool", "-V", "2.0", "-t", site.cups.uri(queue), path],
        env=site.cups.env,
        capture_output=True,
        text=True,
    )
    assert "status-code = successful-ok" in done.stdout or "[PASS]" in done.stdout, done.stdout
    return set(re.findall(r"EXPECTED: \??(\S+)", done.stdout))


def test_papers_of_a_shared_queue(sharing: PrintSite) -> None:
    """`apply` and the doctor name the line of cupsd.conf; with the line, phones get the papers."""
    (warning,) = apply(sharing)["warnings"]
    assert warning["name"] == "labels"
    assert "media-ready" not in sharing.cups.printer("labels")
    done = sharing.cirrusctl("apply")
    assert done.returncode == 0 and f"? labels: {warning['message']}" in done.stdout
    bad, note = about_papers(sharing)
    assert (bad["about"], bad["severity"], bad["fix"]) == ("labels", "warning", warning["do"])
    assert note["severity"] == "note"
    add_line(sharing, f"ReadyPaperSizes{note['fix'].partition('ReadyPaperSizes')[2]}")
    add_line(sharing, f"ReadyPaperSizes{bad['fix'].partition('ReadyPaperSizes')[2]}")
    made = sharing.cups.printer("labels")
    assert len(made["media-ready"]) == 3 and made["media-default"] in made["media-ready"]
    assert apply(sharing)["warnings"] == []
    (good,) = about_papers(sharing)
    assert good["severity"] == "ok"


def test_attributes_of_ipp_everywhere(sharing: PrintSite) -> None:
    """What a shared queue lacks is what the manual says, for any device."""
    rows = re.findall(r"^\| (`.*?) \|", DOCUMENTED.read_text(), re.MULTILINE)
    lacking = {name for row in rows for name in re.findall("`([-a-z]+)`", row)}
    apply(sharing)
    ready = {"media-ready", "media-col-ready"}  # until cupsd.conf names the papers
    assert unmet(sharing, "labels") - ready <= lacking
    plain = sharing.device()  # a device that the location does not describe
    queue = sharing.discovered_queue(plain)
    assert unmet(sharing, queue) <= lacking
