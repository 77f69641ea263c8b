"""Jobs of CUPS: reading and changing them by IPP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import own_language
from cirrus_bridge.cups.client import CupsServer, only, printer_uri, uri
from cirrus_bridge.cups.ipp import (
    Attribute,
    Attributes,
    Group,
    Operation,
    Tag,
    first_number,
    first_text,
    keywords,
)

TEXT_BYTES = 1023  # RFC 8011, 5.1.2: text(MAX)
OPERATOR_BYTES = 127  # RFC 8011, table 12: job-message-from-operator
HELD, PROCESSING, CANCELED, ABORTED, COMPLETED = 4, 5, 7, 8, 9  # job-state, RFC 8011, 5.3.7
FINAL = (CANCELED, ABORTED, COMPLETED)
INDEFINITE = "indefinite"  # job-hold-until, RFC 8011, 5.2.2: until the job is released

_MESSAGES = ("job-printer-state-message", "job-message-from-operator")
_JOB_WANTED = (
    *("job-id", "job-uuid", "job-name", "job-originating-user-name"),
    *("job-state", "job-state-reasons", "job-hold-until"),
    *("job-printer-uri", "job-printer-uri-actual"),
    *(*_MESSAGES, "job-media-progress"),
    *("time-at-creation", "time-at-processing", "time-at-completed"),
)


@dataclass(frozen=True, slots=True)
class CupsJob:
    """A job as CUPS describes it.

    Attributes:
        queue: the queue or class that the job was sent to.
        printer: the queue that processed the job: `queue`, or a member of the class.
        state: IPP's job-state.
        message: the last message of the backend, or of `set_message` for a held job.
        told: the last message of `set_message`.
        progress: a percentage, or None.
        attributes: all requested attributes by their IPP names.
    """

    job_id: int
    job_uuid: str
    queue: str
    printer: str
    state: int
    reasons: tuple[str, ...]
    hold_until: str
    message: str
    told: str
    progress: int | None
    attributes: Attributes

    @property
    def waits_for_release(self) -> bool:
        """Whether the job is held until it is released, not until a time that a person has set."""
        return self.state == HELD and self.hold_until in ("", INDEFINITE)

    def text(self, name: str) -> str:
        """A requested attribute as text; empty if the job has none."""
        return first_text(self.attributes, name)


class CupsJobs:
    """The jobs of one cupsd.

    Every method raises:
        CupsAway: cupsd does not answer.
        CupsGone: there is no such job or queue.
        CupsNotPossible: the job's state does not allow the change; for example, it is completed.
        CupsRefused: cupsd refuses the request.
    """

    def __init__(self, server: CupsServer) -> None:
        self._server = server

    def jobs(
        self, *, completed: bool = False, limit: int | None = None, also: Sequence[str] = ()
    ) -> list[CupsJob]:
        """List all unfinished jobs, or all finished jobs, newest first.

        Args:
            limit: the largest number of jobs.
            also: further attributes to request.
        """
        about = [
            uri("printer-uri", "/"),
            Attribute(Tag.KEYWORD, "which-jobs", ["completed" if completed else "not-completed"]),
            Attribute(Tag.KEYWORD, "requested-attributes", [*_JOB_WANTED, *also]),
        ]
        if limit is not None:
            about.append(Attribute(Tag.INTEGER, "limit", [limit]))
        return list(map(_job, self._server.request(Operation.GET_JOBS, "/", about).all(Group.JOB)))

    def has_pending(self, queue: str, class_name: str = "") -> bool:
        """Whether jobs wait for a queue or class."""
        wanted = [
            Attribute(Tag.KEYWORD, "which-jobs", ["pending"]),  # RFC 8011 and PWG 5100.11, 7.10
            Attribute(Tag.INTEGER, "limit", [1]),
            Attribute(Tag.KEYWORD, "requested-attributes", ["job-id"]),
        ]
        places = [printer_uri(queue)]
        if class_name:
            places.append(uri("printer-uri", f"/classes/{quote(class_name, safe='')}"))
        return any(
            self._server.request(Operation.GET_JOBS, "/", [place, *wanted]).all(Group.JOB)
            for place in places
        )

    def job(self, job_id: int, *, also: Sequence[str] = ()) -> CupsJob:
        """Get one job."""
        wanted = Attribute(Tag.KEYWORD, "requested-attributes", [*_JOB_WANTED, *also])
        answer = self._server.request(Operation.GET_JOB_ATTRIBUTES, "/", [_job_uri(job_id), wanted])
        return _job(only(answer, Group.JOB))

    def set_message(self, job_id: int, message: str) -> None:
        """Set job-message-from-operator of an unfinished job.

        Setting job-printer-state-message would crash cupsd when the job is released: cupsd uses
        that text after it has freed it.
        """
        said = Attribute(Tag.TEXT, "job-message-from-operator", [operator_message(message)])
        about = [_job_uri(job_id)]
        self._server.request(Operation.SET_JOB_ATTRIBUTES, "/jobs/", about, changes=[said])

    def release_job(self, job_id: int) -> None:
        """Release a held job, so that CUPS runs the backend again."""
        self._server.request(Operation.RELEASE_JOB, "/jobs/", [_job_uri(job_id)])

    def hold_job(self, job_id: int) -> None:
        """Hold a job until it is released; MaxHoldTime of a held job starts again."""
        hold = Attribute(Tag.KEYWORD, "job-hold-until", [INDEFINITE])
        about = [_job_uri(job_id)]
        self._server.request(Operation.SET_JOB_ATTRIBUTES, "/jobs/", about, changes=[hold])

    def move_job(self, job_id: int, queue: str) -> None:
        """Move an unfinished job to another queue."""
        there = Attribute(Tag.URI, "job-printer-uri", list(printer_uri(queue).values))
        self._server.request(Operation.CUPS_MOVE_JOB, "/jobs/", [_job_uri(job_id)], changes=[there])

    def restart_job(self, job_id: int) -> None:
        """Print a finished job again, if CUPS still has its data."""
        self._server.request(Operation.RESTART_JOB, "/jobs/", [_job_uri(job_id)])

    def print_document(self, queue: str, title: str, document_type: str, data: bytes) -> int:
        """Print a document of a MIME type; return the number of its job."""
        about = [
            printer_uri(queue),
            Attribute(Tag.NAME, "job-name", [title]),
            Attribute(Tag.MIME_TYPE, "document-format", [document_type]),
        ]
        answer = self._server.request(
            Operation.PRINT_JOB, "/", about, data=data, language=own_language()
        )
        return first_number(only(answer, Group.JOB), "job-id") or 0


def operator_message(message: str) -> str:
    """Shorten a message as `set_message` does."""
    return fitting(message, OPERATOR_BYTES)


def fitting(text: str, most_bytes: int = TEXT_BYTES) -> str:
    """Put a text on one line, and cut it to `most_bytes` at a character."""
    data = one_line(text).encode("utf-8", "replace")
    if len(data) > most_bytes:
        mark = "…".encode()
        data = data[: most_bytes - len(mark)].decode("utf-8", "ignore").encode() + mark
    return data.decode()


def _job(attributes: Attributes) -> CupsJob:
    queue = _name_in(attributes, "job-printer-uri")
    state = first_number(attributes, "job-state") or 0
    message, told = (first_text(attributes, name) for name in _MESSAGES)
    return CupsJob(
        job_id=first_number(attributes, "job-id") or 0,
        job_uuid=first_text(attributes, "job-uuid"),
        queue=queue,
        printer=_name_in(attributes, "job-printer-uri-actual") or queue,
        state=state,
        reasons=keywords(attributes, "job-state-reasons"),
        hold_until=first_text(attributes, "job-hold-until"),
        message=(told if state == HELD else "") or message,
        told=told,
        progress=first_number(attributes, "job-media-progress"),
        attributes=attributes,
    )


def _name_in(attributes: Attributes, name: str) -> str:
    """The name of the queue or class in a URI attribute."""
    return unquote(first_text(attributes, name).rpartition("/")[2])


def _job_uri(job_id: int) -> Attribute:
    return uri("job-uri", f"/jobs/{job_id}")
