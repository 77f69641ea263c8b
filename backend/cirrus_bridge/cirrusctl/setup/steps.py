"""Use case: set up a server and queues, in steps.

The steps ask no questions. After an error, the caller may repeat a step with other values.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.connectivity import addresses
from cirrus_bridge.api.mdns import LanServer
from cirrus_bridge.base.errors import (
    BadConfiguration,
    CirrusError,
    CupsNotPossible,
    Unreachable,
    UsageError,
)
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import TIMEOUTS, Installation
from cirrus_bridge.cirrusctl.queues.names import queue_name
from cirrus_bridge.config.load import load
from cirrus_bridge.config.queue_uri import check_id, is_loopback, parse_server, server_name
from cirrus_bridge.config.servers import Secret, Server, read_server_file
from cirrus_bridge.config.write import check_writable, server_toml, write_private
from cirrus_bridge.cups.queues import CupsQueues, QueueChange
from cirrus_bridge.drivers.devices import Driver, devices

NO_KEY = Secret("no key yet")  # `version` needs no key
COLOR_LEFT_OPEN: Mapping[str, str | None] = {"print-color-mode": "auto"}


class WrongAnswer(UsageError):
    """An unusable answer to a question, or value of its option."""

    code = ""  # shown at once to the user who gave the answer


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """A server that is being set up."""

    server: Server

    @property
    def plain(self) -> bool:
        """Whether the server is used without TLS."""
        return self.server.encryption == "never"

    @property
    def api(self) -> CloudApi:
        """An API client with the settings so far."""
        company = self.server.company or ""
        return CloudApi(self.server, company, https=not self.plain, timeouts=TIMEOUTS, sets_up=True)

    def with_(self, **changes: Any) -> ServerDraft:
        """A copy with changed settings of the server."""
        return replace(self, server=replace(self.server, **changes))


def check_ready(installation: Installation, *, adds_queues: bool) -> None:
    """Check, before the first question, that the results can be saved.

    Raises:
        BadConfiguration: servers.d cannot be written.
        CirrusError: CUPS does not answer, or refuses.
    """
    check_writable(installation.config / "servers.d" / "*.toml")
    if adds_queues:
        installation.cups.version()


def draft(address: str, *, ca_file: str | None, proxy: str | None, plain: bool) -> ServerDraft:
    """Make a draft for the server at HOST or HOST:PORT.

    Raises:
        WrongAnswer: the address is invalid, or the CA's file cannot be read.
    """
    try:
        host, port = parse_server(address.strip())
    except ValueError as error:
        raise WrongAnswer(tr("{error}. Write HOST, or HOST:PORT.", error=error)) from None
    if ca_file is not None and not os.access(ca_file, os.R_OK):
        raise WrongAnswer(
            tr(
                "Cannot read --ca-file {ca_file}. Name the file of the CA that signed the "
                "server's certificate.",
                ca_file=ca_file,
            )
        )
    server = Server(
        server_name(host, port),
        NO_KEY,
        ca_file=ca_file,
        proxy=proxy,
        encryption="never" if plain else "required",
    )
    return ServerDraft(replace(server, allow_plaintext=plain and not server.may_be_plain))


def address_of(announced: LanServer) -> str:
    """HOST:PORT of an announced server.

    A server on this machine gets its loopback address. Another server gets its name, which its
    certificate has, if this machine can resolve the name.
    """
    hosts = sorted(announced.hosts, key=is_loopback, reverse=True)
    host = next((each for each in hosts if _is_known(each)), hosts[0])
    return f"[{host}]:{announced.port}" if ":" in host else f"{host}:{announced.port}"


def _is_known(host: str) -> bool:
    try:
        return bool(addresses(host, 0))
    except Unreachable:
        return False


def try_server(drafted: ServerDraft) -> str:
    """Ask the server for its version.

    Raises:
        CirrusError: the server cannot be reached, or does not speak the print API.
    """
    return drafted.api.version()[0]


def try_key(drafted: ServerDraft) -> None:
    """Try the key with `tempfile`, the only request that names neither company nor location.

    Raises:
        KeyRefused: the server refuses the key.
        CirrusError: the request failed.
    """
    drafted.api.temp_file()


def try_location(drafted: ServerDraft, location: str) -> list[Driver]:
    """The active devices of a location.

    Raises:
        WrongAnswer: the id is invalid.
        KeyRefused: the server refuses the key.
        NotPermitted: the key is not valid for this company.
        CirrusError: there is no such location, or the request failed.
    """
    try:
        check_id(location)
    except ValueError as error:
        raise WrongAnswer(tr("The id of a location {error}.", error=error)) from None
    server = drafted.server
    content = drafted.api.location(location)
    return list(devices(Place(server.name, server.company or "", location), content))


def server_file(folder: Path, server: Server) -> Path:
    """The file for the server's entry: the file that has the entry, or a new one.

    Raises:
        BadConfiguration: the file with this entry also has other entries.
    """
    for path in sorted(folder.glob("servers.d/*.toml")):
        there = _entries(path)
        if not any((each.name, each.company) == (server.name, server.company) for each in there):
            continue
        if len(there) > 1:
            raise BadConfiguration(
                tr("{path} has this server's entry and others.", path=path),
                tr("Change the entry in this file."),
            )
        return path
    words = filter(None, (server.name, server.company))
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words))
    numbered = (f"{stem}-{number}.toml" for number in itertools.count(2))
    paths = (folder / "servers.d" / name for name in itertools.chain([f"{stem}.toml"], numbered))
    # names of several servers and companies may give the same stem; never overwrite another key
    return next(path for path in paths if not _entries(path))


def _entries(path: Path) -> list[Server]:
    """The entries of a file of servers.d; none if it is invalid, as `write_server` will report."""
    try:
        return read_server_file(path)
    except CirrusError:
        return []


def is_written(path: Path, server: Server) -> bool:
    """Whether the file already has exactly this entry."""
    return [server_toml(each) for each in _entries(path)] == [server_toml(server)]


def write_server(folder: Path, path: Path, server: Server) -> None:
    """Write the server's entry, and check the whole configuration.

    Raises:
        CirrusError: the file cannot be written, or the configuration is invalid. The file is then
            unchanged.
    """
    before = path.read_text("utf-8") if path.exists() else None
    write_private(path, server_toml(server))
    try:
        load(folder)
    except CirrusError:
        if before is None:
            path.unlink()
        else:
            write_private(path, before)
        raise


def proposed_name(device: Driver, location: str, taken: Iterable[str]) -> str:
    """A free name for a device's queue."""
    names = {name.lower() for name in taken}
    for template in ("{device}", "{location}-{device}"):
        name = name_by(template, device, location)
        if name.lower() not in names:
            return name
    numbered = (f"{name}-{number}" for number in range(2, len(names) + 3))
    return next(each for each in numbered if each.lower() not in names)


