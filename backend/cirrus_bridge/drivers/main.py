"""The CUPS driver program `cirrus`: a driver for each device that discovery has seen.

`list` prints a line for each driver, `cat NAME` prints a PPD (cups-driverd(8)). The program reads
only the cache and devices.toml: CUPS runs it as a user without keys whenever anyone opens a list of
drivers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.config.defaults import CACHE_FOLDER, FOLDER
from cirrus_bridge.config.devices import read_devices
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import drivers

USAGE = "Usage: cirrus-driver list | cirrus-driver cat NAME"


def run() -> int:
    """Entry point of the program."""
    cache = DeviceCache(Path(os.environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER))
    try:
        declared = read_devices(Path(os.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER))
    except CirrusError as error:
        return _fail(error.text)
    known = (driver for location in cache.everything() for driver in drivers(*location, declared))
    match sys.argv[1:]:
        case ["list"]:
            for driver in known:
                sys.stdout.write(driver.line + "\n")
            return 0
        case ["cat", name]:
            for driver in known:
                if driver.name == name:
                    sys.stdout.buffer.write(driver.ppd().encode())
                    return 0
            return _fail(
                tr("There is no driver '{name}'. Look for devices first (lpinfo -v).", name=name)
            )
        case _:
            sys.stderr.write(USAGE + "\n")
            return 1


def _fail(text: str) -> int:
    sys.stderr.buffer.write(f"ERROR: {translated(text)}\n".encode("utf-8", "replace"))
    return 1
