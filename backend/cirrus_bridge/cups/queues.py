"""Queues of CUPS, read and changed over IPP.

The poller writes at queues where others write too: reasons and messages that are not ours, and a
pause, are left as they are. Setting up does what it is told; which queues may be touched is decided
by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.translation import translated
from cirrus_bridge.cups.client import only, printer_uri
from cirrus_bridge.cups.ipp import (
    Attribute,
    Attributes,
    Group,
    Operation,
    Tag,
    Value,
    first_number,
    first_text,
    keywords,
)
from cirrus_bridge.cups.jobs import CupsJobs, fitting

REASON_PREFIX = "cirrus-delivery-"  # a queue's reasons that begin so are ours
MESSAGE_PREFIX = "Cirrus Bridge: "  # and a queue's message that begins so
_OF_WAITING_JOBS = ("(CB-434)", "(CB-402)", "(CB-404)", "(CB-405)")
MARK = "cirrus-declared"  # the option, of no meaning to jobs, by which `apply` knows its queues
RAW = "raw"  # CUPS's word for a queue without a driver
IDLE, STOPPED = 3, 5  # printer-state, RFC 8011, 5.4.11
_IS_CLASS = 0x0001  # of printer-type, cups/cups.h
_WANTED = (
    *("printer-name", "device-uri", "printer-info", "printer-location", "printer-is-shared"),
    *("printer-error-policy", "printer-make-and-model", "printer-type", "queued-job-count"),
    *("printer-state", "printer-state-message", "printer-state-reasons"),
    *("printer-is-accepting-jobs", f"{MARK}-default", "job-cancel-after-default"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written on a queue that `apply` has made: the name of its entry in queues.toml, and
    the options that were declared."""

    entry: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        # braces would be taken for a collection when CUPS reads the option back
        return " ".join((quote(self.entry, safe=""), *sorted(self.options)))

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """What `str` has made; None of nothing."""
        entry, *options = text.split() or [""]
        return cls(unquote(entry), tuple(options)) if entry else None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue or class as CUPS has it.

    `state` is IPP's printer-state, and `reasons` its printer-state-reasons but for `none`.
    `mark` is None where `apply` did not make it; `jobs` counts those that have not ended. CUPS
    cancels a job of the queue that is in processing for `cancel_after_s` seconds; None leaves that
    to MaxJobTime.
    """

    name: str
    device_uri: str
    state: int
    message: str
    reasons: tuple[str, ...]
    info: str = ""
    location: str = ""
    shared: bool = False
    error_policy: str = ""
    model: str = ""
    accepting: bool = True
    jobs: int = 0
    mark: Mark | None = None
    is_class: bool = False
    cancel_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What is to be set at a queue; None is left as it is. `ppd` is a driver's text, RAW for none;
    `defaults` are options of CUPS's own by name, None to remove one."""

    device_uri: str | None = None
    info: str | None = None
    location: str | None = None
    shared: bool | None = None
    error_policy: str | None = None
    ppd: str | None = None
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    mark: Mark | None = None


