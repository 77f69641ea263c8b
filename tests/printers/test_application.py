"""Requests in odd forms, at the application in the test's process."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import (
    Attribute,
    Group,
    JobState,
    Message,
    Operation,
    Status,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Keyword, MimeType, Name, OutOfBand, Text, Uri, Value
from cirrus_bridge.ipp_server.answering import PrinterStatus
from ipp_application import ApplicationRig
from paths import WELCOME

PDF = WELCOME.read_bytes()
PATIENCE_S = 60.0
LAST = Attribute("last-document", [True])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[ApplicationRig]:
    with ApplicationRig(tmp_path) as made:
        yield made
    assert made.errors.texts == []


def _body(
    rig: ApplicationRig,
    operation: Operation,
    attributes: Sequence[Attribute] = (),
    job: Sequence[Attribute] = (),
    data: bytes = b"",
    user: str = "ann",
) -> bytes:
    first = [
        Attribute("printer-uri", [Uri(f"ipp://h/ipp/print/{rig.name}")]),
        Attribute("requesting-user-name", [Name(user)]),
    ]
    groups = [(Group.OPERATION, [*first, *attributes]), (Group.JOB, list(job))]
    return encode(operation, groups) + data


def _ask(
    rig: ApplicationRig,
    operation: Operation,
    attributes: Sequence[Attribute] = (),
    job: Sequence[Attribute] = (),
    data: bytes = b"",
    user: str = "ann",
) -> Message:
    status, answer = rig.post(_body(rig, operation, attributes, job, data, user))
    assert status == 200
    return decode(answer)


def _created(rig: ApplicationRig, job: Sequence[Attribute] = ()) -> int:
    answer = _ask(rig, Operation.CREATE_JOB, job=job)
    assert answer.code < 0x100, answer.status_message
    return answer.all(Group.JOB)[0].number("job-id") or 0


def test_two_documents_at_the_same_time(rig: ApplicationRig) -> None:
    """A job gets one of them. The other client is told so, and nothing is left of its document."""
    job_id = _created(rig)
    bodies = [
        _body(rig, Operation.SEND_DOCUMENT, [Attribute("job-id", [job_id]), LAST], data=data)
        for data in (PDF, PDF + b"\n")
    ]
    answers = [decode(data).code for _, data in rig.together(*bodies)]
    assert sorted(answers)[0] == Status.OK
    assert sorted(answers)[1] in (Status.MULTIPLE_JOBS_NOT_SUPPORTED, Status.NOT_POSSIBLE)
    job = rig.spool.get(job_id)
    assert job is not None
    assert [path.name for path in rig.spool.folder.iterdir()] == [job.document]
    assert job.size_bytes == rig.spool.path(job).stat().st_size


def test_a_document_for_a_canceled_job(rig: ApplicationRig) -> None:
    """Nothing is left of it, and the job stays canceled."""
    job_id = _created(rig)
    assert _ask(rig, Operation.CANCEL_JOB, [Attribute("job-id", [job_id])]).code == Status.OK
    asked = [Attribute("job-id", [job_id]), LAST]
    assert _ask(rig, Operation.SEND_DOCUMENT, asked, data=PDF).code == Status.NOT_POSSIBLE
    job = rig.spool.get(job_id)
    assert job is not None
    assert job.state is JobState.CANCELED
    assert list(rig.spool.folder.iterdir()) == []


def test_a_client_that_goes_away(rig: ApplicationRig) -> None:
    """In the middle of its document: the job waits for the document, which can be sent again."""
    job_id = _created(rig)
    body = _body(rig, Operation.SEND_DOCUMENT, [Attribute("job-id", [job_id]), LAST], data=PDF)
    assert rig.post(body[:-100], disconnects=True)[0] == 400
    assert list(rig.spool.folder.iterdir()) == []
    assert decode(rig.post(body)[1]).code == Status.OK
    assert len(list(rig.spool.folder.iterdir())) == 1


def test_attributes_in_any_number_of_parts(rig: ApplicationRig) -> None:
    """Chunks may end anywhere."""
    body = _body(rig, Operation.PRINT_JOB, data=PDF[:100])
    answer = decode(rig.post(*(body[at : at + 1] for at in range(len(body))))[1])
    assert answer.code == Status.OK


@pytest.mark.parametrize("name", ["ipp-attribute-fidelity", "my-jobs", "requested-attributes"])
def test_an_attribute_without_a_value(name: str, rig: ApplicationRig) -> None:
    """It counts as if it had not been sent."""
    asked = [Attribute(name, [OutOfBand.NO_VALUE])]
    for operation in (Operation.VALIDATE_JOB, Operation.GET_JOBS, Operation.GET_PRINTER_ATTRIBUTES):
        assert _ask(rig, operation, asked).code < 0x100


@pytest.mark.parametrize("name", ["printer-uri", "job-uri"])
def test_a_uri_that_is_none(name: str, rig: ApplicationRig) -> None:
    body = encode(Operation.GET_JOBS, [(Group.OPERATION, [Attribute(name, [Uri("ipp://[")])])])
    assert decode(rig.post(body)[1]).code == Status.BAD_REQUEST


@pytest.mark.parametrize("limit", [0, -1, -(2**31)])
def test_a_limit_that_is_none(limit: int, rig: ApplicationRig) -> None:
    """It does not become a limit from the other end."""
    for operation in (Operation.GET_JOBS, Operation.CUPS_GET_PRINTERS):
        answer = _ask(rig, operation, [Attribute("limit", [limit])])
        assert answer.code == Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED


@pytest.mark.parametrize(
    "value", [Text("x" * 60_000), Keyword("\0\x1b[31m\u202e"), b"\xff" * 60_000, OutOfBand.UNKNOWN]
)
def test_values_of_unknown_attributes(value: Value, rig: ApplicationRig) -> None:
    """They are reported as unsupported, and not kept."""
    answer = _ask(rig, Operation.PRINT_JOB, job=[Attribute("x-unknown", [value])], data=PDF)
    assert answer.code == Status.OK_IGNORED_OR_SUBSTITUTED
    assert "x-unknown" in answer.all(Group.UNSUPPORTED)[0]
    job = rig.spool.get(1)
    assert job is not None
    assert b"x-unknown" not in job.attributes + job.private
    assert len(job.attributes) < 200


def test_a_text_that_is_no_utf_8(rig: ApplicationRig) -> None:
    """Each of its bytes would become three, more than a value may have."""
    body = _body(rig, Operation.PRINT_JOB, job=[Attribute("media", [Keyword("x" * 60_000)])])
    answer = decode(rig.post(body.replace(b"x" * 60_000, b"\xff" * 60_000) + PDF)[1])
    assert answer.code == Status.OK_IGNORED_OR_SUBSTITUTED
    assert "media" in answer.all(Group.UNSUPPORTED)[0]


def test_too_many_attributes(rig: ApplicationRig) -> None:
    """A job's attributes are limited, whatever their number and size."""
    asked = [Attribute("page-ranges", [Keyword("x" * 30_000)] * 3)]
    answer = _ask(rig, Operation.PRINT_JOB, job=asked, data=PDF)
    assert answer.code == Status.REQUEST_ENTITY_TOO_LARGE
    many = [Attribute(f"a{number}", [1]) for number in range(30_000)]
    body = encode(Operation.VALIDATE_JOB, [(Group.OPERATION, many)], request_id=77)
    answer = decode(rig.post(body)[1])
    assert (answer.code, answer.request_id) == (Status.REQUEST_ENTITY_TOO_LARGE, 77)
    assert list(rig.spool.folder.iterdir()) == []


