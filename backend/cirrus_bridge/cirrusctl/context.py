"""The installation on this machine: folders, CUPS, servers.

Each part is read on first use, so that a command fails only for what it needs.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.api.client import CloudApi, api_for
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.config.defaults import (
    CACHE_FOLDER,
    CUPS_SOCKET,
    FOLDER,
    PRINTERS_FOLDER,
    STATE_FOLDER,
)
from cirrus_bridge.config.devices import DeclaredDevices, read_devices
from cirrus_bridge.config.load import Configuration, UploadSettings, load
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.queues import CupsQueues

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
    def here(cls) -> Installation:
        """The installation that environment variables name, with the usual folders as defaults."""
        return cls(
            Path(os.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER),
            Path(os.environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER),
            Path(os.environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER),
            os.environ.get("CUPS_SERVER") or CUPS_SOCKET,
        )

    @property
    def printers(self) -> Path:
        """The state folder of `cirrus-printers`, which has its own journal."""
        return self.state / PRINTERS_FOLDER

    @functools.cached_property
    def configuration(self) -> Configuration:
        """bridge.toml and servers.d.

        Raises:
            BadConfiguration, ExposedKey: a file cannot be read, or is invalid.
        """
        return load(self.config)

    @functools.cached_property
    def declared_devices(self) -> DeclaredDevices:
        """devices.toml.

        Raises:
            BadConfiguration: the file cannot be read, or is invalid.
        """
        return read_devices(self.config)

    @functools.cached_property
    def cups(self) -> CupsQueues:
        return CupsQueues(CupsServer(self.cups_address))

    def api(self, server: Server) -> CloudApi:
        return api_for(self.configuration, server, TIMEOUTS)
