"""The installation on this machine: folders, CUPS, servers.

Each part is read on first use, so that a command fails only for what it needs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.api.client import CloudApi, api_for
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.config.defaults import CACHE_FOLDER, CUPS_SOCKET, FOLDER, STATE_FOLDER
from cirrus_bridge.config.load import Configuration, UploadSettings, load
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.drivers.device_cache import DeviceCache

# short, because a person waits at the terminal
TIMEOUTS = UploadSettings(connect_timeout_s=5.0, read_timeout_s=15.0)


@dataclass(frozen=True)
class Installation:
    """Folders and CUPS of this machine; `cups_address` has the form of CUPS_SERVER."""

    config: Path
    state: Path
    cache: Path
    cups_address: str
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Installation:
        """The installation that environment variables name, with the usual folders as defaults."""
        return cls(
            Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER),
            Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER),
            Path(environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER),
            environ.get("CUPS_SERVER") or CUPS_SOCKET,
        )

    @functools.cached_property
    def configuration(self) -> Configuration:
        """bridge.toml and servers.d.

        Raises:
            BadConfiguration, ExposedKey: a file cannot be read, or is invalid.
        """
        return load(self.config)

    @functools.cached_property
    def cups(self) -> CupsQueues:
        """The local cupsd's jobs and queues."""
        return CupsQueues(CupsServer(self.cups_address))

    @functools.cached_property
    def devices_seen(self) -> DeviceCache:
        """The devices that discovery saw last."""
        return DeviceCache(self.cache)

    def api(self, server: Server) -> CloudApi:
        """The API client for a server of the configuration."""
        return api_for(self.configuration, server, TIMEOUTS)
