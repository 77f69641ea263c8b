"""The printers without drivers as a service, on fresh systems that have no CUPS."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pypdf import PdfReader

import images
from cirrus_bridge.config.accounts import set_account
from cirrus_bridge.ipp.message import Attribute, Group, Message, Operation, decode, encode
from cirrus_bridge.ipp.values import MimeType, Name, Uri
from clean_system import RELEASES
from packaged_site import CONFIGURATION, KEYS, PackagedSite
from paths import WELCOME
from print_site import eventually

SERVICE = "cirrus-printers"
USER = "cirrus-bridge"
STATE = "/var/lib/cirrus-bridge/printers"
ACCOUNTS = "/etc/cirrus-bridge/printers.d/accounts.toml"
PLAIN, TLS = "http://127.0.0.1:8631", "https://127.0.0.1:8632"
CURL = ("curl", "-sS", "--insecure", "--noproxy", "*", "-H", "Content-Type: application/ipp")
NOT_OURS = ("/srv/", "/proc/", "/sys/", "/run/", "/tmp/", "/var/tmp/", "/var/log/", "/var/lib/apt/")


@pytest.mark.sampled(release=RELEASES[:1])
@pytest.mark.timeout(900)
def test_the_service(packages: Path, release: str) -> None:
    """Without CUPS, a client prints, with an account if that is required. An upgrade and a removal
    lose no job and print none twice. The service has no needless rights. A purge leaves nothing."""
    with PackagedSite(packages, release) as system:
        names = [system.deb("now", "bridge"), system.deb("earlier", "printers")]
        system.apt_get("install", *names, system.deb("now", "cloudlet"), "systemd", "curl")
        system.trust_the_cloud()
        system.boot()
        assert not system.path("/usr/sbin/cupsd").exists()
        _choose_devices(system)
        system.run("systemctl", "enable", "--now", SERVICE)
        _a_page(system)
        _no_needless_rights(system)
        _the_network_needs_an_account(system)
        _an_upgrade_with_a_job(system)
        _a_removal_with_a_job(system)
        system.apt_get("purge", "cirrus-printers", "cirrus-bridge", "cirrus-cloudlet")
        assert system.files(_is_ours) == set()
        assert "cirrus" not in system.path("/etc/passwd").read_text()


def _choose_devices(system: PackagedSite) -> None:
    assert system.run("systemctl", "is-enabled", SERVICE, may_fail=True) == "disabled\n"
    system.start_cloud()
    system.add_server()
    system.write("/etc/cirrus-bridge/queues.toml", '[[printer]]\ntargets = ["Paris:*"]\n')
    assert "+ [printers] Paris:*\n" in system.run("cirrusctl", "apply")


def _set(system: PackagedSite, *lines: str) -> None:
    """Write the settings of the printers."""
    text = system.path(CONFIGURATION).read_text().partition("\n[printers]\n")[0]
    system.write(CONFIGURATION, "\n".join((text, "[printers]", *lines, "")))


def _a_page(system: PackagedSite) -> None:
    _print(system)
    eventually(lambda: system.states() == ["delivered"])
    (job,) = system.cloud_jobs()
    assert len(PdfReader(system.path(job["document"])).pages) == 4
    assert job["title"] == "A page"
    (printer,) = json.loads(system.run("sh", "-c", "cirrusctl printers --json 2>/dev/null"))
    assert (printer["target"], printer["state"]) == ("Paris:Laser1", "idle")
    page = system.run(*CURL, "--fail", f"{PLAIN}/ipp/print/{printer['name']}")
    assert "</html>" in page and printer["info"] in page
    _print(system, document=images.png(), media_type="image/png")  # converted within limits
    eventually(lambda: system.states() == ["delivered"] * 2)


def _no_needless_rights(system: PackagedSite) -> None:
    user = system.run("id", "-u", USER).strip()
    process = _main_process(system)
    lines = system.run("cat", f"/proc/{process}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == [user] * 4
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    folder = system.path(STATE)
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {int(user)}


def _the_network_needs_an_account(system: PackagedSite) -> None:
    """The service takes a new account and a new key at once. Only root can write the files."""
    _set(system, 'devices = ["Paris:*"]', 'listen = "0.0.0.0"', "sign_in = true")
    system.run("systemctl", "restart", SERVICE)
    anna = ("--user", "anna:s3cret")
    eventually(lambda: _status(system, *anna) == "401")
    process = _main_process(system)
    set_account(system.path(ACCOUNTS), "anna", "s3cret", int(system.run("id", "-g", USER)))
    eventually(lambda: _status(system, *anna) == "200")
    assert _status(system) == "401"
    assert _main_process(system) == process
    system.path(KEYS).touch()
    eventually(lambda: _main_process(system) not in (process, "0"))
    _print(system, TLS, *anna)
    eventually(lambda: system.states() == ["delivered"] * 3)
    _set(system, 'devices = ["Paris:*"]')
    system.run("systemctl", "restart", SERVICE)


def _an_upgrade_with_a_job(system: PackagedSite) -> None:
    """The upgraded service continues with a job that the cloud did not have."""
    process = _main_process(system)
    with _cloud_that_hangs(system):
        _print(system)
        system.apt_get("install", system.deb("now", "printers"))
        assert system.run("systemctl", "is-enabled", SERVICE) == "enabled\n"
        eventually(lambda: _main_process(system) not in (process, "0"))
    eventually(lambda: system.states() == ["delivered"] * 4)


def _a_removal_with_a_job(system: PackagedSite) -> None:
    """The removal names the job, which continues when the package is there again."""
    with _cloud_that_hangs(system):
        number = _print(system)
        said = system.apt_get("remove", "cirrus-printers")
        assert re.search(rf"these jobs are unfinished: \S+-{number}\. They stay in {STATE}", said)
    names = [system.deb("now", package) for package in ("bridge", "printers")]
    system.apt_get("install", *names)
    system.run("systemctl", "start", SERVICE)
    eventually(lambda: system.states() == ["delivered"] * 5)


@contextlib.contextmanager
def _cloud_that_hangs(system: PackagedSite) -> Iterator[None]:
    system.run("sh", "-c", "kill -STOP $(pidof cirrus-cloudlet)")
    yield
    system.run("sh", "-c", "kill -CONT $(pidof cirrus-cloudlet)")


def _print(
    system: PackagedSite,
    base: str = PLAIN,
    *options: str,
    document: bytes = WELCOME.read_bytes(),
    media_type: str = "application/pdf",
) -> int:
    """Print a document, by default of four pages, by IPP, as soon as there is a printer; return the
    job's number."""
    found: list[Uri] = []

    def find() -> bool:
        answer = _ask(system, Operation.CUPS_GET_PRINTERS, base, "/", *options)
        printers = answer.all(Group.PRINTER) if answer else ()
        found.extend(Uri(printer.text("printer-uri-supported")) for printer in printers)
        return bool(found)

    eventually(find)
    path = "/" + found[0].split("/", 3)[3]
    asked = [
        Attribute("job-name", [Name("A page")]),
        Attribute("document-format", [MimeType(media_type)]),
    ]
    answer = _ask(system, Operation.PRINT_JOB, base, path, *options, asked=asked, data=document)
    assert answer is not None
    number = answer.all(Group.JOB)[0].number("job-id")
    assert number is not None
    return number


