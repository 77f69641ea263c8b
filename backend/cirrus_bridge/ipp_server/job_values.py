"""The values of a job's attributes, checked against what the printer offers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cirrus_bridge.base.device_options import FINISHINGS
from cirrus_bridge.base.model import DEFAULT_PRIORITY
from cirrus_bridge.base.text import fitting
from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.ipp.values import Collection, OutOfBand, Range, Value
from cirrus_bridge.ipp_server.job_template import (
    NO_FINISHING,
    NO_HOLD,
    OVERRIDES,
    PRIORITIES,
    Described,
)
from cirrus_bridge.sending.job_props import PIN

NAME_BYTES = 255  # name(MAX)
_TEMPLATE = "finishing-template"
_LAST_PAGE = 2**31 - 1
# these become options of the same name; the others have one possible value
_OPTIONS = (
    "multiple-document-handling", "orientation-requested", "output-bin", "print-color-mode",
    "print-quality", "print-scaling", "sheet-collate", "sides",
)  # fmt: skip
_CHECKED = (
    "job-sheets", "number-up", "print-content-optimize", "print-rendering-intent",
    "printer-resolution",
)  # fmt: skip
Reader = Callable[[Sequence[Value]], Sequence[Value]]


class JobValues:
    """The values that a job asks for, without its media. The readers of attributes fill it.

    Attributes:
        options: for `PrintJob.options`.
        readers: a reader for each attribute, which takes the attribute's values and returns those
            that are not supported.
        copies, priority, hold_until, pin, page_ranges: as in `RequestedJob`.
    """

    def __init__(self, offered: Described) -> None:
        self._offered = offered
        self.options: dict[str, str] = {}
        self.copies, self.priority = 1, DEFAULT_PRIORITY
        self.hold_until = self.pin = ""
        self.page_ranges: tuple[Range, ...] = ()
        self.readers: dict[str, Reader] = {
            **{name: self._choice(name) for name in (*_OPTIONS, *_CHECKED)},
            "copies": self._read_copies,
            "finishings": self._read_finishings,
            "finishings-col": self._read_finishings_col,
            "job-account-id": self._account("job-account-id"),
            "job-accounting-user-id": self._account("job-accounting-user-id"),
            "job-hold-until": self._read_hold_until,
            "job-priority": self._read_priority,
            "overrides": _overrides,
            "page-ranges": self._read_page_ranges,
        }

    def read_password(self, attributes: Attributes) -> Attributes:
        """Read the PIN, and return what is not supported. The PIN itself never goes back."""
        values = attributes.get("job-password", ())
        if not values:
            return Attributes()
        encryption = attributes.text("job-password-encryption") or "none"
        refused = Attributes({"job-password": [OutOfBand.UNSUPPORTED]})
        if encryption not in self._offered.get("job-password-encryption-supported", ()):
            if "job-password-supported" in self._offered:
                refused["job-password-encryption"] = attributes["job-password-encryption"]
            return refused
        pin = values[0].decode("utf-8", "replace") if isinstance(values[0], bytes) else ""
        if len(values) > 1 or not PIN.fullmatch(pin):
            return refused
        self.pin = pin
        return Attributes()

    def _offers(self, name: str, values: Sequence[Value]) -> bool:
        """Whether there is one value, and the printer offers it."""
        return len(values) == 1 and is_among(values[0], self._offered[f"{name}-supported"])

    def _choice(self, name: str) -> Reader:
        def read(values: Sequence[Value]) -> Sequence[Value]:
            if not self._offers(name, values):
                return values
            if name in _OPTIONS:
                self.options[name] = str(values[0])
            return ()

        return read

    def _account(self, name: str) -> Reader:
        def read(values: Sequence[Value]) -> Sequence[Value]:
            if len(values) != 1 or not isinstance(values[0], str):
                return values
            self.options[name] = fitting(values[0], NAME_BYTES)
            return ()

        return read

    def _read_copies(self, values: Sequence[Value]) -> Sequence[Value]:
        if not self._offers("copies", values):
            return values
        self.copies = _number(values[0])
        return ()

    def _read_priority(self, values: Sequence[Value]) -> Sequence[Value]:
        if not (len(values) == 1 and is_among(values[0], [Range(1, PRIORITIES)])):
            return values
        self.priority = _number(values[0])
        return ()

    def _read_hold_until(self, values: Sequence[Value]) -> Sequence[Value]:
        if not self._offers("job-hold-until", values):
            return values
        self.hold_until = "" if values[0] == NO_HOLD else str(values[0])
        return ()

    def _read_finishings(self, values: Sequence[Value]) -> Sequence[Value]:
        offered = self._offered["finishings-supported"]
        words = {each.number: word for word, each in FINISHINGS.items()}
        taken = [_number(each) for each in values if is_among(each, offered)]
        self._add_finishings(words[number] for number in taken if number != NO_FINISHING)
        return [each for each in values if not is_among(each, offered)]

    def _read_finishings_col(self, values: Sequence[Value]) -> Sequence[Value]:
        """Read the names of finishings from their templates (PWG 5100.1, 5.2). CUPS sends the name
        of its own choice, StapleTopLeft."""
        offered = self._offered.get(f"{_TEMPLATE}-supported", ())
        known = {_plain(word): str(word) for word in offered}
        left: list[Value] = []
        for each in values:
            members = each if isinstance(each, Collection) else Collection()
            words = members.get(_TEMPLATE, ())
            word = known.get(_plain(words[0])) if len(words) == 1 else None
            if word is None:
                left.append(each)
                continue
            self._add_finishings([word] if word != "none" else [])
            if more := {name: found for name, found in members.items() if name != _TEMPLATE}:
                left.append(Collection(more))
        return left

    def _add_finishings(self, words: Iterable[str]) -> None:
        known = self.options.get("finishings", "").split(",")
        if all_words := dict.fromkeys((*filter(None, known), *words)):
            self.options["finishings"] = ",".join(all_words)

    def _read_page_ranges(self, values: Sequence[Value]) -> Sequence[Value]:
        """Read the ranges, which must ascend and not overlap (RFC 8011, 5.2.7)."""
        ranges = [each for each in values if isinstance(each, Range)]
        if len(ranges) < len(values) or self._offered["page-ranges-supported"] != [True]:
            return values
        last = 0
        for lowest, highest in ranges:
            if not last < lowest <= highest:
                return values
            last = highest
        if ranges != [Range(1, _LAST_PAGE)]:
            self.page_ranges = tuple(ranges)
            self.options["page-ranges"] = ",".join(f"{low}-{high}" for low, high in ranges)
        return ()


def _overrides(values: Sequence[Value]) -> Sequence[Value]:
    """The overrides that ask for something: no page may differ from the others."""
    return [
        each for each in values if not isinstance(each, Collection) or each.keys() - {*OVERRIDES}
    ]


def is_among(value: Value, offered: Sequence[Value]) -> bool:
    """Whether a value is offered; a number may be within a range."""
    if isinstance(value, bool):
        return False
    return any(
        isinstance(value, int) and each.lowest <= value <= each.highest
        if isinstance(each, Range)
        else value == each
        for each in offered
    )


def _plain(value: Value) -> str:
    return str(value).replace("-", "").lower()


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0
