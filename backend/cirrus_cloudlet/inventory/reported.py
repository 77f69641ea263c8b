"""The devices of a location as its clients report its printers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.inventory.file import Changes
from cirrus_cloudlet.inventory.inventory import DeviceType, Location, PrinterFacts, check_id

_MOST_ADDED = 100  # devices of a location
_ID_BYTES = 255


def printer_changes(location: Location, printers: Sequence[Mapping[str, Any]]) -> Changes:
    """The changes that describe a location's printers: facts of known devices, and new devices.

    A person's own description of a device stays. A printer that is gone keeps its device, because
    it may come back; its jobs wait.
    """
    changes: dict[tuple[str, ...], Mapping[str, Any]] = {}
    added = sum(device.auto for device in location.devices.values())
    known = {
        device.target: device
        for device in location.devices.values()
        if device.type is DeviceType.PRINTER
    }
    for printer in printers:
        queue, facts = printer["queue"], _facts(printer)
        device = known.get(queue)
        if device is not None:
            if (device.auto or device.printer is None) and device.printer != facts:
                changes[location.company, location.id, device.id] = {"printer": _table(facts)}
        elif added < _MOST_ADDED and queue not in location.devices and _is_id(queue):
            added += 1
            changes[location.company, location.id, queue] = {
                "type": "printer",
                "target": queue,
                "name": printer["name"],
                "auto": True,
                "printer": _table(facts),
            }
    return changes


def _facts(printer: Mapping[str, Any]) -> PrinterFacts:
    return PrinterFacts(
        driver=printer["model"] or printer["queue"],
        trays=tuple(printer["trays"]),
        color=printer["color"],
        collate=printer["collate"],
        duplex=printer["duplex"],
        papers=tuple(printer["papers"]),
    )


def _table(facts: PrinterFacts) -> dict[str, Any]:
    return {
        "driver": facts.driver,
        "trays": list(facts.trays),
        "color": facts.color,
        "collate": facts.collate,
        "duplex": facts.duplex,
        "papers": list(facts.papers),
    }


def _is_id(text: str) -> bool:
    try:
        return len(check_id(text, "device").encode()) <= _ID_BYTES
    except Refusal:
        return False
