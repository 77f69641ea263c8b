"""A job's attributes for clients (RFC 8011, 5.3; PWG 5100.7, 5100.11). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from cirrus_bridge.base.text import fitting
from cirrus_bridge.drivers.offered_printers import PATH
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, decode, encode
from cirrus_bridge.ipp.values import (
    Charset,
    EnumValue,
    Keyword,
    Language,
    MimeType,
    Name,
    OutOfBand,
    Text,
    Uri,
    Value,
)
from cirrus_bridge.ipp_server.spool import SpooledJob

NAME_BYTES = 255
_KILO = 1024
# what others than the job's owner do not see; Get-Jobs is open to all (CUPS: JobPrivateValues)
PRIVATE = frozenset(
    {
        "job-name", "document-name", "job-originating-user-name", "job-account-id",
        "job-accounting-user-id",
    }
)  # fmt: skip
_TEMPLATE = "job-template"
_GROUPS = frozenset({"all", "job-description", _TEMPLATE})


def asked_attributes(job: SpooledJob) -> Attributes:
    """The attributes with which the client made the job."""
    return _decoded(job.attributes)


def all_asked_attributes(job: SpooledJob) -> Attributes:
    """The attributes with which the client made the job, and those of its request."""
    private = _decoded(job.private) if job.private else {}
    return Attributes(private | _decoded(job.attributes))


def encoded(attributes: Attributes) -> bytes:
    """Attributes for a `SpooledJob`."""
    kept = [Attribute(name, values) for name, values in attributes.items() if values]
    return encode(0, [(Group.OPERATION, []), (Group.JOB, kept)])


def _decoded(data: bytes) -> Attributes:
    return decode(data).all(Group.JOB)[0]


def job_attributes(
    job: SpooledJob,
    base_uri: str,
    now_s: float,
    language: str,
    requested: Collection[str] = ("all",),
    *,
    is_private: bool = False,
) -> list[Attribute]:
    """The requested attributes of a job.

    Args:
        base_uri: the service's URI, as the client reached it.
        language: of the client.
        requested: names of attributes or of their groups (RFC 8011, 4.3.4.1).
        is_private: leave out what only the job's owner may see.
    """
    described = _described(job, base_uri, now_s, language)
    asked = {name: values for name, values in asked_attributes(job).items() if values}
    found = asked | described
    names = set(requested)
    return [
        Attribute(name, values)
        for name, values in found.items()
        if ("all" in names or name in names or _group_of(name, described) in names)
        and not (is_private and name in PRIVATE)
    ]


def _group_of(name: str, described: Collection[str]) -> str:
    return "job-description" if name in described else _TEMPLATE


def _described(
    job: SpooledJob, base_uri: str, now_s: float, language: str
) -> dict[str, Sequence[Value]]:
    printer_uri = f"{base_uri}{PATH}{job.printer}"
    message = job.message.get(_catalog_language(language, job.message), "")
    found: dict[str, Sequence[Value]] = {
        "attributes-charset": [Charset("utf-8")],
        "attributes-natural-language": [Language(job.language or "en")],
        "job-id": [job.job_id],
        "job-uri": [Uri(f"{printer_uri}/{job.job_id}")],
        "job-uuid": [Uri(job.job_uuid)],
        "job-printer-uri": [Uri(printer_uri)],
        "job-more-info": [Uri(f"{base_uri.replace('ipp', 'http', 1)}{PATH}{job.printer}")],
        "job-name": [Name(fitting(job.title, NAME_BYTES) or f"{job.printer}-{job.job_id}")],
        "job-originating-user-name": [Name(fitting(job.user, NAME_BYTES))],
        "job-state": [EnumValue(job.state)],
        "job-state-reasons": [Keyword(each) for each in job.reasons or ("none",)],
        "job-state-message": [Text(message)],
        "job-printer-up-time": [int(now_s)],
        "time-at-creation": [int(job.created_s)],
        "time-at-processing": _seconds(job.processing_s),
        "time-at-completed": _seconds(job.completed_s),
        "date-time-at-creation": _date(job.created_s),
        "date-time-at-processing": _date(job.processing_s),
        "date-time-at-completed": _date(job.completed_s),
        "job-k-octets": [-(-job.size_bytes // _KILO)],
        "job-k-octets-processed": [-(-job.size_bytes // _KILO) if job.processing_s else 0],
        "job-impressions": [OutOfBand.NO_VALUE],  # the pages are not counted
        "job-impressions-completed": [0],
        "job-media-sheets-completed": [0],
        "number-of-documents": [1 if job.document or job.state.is_final else 0],
        "job-priority": [job.priority],
    }
    if job.media_type:
        found["document-format"] = [MimeType(job.media_type)]
    return found


def _catalog_language(language: str, known: Collection[str]) -> str:
    """The first of "de-at", "de" and English that is known."""
    return next((each for each in (language, language.partition("-")[0]) if each in known), "")


def _seconds(time_s: float | None) -> Sequence[Value]:
    return [OutOfBand.NO_VALUE if time_s is None else int(time_s)]


def _date(time_s: float | None) -> Sequence[Value]:
    return [OutOfBand.NO_VALUE if time_s is None else datetime.fromtimestamp(time_s, UTC)]
