"""The poller's configuration, which is read again when one of its files changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.clients import CloudApis
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.config.load import Configuration, load
from cirrus_bridge.config.queue_uri import QueueUri

RELOAD_S = 5.0


class ConfigurationReader:
    """The configuration as it is now; a service's `credentials` stay what they were at its start.

    Raises:
        BadConfiguration, ExposedKey: it can not be read at the start; what is wrong later keeps
            the servers from being asked until it is mended.
    """

    def __init__(self, folder: Path, credentials: Path | None, clock: Clock) -> None:
        self._folder = folder
        self._credentials = credentials
        self._clock = clock
        self._looked_s = clock.monotonic_s()
        self._seen = self._stamp()
        self.configuration: Configuration = load(folder, credentials)
        self._apis = CloudApis(self.configuration)
        self._error: CirrusError | None = None

    def api_of(self, queue: QueueUri) -> CloudApi:
        """The API for a queue.

        Raises:
            CirrusError: the configuration has none, or makes no sense.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s > RELOAD_S:
            self._looked_s = now_s
            self._reload()
        if self._error is not None:
            raise self._error
        return self._apis.of(queue)

    def _reload(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.configuration, self._error = load(self._folder, self._credentials), None
        except CirrusError as error:
            self._error = error
        else:
            self._apis = CloudApis(self.configuration)

    def _stamp(self) -> Sequence[tuple[str, int, int, int]]:
        """What changes when a file of the configuration does, or its rights."""
        paths = [self._folder / "bridge.toml", *sorted(self._folder.glob("servers.d/*"))]
        found = []
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_ctime_ns, status.st_size))
        return found
