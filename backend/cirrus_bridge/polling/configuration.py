"""The poller's configuration, reloaded when one of its files changes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_bridge.api.client import CloudApi, clients_of
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import JobStatus, Receipt
from cirrus_bridge.config.defaults import FOLDER
from cirrus_bridge.config.load import load
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.polling.timers import Timer

RELOAD_S = 5.0
MOST_QUEUES = 10_000  # whose URIs are remembered


class ConfigurationReader:
    """The current configuration. After an error in a reload, `api_of` fails until the files are
    fixed.

    The service's folder of credentials stays the same while the service runs.

    Raises:
        BadConfiguration, ExposedKey: the configuration cannot be used at the start.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._folder = Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        self._credentials = Path(credentials) if credentials else None
        self._clock = clock
        self._look = Timer(RELOAD_S, clock.monotonic_s() + RELOAD_S)
        self._error: CirrusError | None = None
        self._load()

    def queue_of(self, uri: str) -> QueueUri:
        """The queue with this URI, by the current configuration (`Configuration.queue`)."""
        return self._queue_of(uri)

    def status_of(self, queue: QueueUri) -> Callable[[Receipt], JobStatus]:
        """The function that queries job states for a queue. The errors are those of `api_of`."""
        return self.api_of(queue).job_status

    def api_of(self, queue: QueueUri) -> CloudApi:
        """The API for a queue.

        Raises:
            CirrusError: the configuration has no server for the queue, or is invalid.
        """
        if self._look.is_due(self._clock.monotonic_s()) and self._stamp() != self._seen:
            try:
                self._load()
                self._error = None
            except CirrusError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._client_of(queue)

    def _load(self) -> None:
        self._seen = self._stamp()  # a change during the load is seen at the next look
        self.configuration = load(self._folder, self._credentials)
        self._client_of = clients_of(self.configuration)
        # very many documents share the URIs of a few queues, and so their values
        self._queue_of = functools.lru_cache(MOST_QUEUES)(self.configuration.queue)

    def _stamp(self) -> list[tuple[Path, int, int, int]]:
        """Names, times and sizes of the files; they differ after a change of content or mode."""
        found = []
        for path in (self._folder / "bridge.toml", *sorted(self._folder.glob("servers.d/*"))):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((path, status.st_mtime_ns, status.st_ctime_ns, status.st_size))
        return found
