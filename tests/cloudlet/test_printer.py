"""A printer device with a real cupsd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from private_cups import PrivateCups, private_cups

PDF = b"%PDF-1.4 the document\n%%EOF\n"
BACKEND = """#!/bin/sh
[ $# -eq 0 ] && exit
printf '%s\\n' "$3" "$5" >"$OUT/options"
cat "${6:--}" >"$OUT/data"
"""


@pytest.fixture
def cups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateCups]:
    """A cupsd whose queue Q keeps title, options and data of its newest job."""
    backend = tmp_path / "backend"
    backend.write_text(BACKEND)
    backend.chmod(0o755)
    out = tmp_path / "out"
    out.mkdir()
    with private_cups([backend], {"OUT": str(out)}) as server:
        server.add_queue("Q", "cirrus://cloud.test/C/L:D", driver=None)
        monkeypatch.setenv("CUPS_SERVER", server.env["CUPS_SERVER"])
        yield server


@pytest.fixture
def own(cups: PrivateCups, tmp_path: Path) -> Iterator[CloudletServer]:
    """A server beside that cupsd, with the queue as its device D."""
    server = CloudletServer()
    server.start(tmp_path / "data")
    server.cli("device", "add", "ACME/Office/D", "--type", "printer", "--target", "Q")
    yield server
    server.close()


def test_printer(own: CloudletServer, cups: PrivateCups, tmp_path: Path) -> None:
    """The document comes out of the queue, with the properties as CUPS's own options."""
    props = (
        "copies=2\nduplex=2\ncolor=1\ncollate=1\norientation=2\npriority=70\nscale=0\n"
        "tray=Lower\nsize=A4\nbmp=300\nother=1"
    )
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:D", title="Büro.pdf", props=props)
    job = own.wait_for_job(job_id, 2)
    words = job["message"].split()
    assert (words[:2], words[3:], job["target"]) == (["CUPS", "job"], ["on", "Q"], "Q")
    number = int(words[2])
    printed = cups.wait_job(number)
    assert printed["job-priority"] == 70
    title, options = (tmp_path / "out" / "options").read_text().splitlines()
    assert title == "Büro.pdf"
    assert (tmp_path / "out" / "data").read_bytes() == PDF
    assert {
        "sides=two-sided-long-edge", "print-color-mode=monochrome", "print-scaling=fit",
        "orientation-requested=4", "InputSlot=Lower", "media=A4",
    } <= set(options.split())  # fmt: skip
    assert "ollate" in options
    assert "bmp" not in options
    assert printed["copies"] == 2


def test_a_queue_that_does_not_exist_yet(own: CloudletServer, cups: PrivateCups) -> None:
    """The message names the queue; the job is delivered once the queue exists."""
    own.cli("device", "add", "ACME/Office/E", "--type", "printer", "--target", "Later")
    job_id = Curl(own.url, own.key).submit(PDF, targets="Office:E")
    job = own.wait_for_job(job_id, 1, message="CUPS queue Later: ")
    assert job["delivered"] is None
    cups.add_queue("Later", "cirrus://cloud.test/C/L:D", driver=None)
    cups.wait_job(int(own.wait_for_job(job_id, 2)["message"].split()[2]))
