"""Queues of CUPS: reading and changing them by IPP.

Other programs write to the same queues. `tell_queue` keeps their reasons, their messages and a
pause. The caller decides which queues may be changed or removed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, unquote

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import translated
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.config.queue_uri import SCHEME
from cirrus_bridge.cups.client import only, printer_uri
from cirrus_bridge.cups.jobs import CupsJobs
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, Operation
from cirrus_bridge.ipp.values import EnumValue, Keyword, Name, OutOfBand, Text, Uri

REASON_PREFIX = "cirrus-delivery-"  # begins the reasons that earlier versions set at a queue
MESSAGE_PREFIX = "Cirrus Bridge: "  # begins our own message at a queue
_OF_HELD_JOBS = ("(CB-434)", "(CB-402)", "(CB-404)", "(CB-405)", "(CB-606)")
MARK = "cirrus-declared"  # an option without effect on jobs; marks the queues of `apply`
RAW = "raw"  # CUPS's name for no driver
IDLE, STOPPED = 3, 5  # printer-state, RFC 8011, 5.4.11
_WITH_READY_PAPERS = (2, 4)
_IS_CLASS = 0x0001  # printer-type, cups/cups.h
_WANTED = (
    *("printer-name", "device-uri", "printer-info", "printer-location", "printer-is-shared"),
    *("printer-error-policy", "printer-make-and-model", "printer-type", "queued-job-count"),
    *("printer-state", "printer-state-message", "printer-state-reasons"),
    *("printer-is-accepting-jobs", f"{MARK}-default", "job-cancel-after-default"),
)
_OF_PAPERS = (
    *("printer-name", "printer-is-shared", "server-is-sharing-printers", "cups-version"),
    *("media-default", "media-ready", "media-supported"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a queue that `apply` has made: the queue's entry in queues.toml, and the names of
    the declared options."""

    entry: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        # CUPS would read braces as a collection
        return " ".join((quote(self.entry, safe=""), *sorted(self.options)))

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """Parse the text of a mark; None if it is empty."""
        entry, *options = text.split() or [""]
        return cls(unquote(entry), tuple(options)) if entry else None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue or class as CUPS describes it.

    Attributes:
        state: IPP's printer-state.
        reasons: printer-state-reasons without `none`.
        jobs: the number of unfinished jobs.
        mark: None if `apply` did not make the queue.
        cancel_after_s: CUPS cancels a job after this time in processing; None for MaxJobTime.
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

    def is_ours(self, reason: str) -> bool:
        """Whether the poller may remove one of the queue's reasons."""
        is_bridge = self.device_uri.startswith(f"{SCHEME}:")
        return reason.startswith(REASON_PREFIX) or (is_bridge and reason == OFFLINE_REASON)


class QueuePapers(NamedTuple):
    """The papers of a queue as CUPS reports them to clients, by their names in PWG 5101.1.

    Attributes:
        is_announced: whether CUPS shares the queue and announces it on the network.
        ready: the papers that count as loaded.
    """

    queue: str
    is_announced: bool
    default: str
    ready: tuple[str, ...]
    supported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueChange:
    """Changes to a queue. An attribute that is None stays as it is.

    Attributes:
        ppd: the text of a driver, or RAW for no driver.
        defaults: defaults of CUPS's own options by name; None removes a default.
    """

    device_uri: str | None = None
    info: str | None = None
    location: str | None = None
    shared: bool | None = None
    error_policy: str | None = None
    ppd: str | None = None
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    mark: Mark | None = None


