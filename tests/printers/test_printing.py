"""A document on its way from a client to the cloud, through the running service."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest

from cirrus_bridge.ipp.message import Attribute, Group, JobState, Operation, Status
from cirrus_bridge.ipp.values import EnumValue, Keyword, MimeType, Name
from paths import WELCOME
from printer_site import PrinterSite

PDF = WELCOME.read_bytes()


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite() as shared:
        yield shared


def test_a_document_arrives(site: PrinterSite) -> None:
    """As it is, with its title and the device's props; the job says that it was delivered."""
    job_id = site.print(PDF, [Attribute("copies", [2])], title="Über uns")
    job = site.wait_job(job_id, *(state for state in JobState if state.is_final))
    assert job.number("job-state") == JobState.COMPLETED
    assert job.text("job-state-message") == "Delivered at Paris:Laser1."
    sent = site.cloud.jobs()[-1]
    assert (sent["title"], sent["props"]["copies"]) == ("Über uns", "2")
    assert site.document(sent) == PDF


@pytest.mark.parametrize(
    ("compression", "data"),
    [
        ("gzip", gzip.compress(PDF)),
        ("deflate", zlib.compress(PDF)[2:-4]),
        ("deflate", zlib.compress(PDF)),
    ],
)
def test_a_compressed_document(site: PrinterSite, compression: str, data: bytes) -> None:
    """gzip, and deflate with and without zlib's frame."""
    asked = [
        Attribute("compression", [Keyword(compression)]),
        Attribute("document-format", [MimeType("application/pdf")]),
    ]
    response = site.ask(Operation.PRINT_JOB, asked, data=data)
    job_id = response.all(Group.JOB)[0].number("job-id")
    assert job_id
    site.wait_job(job_id, JobState.COMPLETED)
    assert site.document(site.cloud.jobs()[-1]) == PDF


def test_create_job_and_send_document(site: PrinterSite) -> None:
    """As phones print; the format is found in the document."""
    created = site.ask(Operation.CREATE_JOB, [Attribute("job-name", [Name("Two steps")])])
    job_id = created.all(Group.JOB)[0].number("job-id")
    assert job_id
    assert site.job(job_id).keywords("job-state-reasons") == ("job-incoming",)
    sent = site.ask(
        Operation.SEND_DOCUMENT,
        [
            Attribute("job-id", [job_id]),
            Attribute("last-document", [True]),
            Attribute("document-format", [MimeType("application/octet-stream")]),
        ],
        data=PDF,
    )
    assert sent.code == Status.OK
    assert site.wait_job(job_id, JobState.COMPLETED).text("document-format") == "application/pdf"


def test_a_job_in_the_language_of_its_client(site: PrinterSite) -> None:
    """The message of a job is for the person who printed."""
    job_id = site.print(PDF)
    site.wait_job(job_id, JobState.COMPLETED)
    job = site.job(job_id, language="de-at")
    assert job.text("job-state-message") == "Zugestellt an Paris:Laser1."


def test_jobs_of_others(site: PrinterSite) -> None:
    """Others see that there is a job, but neither its title nor whose it is."""
    job_id = site.print(PDF, title="Secret", user="ann")
    seen = site.job(job_id, user="bob")
    assert "job-name" not in seen
    assert "job-originating-user-name" not in seen
    canceled = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])], user="bob")
    assert canceled.code == Status.NOT_AUTHORIZED
    site.wait_job(job_id, JobState.COMPLETED)


def test_hold_and_release(site: PrinterSite) -> None:
    """A held job is printed once it is released, and not before."""
    before = len(site.cloud.jobs())
    job_id = site.print(PDF, [Attribute("job-hold-until", [Keyword("indefinite")])])
    assert site.job(job_id).number("job-state") == JobState.PENDING_HELD
    site.wait_job(site.print(PDF), JobState.COMPLETED)
    assert len(site.cloud.jobs()) == before + 1
    site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])])
    site.wait_job(job_id, JobState.COMPLETED)
    assert len(site.cloud.jobs()) == before + 2


def test_cancel_a_held_job(site: PrinterSite) -> None:
    """Nothing is printed, and nothing is left of the document."""
    before = len(site.cloud.jobs())
    job_id = site.print(PDF, [Attribute("job-hold-until", [Keyword("indefinite")])])
    assert site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])]).code == Status.OK
    job = site.job(job_id)
    assert job.number("job-state") == JobState.CANCELED
    assert job.text("job-state-message") == "The job was canceled. Nothing was printed."
    again = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])])
    assert again.code == Status.NOT_POSSIBLE
    assert len(site.cloud.jobs()) == before
    assert not list((site.state / "printers" / "spool").iterdir())


def test_what_is_not_offered(site: PrinterSite) -> None:
    """Without fidelity the job is printed without it, and the response says so."""
    strange = [Attribute("finishings", [EnumValue(99)])]
    asked = [Attribute("ipp-attribute-fidelity", [True])]
    refused = site.ask(Operation.VALIDATE_JOB, asked, strange)
    assert refused.code == Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED
    assert "finishings" in refused.all(Group.UNSUPPORTED)[0]
    taken = site.ask(Operation.VALIDATE_JOB, [], strange)
    assert taken.code == Status.OK_IGNORED_OR_SUBSTITUTED
    assert "finishings" in taken.all(Group.UNSUPPORTED)[0]


def test_a_document_that_is_not_what_it_says(site: PrinterSite) -> None:
    """The job ends with a message for the person; nothing is printed."""
    before = len(site.cloud.jobs())
    job_id = site.print(b"\x89PNG\r\n\x1a\nbroken", media_type="image/png")
    job = site.wait_job(job_id, JobState.ABORTED)
    assert "CB-305" in job.text("job-state-message")
    assert len(site.cloud.jobs()) == before