@pytest.mark.attacker("network")
def test_a_pin_among_the_attributes_of_the_job(rig: ApplicationRig) -> None:
    """Look for the PIN that a client has sent among the attributes of its job: no response shows
    it."""
    pin = Attribute("job-password", [b"4711"])
    answer = _ask(rig, Operation.CREATE_JOB, job=[pin])
    assert b"4711" not in repr(answer.groups).encode()
    for group in ("all", "job-template", "job-password"):
        asked = [Attribute("job-id", [1]), Attribute("requested-attributes", [Keyword(group)])]
        for user in ("ann", "bob"):
            seen = _ask(rig, Operation.GET_JOB_ATTRIBUTES, asked, user=user)
            assert "4711" not in repr(seen.groups)


def test_gzip_in_several_members(rig: ApplicationRig) -> None:
    """RFC 1952, 2.2: their data are one document. What is no member is an error."""
    asked = [
        Attribute("compression", [Keyword("gzip")]),
        Attribute("document-format", [MimeType("application/pdf")]),
    ]
    data = gzip.compress(PDF[:50]) + gzip.compress(PDF[50:])
    assert _ask(rig, Operation.PRINT_JOB, asked, data=data).code == Status.OK
    job = rig.spool.get(1)
    assert job is not None
    assert rig.spool.path(job).read_bytes() == PDF
    refused = _ask(rig, Operation.PRINT_JOB, asked, data=data + b"garbage")
    assert refused.code == Status.COMPRESSION_ERROR


@pytest.mark.attacker("network")
def test_requests_without_end(rig: ApplicationRig) -> None:
    """Send many requests at once: another client's request does not wait for them."""
    may_end = threading.Event()

    def slow_status(printer: OfferedPrinter) -> PrinterStatus:
        may_end.wait(60)
        return PrinterStatus()

    rig.service.status = slow_status  # type: ignore[method-assign]
    hostile = _body(rig, Operation.GET_PRINTER_ATTRIBUTES)
    honest = _body(rig, Operation.VALIDATE_JOB)

    async def attack() -> list[int]:
        waiting = [asyncio.create_task(rig.exchange([hostile])) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            _, answer = await asyncio.wait_for(
                rig.exchange([honest], address="192.0.2.2"), PATIENCE_S
            )
        finally:
            may_end.set()
        return [
            decode(answer).code,
            *(decode(data).code for _, data in await asyncio.gather(*waiting)),
        ]

    assert rig.run(attack()) == [Status.OK] * 41
