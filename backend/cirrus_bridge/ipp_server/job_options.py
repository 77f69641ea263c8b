"""Attributes of a client's job → options in CUPS's form, which `sending/job_props` reads. Pure.

Each value is checked against what the printer offers (`job_template`). What the printer does not
offer is left out of the job and goes back to the client as an unsupported attribute (RFC 8011,
4.1.7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.base.device_options import FINISHINGS
from cirrus_bridge.base.model import DEFAULT_PRIORITY, PrintJob
from cirrus_bridge.base.text import fitting
from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.ipp.values import Collection, OutOfBand, Range, Value
from cirrus_bridge.ipp_server.job_media import read_media
from cirrus_bridge.ipp_server.job_template import (
    NO_FINISHING,
    NO_HOLD,
    OVERRIDES,
    Described,
    job_template,
)
from cirrus_bridge.ipp_server.media import AskedPaper, Media
from cirrus_bridge.ipp_server.printers import OfferedPrinter

TITLE_BYTES = 255  # name(MAX)
SECRETS = frozenset({"job-password", "job-password-encryption"})  # no other client may see them
_MOST_PIN_BYTES = 32
_TEMPLATE = "finishing-template"
_LAST_PAGE = 2**31 - 1
# Operation attributes (RFC 8011, 4.2.1.1; PWG 5100.7, 5100.11, 5100.13), if these come along.
_OF_OPERATION = frozenset(
    {
        "attributes-charset", "attributes-natural-language", "client-info", "compression",
        "document-charset", "document-format", "document-format-details", "document-name",
        "document-natural-language", "ipp-attribute-fidelity", "job-id", "job-impressions",
        "job-k-octets", "job-mandatory-attributes", "job-media-sheets", "job-uri",
        "last-document", "printer-uri", "requested-attributes", "requesting-user-name",
        "requesting-user-uri", "requesting-user-vcard",
    }
)  # fmt: skip
# these become options of the same name; the others have one possible value
_OPTIONS = frozenset(
    {
        "multiple-document-handling", "orientation-requested", "output-bin", "print-color-mode",
        "print-quality", "print-scaling", "sheet-collate", "sides",
    }
)  # fmt: skip
_CHECKED = _OPTIONS | {
    "job-sheets", "number-up", "print-content-optimize", "print-rendering-intent",
    "printer-resolution",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestedJob:
    """What a client asks for, without what the printer does not offer.

    Attributes:
        options: for `PrintJob.options`.
        page_ranges: the pages to print, in ascending order; empty for all.
        title: job-name; may be empty.
        hold_until: job-hold-until; empty if the job need not be held.
        paper: the paper that the job asks for, or else the default paper.
        pin: the PIN that the device asks for, or empty. No text may contain it.
        unsupported: for the group of unsupported attributes.
        must_refuse: whether the job must not be printed without its unsupported attributes,
            whatever ipp-attribute-fidelity says: the job has a PIN that the device does not take,
            or job-mandatory-attributes names one of them (PWG 5100.11).
    """

    paper: AskedPaper
    options: Mapping[str, str] = field(default_factory=dict)
    copies: int = 1
    page_ranges: tuple[Range, ...] = ()
    priority: int = DEFAULT_PRIORITY
    title: str = ""
    hold_until: str = ""
    pin: str = field(default="", repr=False)
    unsupported: Attributes = field(default_factory=Attributes)
    must_refuse: bool = False

    @property
    def scaling(self) -> str:
        """The keyword of print-scaling."""
        return self.options.get("print-scaling", "auto")

    @property
    def orientation(self) -> int | None:
        """The number of orientation-requested; None if the job does not ask for one."""
        number = self.options.get("orientation-requested")
        return int(number) if number else None


def read_job(attributes: Attributes, printer: OfferedPrinter) -> RequestedJob:
    """Read what a job asks for.

    Args:
        attributes: the attributes of the job; those of the operation may be among them. job-name,
            job-password and job-mandatory-attributes are operation attributes.
    """
    return _Reader(printer).read(attributes)


def print_job(
    requested: RequestedJob,
    printer: OfferedPrinter,
    *,
    job_id: int,
    job_uuid: str,
    user: str,
    queue: str = "",
    title: str = "",
    host: str = "",
    language: str = "",
    created_at: int = 0,
    processing_at: int = 0,
    document: Path | None = None,
    layout_done: bool = False,
) -> PrintJob:
    """Make the job for the core.

    Args:
        queue: the name of the queue in props; by default the printer's name.
        title: for a job without a job-name, such as the name of the document.
        language: of the client, such as "de".
        created_at, processing_at: in seconds since the epoch.
        document: the file that the device gets.
        layout_done: whether the pages have their final size and orientation already, so that the
            device is not asked for these.
    """
    media = Media(printer.capabilities)
    return PrintJob(
        job_id=job_id,
        job_uuid=job_uuid,
        user=user,
        title=requested.title or fitting(title, TITLE_BYTES) or f"{printer.name}-{job_id}",
        copies=requested.copies,
        queue=queue or printer.name,
        options=requested.options,
        spool_path=document,
        created_at=created_at,
        processing_at=processing_at,
        priority=requested.priority,
        host=host,
        layout_done=layout_done,
        papers=media.words,
        trays=media.trays,
        declared=printer.capabilities.options,
        pin=requested.pin,
        language=language,
    )


class _Reader:
    """Reads one job."""

    def __init__(self, printer: OfferedPrinter) -> None:
        self._what = printer.capabilities
        self._media = Media(self._what)
        self._offered: Described = job_template(printer, self._media)
        self._options: dict[str, str] = {}
        self._unsupported = Attributes()
        self._copies, self._priority = 1, DEFAULT_PRIORITY
        self._hold_until = self._pin = ""
        self._ranges: tuple[Range, ...] = ()

    def read(self, attributes: Attributes) -> RequestedJob:
        readers: Mapping[str, Callable[[Sequence[Value]], Sequence[Value]]] = {
            "copies": self._read_copies,
            "finishings": self._read_finishings,
            "finishings-col": self._read_finishings_col,
            "job-account-id": self._account("job-account-id"),
            "job-accounting-user-id": self._account("job-accounting-user-id"),
            "job-hold-until": self._read_hold_until,
            "job-priority": self._read_priority,
            "overrides": _overrides,
            "page-ranges": self._read_page_ranges,
            **{name: self._choice(name) for name in _CHECKED},
        }
        asked = read_media(attributes, self._media)
        self._options |= asked.options
        self._unsupported |= asked.unsupported
        self._read_password(attributes)
        known = _OF_OPERATION | SECRETS | {"job-name", "media", "media-col"}
        for name, values in attributes.items():
            if name in readers:
                if values and (left := readers[name](values)):
                    self._unsupported[name] = left
            elif name not in known:
                self._unsupported[name] = [OutOfBand.UNSUPPORTED]
        mandatory = {*map(str, attributes.get("job-mandatory-attributes", ())), "job-password"}
        return RequestedJob(
            paper=asked.paper,
            options=self._options,
            copies=self._copies,
            page_ranges=self._ranges,
            priority=self._priority,
            title=fitting(attributes.text("job-name"), TITLE_BYTES).strip(),
            hold_until=self._hold_until,
            pin=self._pin,
            unsupported=self._unsupported,
            must_refuse=not mandatory.isdisjoint(self._unsupported),
        )

    # Each reader takes the values of one attribute, and returns those that are not supported.

    def _choice(self, name: str) -> Callable[[Sequence[Value]], Sequence[Value]]:
        def read(values: Sequence[Value]) -> Sequence[Value]:
            if not self._offers(name, values):
                return values
            if name in _OPTIONS:
                self._options[name] = str(values[0])
            return ()

        return read

    def _offers(self, name: str, values: Sequence[Value]) -> bool:
        """Whether there is one value, and the printer offers it."""
        return len(values) == 1 and _is_among(values[0], self._offered[f"{name}-supported"])

    def _read_copies(self, values: Sequence[Value]) -> Sequence[Value]:
        if not self._offers("copies", values):
            return values
        self._copies = _number(values)
        return ()

    def _read_priority(self, values: Sequence[Value]) -> Sequence[Value]:
        if not (len(values) == 1 and _is_among(values[0], [Range(1, 100)])):
            return values
        self._priority = _number(values)
        return ()

    def _read_hold_until(self, values: Sequence[Value]) -> Sequence[Value]:
        if not self._offers("job-hold-until", values):
            return values
        self._hold_until = "" if values[0] == NO_HOLD else str(values[0])
        return ()

    def _account(self, name: str) -> Callable[[Sequence[Value]], Sequence[Value]]:
        def read(values: Sequence[Value]) -> Sequence[Value]:
            if len(values) != 1 or not isinstance(values[0], str):
                return values
            self._options[name] = fitting(values[0], TITLE_BYTES)
            return ()

        return read

    def _read_finishings(self, values: Sequence[Value]) -> Sequence[Value]:
        offered = self._offered["finishings-supported"]
        words = {each.number: word for word, each in FINISHINGS.items()}
        self._add_finishings(
            words[each]
            for each in values
            if isinstance(each, int) and _is_among(each, offered) and each != NO_FINISHING
        )
        return [each for each in values if not _is_among(each, offered)]

    def _read_finishings_col(self, values: Sequence[Value]) -> Sequence[Value]:
        """Read the names of finishings from their templates (PWG 5100.1, 5.2)."""
        offered = ["none", *self._what.options.props.get("finishings", {})]
        left: list[Value] = []
        for each in values:
            members = each if isinstance(each, Collection) else Collection()
            words = members.get(_TEMPLATE, ())
            if len(words) != 1 or words[0] not in offered:
                left.append(each)
                continue
            self._add_finishings(str(word) for word in words if word != "none")
            if members.keys() - {_TEMPLATE}:
                more = members.items()
                left.append(Collection({name: found for name, found in more if name != _TEMPLATE}))
        return left

    def _add_finishings(self, words: Iterable[str]) -> None:
        known = self._options.get("finishings", "").split(",")
        all_words = dict.fromkeys((*filter(None, known), *words))
        if all_words:
            self._options["finishings"] = ",".join(all_words)

    def _read_page_ranges(self, values: Sequence[Value]) -> Sequence[Value]:
        """Read the ranges, which must ascend and not overlap (RFC 8011, 5.2.7)."""
        ranges = [each for each in values if isinstance(each, Range)]
        last = 0
        for lowest, highest in ranges:
            if not last < lowest <= highest:
                return values
            last = highest
        if len(ranges) < len(values):
            return values
        if ranges != [Range(1, _LAST_PAGE)]:
            self._ranges = tuple(ranges)
            self._options["page-ranges"] = ",".join(f"{low}-{high}" for low, high in ranges)
        return ()

    def _read_password(self, attributes: Attributes) -> None:
        """Read the PIN. A job is not printed without the PIN that it asks for."""
        values = attributes.get("job-password", ())
        encryption = attributes.text("job-password-encryption")
        if not values:
            return
        first = values[0]
        is_valid = len(values) == 1 and isinstance(first, bytes) and len(first) <= _MOST_PIN_BYTES
        if not self._what.options.pin_prop:
            self._unsupported["job-password"] = [OutOfBand.UNSUPPORTED]
        elif encryption not in ("", "none"):
            # not the PIN itself, which is a secret
            self._unsupported["job-password"] = [OutOfBand.UNSUPPORTED]
            self._unsupported["job-password-encryption"] = attributes["job-password-encryption"]
        elif not is_valid:
            self._unsupported["job-password"] = [OutOfBand.UNSUPPORTED]
        else:
            self._pin = first.decode("utf-8", "replace") if isinstance(first, bytes) else ""


def _overrides(values: Sequence[Value]) -> Sequence[Value]:
    """What overrides ask for: nothing may be different on some of the pages."""
    return [
        each for each in values if not isinstance(each, Collection) or each.keys() - {*OVERRIDES}
    ]


def _is_among(value: Value, offered: Sequence[Value]) -> bool:
    """Whether a value is offered; a number may be within a range."""
    if isinstance(value, bool):
        return False
    return any(
        isinstance(value, int) and each.lowest <= value <= each.highest
        if isinstance(each, Range)
        else value == each
        for each in offered
    )


def _number(values: Sequence[Value]) -> int:
    return values[0] if isinstance(values[0], int) else 0
