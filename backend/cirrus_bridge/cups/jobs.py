"""Jobs of CUPS: reading and changing them by IPP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cirrus_bridge.base.errors import CupsAway, CupsRefused, JobUnidentified
from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import own_language, tr
from cirrus_bridge.cups.client import CupsServer, only, printer_uri, uri
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, Operation
from cirrus_bridge.ipp.values import Keyword, MimeType, Name, Text

OPERATOR_BYTES = 127  # RFC 8011, table 12: job-message-from-operator
PENDING, HELD, PROCESSING = 3, 4, 5  # job-state, RFC 8011, 5.3.7
CANCELED, ABORTED, COMPLETED = 7, 8, 9
FINAL = (CANCELED, ABORTED, COMPLETED)
INDEFINITE = "indefinite"  # job-hold-until, RFC 8011, 5.2.2: until the job is released
PAGE_LOGGING = "page-logging"  # the option of pdftopdf in cups-filters 1.x
_PAGE_LOGGING_2 = "pdf-filter-page-logging"  # the same in cups-filters 2.x
WAITS_S = (0.2, 0.5, 1, 2, 3, 5, 8, 10, 15, 15)  # a busy cupsd may take a minute

_MESSAGES = ("job-printer-state-message", "job-message-from-operator")
_WANTED = (
    *("job-id", "job-uuid", "job-name", "job-originating-user-name"),
    *("job-state", "job-state-reasons", "job-hold-until"),
    *("job-printer-uri", "job-printer-uri-actual"),
    *(*_MESSAGES, "job-media-progress"),
    *("time-at-creation", "time-at-processing", "time-at-completed"),
)
_WANTED_OF_ONE = (
    *(*_WANTED, "job-cancel-after", "job-priority", "job-originating-host-name"),
    "job-impressions-completed",
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
        return self.attributes.text(name)


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
        self, *, completed: bool = False, limit: int | None = None, mine: bool = False
    ) -> list[CupsJob]:
        """List all unfinished jobs, or all finished jobs, newest first, at most `limit`. `mine`
        leaves out the jobs of all but the user of this process."""
        which = "completed" if completed else "not-completed"
        place = uri("printer-uri", "/")
        return list(map(_job, self._list(place, which, _WANTED, limit, mine=mine)))

    def has_pending(self, queue: str, class_name: str = "") -> bool:
        """Whether jobs wait for a queue or class."""
        places = _places(queue, class_name)
        return any(self._list(place, "pending", ["job-id"], 1) for place in places)

    def pending(self, queue: str, class_name: str = "") -> list[tuple[int, str]]:
        """The numbers and UUIDs of the jobs that wait for a queue or class."""
        found = [
            (attributes.number("job-id") or 0, attributes.text("job-uuid"))
            for place in _places(queue, class_name)
            for attributes in self._list(place, "pending", ["job-id", "job-uuid"], None)
        ]
        return list(dict.fromkeys(found))

    def job(self, job_id: int) -> CupsJob:
        wanted = Attribute("requested-attributes", [*map(Keyword, _WANTED_OF_ONE)])
        answer = self._server.request(Operation.GET_JOB_ATTRIBUTES, "/", _job_uri(job_id), wanted)
        return _job(only(answer, Group.JOB))

    def identified_job(self, job_id: int, sleep: Callable[[float], None]) -> CupsJob:
        """Get the job of a run, and retry for about a minute until cupsd identifies it.

        The option string of a backend (backend(7), argv[5]) does not identify a job: CUPS 2.4.20 no
        longer passes job-uuid there, and no release passes the job's priority. cupsd's answer is
        the same in all runs of the job, after a restart of cupsd, and in every release since 2.4.2.

        Raises only JobUnidentified.
        """
        waits_s = iter(WAITS_S)
        while True:
            cause: CupsAway | CupsRefused | None = None
            try:
                job = self.job(job_id)
                if job.job_uuid:
                    return job
                trouble = "the answer has no job-uuid"
            except (CupsAway, CupsRefused) as error:
                cause, trouble = error, f"{error} {error.detail}"
            wait_s = next(waits_s, None)
            if wait_s is None or isinstance(cause, CupsRefused):
                text = tr(
                    "CUPS did not identify this job, so nothing was sent. The job is held, "
                    "and cirrus-statusd releases it when CUPS answers."
                )
                raise JobUnidentified(text, detail=trouble) from cause
            sleep(wait_s)

    def set_message(self, job_id: int, message: str) -> None:
        """Set job-message-from-operator of an unfinished job.

        Setting job-printer-state-message would crash cupsd when the job is released: cupsd uses
        that text after it has freed it.
        """
        said = Attribute("job-message-from-operator", [Text(operator_message(message))])
        self._alter(Operation.SET_JOB_ATTRIBUTES, job_id, said)

    def release_job(self, job_id: int) -> None:
        """Release a held job, so that CUPS runs the backend again."""
        self._alter(Operation.RELEASE_JOB, job_id)

    def hold_job(self, job_id: int) -> None:
        """Hold a job until it is released; MaxHoldTime of a held job starts again."""
        hold = Attribute("job-hold-until", [Keyword(INDEFINITE)])
        self._alter(Operation.SET_JOB_ATTRIBUTES, job_id, hold)

    def set_page_logging(self, job_id: int, value: str) -> None:
        """Set whether pdftopdf counts the pages in the next runs of an unfinished job."""
        names = (PAGE_LOGGING, _PAGE_LOGGING_2)
        changes = (Attribute(name, [Keyword(value)]) for name in names)
        self._alter(Operation.SET_JOB_ATTRIBUTES, job_id, *changes)

    def move_job(self, job_id: int, queue: str) -> None:
        """Move an unfinished job to another queue."""
        self._alter(Operation.CUPS_MOVE_JOB, job_id, printer_uri(queue, "job-printer-uri"))

    def restart_job(self, job_id: int) -> None:
        """Print a finished job again, if CUPS still has its data."""
        self._alter(Operation.RESTART_JOB, job_id)

    def print_document(self, queue: str, title: str, document_type: str, data: bytes) -> int:
        """Print a document of a MIME type; return the number of its job."""
        answer = self._server.request(
            Operation.PRINT_JOB,
            "/",
            printer_uri(queue),
            Attribute("job-name", [Name(title)]),
            Attribute("document-format", [MimeType(document_type)]),
            data=data,
            language=own_language(),
        )
        return only(answer, Group.JOB).number("job-id") or 0

    def _list(
        self,
        place: Attribute,
        which: str,
        wanted: Sequence[str],
        limit: int | None,
        *,
        mine: bool = False,
    ) -> list[Attributes]:
        about = [
            place,
            Attribute("which-jobs", [Keyword(which)]),
            Attribute("requested-attributes", [*map(Keyword, wanted)]),
        ]
        if mine:  # cupsd knows the user of a local socket from the kernel
            about.append(Attribute("my-jobs", [True]))
        if limit is not None:
            about.append(Attribute("limit", [limit]))
        return self._server.request(Operation.GET_JOBS, "/", *about).all(Group.JOB)

    def _alter(self, operation: Operation, job_id: int, *changes: Attribute) -> None:
        self._server.request(operation, "/jobs/", _job_uri(job_id), changes=changes)


def _places(queue: str, class_name: str) -> list[Attribute]:
    """A queue and its class, if any, for Get-Jobs (RFC 8011, and PWG 5100.11, 7.10)."""
    places = [printer_uri(queue)]
    if class_name:
        places.append(uri("printer-uri", f"/classes/{quote(class_name, safe='')}"))
    return places


def operator_message(message: str) -> str:
    """Shorten a message as `set_message` does."""
    return fitting(message, OPERATOR_BYTES)


def _job(attributes: Attributes) -> CupsJob:
    queue = _name_in(attributes, "job-printer-uri")
    state = attributes.number("job-state") or 0
    message, told = (attributes.text(name) for name in _MESSAGES)
    return CupsJob(
        job_id=attributes.number("job-id") or 0,
        job_uuid=attributes.text("job-uuid"),
        queue=queue,
        printer=_name_in(attributes, "job-printer-uri-actual") or queue,
        state=state,
        reasons=attributes.keywords("job-state-reasons"),
        hold_until=attributes.text("job-hold-until"),
        message=(told if state == HELD else "") or message,
        told=told,
        progress=attributes.number("job-media-progress"),
        attributes=attributes,
    )


def _name_in(attributes: Attributes, name: str) -> str:
    return unquote(attributes.text(name).rpartition("/")[2])


def _job_uri(job_id: int) -> Attribute:
    return uri("job-uri", f"/jobs/{job_id}")
