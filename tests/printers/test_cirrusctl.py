"""cirrusctl on a machine whose cloud devices are printers without drivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cirrus_bridge.ipp.message import Attribute, JobState
from cirrus_bridge.ipp.values import Keyword
from json_schema import check
from paths import WELCOME
from printer_site import PrinterSite

PDF = WELCOME.read_bytes()
PRINTERS = ("--origin", "printers")


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite() as shared:
        yield shared


def said(site: PrinterSite, *words: str) -> Any:
    """The JSON document of a command, as its schema says."""
    done = site.cirrusctl(*words, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0, (document, done.stderr)
    check(document, words[0])
    return document


def test_jobs_of_clients(site: PrinterSite) -> None:
    """A job that was delivered, with its way through the cloud, and a job that a client holds."""
    sent = site.print(PDF, title="Minutes", user="bob")
    site.wait_job(sent, JobState.COMPLETED)
    held = site.print(PDF, [Attribute("job-hold-until", [Keyword("indefinite")])], title="Later")
    found = {job["job"]: job for job in said(site, "jobs", *PRINTERS)}
    assert [found[each]["state"] for each in (held, sent)] == ["held", "completed"]
    job = found[sent]
    assert (job["origin"], job["client"], job["queue"]) == ("printers", "127.0.0.1", site.name)
    assert (job["user"], job["title"], job["ended"]) == ("bob", "Minutes", True)
    assert job["documents"][0]["deliveries"][0]["state"] == "delivered"
    assert (found[held]["ended"], found[held]["documents"]) == (False, [])
    (line,) = (
        line
        for line in site.cirrusctl("jobs", *PRINTERS, "--user", "bob").stdout.splitlines()
        if "Minutes" in line
    )
    assert "127.0.0.1" in line
    assert "delivered" in line
    assert said(site, "jobs", *PRINTERS, "--state", "held")[0]["job"] == held
    assert [job["job"] for job in said(site, "jobs", *PRINTERS, "--before", str(sent))] == []


def test_the_way_of_a_job(site: PrinterSite) -> None:
    """From the client to the device, in order."""
    sent = site.print(PDF, title="Minutes", user="bob")
    site.wait_job(sent, JobState.COMPLETED)
    way = [each["what"] for each in said(site, "job", str(sent), *PRINTERS)["moments"]]
    assert way[0] == f"received from 127.0.0.1 for printer {site.name}"
    assert way[1] == "Cirrus Bridge started to send the document"
    assert way[2].startswith("accepted by the cloud")
    assert "ended for the client: completed" in way
    missing = site.cirrusctl("job", "99", *PRINTERS)
    assert (missing.returncode, missing.stdout) == (7, ""), missing


def test_without_the_service(site: PrinterSite) -> None:
    """The list needs neither CUPS nor the service."""
    held = site.print(PDF, [Attribute("job-hold-until", [Keyword("indefinite")])])
    site.stop()
    try:
        (job,) = (each for each in said(site, "jobs", *PRINTERS) if each["job"] == held)
        assert job["state"] == "held"
        everything = site.cirrusctl("jobs")
        assert "held" in everything.stdout
        assert "CUPS is not running" in everything.stderr
    finally:
        site.start()