def _ask(
    system: PackagedSite,
    operation: Operation,
    base: str,
    path: str,
    *options: str,
    asked: Sequence[Attribute] = (),
    data: bytes = b"",
) -> Message | None:
    """Send an IPP request from inside; None without an answer."""
    uri = f"{base.replace('http', 'ipp', 1)}{path}"
    first = [Attribute("printer-uri", [Uri(uri)]), Attribute("requesting-user-name", [Name("jo")])]
    request = encode(operation, [(Group.OPERATION, [*first, *asked])])
    system.path("/srv/request").write_bytes(request + data)
    system.path("/srv/answer").unlink(missing_ok=True)
    body = ("--data-binary", "@/srv/request", "--output", "/srv/answer", "--fail")
    system.run(*CURL, *options, *body, f"{base}{path}", may_fail=True)
    answer = system.path("/srv/answer")
    return decode(answer.read_bytes()) if answer.exists() else None


def _status(system: PackagedSite, *options: str) -> str:
    """The HTTP status of a request by TLS for the printers; "000" if nothing answers."""
    request = encode(Operation.CUPS_GET_PRINTERS, [(Group.OPERATION, [])])
    system.path("/srv/request").write_bytes(request)
    body = (
        "--data-binary",
        "@/srv/request",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    )
    return system.run(*CURL, *options, *body, f"{TLS}/", may_fail=True)[-3:]


def _main_process(system: PackagedSite) -> str:
    return system.run("systemctl", "show", "--value", "-p", "MainPID", SERVICE).strip()


def _is_ours(path: str) -> bool:
    return "cirrus" in path and not path.startswith(NOT_OURS)