class CupsQueues(CupsJobs):
    """The queues of one cupsd, and their jobs; CupsGone means a driver as well."""

    def queues(self) -> list[Queue]:
        """All queues and classes, by name."""
        return sorted(map(_queue, self._all(_WANTED)), key=lambda queue: queue.name.lower())

    def queue(self, queue: str) -> Queue:
        """One queue."""
        return _queue(self._one(queue, _WANTED))

    def version(self) -> str:
        """cupsd's version; empty as long as it has no queues, of which it says it."""
        said = (first_text(queue, "cups-version") for queue in self._all(["cups-version"]))
        return next(filter(None, said), "")

    def defaults(self, queue: str, names: Iterable[str]) -> dict[str, str]:
        """What a queue has as the default of these options of CUPS's own, if it has one."""
        # with the name, as an answer without any attribute has no group
        attributes = self._one(queue, ["printer-name", *(f"{name}-default" for name in names)])
        return {
            name: ",".join(map(_word, values))
            for name in names
            if (values := attributes.get(f"{name}-default"))
        }

    def formats(self, queue: str) -> tuple[str, ...]:
        """The types of documents (RFC 2046) that a queue can print."""
        name = "document-format-supported"
        return tuple(map(str, self._one(queue, ["printer-name", name]).get(name, ())))

    def ppd(self, queue: str) -> str | None:
        """A queue's driver; None if it has none."""
        try:
            return self._ppd(printer_uri(queue))
        except CupsGone:
            return None

    def driver(self, name: str) -> str:
        """A driver by its name, as in `lpinfo -m`."""
        return self._ppd(Attribute(Tag.NAME, "ppd-name", [name]))

    def set_queue(self, queue: str, change: QueueChange, *, is_new: bool = False) -> None:
        """Change a queue, or make a new one, which accepts and prints jobs at once."""
        attributes = list(_attributes(change))
        if is_new:
            attributes.append(Attribute(Tag.ENUM, "printer-state", [IDLE]))
            attributes.append(Attribute(Tag.BOOLEAN, "printer-is-accepting-jobs", [True]))
        is_file = change.ppd not in (None, RAW)
        self._server.request(
            Operation.CUPS_ADD_MODIFY_PRINTER,
            "/admin/",
            [printer_uri(queue)],
            group=Group.PRINTER,
            changes=attributes,
            data=(change.ppd or "").encode("utf-8", "surrogateescape") if is_file else b"",
        )

    def delete_queue(self, queue: str) -> None:
        """Remove a queue, with all its jobs."""
        self._server.request(Operation.CUPS_DELETE_PRINTER, "/admin/", [printer_uri(queue)])

    def pause(self, queue: str, message: str) -> bool:
        """Stop a queue, with a message for people; its jobs stay until somebody enables it.

        Returns:
            False if it was stopped already, with the message of whoever did that.
        """
        if self.queue(queue).state == STOPPED:
            return False
        text = Attribute(Tag.TEXT, "printer-state-message", [queue_message(message)])
        self._server.request(Operation.PAUSE_PRINTER, "/admin/", [printer_uri(queue), text])
        return True

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
        now = self.queue(queue)
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

    def _all(self, wanted: Sequence[str]) -> list[Attributes]:
        about = [Attribute(Tag.KEYWORD, "requested-attributes", wanted)]
        try:
            return self._server.request(Operation.CUPS_GET_PRINTERS, "/", about).all(Group.PRINTER)
        except CupsGone:
            return []  # which is how cupsd says that there are none

    def _one(self, queue: str, wanted: Sequence[str]) -> Attributes:
        about = [printer_uri(queue), Attribute(Tag.KEYWORD, "requested-attributes", wanted)]
        answer = self._server.request(Operation.GET_PRINTER_ATTRIBUTES, "/", about)
        return only(answer, Group.PRINTER)

    def _ppd(self, of: Attribute) -> str:
        data = self._server.request(Operation.CUPS_GET_PPD, "/", [of]).data
        return data.decode("utf-8", "surrogateescape")  # old drivers are in Latin 1


def is_ours(message: str) -> bool:
    """Whether a queue's message is the poller's, or the last word of a backend whose job waits for
    its server: the poller knows when that is no longer true."""
    return message.startswith(MESSAGE_PREFIX) or message.endswith(_OF_WAITING_JOBS)


def queue_message(message: str) -> str:
    """What a queue says, to everybody: so in the language of this process."""
    return fitting(MESSAGE_PREFIX + translated(message)) if message else ""


def _attributes(change: QueueChange) -> Iterable[Attribute]:
    texts = (
        (Tag.URI, "device-uri", change.device_uri),
        (Tag.TEXT, "printer-info", change.info),
        (Tag.TEXT, "printer-location", change.location),
        (Tag.NAME, "printer-error-policy", change.error_policy),
        (Tag.NAME, "ppd-name", RAW if change.ppd == RAW else None),
        (Tag.TEXT, f"{MARK}-default", None if change.mark is None else str(change.mark)),
    )
    for tag, name, text in texts:
        if text is not None:
            yield Attribute(tag, name, [text])
    if change.shared is not None:
        yield Attribute(Tag.BOOLEAN, "printer-is-shared", [change.shared])
    for name, text in change.defaults.items():
        tag = Tag.DELETE if text is None else Tag.NAME
        yield Attribute(tag, f"{name}-default", [text or ""])


def _queue(attributes: Attributes) -> Queue:
    is_class = bool((first_number(attributes, "printer-type") or 0) & _IS_CLASS)
    return Queue(
        name=first_text(attributes, "printer-name"),
        device_uri=first_text(attributes, "device-uri"),
        state=first_number(attributes, "printer-state") or 0,
        message=first_text(attributes, "printer-state-message"),
        reasons=keywords(attributes, "printer-state-reasons"),
        info=first_text(attributes, "printer-info"),
        location=first_text(attributes, "printer-location"),
        shared=bool(first_number(attributes, "printer-is-shared")),
        error_policy=first_text(attributes, "printer-error-policy"),
        model=first_text(attributes, "printer-make-and-model"),
        accepting=bool(first_number(attributes, "printer-is-accepting-jobs")),
        jobs=first_number(attributes, "queued-job-count") or 0,
        mark=None if is_class else Mark.read(first_text(attributes, f"{MARK}-default")),
        is_class=is_class,
        cancel_after_s=first_number(attributes, "job-cancel-after-default"),
    )


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
