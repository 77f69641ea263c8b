"""This machine's printers, from CUPS, as the client reports them.

Queues that print through Cirrus Bridge are left out: their jobs would come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cirrus_cloudlet.printers import MOST_PRINTERS

_STATES = {3: "idle", 4: "printing", 5: "stopped"}
_WANTED = [
    *("printer-info", "printer-make-and-model", "printer-config-change-time"),
    *("printer-state", "printer-state-message", "printer-state-reasons"),
    *("media-source-supported", "media-supported", "sides-supported"),
    *("print-color-mode-supported", "multiple-document-handling-supported"),
    *("marker-names", "marker-levels"),
]
_ITEMS = 100
_CHARACTERS = 200


class Printers:
    """The printers of this machine; their descriptions are read again when CUPS has new ones."""

    def __init__(self) -> None:
        self._choices: dict[str, tuple[object, dict[str, list[str]]]] = {}

    def list(self) -> list[dict[str, Any]]:
        """List CUPS's queues; none if there is no CUPS, or if CUPS does not answer."""
        try:
            import cups
        except ImportError:
            return []
        found = []
        try:
            cupsd = cups.Connection()
            for queue, facts in sorted(cupsd.getPrinters().items())[:MOST_PRINTERS]:
                if not str(facts.get("device-uri", "")).startswith("cirrus:"):
                    wanted = cupsd.getPrinterAttributes(queue, requested_attributes=_WANTED)
                    found.append(self._describe(cups, cupsd, queue, wanted))
        except (cups.IPPError, cups.HTTPError, RuntimeError):
            return []
        return found

    def _describe(
        self, cups: Any, cupsd: Any, queue: str, facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        version = facts.get("printer-config-change-time")
        if queue not in self._choices or self._choices[queue][0] != version:
            self._choices[queue] = (version, _read_choices(cups, cupsd, queue))
        choices = self._choices[queue][1]
        sides, colors = (
            _texts(facts, "sides-supported"),
            _texts(facts, "print-color-mode-supported"),
        )
        handling = _texts(facts, "multiple-document-handling-supported")
        return {
            "queue": queue,
            "name": _line(facts.get("printer-info", "")),
            "model": _line(facts.get("printer-make-and-model", "")),
            "state": _STATES.get(facts.get("printer-state", 0), "unknown"),
            "message": _line(facts.get("printer-state-message", "")),
            "reasons": [each for each in _texts(facts, "printer-state-reasons") if each != "none"],
            "trays": choices.get("InputSlot") or _texts(facts, "media-source-supported"),
            "papers": choices.get("PageSize") or _texts(facts, "media-supported"),
            "color": "color" in colors,
            "collate": "separate-documents-collated-copies" in handling,
            "duplex": any(each.startswith("two-sided") for each in sides),
            "supplies": _supplies(facts),
        }


def _read_choices(cups: Any, cupsd: Any, queue: str) -> dict[str, list[str]]:
    """The trays and papers in the queue's PPD, by the names that its jobs use."""
    try:
        path = Path(cupsd.getPPD(queue))
    except (cups.IPPError, RuntimeError):  # a queue without a PPD
        return {}
    try:
        ppd = cups.PPD(str(path))
        options = {name: ppd.findOption(name) for name in ("InputSlot", "PageSize")}
        return {
            name: [_line(choice["choice"]) for choice in option.choices][:_ITEMS]
            for name, option in options.items()
            if option is not None
        }
    except RuntimeError:
        return {}
    finally:
        path.unlink(missing_ok=True)


def _supplies(facts: Mapping[str, Any]) -> list[str]:
    """The levels of ink and toner, such as `Black 40 %`."""
    names, levels = _texts(facts, "marker-names"), facts.get("marker-levels", [])
    levels = levels if isinstance(levels, list) else [levels]
    return [
        f"{name} {level} %" if isinstance(level, int) and level >= 0 else name
        for name, level in zip(names, levels, strict=False)
    ]


def _texts(facts: Mapping[str, Any], name: str) -> list[str]:
    """The values of an attribute; pycups gives one value as such, or in a list."""
    found = facts.get(name, [])
    values = found if isinstance(found, list) else [found]
    return [_line(each) for each in values if each][:_ITEMS]


def _line(text: object) -> str:
    return "".join(each for each in str(text) if each.isprintable())[:_CHARACTERS]
