"""Device kinds: how a device describes itself to imitate a kind of printer.

A kind fills in fields of cloudlet.toml; a field that is given explicitly overrides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OFFICE = ("A4", "A5", "Letter", "Legal", "Executive", "Envelope #10", "Envelope DL")

# kind → the fields of its [[device]] table
DEVICE_KINDS: Mapping[str, Mapping[str, Any]] = {
    "mono-laser": {
        "formats": ["pdf", "ps", "pcl", "pcl6"],
        "printer": {
            "driver": "Generic Mono Laser",
            "port": "USB001:",
            "trays": ["Tray 1", "Tray 2", "Manual Feed"],
            "duplex": True,
            "papers": list(_OFFICE),
        },
    },
    "color-mfp": {
        "formats": ["pdf", "ps"],
        "printer": {
            "driver": "Generic Color MFP",
            "port": "IP_192.0.2.10",
            "trays": ["Tray 1", "Tray 2", "Tray 3", "Tray 4", "Bypass Tray"],
            "color": True,
            "collate": True,
            "duplex": True,
            "papers": ["A3", "B4 (JIS)", "B5 (JIS)", "Tabloid", *_OFFICE],
        },
    },
    "label-printer": {
        "formats": ["pdf"],
        "printer": {
            "driver": "Generic Label",
            "port": "USB002:",
            "trays": ["Roll"],
            "papers": ["Label 4 x 6 in", "Label 2.25 x 1.25 in", "Label 62 x 29 mm"],
        },
    },
    "ps-printer": {
        "formats": ["ps"],
        "printer": {
            "driver": "Generic PostScript",
            "port": "LPT1:",
            "trays": ["Upper Tray", "Lower Tray"],
            "color": True,
            "duplex": True,
            "papers": list(_OFFICE),
        },
    },
    "pcl6-printer": {
        "formats": ["pcl6"],
        "printer": {
            "driver": "Generic PCL 6",
            "port": "LPT1:",
            "trays": ["Tray 1", "Tray 2"],
            "duplex": True,
            "papers": list(_OFFICE),
        },
    },
    "line-printer": {
        "formats": ["txt"],
        "printer": {
            "driver": "Generic / Text Only",
            "port": "COM1:",
            "papers": ["US Std Fanfold 11 x 14.875 in"],
        },
    },
}
