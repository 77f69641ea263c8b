"""Discovery: the devices of the configured servers, for CUPS (backend(7)). Wiring only."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from cirrus_bridge.api.client import api_for
from cirrus_bridge.api.mdns import LanServer, servers_on_lan
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.privileges import STAYS_ROOT, give_up_root, make_folder
from cirrus_bridge.config.defaults import CACHE_FOLDER
from cirrus_bridge.config.load import UploadSettings, load
from cirrus_bridge.cups.cupsd import snap_notice
from cirrus_bridge.cups.status_lines import CupsReport, wait_until_read
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.discovery import SCHEME_LINE, discover, nothing_to_ask, unconfigured

TIMEOUTS = UploadSettings(connect_timeout_s=2.0, read_timeout_s=2.0)
LAN_WAIT_S = 0.7  # after the servers' answers


def list_devices(folder: Path, report: CupsReport, clock: Clock) -> None:
    """Write one line for each device to standard output. If the configuration in `folder` is wrong,
    only the scheme is listed."""
    try:
        configuration = load(folder)
    except CirrusError as error:
        report.fault(error.text)
        sys.stdout.write(SCHEME_LINE + "\n")
        return
    cache = Path(os.environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER)
    with contextlib.suppress(OSError):  # discovery works without a cache
        make_folder(cache, 0o755)
        if unread := give_up_root(cache):
            report.debug(STAYS_ROOT.format(folder=cache, unread=unread))
    on_lan: list[LanServer] = []
    browsing = threading.Thread(target=lambda: on_lan.extend(servers_on_lan(clock)), daemon=True)
    browsing.start()
    for line in discover(
        configuration.servers,
        lambda server: api_for(configuration, server, TIMEOUTS),
        DeviceCache(cache),
        clock,
        report.fault,
    ):
        # UTF-8 in any locale: names may be in any script
        sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()
    wait_until_read(sys.stdout.fileno(), clock)
    browsing.join(LAN_WAIT_S)
    for text in nothing_to_ask(folder, configuration.servers):
        report.info(text)
    if notice := snap_notice():
        report.info(notice.text)
    for text in unconfigured(configuration.servers, on_lan):
        report.info(text)
