"""The disk has a job and its document before the client is told that the printer has taken them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import groupby

import pytest

from cirrus_bridge.ipp.message import Attribute, Group, Operation, Status
from cirrus_bridge.ipp.values import Keyword, MimeType
from paths import WELCOME
from printer_site import PrinterSite
from system_calls import watched_calls

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "sendto", "sendmsg", "writev")
HELD = [Attribute("job-hold-until", [Keyword("indefinite")])]  # no run writes meanwhile
PDF = Attribute("document-format", [MimeType("application/pdf")])
DOCUMENT = ["write document", "sync document", "sync folder"]
JOB = ["write job", "sync job"]


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    """A service for the tests of this file."""
    with PrinterSite() as made:
        yield made


@contextlib.contextmanager
def _steps(site: PrinterSite) -> Iterator[list[str]]:
    """What the service has done, in order, before it begins its response to the request inside."""
    assert site.program is not None
    steps: list[str] = []
    with watched_calls(site.program.pid, CALLS) as events:
        yield steps
    folder = site.state / "printers"
    done: list[str] = []
    for is_end, name, arguments in events:
        if '"HTTP/1.1 200' in arguments:
            break
        what = "sync" if "sync" in name else "write"
        if not is_end or f"<{folder}/" not in arguments:
            continue
        if f"<{folder}/spool/" in arguments:
            done.append(f"{what} document")
        elif f"<{folder}/spool>" in arguments:
            done.append(f"{what} folder")
        elif f"<{folder}/spool.db-wal>" in arguments:
            done.append(f"{what} job")
    else:
        raise AssertionError("no response")
    steps += [step for step, _ in groupby(done)]


def test_print_job(site: PrinterSite) -> None:
    """The document is there first, with its name, and then the job."""
    name = site.name
    with _steps(site) as steps:
        site.ask(Operation.PRINT_JOB, [PDF], HELD, WELCOME.read_bytes(), name=name)
    assert steps == [*DOCUMENT, *JOB]


def test_create_job_and_send_document(site: PrinterSite) -> None:
    """The job is there, and when the document comes, it is there before its job names it."""
    name = site.name
    with _steps(site) as steps:
        created = site.ask(Operation.CREATE_JOB, job=HELD, name=name)
    assert steps == JOB
    job_id = created.all(Group.JOB)[0].number("job-id") or 0
    asked = [Attribute("job-id", [job_id]), Attribute("last-document", [True]), PDF]
    with _steps(site) as steps:
        sent = site.ask(Operation.SEND_DOCUMENT, asked, data=WELCOME.read_bytes(), name=name)
    assert sent.code == Status.OK
    assert steps == [*DOCUMENT, *JOB]
