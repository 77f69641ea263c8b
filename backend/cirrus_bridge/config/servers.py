"""The servers of the configuration, with their keys: the files of servers.d.

Only their owner may read the files. If the user of a service may not read them, systemd gives the
service copies, its credentials (systemd.exec(5)), which are private, too. A key is wrapped in
`Secret` from the moment it is read, and no text shows the key. All users see the messages, so a
value that may be a misplaced key is never repeated.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge.base.errors import ExposedKey
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.queue_options import ENCRYPTION
from cirrus_bridge.config.queue_uri import check_id, is_loopback, parse_server, server_name
from cirrus_bridge.config.toml import FOR_THE_QUEUE, Table, bad, read_table, text_of, unreadable

NOT_SHOWN = tr("its value is not shown, because it may be a key")
SERVER_NAMES = (
    *("host", "company", "api_key", "api_key_file", "locations"),
    *("ca_file", "proxy", "encryption", "allow_plaintext", "local_user", "connections"),
)
COPY_PREFIX = "servers.d_"  # how LoadCredential=servers.d:FOLDER begins its copies' names


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that `repr` and `str` do not show."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text


@dataclass(frozen=True, slots=True)
class Server:
    """One `[[server]]` entry. `company` is None if the key is not bound to a company; each request
    then names the company (the API's `compid`). `encryption` and `connections` are None if
    `[defaults]` and `[upload]` decide. `key_reader` is the user id of the process that read the
    key from a file, so this user knows the key."""

    name: str
    api_key: Secret
    company: str | None = None
    locations: tuple[str, ...] = ()
    ca_file: str | None = None
    proxy: str | None = None
    encryption: str | None = None
    allow_plaintext: bool = False
    local_user: str | None = None
    connections: int | None = None
    key_reader: int = field(default_factory=os.geteuid)

    @property
    def may_be_plain(self) -> bool:
        """Whether requests may be unencrypted: they stay here, or the entry allows it."""
        host = urlsplit(f"//{self.name}").hostname or ""
        return self.allow_plaintext or (is_loopback(host) and not self.proxy)


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The files of `folder`, or the copies of them that a service has among its `credentials`. All
    paths are those in the folder."""

    folder: Path
    credentials: Path | None = None

    def tables(self) -> Iterable[Path]:
        """The .toml files. A folder that cannot be read raises BadConfiguration."""
        where, prefix = self.folder, ""
        if self.credentials is not None:
            where, prefix = self.credentials, COPY_PREFIX
        try:
            names = sorted(path.name for path in where.iterdir() if path.suffix == ".toml")
        except FileNotFoundError:
            return []
        except OSError as error:
            if self.credentials is None:
                raise unreadable(where, error) from None
            text = tr("the service's credentials: {error}", error=error.strerror)
            raise bad(where, text) from None
        ours = (name for name in names if name.startswith(prefix))
        return [self.folder / name.removeprefix(prefix) for name in ours]

    def place(self, path: Path) -> Path:
        """The path to read a file from. Files outside the folder have no copy."""
        real = Path(os.path.normpath(path))
        if self.credentials is None or not real.is_relative_to(self.folder):
            return path
        return self.credentials / (COPY_PREFIX + "_".join(real.relative_to(self.folder).parts))

    def check_private(self, path: Path) -> None:
        """Raise ExposedKey if others can read a file or its copy, or BadConfiguration if its mode
        cannot be read."""
        place = self.place(path)
        try:
            exposed = _exposure(place.stat())
        except OSError as error:
            raise unreadable(path, error) from None
        if place != path:
            # for its user systemd may add an access list, whose mask stands in the group's place
            exposed &= ~stat.S_IRGRP
            with contextlib.suppress(OSError):  # only root can reach the original file
                exposed |= _exposure(path.stat())
        if exposed:
            refusal = ExposedKey(
                tr(
                    "{path} holds an API key and users other than its owner can read it.", path=path
                ),
                tr(
                    "Run: chown root {path} && chmod 600 {path}. Replace the key if others may "
                    "have read it.",
                    path=path,
                ),
            )
            refusal.afterwards = FOR_THE_QUEUE
            raise refusal


def read_servers(files: KeyFiles, name: str | None = None) -> tuple[Server, ...]:
    """The entries of all files, or those of the server with this name. Then other servers' keys are
    not kept in memory, and mistakes in files that do not mention the server are not found.

    Raises BadConfiguration for a file that cannot be read or contains a mistake, and ExposedKey for
    a file that others can read.
    """
    paths = files.tables()
    if name is not None:
        host, _ = parse_server(name)
        paths = [path for path in paths if _mentions(files.place(path), host)]
    servers = tuple(each for path in paths for each in read_server_file(path, files, name))
    seen: set[tuple[str, str | None]] = set()
    for server in servers:
        host, company = server.name, server.company
        if (host, company) in seen:
            text = tr(
                "host {host} with company {company} has two entries", host=host, company=company
            )
            raise bad(files.folder, text)
        seen.add((host, company))
    return servers


def read_server_file(
    path: Path, files: KeyFiles | None = None, name: str | None = None
) -> list[Server]:
    """The entries of one of `files`, or of a file of its own; otherwise as `read_servers`."""
    files = files or KeyFiles(path.parent)
    files.check_private(path)
    table = read_table(path, at=files.place(path))
    entries = [(_name(entry), entry) for entry in table.entries("server", SERVER_NAMES)]
    return [_server(own, entry, files) for own, entry in entries if name in (None, own)]


def _mentions(path: Path, host: str) -> bool:
    """Whether a file may have an entry for a host. A file that cannot be read may have one."""
    try:
        with path.open("rb", buffering=0) as file:
            text = bytearray(os.fstat(file.fileno()).st_size)
            file.readinto(text)
    except OSError:
        return True
    # TOML can write any letter as an escape
    found = b"\\" in text or re.search(re.escape(host.encode()), text, re.IGNORECASE) is not None
    text[:] = bytes(len(text))  # memory that is freed keeps its content, and this may be a key
    return found


def check_connections(connections: int | None, table: Table) -> None:
    """Raise BadConfiguration if `table` sets too few or too many connections."""
    if connections is not None and not 1 <= connections <= 32:
        raise table.bad(tr("connections must be from 1 to 32"))


def _name(entry: Table) -> str:
    try:
        return server_name(*parse_server(entry.take("host", str)))
    except ValueError:
        raise entry.bad(
            joined("; ", (tr("'host' is not a host name, or host name and port"), NOT_SHOWN))
        ) from None


def _server(name: str, entry: Table, files: KeyFiles) -> Server:
    others = ("host", "api_key", "api_key_file")
    said = entry.without(others).settings(Server, SERVER_NAMES)
    try:
        said["locations"] = tuple(map(text_of, said.get("locations", ())))
        for listed in (*said["locations"], said.get("company")):
            if listed is not None:
                check_id(listed)
    except ValueError as error:
        raise entry.bad(tr("a name of a company or location {error}", error=error)) from None
    server = Server(name, _api_key(entry, files), **said)
    check_connections(server.connections, entry)
    if server.proxy is not None and not _is_proxy(server.proxy):
        raise entry.bad(tr("'proxy' is not of the form http://HOST:PORT"))
    if server.ca_file and not os.access(server.ca_file, os.R_OK):
        raise entry.bad(tr("ca_file {file} cannot be read", file=server.ca_file))
    if server.encryption not in (None, *ENCRYPTION):
        raise entry.bad(tr("'encryption' must be one of {values}", values=", ".join(ENCRYPTION)))
    if server.encryption == "never" and not server.may_be_plain:
        raise entry.bad(
            tr(
                "'encryption' is never, but what is sent to {server} leaves this machine: remove "
                "it, or set allow_plaintext = true",
                server=server.name,
            )
        )
    return server


def _api_key(entry: Table, files: KeyFiles) -> Secret:
    text, file = entry.take("api_key", str, None), entry.take("api_key_file", str, None)
    if text is None and file is None:
        raise entry.bad(
            tr("the key is missing: add api_key, or api_key_file with the path of a file")
        )
    if text is not None and file is not None:
        raise entry.bad(tr("api_key and api_key_file are both set; remove one of them"))
    what: str = "api_key"
    if file == "":
        raise entry.bad(tr("api_key_file is empty; it must be the path of a file"))
    if file is not None:
        what = tr("the file that api_key_file names")
        text = _content(entry, files, file, what)
    key = (text or "").strip()
    if not key:
        raise entry.bad(
            tr("{what} is empty; enter the key from the server's administrator", what=what)
        )
    if not is_key(key):
        raise entry.bad(
            tr("{what} contains spaces, line breaks or characters that no key has", what=what)
        )
    return Secret(key)


def is_key(text: str) -> bool:
    """Whether a text can be a key."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _content(entry: Table, files: KeyFiles, file: str, what: str) -> str:
    path = entry.source.parent / file
    try:
        files.place(path).stat()
    except (OSError, ValueError) as error:
        why = [getattr(error, "strerror", None) or tr("it is not a valid path")]
        if files.credentials is not None:
            why.append(tr("the service can read only files in servers.d"))
        text = tr("{what} cannot be read ({why})", what=what, why=joined("; ", why))
        raise entry.bad(joined("; ", (text, NOT_SHOWN))) from None
    files.check_private(path)
    try:
        return files.place(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None


def _is_proxy(text: str) -> bool:
    """Whether requests can use it; its own error would show the password that may be in it."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _exposure(status: os.stat_result) -> int:
    """The rights to a file of users other than root and this process's user."""
    if status.st_uid not in (0, os.geteuid()):
        return stat.S_IRWXU
    return stat.S_IMODE(status.st_mode) & 0o077
