"""What the poller reads from, and tells, CUPS: jobs and queues over IPP.

Reasons of a queue that are not ours, its messages that are not ours, and a pause are left as they
are. Nothing is written that is so already.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import translated
from cirrus_bridge.cups.client import CupsServer, printer_uri, uri
from cirrus_bridge.cups.ipp import Attribute, Attributes, Group, Operation, Tag, Value

REASON_PREFIX = "cirrus-delivery-"  # a queue's reasons that begin so are ours
MESSAGE_PREFIX = "Cirrus Bridge: "  # and a queue's message that begins so
_OF_WAITING_JOBS = ("(CB-434)", "(CB-402)", "(CB-404)", "(CB-405)")
TEXT_BYTES = 1023  # RFC 8011, 5.1.2: text(MAX)
OPERATOR_BYTES = 127  # RFC 8011, table 12: job-message-from-operator
IDLE, STOPPED = 3, 5  # printer-state, RFC 8011, 5.4.11
HELD, PROCESSING, CANCELED, ABORTED, COMPLETED = 4, 5, 7, 8, 9  # job-state, RFC 8011, 5.3.7
FINAL = (CANCELED, ABORTED, COMPLETED)
INDEFINITE = "indefinite"  # job-hold-until, RFC 8011, 5.2.2: until somebody releases it


_MESSAGES = ("job-printer-state-message", "job-message-from-operator")
_JOB_WANTED = (
    *("job-id", "job-uuid", "job-name", "job-originating-user-name"),
    *("job-state", "job-state-reasons", "job-hold-until"),
    *("job-printer-uri", "job-printer-uri-actual"),
    *(*_MESSAGES, "job-media-progress"),
    *("time-at-creation", "time-at-processing", "time-at-completed"),
)
_PRINTER_WANTED = (
    *("printer-name", "device-uri"),
    *("printer-state", "printer-state-message", "printer-state-reasons"),
)


@dataclass(frozen=True, slots=True)
class CupsJob:
    """A job as CUPS has it; `state` is IPP's job-state, `progress` a percentage or None.

    `printer` is the queue that has worked on it: of a class, `queue`, the member. `message` is what
    its last run has said, or of a held job what it was `told` since, by `set_message`.
    `attributes` has everything that was asked for, by its IPP name.
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
        """CUPS holds the job until somebody releases it. A time that a person has set is theirs."""
        return self.state == HELD and self.hold_until in ("", INDEFINITE)

    def text(self, name: str) -> str:
        """An attribute that was asked for; empty if the job has none."""
        return str(_first(self.attributes, name, ""))


@dataclass(frozen=True, slots=True)
class CupsPrinter:
    """A queue as CUPS has it; `state` is IPP's printer-state, `reasons` is empty for `none`."""

    name: str
    device_uri: str
    state: int
    message: str
    reasons: tuple[str, ...]


