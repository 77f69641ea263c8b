"""cirrusctl on a machine whose cloud devices are printers without drivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from cirrus_bridge.config.accounts import ACCOUNTS, read_accounts
from cirrus_bridge.ipp.message import Attribute, JobState
from cirrus_bridge.ipp.values import Keyword
from json_schema import check
from paths import WELCOME
from printer_site import INVENTORY, PrinterSite
from widths import CJK, LONG, WIDTHS, is_broken, lines_at

PDF = WELCOME.read_bytes()
SCHEMAS: dict[tuple[str, ...], str] = {
    ("printers", "enable"): "printers-changed",
    ("printers", "disable"): "printers-changed",
    ("printers", "qr"): "printers-qr",
}
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
    check(document, SCHEMAS.get(words[:2], words[0]))
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
        if line.startswith(f"{sent} ")
    )
    assert "127.0.0.1" in line
    assert "delivered" in line
    assert said(site, "jobs", *PRINTERS, "--state", "held")[0]["job"] == held
    earlier = said(site, "jobs", *PRINTERS, "--before", str(sent))
    ended_before = [each for each, job in found.items() if job["ended"] and each < sent]
    assert [job["job"] for job in earlier] == ended_before


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


def test_the_list_of_printers(site: PrinterSite) -> None:
    """Names, addresses and states, from the service and the configuration."""
    (printer,) = said(site, "printers")
    assert (printer["name"], printer["target"]) == (site.name, "Paris:Laser1")
    assert printer["uris"][0] == f"ipp://localhost:{site.port}/ipp/print/{site.name}"
    assert printer["page"] == f"http://localhost:{site.port}/ipp/print/{site.name}"
    assert printer["state"] in ("idle", "processing")
    assert said(site, "printers", "list")[0]["info"] == printer["info"]
    assert said(site, "printers", "qr", "Paris:Laser1")["uris"] == printer["uris"]
    unknown = site.cirrusctl("printers", "qr", "Paris:Laser2")
    assert unknown.returncode == 7
    assert "Did you mean Paris:Laser1" in unknown.stderr


def test_the_list_in_terminals_of_each_width() -> None:
    """No line is broken within a word, and names that other commands need stay whole."""
    devices = "".join(
        f'[[device]]\ncompany = "Acme"\nlocation = "Paris"\nid = "{device}"\n'
        f'name = "{name}"\ntype = "file"\n'
        for device, name in ((LONG, "The large one in the hall of the northern wing"), ("J1", CJK))
    )
    with PrinterSite(inventory=f"{INVENTORY}\n{devices}") as site:
        assert {f"Paris:{LONG}", "Paris:J1"} <= {each["target"] for each in said(site, "printers")}
        whole = set(site.cirrusctl("printers").stdout.split())
        for width in WIDTHS:
            lines = lines_at(site.environ, width, "printers")
            assert f"Paris:{LONG}" in "\n".join(lines)
            for line in lines:
                assert cell_len(line) <= width or " " not in line.strip(), (width, line)
                broken = [word for word in line.split() if is_broken(word, whole)]
                assert not broken, (width, line, broken)


def test_the_list_without_the_service(site: PrinterSite) -> None:
    """The printers of the service that does not run, and how to start it."""
    name = site.name
    site.stop()
    try:
        done = site.cirrusctl("printers", "--json")
        assert done.returncode == 1
        (printer,) = json.loads(done.stdout)
        assert (printer["name"], printer["state"]) == (name, "not running")
        assert "systemctl enable --now cirrus-printers" in done.stderr
    finally:
        site.start()


def test_choosing_devices(site: PrinterSite) -> None:
    """The file keeps its comments. The entry that covers a device is named."""
    path = site.config / "bridge.toml"
    before = path.read_text()
    path.write_text(f"# ours\n{before}")
    try:
        covered = site.cirrusctl("printers", "disable", "Paris:Laser1")
        assert covered.returncode == 7
        assert "*:* covers this device" in covered.stderr
        assert said(site, "printers", "disable", "*:*")["changed"] == ["*:*"]
        assert said(site, "printers") == []
        unknown = site.cirrusctl("printers", "enable", "Paris:Laser2")
        assert (unknown.returncode, unknown.stdout) == (7, "")
        assert "Paris:Laser1" in unknown.stderr
        assert said(site, "printers", "enable", "Paris:L*")["changed"] == ["Paris:L*"]
        assert said(site, "printers", "enable", "Paris:L*")["changed"] == []
        assert [printer["name"] for printer in said(site, "printers")] == [site.name]
        assert path.read_text().startswith("# ours\n[defaults]\n")
    finally:
        path.write_text(before)


def test_declared_printers(site: PrinterSite) -> None:
    """apply makes the list that of queues.toml, also where no CUPS answers, and keeps comments."""
    path, queues = site.config / "bridge.toml", site.config / "queues.toml"
    before = path.read_text()
    path.write_text(f"# ours\n{before}")
    queues.write_text('[[printer]]\ntargets = ["Paris:L*"]\n')
    change = {"added": ["Paris:L*"], "removed": ["*:*"]}
    try:
        shown = said(site, "apply", "--dry-run")
        assert (shown["changed"], shown["printers"]) == (True, change)
        assert path.read_text() == f"# ours\n{before}"
        done = site.cirrusctl("apply")
        assert "\n".join(("+ [printers] Paris:L*", "- [printers] *:*")) in done.stdout
        assert "CUPS does not answer." in done.stderr
        assert 'devices = ["Paris:L*"]' in path.read_text()
        assert path.read_text().startswith("# ours\n")
        again = said(site, "apply")
        assert (again["changed"], again["printers"]) == (False, {"added": [], "removed": []})
        queues.write_text('[[queue]]\nname = "q"\ntargets = ["Paris:Laser1"]\n')
        assert site.cirrusctl("apply").returncode == 5
        assert 'devices = ["Paris:L*"]' in path.read_text()
    finally:
        path.write_text(before)
        queues.unlink()


def test_accounts(site: PrinterSite, tmp_path: Path) -> None:
    """Accounts are added, listed and removed; the password is not in the file."""
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    add = ("printers", "account", "add", "jo", "--password-file", str(password))
    assert site.cirrusctl(*add).stdout == "The account jo was added.\n"
    assert site.cirrusctl(*add).stdout == "The account jo has a new password.\n"
    path = site.config / ACCOUNTS
    assert read_accounts(path)["jo"].matches("correct horse")
    assert "horse" not in path.read_text()
    assert site.cirrusctl("printers", "account").stdout.split() == ["NAME", "jo"]
    wrong = site.cirrusctl("printers", "account", "add", "a:b", "--password-file", str(password))
    assert (wrong.returncode, "':'" in wrong.stderr) == (2, True)
    assert site.cirrusctl("printers", "account", "remove", "jim").returncode == 7
    assert site.cirrusctl("printers", "account", "remove", "jo").returncode == 0
    assert read_accounts(path) == {}


def test_the_doctor(site: PrinterSite) -> None:
    """The service and its certificate pass; a chosen device that does not exist is named."""
    document = json.loads(site.cirrusctl("doctor", "--json").stdout)
    check(document, "doctor")
    ours = [each for each in document["findings"] if each["check"] == "printers without drivers"]
    assert [each["severity"] for each in ours] == ["ok"] * len(ours)
    assert "The service answers." in {each["text"] for each in ours}


def test_the_doctor_without_cups(site: PrinterSite) -> None:
    """A machine without CUPS has no queues, which is no fault. All else is checked."""
    hidden = "for each in /usr/sbin/cupsd /usr/bin/cupsd; do"
    hidden += ' test ! -e $each || mount --bind /dev/null $each; done; exec "$@"'
    outer = ["unshare", "--mount", "sh", "-euc", hidden, "sh"]
    document = json.loads(site.cirrusctl("doctor", "--json", outer=outer).stdout)
    check(document, "doctor")
    said = {each["check"]: each for each in document["findings"]}
    assert said["cupsd"]["severity"] == "ok"
    assert "no queues" in said["cupsd"]["text"]
    assert not {"backend", "driver program", "poller", "job limits"} & said.keys()
    assert {"printers without drivers", "key", "location", "disk"} <= said.keys()
    assert {each["severity"] for each in said.values()} <= {"ok", "note"}