class CupsQueues(CupsJobs):
    """The queues of one cupsd, and their jobs. Errors are those of CupsJobs."""

    def queues(self) -> list[Queue]:
        """All queues and classes, sorted by name."""
        return sorted(map(_queue, self._all(_WANTED)), key=lambda queue: queue.name.lower())

    def queue(self, queue: str) -> Queue:
        return _queue(self._one(queue, _WANTED))

    def papers(self) -> list[QueuePapers]:
        """The papers of all queues. Empty before CUPS 2.4, which reports no loaded papers."""
        all_queues = self._all(_OF_PAPERS)
        return [_papers(each) for each in all_queues if _version(each) >= _WITH_READY_PAPERS]

    def version(self) -> str:
        """The version of cupsd. cupsd reports it for each queue; without queues, only the first two
        numbers are known, or none ("") if cupsd hides them (ServerTokens in cupsd.conf(5))."""
        said = (queue.text("cups-version") for queue in self._all(["cups-version"]))
        if version := next(filter(None, said), ""):
            return version
        found = re.search(r"\bCUPS/([\d.]+)", self._server.software())
        return found[1] if found else ""

    def defaults(self, queue: str, names: Iterable[str]) -> dict[str, str]:
        """The queue's defaults of some of CUPS's own options, without those that are not set."""
        # printer-name is requested too: cupsd omits the group of an answer without attributes
        attributes = self._one(queue, ["printer-name", *(f"{name}-default" for name in names)])
        return {
            name: ",".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
            for name in names
            if (values := attributes.get(f"{name}-default"))
        }

    def formats(self, queue: str) -> tuple[str, ...]:
        """The MIME types (RFC 2046) of the documents that a queue can print."""
        name = "document-format-supported"
        return tuple(map(str, self._one(queue, ["printer-name", name]).get(name, ())))

    def ppd(self, queue: str) -> str | None:
        """The text of a queue's driver; None if it has none."""
        try:
            return self._ppd(printer_uri(queue))
        except CupsGone:
            return None

    def driver(self, name: str) -> str:
        """The text of a driver with a name from `lpinfo -m`. Raises CupsGone if there is none."""
        return self._ppd(Attribute("ppd-name", [Name(name)]))

    def set_queue(self, queue: str, change: QueueChange, *, is_new: bool = False) -> None:
        """Change a queue, or make a new one that accepts and prints jobs."""
        attributes = list(_attributes(change))
        if is_new:
            attributes.append(Attribute("printer-state", [EnumValue(IDLE)]))
            attributes.append(Attribute("printer-is-accepting-jobs", [True]))
        ppd = "" if change.ppd in (None, RAW) else change.ppd
        self._modify(queue, attributes, ppd.encode("utf-8", "surrogateescape"))

    def delete_queue(self, queue: str) -> None:
        """Remove a queue with all its jobs."""
        self._server.request(Operation.CUPS_DELETE_PRINTER, "/admin/", printer_uri(queue))

    def pause(self, queue: str, message: str) -> bool:
        """Stop a queue with a message for people. Its jobs wait until a person enables the queue.

        Returns False if the queue was already stopped; its message stays.
        """
        if self.queue(queue).state == STOPPED:
            return False
        text = Attribute("printer-state-message", [Text(queue_message(message))])
        self._server.request(Operation.PAUSE_PRINTER, "/admin/", printer_uri(queue), text)
        return True

    def tell_queue(self, queue: str, reasons: Collection[str], message: str) -> bool:
        """Replace our reasons at a queue, and its message if no other program has set one.

        CUPS replaces all reasons at once, so foreign reasons are written with ours. A stopped queue
        stays unchanged: writing its reason `paused` could stop it again just after a person has
        enabled it. The message changes only at an idle queue, when no backend sets messages.

        Args:
            reasons: OFFLINE_REASON, or nothing.
            message: for people, without MESSAGE_PREFIX; empty to remove our message.

        Returns whether anything was written.
        """
        now = self.queue(queue)
        if now.state == STOPPED:
            return False
        others = [reason for reason in now.reasons if not now.is_ours(reason)]
        merged = [*others, *sorted(reasons)]
        changes = []
        if {*now.reasons} != {*merged}:
            keywords = [*map(Keyword, merged or ["none"])]
            changes.append(Attribute("printer-state-reasons", keywords))
        text = queue_message(message)
        is_free = not now.message or is_ours(now.message)
        if now.state == IDLE and is_free and now.message != text:
            changes.append(Attribute("printer-state-message", [Text(text)]))
        if changes:
            self._modify(queue, changes)
        return bool(changes)

    def _modify(self, queue: str, changes: Sequence[Attribute], ppd: bytes = b"") -> None:
        self._server.request(
            Operation.CUPS_ADD_MODIFY_PRINTER,
            "/admin/",
            printer_uri(queue),
            group=Group.PRINTER,
            changes=changes,
            data=ppd,
        )

    def _all(self, wanted: Sequence[str]) -> list[Attributes]:
        about = Attribute("requested-attributes", [*map(Keyword, wanted)])
        try:
            return self._server.request(Operation.CUPS_GET_PRINTERS, "/", about).all(Group.PRINTER)
        except CupsGone:
            return []  # cupsd answers so if it has no queues

    def _one(self, queue: str, wanted: Sequence[str]) -> Attributes:
        about = printer_uri(queue), Attribute("requested-attributes", [*map(Keyword, wanted)])
        answer = self._server.request(Operation.GET_PRINTER_ATTRIBUTES, "/", *about)
        return only(answer, Group.PRINTER)

    def _ppd(self, of: Attribute) -> str:
        data = self._server.request(Operation.CUPS_GET_PPD, "/", of).data
        return data.decode("utf-8", "surrogateescape")  # old drivers may be in Latin 1


