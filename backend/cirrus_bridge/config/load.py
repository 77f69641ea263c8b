"""The configuration: bridge.toml and servers.d/*.toml of one folder, read and checked as a whole.

Unknown names and wrong types are errors that name the file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.base.errors import UnknownServer
from cirrus_bridge.base.translation import told_by, tr
from cirrus_bridge.config.defaults import IDENTITY
from cirrus_bridge.config.printers import PrinterSettings, read_printers
from cirrus_bridge.config.queue_options import QueueSettings, override
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.config.servers import KeyFiles, Server, check_connections, read_servers
from cirrus_bridge.config.toml import number, read_table, text_of

# Settings of [statusd] in earlier versions. Each backend reads them too, so an error would stop all
# queues after an upgrade.
REMOVED = ("notify",)
_LONGEST_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """`[upload]`: sizes in bytes, times in seconds."""

    connections: int = 20
    segment_bytes: int = 128 * 1024
    largest_segment_bytes: int = 512 * 1024
    connect_timeout_s: float = number(10.0, 0.001, _LONGEST_TIMEOUT_S)
    read_timeout_s: float = number(60.0, 0.001, _LONGEST_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class PollerSettings:
    """`[statusd]` and `[journal]`.

    Attributes:
        requests_per_minute: the most requests to one server.
        unknown_after_s: seconds after which a job that the server does not know ends as unknown.
        orphan_after_s: quiet seconds after which a document of an unfinished run is taken care of.
        hook: a command to run for each change.
        metrics_port: the loopback port for metrics; 0 for none.
        keep_days, keep_documents: limits for closed documents in the journal.
    """

    requests_per_minute: int = number(300, 2, 60_000)
    unknown_after_s: int = number(3600, 0)
    orphan_after_s: int = number(60, 1)
    hook: tuple[str, ...] = ()
    metrics_port: int = number(0, 0, 65_535)
    keep_days: int = number(30, 0)
    keep_documents: int = number(100_000, 0)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything in the configuration folder. `removed` are settings without effect, whose lines
    can be deleted."""

    folder: Path
    defaults: QueueSettings
    upload: UploadSettings
    servers: tuple[Server, ...]
    identify: tuple[str, ...] = ()
    poller: PollerSettings = PollerSettings()
    removed: tuple[str, ...] = ()
    printers: PrinterSettings = field(default_factory=PrinterSettings)

    def server_for(self, queue: QueueUri) -> Server:
        """The entry for a queue's host and company. An entry without a company serves any company.
        Raises UnknownServer if there is no such entry."""
        if server := self._entry(queue):
            return server
        what: str = queue.server
        if any(server.name == queue.server for server in self.servers):
            what = tr("company '{company}' on {server}", company=queue.company, server=what)
        folder = self.folder
        raise UnknownServer(
            tr("No [[server]] entry for {what} in {folder}/servers.d/.", what=what, folder=folder),
            tr("Add an entry with host, company and api_key, then cupsenable the queue."),
        )

    def queue(self, uri: str, defaults: QueueSettings | None = None) -> QueueUri:
        """A queue by its URI. Missing options come from the server's entry, then from `defaults`
        (if not given, from the configuration's). Raises BadQueueUri."""
        settings = defaults or self.defaults
        queue = parse_queue_uri(uri, settings)
        if (server := self._entry(queue)) and server.encryption:
            settings = dataclasses.replace(settings, encryption=server.encryption)
            queue = parse_queue_uri(uri, settings)
        return queue

    def upload_to(self, queue: QueueUri) -> UploadSettings:
        """`[upload]`, or what the entry of the queue's server says instead."""
        server = self._entry(queue)
        connections = (server and server.connections) or self.upload.connections
        return dataclasses.replace(self.upload, connections=connections)

    def encryption_of(self, server: Server) -> str:
        """The encryption in the server's entry, or else in `[defaults]`."""
        return server.encryption or self.defaults.encryption

    def _entry(self, queue: QueueUri) -> Server | None:
        here = {each.company: each for each in self.servers if each.name == queue.server}
        return here.get(queue.company) or here.get(None)


def load(
    folder: Path, credentials: Path | None = None, *, server: str | None = None
) -> Configuration:
    """Read the configuration in `folder`; bridge.toml may be absent. A service may have copies of
    the files with keys among its `credentials`. With the name of a `server`, only its entries are
    read (`read_servers`).

    Raises BadConfiguration if a file cannot be read or is invalid, and ExposedKey if users other
    than the owner can read a file with a key.
    """
    return load_bridge(folder, read_servers(KeyFiles(folder / "servers.d", credentials), server))


def load_bridge(folder: Path, servers: tuple[Server, ...]) -> Configuration:
    """Read bridge.toml in `folder`, for a configuration with these servers. Raises as `load`."""
    bridge = read_table(folder / "bridge.toml", optional=True)
    names = ("defaults", "upload", "statusd", "journal", "printers")
    bridge.only(names)
    defaults, upload, statusd, journal, printers = map(bridge.table, names)
    identify = defaults.take("identify", list, [])
    if not all(what in tuple(IDENTITY) for what in identify):
        raise defaults.bad(tr("identify must be a list of {names}", names=", ".join(IDENTITY)))
    try:
        options = {k: text_of(v) for k, v in defaults.content.items() if k != "identify"}
        settings = override(QueueSettings(), options)
    except ValueError as error:
        raise defaults.bad(told_by(error)) from None
    sizes = UploadSettings(**upload.settings(UploadSettings))
    if not 1024 <= sizes.segment_bytes <= sizes.largest_segment_bytes:
        raise upload.bad(tr("segment_bytes must be from 1024 to largest_segment_bytes"))
    check_connections(sizes.connections, upload)
    kept = ("keep_days", "keep_documents")
    others = [f.name for f in dataclasses.fields(PollerSettings) if f.name not in kept]
    said = statusd.without(REMOVED).settings(PollerSettings, others)
    if not all(isinstance(word, str) and word for word in said.get("hook", ())):
        raise statusd.bad(
            tr("'hook' must be a command as a list of texts, such as [\"/usr/bin/logger\"]")
        )
    poller = PollerSettings(**said, **journal.settings(PollerSettings, kept))
    removed = tuple(name for name in REMOVED if name in statusd.content)
    offered = read_printers(printers)
    return Configuration(
        folder, settings, sizes, servers, tuple(identify), poller, removed, offered
    )
