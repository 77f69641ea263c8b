"""Printers as the service offers them for described devices."""

from __future__ import annotations

from typing import Any

from cirrus_bridge.base.model import NO_OPTIONS, DeviceOptions, Place
from cirrus_bridge.config.devices import DeclaredDevices, DeviceEntry
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, decode, encode
from cirrus_bridge.ipp.values import Value
from cirrus_bridge.ipp_server.printer_attributes import PrinterUri, ServiceFacts

PLACE = Place("print.example.com", "Acme", "Paris")
FACTS = ServiceFacts(
    uris=[PrinterUri("ipp://localhost:8631/ipp/print/laser")],
    more_info="http://localhost:8631/ipp/print/laser",
    icons=["http://localhost:8631/icon-128.png"],
    document_formats=[
        "application/pdf", "image/jpeg", "image/png", "image/pwg-raster", "image/urf"
    ],
)  # fmt: skip


def offered(line: object, options: DeviceOptions = NO_OPTIONS, **device: object) -> OfferedPrinter:
    """The printer for a device whose target is the printer of this line of the location."""
    answer: dict[str, Any] = {
        "Name": "Paris",
        "Printers": [line],
        "Devices": {"laser": {"Name": "Laser 1", "Target": "HP"} | device},
    }
    declared = DeclaredDevices((DeviceEntry(None, None, ("*:*",), options),))
    (printer,) = offered_printers([(PLACE, answer)], lambda *_: True, declared)
    return printer


def asked(**attributes: Value | list[Value]) -> Attributes:
    """A job's attributes as they arrive; `_` in names stands for `-`."""
    groups = [
        Attribute(name.replace("_", "-"), values if isinstance(values, list) else [values])
        for name, values in attributes.items()
    ]
    return decode(encode(2, [(Group.OPERATION, []), (Group.JOB, groups)])).all(Group.JOB)[0]
