"""Configuration: bridge.toml and servers.d/*.toml of one folder, read and checked whole.

Unknown names and wrong types are errors that name the file; files with keys must be private.
A key is wrapped in `Secret` from the moment it is read and shows itself in no text. Every user
sees the messages, so what stands where a key may have been put by mistake is not repeated either.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge.config_toml import FOR_THE_QUEUE, Table, bad, read_table, unreadable
from cirrus_bridge.errors import ExposedKey, UnknownServer
from cirrus_bridge.props import IDENTITY
from cirrus_bridge.settings import QueueSettings, override
from cirrus_bridge.uri import QueueUri, check_id, parse_server, server_name

FOLDER = Path("/etc/cirrus-bridge")
STATE_FOLDER = Path("/var/lib/cirrus-bridge")
NOT_SHOWN = "what it says is not repeated here, as it may be a key"
SERVER_NAMES = (
    *("host", "company", "api_key", "api_key_file", "locations"),
    *("ca_file", "proxy", "allow_plaintext"),
)


class Secret:
    """A text that `repr` and `str` do not show."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True)
class Server:
    """One `[[server]]` entry. `company` is None where the key is bound to none, so that each
    request has to name it (the API's `compid`)."""

    name: str
    api_key: Secret
    company: str | None = None
    locations: tuple[str, ...] = ()
    ca_file: str | None = None
    proxy: str | None = None
    allow_plaintext: bool = False


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """`[upload]`: sizes in bytes, times in seconds."""

    connections: int = 4
    segment_bytes: int = 512 * 1024
    largest_segment_bytes: int = 1024 * 1024
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class PollerSettings:
    """`[statusd]` and `[journal]`. A server is asked `requests_per_minute` times at most; a job
    that it has not known for `unknown_after_s` seconds ends as unknown; a document whose run came
    to no end is looked after when it was quiet for `orphan_after_s`. `hook` is a command to be run
    for each change; `notify` tells a job's owner on the desktop; metrics are served on loopback
    at `metrics_port`, if it is not 0. The journal keeps closed documents for `keep_days`, and
    `keep_documents` of them at most."""

    requests_per_minute: int = 300
    unknown_after_s: int = 3600
    orphan_after_s: int = 60
    hook: tuple[str, ...] = ()
    notify: bool = False
    metrics_port: int = 0
    keep_days: int = 30
    keep_documents: int = 100_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the configuration folder says."""

    folder: Path
    defaults: QueueSettings
    upload: UploadSettings
    servers: tuple[Server, ...]
    identify: tuple[str, ...] = ()
    poller: PollerSettings = PollerSettings()

    def server_for(self, queue: QueueUri) -> Server:
        """The entry for a queue's host and company; one without a company serves any.

        Raises:
            UnknownServer: there is none.
        """
        here = [server for server in self.servers if server.name == queue.server]
        for company in (queue.company, None):
            for server in here:
                if server.company == company:
                    return server
        what = f"company '{queue.company}' on {queue.server}" if here else queue.server
        raise UnknownServer(
            f"No [[server]] entry for {what} in {self.folder}/servers.d/. Add one with its "
            "host, company and api_key, then cupsenable the queue."
        )


def load(folder: Path) -> Configuration:
    """Read the configuration in `folder`; bridge.toml may be absent.

    Raises:
        BadConfiguration: a file can not be read, or says something that has no meaning.
        ExposedKey: a file with a key is readable by others than its owner.
    """
    return load_bridge(folder, _servers(folder / "servers.d"))


def load_bridge(folder: Path, servers: tuple[Server, ...]) -> Configuration:
    """What bridge.toml says, with these servers.

    Raises:
        BadConfiguration: it can not be read, or says something that has no meaning.
    """
    bridge = read_table(folder / "bridge.toml", optional=True)
    bridge.only(("defaults", "upload", "statusd", "journal"))
    defaults, upload = bridge.table("defaults"), bridge.table("upload")
    identify = defaults.take("identify", list, [])
    if not all(what in tuple(IDENTITY) for what in identify):
        raise bad(bridge.source, f"[defaults]: identify is a list of {', '.join(IDENTITY)}")
    upload.only(field.name for field in dataclasses.fields(UploadSettings))
    try:
        options = {k: _text(v) for k, v in defaults.content.items() if k != "identify"}
        settings = override(QueueSettings(), options)
    except ValueError as error:
        raise bad(bridge.source, f"[defaults]: {error}") from None
    normal = UploadSettings()
    sizes = UploadSettings(
        connections=upload.take("connections", int, normal.connections),
        segment_bytes=upload.take("segment_bytes", int, normal.segment_bytes),
        largest_segment_bytes=upload.take(
            "largest_segment_bytes", int, normal.largest_segment_bytes
        ),
        connect_timeout_s=upload.take("connect_timeout_s", float, normal.connect_timeout_s),
        read_timeout_s=upload.take("read_timeout_s", float, normal.read_timeout_s),
    )
    if not 1024 <= sizes.segment_bytes <= sizes.largest_segment_bytes:
        raise bad(bridge.source, "[upload]: segment_bytes is from 1024 to largest_segment_bytes")
    if not 1 <= sizes.connections <= 32:
        raise bad(bridge.source, "[upload]: connections is from 1 to 32")
    if not all(0 < t <= 3600 for t in (sizes.connect_timeout_s, sizes.read_timeout_s)):
        raise bad(bridge.source, "[upload]: timeouts are above 0 and at most 3600")
    return Configuration(
        folder,
        settings,
        sizes,
        servers,
        tuple(identify),
        _poller_settings(bridge.table("statusd"), bridge.table("journal")),
    )


def _poller_settings(statusd: Table, journal: Table) -> PollerSettings:
    normal = PollerSettings()
    kept = ("keep_days", "keep_documents")
    journal.only(kept)
    statusd.only(f.name for f in dataclasses.fields(PollerSettings) if f.name not in kept)
    hook = statusd.take("hook", list, [])
    if not all(isinstance(word, str) and word for word in hook):
        raise statusd.bad("'hook' is a command as a list of texts, such as [\"/usr/bin/logger\"]")
    numbers = {
        name: table.take(name, int, getattr(normal, name))
        for table, names in (
            (statusd, ("requests_per_minute", "unknown_after_s", "orphan_after_s", "metrics_port")),
            (journal, kept),
        )
        for name in names
    }
    if not 2 <= numbers["requests_per_minute"] <= 60_000:
        raise statusd.bad("'requests_per_minute' is from 2 to 60000")
    if not 0 <= numbers["metrics_port"] < 65_536:
        raise statusd.bad("'metrics_port' is a port, or 0 for none")
    if numbers["orphan_after_s"] < 1:
        raise statusd.bad("'orphan_after_s' is 1 or more")
    for table, name in ((statusd, "unknown_after_s"), *((journal, name) for name in kept)):
        if numbers[name] < 0:
            raise table.bad(f"'{name}' is 0 or more")
    notify = statusd.take("notify", bool, normal.notify)
    return PollerSettings(hook=tuple(hook), notify=notify, **numbers)


def _servers(folder: Path) -> tuple[Server, ...]:
    servers: list[Server] = []
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise unreadable(folder, error) from None
    for path in files:
        servers += read_servers(path)
    seen = [(server.name, server.company) for server in servers]
    for entry in seen:
        if seen.count(entry) > 1:
            raise bad(folder, f"host {entry[0]} with company {entry[1]} has two entries")
    return tuple(servers)


def read_servers(path: Path) -> list[Server]:
    """The entries of one file of servers.d; raises as `load` does."""
    _check_private(path)
    return [_server(entry) for entry in read_table(path).entries("server", SERVER_NAMES)]


def _server(entry: Table) -> Server:
    try:
        name = server_name(*parse_server(entry.take("host", str)))
    except ValueError:
        raise entry.bad(f"'host' is not a host name, or host name and port; {NOT_SHOWN}") from None
    company = entry.take("company", str, None)
    locations = entry.take("locations", list, [])
    try:
        for listed in ([company] if company is not None else []) + locations:
            check_id(_text(listed))
    except ValueError as error:
        raise entry.bad(f"a name of a company or location {error}") from None
    server = Server(
        name=name,
        api_key=_api_key(entry),
        company=company,
        locations=tuple(map(_text, locations)),
        ca_file=entry.take("ca_file", str, None),
        proxy=entry.take("proxy", str, None),
        allow_plaintext=entry.take("allow_plaintext", bool, False),
    )
    if server.proxy is not None and not _is_proxy(server.proxy):
        raise entry.bad("'proxy' is not of the form http://HOST:PORT")
    if server.ca_file and not os.access(server.ca_file, os.R_OK):
        raise entry.bad(f"ca_file {server.ca_file} can not be read")
    return server


def _api_key(entry: Table) -> Secret:
    text, file = entry.take("api_key", str, None), entry.take("api_key_file", str, None)
    if text is None and file is None:
        raise entry.bad("the key is missing: add api_key, or api_key_file with the path of a file")
    if text is not None and file is not None:
        raise entry.bad("api_key and api_key_file are both there: keep one of them")
    what = "api_key"
    if file == "":
        raise entry.bad("api_key_file is empty; it is to be the path of a file")
    if file is not None:
        what = "the file that api_key_file names"
        path = entry.source.parent / file
        try:
            path.stat()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no path"
            raise entry.bad(f"{what} can not be read ({why}); {NOT_SHOWN}") from None
        _check_private(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable(path, error) from None
    key = (text or "").strip()
    if not key:
        raise entry.bad(f"{what} is empty; put the key there that the server's administrator gave")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise entry.bad(f"{what} holds spaces, line breaks or letters that no key has")
    return Secret(key)


def _is_proxy(text: str) -> bool:
    """Whether requests can use it; its own error would show the password that may be in it."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_private(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in (0, os.geteuid()):
        exposed = ExposedKey(
            f"{path} holds an API key and others than its owner can get at it. "
            f"Run: chown root {path} && chmod 600 {path}, and make a new key if it may be known."
        )
        exposed.consequence = FOR_THE_QUEUE
        raise exposed


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError("a value must be a text or a number")
