"""Setting up CUPS: its queues of all kinds, their drivers and defaults, over IPP.

Does what it is told; which queues may be touched is decided by who calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.translation import own_language
from cirrus_bridge.cups.client import CupsServer, printer_uri
from cirrus_bridge.cups.ipp import Attribute, Attributes, Group, Operation, Tag, Value

MARK = "cirrus-declared"  # the option, of no meaning to jobs, by which `apply` knows its queues
RAW = "raw"  # CUPS's word for a queue without a driver
_IS_CLASS = 0x0001  # of printer-type, cups/cups.h
_IDLE = 3
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
    """A queue as CUPS has it.

    `mark` is None where `apply` did not make it; `jobs` counts those that have not ended. CUPS
    cancels a job of the queue that is in processing for `cancel_after_s` seconds; None leaves that
    to MaxJobTime.
    """

    name: str
    device_uri: str
    info: str
    location: str
    shared: bool
    error_policy: str
    model: str
    state: int
    message: str
    reasons: tuple[str, ...]
    accepting: bool
    jobs: int
    mark: Mark | None
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


class CupsSetup:
    """The queues of one cupsd, to be set up.

    Raises (every method):
        CupsAway: cupsd does not answer.
        CupsGone: there is no such queue or driver.
        CupsRefused: cupsd says no.
    """

    def __init__(self, server: CupsServer) -> None:
        self._server = server

    def queues(self) -> list[Queue]:
        """All queues and classes, by name."""
        wanted = Attribute(Tag.KEYWORD, "requested-attributes", _WANTED)
        try:
            answer = self._server.request(Operation.CUPS_GET_PRINTERS, "/", [wanted])
        except CupsGone:
            return []  # which is how cupsd says that there are none
        return sorted(map(_queue, answer.all(Group.PRINTER)), key=lambda queue: queue.name.lower())

    def version(self) -> str:
        """cupsd's version; empty as long as it has no queues, of which it says it."""
        wanted = Attribute(Tag.KEYWORD, "requested-attributes", ["cups-version"])
        try:
            answer = self._server.request(Operation.CUPS_GET_PRINTERS, "/", [wanted])
        except CupsGone:
            return ""
        return next((_text(p["cups-version"][0]) for p in answer.all(Group.PRINTER)
                     if p.get("cups-version")), "")  # fmt: skip

    def defaults(self, queue: str, names: Iterable[str]) -> dict[str, str]:
        """What a queue has as the default of these options of CUPS's own, if it has one."""
        # with the name, as an answer without any attribute has no group
        asked = ["printer-name", *(f"{name}-default" for name in names)]
        about = [printer_uri(queue), Attribute(Tag.KEYWORD, "requested-attributes", asked)]
        answer = self._server.request(Operation.GET_PRINTER_ATTRIBUTES, "/", about)
        (printer,) = answer.all(Group.PRINTER)
        return {
            name: ",".join(map(_text, values))
            for name in names
            if (values := printer.get(f"{name}-default"))
        }

    def ppd(self, queue: str) -> str | None:
        """A queue's driver; None if it has none."""
        try:
            return self._ppd(printer_uri(queue))
        except CupsGone:
            return None

    def driver(self, name: str) -> str:
        """A driver by its name, as in `lpinfo -m`."""
        return self._ppd(Attribute(Tag.NAME, "ppd-name", [name]))

    def set(self, queue: str, change: QueueChange, *, is_new: bool = False) -> None:
        """Change a queue, or make a new one, which accepts and prints jobs at once."""
        attributes = list(_attributes(change))
        if is_new:
            attributes.append(Attribute(Tag.ENUM, "printer-state", [_IDLE]))
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

    def takes(self, queue: str) -> tuple[str, ...]:
        """The types of documents (RFC 2046) that a queue can print."""
        wanted = Attribute(Tag.KEYWORD, "requested-attributes", ["document-format-supported"])
        answer = self._server.request(
            Operation.GET_PRINTER_ATTRIBUTES, "/", [printer_uri(queue), wanted]
        )
        (printer,) = answer.all(Group.PRINTER)
        return tuple(map(str, printer.get("document-format-supported", ())))

    def print(self, queue: str, title: str, document_type: str, data: bytes) -> int:
        """Print a document; its job's number."""
        about = [
            printer_uri(queue),
            Attribute(Tag.NAME, "job-name", [title]),
            Attribute(Tag.MIME_TYPE, "document-format", [document_type]),
        ]
        answer = self._server.request(
            Operation.PRINT_JOB, "/", about, data=data, language=own_language()
        )
        (job,) = answer.all(Group.JOB)
        return int(job["job-id"][0])

    def delete(self, queue: str) -> None:
        """Remove a queue, with all its jobs."""
        self._server.request(Operation.CUPS_DELETE_PRINTER, "/admin/", [printer_uri(queue)])

    def _ppd(self, of: Attribute) -> str:
        data = self._server.request(Operation.CUPS_GET_PPD, "/", [of]).data
        return data.decode("utf-8", "surrogateescape")  # old drivers are in Latin 1


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
    def first(name: str, default: Value) -> Value:
        return next(iter(attributes.get(name, ())), default)

    is_class = bool(int(first("printer-type", 0)) & _IS_CLASS)
    return Queue(
        name=str(first("printer-name", "")),
        device_uri=str(first("device-uri", "")),
        info=str(first("printer-info", "")),
        location=str(first("printer-location", "")),
        shared=bool(first("printer-is-shared", False)),
        error_policy=str(first("printer-error-policy", "")),
        model=str(first("printer-make-and-model", "")),
        state=int(first("printer-state", 0)),
        message=str(first("printer-state-message", "")),
        reasons=tuple(str(r) for r in attributes.get("printer-state-reasons", ()) if r != "none"),
        accepting=bool(first("printer-is-accepting-jobs", False)),
        jobs=int(first("queued-job-count", 0)),
        mark=None if is_class else Mark.read(str(first(f"{MARK}-default", ""))),
        is_class=is_class,
        cancel_after_s=_seconds(attributes.get("job-cancel-after-default", ())),
    )


def _seconds(values: Sequence[Value]) -> int | None:
    return next((int(value) for value in values if isinstance(value, int)), None)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