def is_ours(message: str) -> bool:
    """Whether the poller may replace a queue's message: its own, or that of a backend whose job
    waits for its server, or stays held after the removal of Cirrus Bridge."""
    return message.startswith(MESSAGE_PREFIX) or message.endswith(_OF_HELD_JOBS)


def queue_message(message: str) -> str:
    """The message at a queue; everyone reads it, so it is in the language of this process."""
    return fitting(MESSAGE_PREFIX + translated(message)) if message else ""


def _attributes(change: QueueChange) -> Iterable[Attribute]:
    texts = (
        (Uri, "device-uri", change.device_uri),
        (Text, "printer-info", change.info),
        (Text, "printer-location", change.location),
        (Name, "printer-error-policy", change.error_policy),
        (Name, "ppd-name", RAW if change.ppd == RAW else None),
        (Text, f"{MARK}-default", None if change.mark is None else str(change.mark)),
    )
    for syntax, name, text in texts:
        if text is not None:
            yield Attribute(name, [syntax(text)])
    if change.shared is not None:
        yield Attribute("printer-is-shared", [change.shared])
    for name, text in change.defaults.items():
        yield Attribute(f"{name}-default", [OutOfBand.DELETE if text is None else Name(text)])


def _queue(attributes: Attributes) -> Queue:
    is_class = bool((attributes.number("printer-type") or 0) & _IS_CLASS)
    return Queue(
        name=attributes.text("printer-name"),
        device_uri=attributes.text("device-uri"),
        state=attributes.number("printer-state") or 0,
        message=attributes.text("printer-state-message"),
        reasons=attributes.keywords("printer-state-reasons"),
        info=attributes.text("printer-info"),
        location=attributes.text("printer-location"),
        shared=bool(attributes.number("printer-is-shared")),
        error_policy=attributes.text("printer-error-policy"),
        model=attributes.text("printer-make-and-model"),
        accepting=bool(attributes.number("printer-is-accepting-jobs")),
        jobs=attributes.number("queued-job-count") or 0,
        mark=None if is_class else Mark.read(attributes.text(f"{MARK}-default")),
        is_class=is_class,
        cancel_after_s=attributes.number("job-cancel-after-default"),
    )


def _papers(attributes: Attributes) -> QueuePapers:
    is_shared = attributes.number("printer-is-shared")
    return QueuePapers(
        queue=attributes.text("printer-name"),
        is_announced=bool(is_shared and attributes.number("server-is-sharing-printers")),
        default=attributes.text("media-default"),
        ready=attributes.keywords("media-ready"),
        supported=attributes.keywords("media-supported"),
    )


def _version(attributes: Attributes) -> tuple[int, ...]:
    """The first two numbers of the version of CUPS; empty if it is unknown."""
    found = re.match(r"(\d+)\.(\d+)", attributes.text("cups-version"))
    return tuple(map(int, found.groups())) if found else ()