def name_by(template: str, device: Driver, location: str) -> str:
    """Make a queue's name from a template with {location} and {device}.

    Raises:
        WrongAnswer: the template has another placeholder.
        BadConfiguration: the name is too long.
    """
    try:
        return queue_name(template, {"location": location, "device": device.key})
    except KeyError as error:
        raise WrongAnswer(
            tr(
                "The name {template} has an unknown placeholder {{{word}}} (known: "
                "{{location}}, {{device}}).",
                template=template,
                word=error.args[0],
            )
        ) from None


def add_queue(installation: Installation, name: str, device: Driver) -> None:
    """Add a queue with the device's own driver.

    Raises:
        CupsNotPossible: the name is taken, or there is no driver for the device.
        CirrusError: CUPS does not answer, or refuses.
    """
    if name.lower() in queue_names(installation.cups):
        raise CupsNotPossible(
            tr("CUPS already has a queue {name}.", name=name), tr("Choose another name.")
        )
    if device.language is None:
        raise CupsNotPossible(
            tr(
                "There is no driver for {info}, because no CUPS filter produces a format that "
                "it accepts.",
                info=device.info,
            ),
            tr(
                "Add the queue with a driver of your own: lpadmin -p {name} -E -v '{uri}' -m …",
                name=name,
                uri=device.uri,
            ),
        )
    change = QueueChange(
        device_uri=device.uri,
        info=device.info,
        location=device.place,
        ppd=device.ppd(),
        defaults=COLOR_LEFT_OPEN,
    )
    installation.cups.set_queue(name, change, is_new=True)


def queue_names(cups: CupsQueues) -> Sequence[str]:
    """The names of all queues in lower case, because CUPS ignores case."""
    return [queue.name.lower() for queue in cups.queues()]
