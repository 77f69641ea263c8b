"""The poller's configuration, reloaded when one of its files changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cirrus_bridge.api.client import CloudApi, CloudApis
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.config.load import Configuration, load
from cirrus_bridge.config.queue_uri import QueueUri

RELOAD_S = 5.0


class ConfigurationReader:
    """The current configuration. After an error in a reload, `api_of` fails until the files are
    fixed.

    Args:
        folder: the folder of bridge.toml.
        credentials: the service's folder of credentials, which stays the same while the service
            runs.

    Raises:
        BadConfiguration, ExposedKey: the configuration cannot be used at the start.
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
            CirrusError: the configuration has no server for the queue, or is invalid.
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
        """Names, times and sizes of the files; they differ after a change of content or mode."""
        paths = [self._folder / "bridge.toml", *sorted(self._folder.glob("servers.d/*"))]
        found = []
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_ctime_ns, status.st_size))
        return found