class CupsQueues:
    """The jobs and queues of one cupsd.

    Every method raises CupsAway while cupsd does not answer, CupsGone where the job or queue is
    not there, CupsNotPossible where its state does not allow it (a completed job can not be
    changed), and CupsRefused otherwise.
    """

    def __init__(self, server: CupsServer) -> None:
        self._server = server

    def jobs(
        self, *, completed: bool = False, limit: int | None = None, also: Sequence[str] = ()
    ) -> list[CupsJob]:
        """All jobs that are not completed (or, the newest first, those that are).

        Args:
            limit: how many at most.
            also: more attributes that are wanted.
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
        """Whether jobs wait for a queue, or for the class that its job came through."""
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
        """One job."""
        wanted = Attribute(Tag.KEYWORD, "requested-attributes", [*_JOB_WANTED, *also])
        answer = self._server.request(Operation.GET_JOB_ATTRIBUTES, "/", [_job_uri(job_id), wanted])
        (job,) = answer.all(Group.JOB)
        return _job(job)

    def set_message(self, job_id: int, message: str) -> None:
        """Change what a job that has not ended says of itself: its job-message-from-operator.

        Not its job-printer-state-message: cupsd takes that from a job's client, but goes on to use
        what it has freed for it, and crashes when the job is released.
        """
        said = Attribute(Tag.TEXT, "job-message-from-operator", [operator_message(message)])
        about = [_job_uri(job_id)]
        self._server.request(Operation.SET_JOB_ATTRIBUTES, "/jobs/", about, changes=[said])

    def release_job(self, job_id: int) -> None:
        """Let a held job go: CUPS runs the backend for it again."""
        self._server.request(Operation.RELEASE_JOB, "/jobs/", [_job_uri(job_id)])

    def hold_job(self, job_id: int) -> None:
        """Hold a job until somebody releases it; of a held job, MaxHoldTime begins again."""
        hold = Attribute(Tag.KEYWORD, "job-hold-until", [INDEFINITE])
        about = [_job_uri(job_id)]
        self._server.request(Operation.SET_JOB_ATTRIBUTES, "/jobs/", about, changes=[hold])

    def move_job(self, job_id: int, queue: str) -> None:
        """Let another queue have a job that has not ended."""
        there = Attribute(Tag.URI, "job-printer-uri", list(printer_uri(queue).values))
        self._server.request(Operation.CUPS_MOVE_JOB, "/jobs/", [_job_uri(job_id)], changes=[there])

    def restart_job(self, job_id: int) -> None:
        """Print a finished job again, if CUPS still has its data."""
        self._server.request(Operation.RESTART_JOB, "/jobs/", [_job_uri(job_id)])

    def pause(self, queue: str, message: str) -> bool:
        """Stop a queue, with a message for people; its jobs stay until somebody enables it.

        Returns:
            False if it was stopped already, with the message of whoever did that.
        """
        if self.printer(queue).state == STOPPED:
            return False
        text = Attribute(Tag.TEXT, "printer-state-message", [queue_message(message)])
        self._server.request(Operation.PAUSE_PRINTER, "/admin/", [printer_uri(queue), text])
        return True

    def printers(self) -> list[CupsPrinter]:
        """All queues and classes."""
        try:
            answer = self._server.request(Operation.CUPS_GET_PRINTERS, "/", [_wanted_of_printers()])
        except CupsGone:
            return []  # which is how cupsd says that there are none
        return list(map(_printer, answer.all(Group.PRINTER)))

    def printer(self, queue: str) -> CupsPrinter:
        """One queue."""
        about = [printer_uri(queue), _wanted_of_printers()]
        answer = self._server.request(Operation.GET_PRINTER_ATTRIBUTES, "/", about)
        (printer,) = answer.all(Group.PRINTER)
        return _printer(printer)

    def tell_queue(self, queue: str, reasons: Collection[str], message: str) -> bool:
        """Make `reasons` our reasons at the queue, and `message` its message if it is free.

        CUPS replaces all reasons at once, so those of others are written with ours. A stopped
        queue is left alone: writing its reason `paused` could stop it again just after somebody
        has enabled it. The message is set only while the queue is idle, where a backend at
        work does not speak, and only over none or one of ours.

        Args:
            reasons: keywords that begin with REASON_PREFIX.
            message: for people; MESSAGE_PREFIX is added; empty to take ours away.

        Returns:
            Whether anything was written.
        """
        now = self.printer(queue)
        if now.state == STOPPED:
            return False
        others = [reason for reason in now.reasons if not reason.startswith(REASON_PREFIX)]
        changes = []
        if {*now.reasons} != {*others, *reasons}:
            merged = [*others, *sorted(reasons)] or ["none"]
            changes.append(Attribute(Tag.KEYWORD, "printer-state-reasons", merged))
        text = queue_message(message)
        is_free = not now.message or is_ours(now.message)
        if now.state == IDLE and is_free and now.message != text:
            changes.append(Attribute(Tag.TEXT, "printer-state-message", [text]))
        if changes:
            self._server.request(
                Operation.CUPS_ADD_MODIFY_PRINTER,
                "/admin/",
                [printer_uri(queue)],
                group=Group.PRINTER,
                changes=changes,
            )
        return bool(changes)


def is_ours(message: str) -> bool:
    """Whether a queue's message is the poller's, or the last word of a backend whose job waits for
    its server: the poller knows when that is no longer true."""
    return message.startswith(MESSAGE_PREFIX) or message.endswith(_OF_WAITING_JOBS)


def queue_message(message: str) -> str:
    """What a queue says, to everybody: so in the language of this process."""
    return fitting(MESSAGE_PREFIX + translated(message)) if message else ""


def operator_message(message: str) -> str:
    """What `set_message` makes of a message."""
    return fitting(message, OPERATOR_BYTES)


def fitting(text: str, most_bytes: int = TEXT_BYTES) -> str:
    """A text on one line that IPP can carry, cut at a character."""
    data = one_line(text).encode("utf-8", "replace")
    if len(data) > most_bytes:
        mark = "…".encode()
        data = data[: most_bytes - len(mark)].decode("utf-8", "ignore").encode() + mark
    return data.decode()


def _job(attributes: Attributes) -> CupsJob:
    progress = _first(attributes, "job-media-progress", None)
    queue = _name_in(attributes, "job-printer-uri")
    state = int(_first(attributes, "job-state", 0) or 0)
    message, told = (str(_first(attributes, name, "")) for name in _MESSAGES)
    return CupsJob(
        job_id=int(_first(attributes, "job-id", 0) or 0),
        job_uuid=str(_first(attributes, "job-uuid", "")),
        queue=queue,
        printer=_name_in(attributes, "job-printer-uri-actual") or queue,
        state=state,
        reasons=_reasons(attributes, "job-state-reasons"),
        hold_until=str(_first(attributes, "job-hold-until", "")),
        message=(told if state == HELD else "") or message,
        told=told,
        progress=None if progress is None else int(progress),
        attributes=attributes,
    )


def _printer(attributes: Attributes) -> CupsPrinter:
    return CupsPrinter(
        name=str(_first(attributes, "printer-name", "")),
        device_uri=str(_first(attributes, "device-uri", "")),
        state=int(_first(attributes, "printer-state", 0) or 0),
        message=str(_first(attributes, "printer-state-message", "")),
        reasons=_reasons(attributes, "printer-state-reasons"),
    )


def _first(attributes: Attributes, name: str, default: Value | None) -> Value | None:
    return next(iter(attributes.get(name, ())), default)


def _name_in(attributes: Attributes, name: str) -> str:
    """The queue or class of a URI."""
    return unquote(str(_first(attributes, name, "")).rpartition("/")[2])


def _reasons(attributes: Attributes, name: str) -> tuple[str, ...]:
    return tuple(str(reason) for reason in attributes.get(name, ()) if reason != "none")


def _wanted_of_printers() -> Attribute:
    return Attribute(Tag.KEYWORD, "requested-attributes", _PRINTER_WANTED)


def _job_uri(job_id: int) -> Attribute:
    return uri("job-uri", f"/jobs/{job_id}")
